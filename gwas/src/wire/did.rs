//! Identities of parties: Ed25519 public keys as `did:key`.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A party: `did:key:z6Mk...`, the Ed25519 public key it signs with (W3C did:key, multicodec 0xed).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Did([u8; 32]);

/// A text that is not the did:key of an Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a party: expected did:key:z6Mk..., the did:key of an Ed25519 public key")]
pub struct ParseDidError;

const PREFIX: &str = "did:key:z";
const MULTICODEC: [u8; 2] = [0xed, 0x01];

impl Did {
    /// The party with that public key; refuses bytes that are not a point of the curve or a point of small order.
    pub fn new(public_key: [u8; 32]) -> Result<Self, ParseDidError> {
        match ed25519_dalek::VerifyingKey::from_bytes(&public_key) {
            Ok(key) if !key.is_weak() => Ok(Self(public_key)),
            _ => Err(ParseDidError),
        }
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this party's over `message` (strict verification).
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
        })
    }

    /// The same of the party with that did:key, as `he_core::commit` names parties; a text that is none has signed nothing.
    pub fn named_verifies(party: &str, message: &[u8], signature: &[u8; 64]) -> bool {
        party.parse::<Self>().is_ok_and(|party| party.verifies(message, signature))
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&MULTICODEC[..], &self.0].concat();
        write!(f, "{PREFIX}{}", bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Did {
    type Err = ParseDidError;

    fn from_str(text: &str) -> Result<Self, ParseDidError> {
        let encoded = text.strip_prefix(PREFIX).filter(|e| e.len() <= 64).ok_or(ParseDidError)?;
        let bytes = bs58::decode(encoded).into_vec().map_err(|_| ParseDidError)?;
        let key = bytes.strip_prefix(&MULTICODEC).ok_or(ParseDidError)?;
        Self::new(key.try_into().map_err(|_| ParseDidError)?)
    }
}

impl Serialize for Did {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Did {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parsed = if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse()
        } else {
            Self::new(<[u8; 32]>::deserialize(deserializer)?)
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_vector_round_trips() {
        // W3C CCG did:key, Ed25519 example.
        let text = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
        let did: Did = text.parse().unwrap();
        assert_eq!(did.to_string(), text);
    }

    #[test]
    fn anything_else_is_refused() {
        let secp = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"; // another multicodec
        for bad in [
            "",
            "did:key:",
            "did:key:z",
            "did:web:example.org",
            secp,
            &format!("did:key:z{}", "1".repeat(5000)),
        ] {
            assert_eq!(bad.parse::<Did>(), Err(ParseDidError), "{bad}");
        }
        assert!(Did::new([0; 32]).is_err(), "small order");
    }
}
