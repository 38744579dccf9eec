//! The signature base (RFC 9421 section 2.5) and the two headers as structured fields (RFC 9651).

use sfv::{
    BareItem, DictSerializer, Dictionary, Integer, Item, KeyRef, ListEntry, Parser, StringRef,
};

use super::{HttpSigError, LABEL, MAX_HEADER, Window};

const INPUT: &str = "Signature-Input";
const SIGNATURE: &str = "Signature";
const NONCE_LENGTH: core::ops::RangeInclusive<usize> = 16..=64;

/// Value of a signature parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parameter<'a> {
    /// A time.
    Integer(u64),
    /// Printable ASCII.
    Text(&'a str),
}

/// The signature parameters as they stand in the base and in `Signature-Input`: `("@method" ...);created=...`.
pub fn signature_params(
    names: &[&str],
    parameters: &[(&str, Parameter<'_>)],
) -> Result<String, HttpSigError> {
    let bad =
        |what: &str| malformed(INPUT, format!("{what} can't be written as a structured field"));
    let mut dictionary = DictSerializer::new();
    let mut list = dictionary.inner_list(sfv::key_ref("x"));
    for name in names {
        list.bare_item(StringRef::from_str(name).map_err(|_| bad("a component name"))?);
    }
    let mut serializer = list.finish();
    for (key, value) in parameters {
        let key = KeyRef::from_str(key).map_err(|_| bad("a parameter name"))?;
        serializer = match value {
            Parameter::Integer(n) => {
                serializer.parameter(key, Integer::try_from(*n).map_err(|_| bad("a time"))?)
            }
            Parameter::Text(text) => {
                serializer.parameter(key, StringRef::from_str(text).map_err(|_| bad("a text"))?)
            }
        };
    }
    let text = dictionary.finish().unwrap_or_default();
    Ok(text.strip_prefix("x=").unwrap_or_default().to_owned())
}

/// The signature base: a line for each component, then the parameters.
pub fn signature_base<'a>(
    components: impl IntoIterator<Item = (&'a str, &'a str)>,
    params: &str,
) -> String {
    let mut base: String =
        components.into_iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
    base.push_str("\"@signature-params\": ");
    base.push_str(params);
    base
}

/// What a `Signature-Input` of the profile says.
pub(super) struct SignatureInput {
    pub(super) covered: Vec<String>,
    pub(super) window: Window,
    pub(super) nonce: String,
    pub(super) keyid: String,
    pub(super) alg: String,
    /// The parameters' text, for the base.
    pub(super) params: String,
}

pub(super) fn parse_signature_input(header: &str) -> Result<SignatureInput, HttpSigError> {
    let bad = |detail: &str| malformed(INPUT, detail.to_owned());
    let ListEntry::InnerList(list) = only_member(INPUT, header)? else {
        return Err(bad("the label does not name a list of components"));
    };
    let name = |item: &Item| {
        item.bare_item.as_string().filter(|_| item.params.is_empty()).map(|s| s.as_str().to_owned())
    };
    let covered: Option<Vec<_>> = list.items.iter().map(name).collect();
    let covered = covered.ok_or_else(|| bad("components are strings without parameters"))?;
    let time = |key: &str| {
        let value = list.params.get(KeyRef::from_str(key).ok()?)?.as_integer()?;
        u64::try_from(value).ok()
    };
    let text = |key: &str| {
        Some(list.params.get(KeyRef::from_str(key).ok()?)?.as_string()?.as_str().to_owned())
    };
    let missing = |key: &str| {
        malformed(INPUT, format!("the parameter {key} is missing or of the wrong type"))
    };
    let window = Window {
        created: time("created").ok_or_else(|| missing("created"))?,
        expires: time("expires").ok_or_else(|| missing("expires"))?,
    };
    let nonce = text("nonce").ok_or_else(|| missing("nonce"))?;
    if !NONCE_LENGTH.contains(&nonce.len()) {
        return Err(bad("a nonce has 16 to 64 characters"));
    }
    let keyid = text("keyid").ok_or_else(|| missing("keyid"))?;
    let alg = text("alg").ok_or_else(|| missing("alg"))?;
    if list.params.len() != 5 {
        return Err(bad("the parameters are created, expires, nonce, keyid and alg"));
    }
    let params = header.get(LABEL.len() + 1..).unwrap_or_default().to_owned();
    Ok(SignatureInput { covered, window, nonce, keyid, alg, params })
}

pub(super) fn signature_header(signature: &[u8; 64]) -> Result<String, HttpSigError> {
    bytes_header(SIGNATURE, LABEL, signature)
}

pub(super) fn parse_signature(header: &str) -> Result<[u8; 64], HttpSigError> {
    let bytes = parse_bytes_header(SIGNATURE, LABEL, header)?;
    bytes
        .try_into()
        .map_err(|_| malformed(SIGNATURE, "an Ed25519 signature has 64 bytes".to_owned()))
}

/// `key=:base64:`.
pub(super) fn bytes_header(
    header: &'static str,
    key: &str,
    bytes: &[u8],
) -> Result<String, HttpSigError> {
    let key = KeyRef::from_str(key).map_err(|e| malformed(header, e.to_string()))?;
    let mut dictionary = DictSerializer::new();
    dictionary.bare_item(key, bytes);
    Ok(dictionary.finish().unwrap_or_default())
}

/// The bytes of `key=:base64:`, which must be all there is.
pub(super) fn parse_bytes_header(
    header: &'static str,
    key: &str,
    value: &str,
) -> Result<Vec<u8>, HttpSigError> {
    match only_member_named(header, key, value)? {
        ListEntry::Item(Item { bare_item: BareItem::ByteSequence(bytes), params })
            if params.is_empty() =>
        {
            Ok(bytes)
        }
        _ => Err(malformed(header, format!("expected {key}=:base64:"))),
    }
}

fn only_member(header: &'static str, value: &str) -> Result<ListEntry, HttpSigError> {
    only_member_named(header, LABEL, value)
}

/// Parses a dictionary of one member with the given key, in canonical form. Parsers keep the last of duplicate keys;
/// comparing with the canonical form refuses duplicates and everything else that two parsers could read differently.
fn only_member_named(
    header: &'static str,
    key: &str,
    value: &str,
) -> Result<ListEntry, HttpSigError> {
    if value.len() > MAX_HEADER {
        return Err(HttpSigError::TooLong(header));
    }
    let dictionary: Dictionary =
        Parser::new(value).parse().map_err(|e| malformed(header, e.to_string()))?;
    let mut canonical = DictSerializer::new();
    canonical.members(&dictionary);
    if canonical.finish().as_deref() != Some(value) {
        return Err(malformed(
            header,
            "it is not in canonical form, or a key occurs twice".to_owned(),
        ));
    }
    let mut members = dictionary.into_iter();
    match (members.next(), members.next()) {
        (Some((name, entry)), None) if name.as_str() == key => Ok(entry),
        _ => Err(malformed(header, format!("its only member must be {key}"))),
    }
}

fn malformed(header: &'static str, detail: String) -> HttpSigError {
    HttpSigError::Malformed { header, detail }
}
