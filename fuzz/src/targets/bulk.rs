//! Objects of packed residues: results, totals, key contributions, switching keys, shares; and commitments to them.

use he_core::ceremony::{key_round, share_round};
use he_core::codec::{HEADER_LEN, Header};
use he_core::commit::{Commitment, Commitments, Reveal};
use he_core::grant::{COMPONENTS, SwitchingKey};
use he_core::public_key::{PublicShare, study_mask};
use he_core::result::SwitchedUnit;
use he_core::share::{DecryptionShare, ShareKind};
use he_core::totals::EncryptedTotals;
use he_core::{Digest, Params};

use super::Seeds;

pub(super) const WORDS: &[&[u8]] = &[
    b"hegwas\x01\x03",
    b"hegwas\x01\x04",
    b"hegwas\x01\x05",
    b"hegwas\x01\x06",
    b"hegwas\x01\x07",
    b"hegwas\x01\x08",
    b"hegwas\x01\x09",
    &[0xff; 7],
    &[0; 8],
];

/// Bytes of bodies that are tried: the largest switching key of the smallest parameter set has 2.2 MB.
const LONGEST_BODY: u64 = 3 << 20;

/// A header and a pattern that is repeated to the length that the header announces, so that a small input makes a large
/// object. What is accepted is what would be written.
pub(super) fn bulk(data: &[u8]) -> bool {
    let mut accepted = false;
    let object = expanded(data, LONGEST_BODY);
    let header = Header::parse(&object);
    for params in Params::ALL {
        // Context and counts are taken from the header itself: what a caller expects is tested elsewhere, and would stop
        // all of the fuzzer's inputs here.
        let (context, counts) =
            header.as_ref().map_or(([0; 16], [0; 4]), |header| (header.context, header.counts));
        let [plane, group, ..] = counts;
        let unit = SwitchedUnit::from_bytes(&object, params, context, plane as u8, group);
        if let Ok(unit) = &unit {
            accepted = true;
            assert_eq!(unit.to_bytes(context, plane as u8, group), object);
            assert_eq!(unit.ciphertexts().len(), unit.bodies() * unit.channels());
        }
        let study = Digest::of(b"study");
        let totals = EncryptedTotals::from_bytes(&object, params, study, plane as u8, group);
        if let Ok(totals) = totals {
            accepted = true;
            assert_eq!(totals.to_bytes(study, plane as u8, group), object);
            assert_eq!(totals.into_unit().contributions(), 1);
        }
        if let Ok(share) = PublicShare::from_bytes(&object, params, study) {
            accepted = true;
            assert_eq!(share.to_bytes(), object);
        }
        if let Ok(key) = SwitchingKey::from_bytes(&object, params, study) {
            accepted = true;
            assert_eq!(key.to_bytes(study), object);
        }
    }
    let unit = reference_unit();
    for kind in [ShareKind::Open, ShareKind::Refresh] {
        if let Ok(share) = DecryptionShare::read(&object, &unit, SHARED, kind) {
            accepted = true;
            assert_eq!(share.to_bytes(SHARED), object);
        }
    }
    accepted | committed(&object)
}

/// Commitments and reveals of both rounds.
fn committed(object: &[u8]) -> bool {
    let study = Digest::of(b"study");
    let mut accepted = false;
    for round in [key_round(study), share_round(study)] {
        if let Ok(commitment) = Commitment::from_bytes(object, round) {
            accepted = true;
            assert_eq!(commitment.to_bytes(), object);
        }
        if let Ok(reveal) = Reveal::from_bytes(object, round) {
            accepted = true;
            assert_eq!(reveal.to_bytes(), object);
            let other = Commitment::new(round, "anna", &[0; 32], b"object").to_bytes();
            let commitments = Commitments::collect(round, &["anna"], [("anna", &other[..])])
                .expect("a complete round");
            // Only the reveal that the commitment was made for opens it.
            let is_signed = |_: &str, _: &[u8], signature: &[u8; 64]| *signature == [0; 64];
            let opened = commitments.open_signed("anna", object, is_signed).is_ok();
            assert_eq!(opened, object == good_reveal(&commitments));
        }
    }
    accepted
}

fn good_reveal(commitments: &Commitments) -> Vec<u8> {
    Reveal::new(commitments, [0; 32], b"object".to_vec()).to_bytes()
}

const SHARED: [u8; 16] = [6; 16];

/// The unit that shares are read for: one body, one channel.
fn reference_unit() -> SwitchedUnit {
    let params = Params::N2048Q50;
    let object = expanded(&header(3, params, [0; 16], [0, 0, 1, 1], 2), LONGEST_BODY);
    SwitchedUnit::from_bytes(&object, params, [0; 16], 0, 0).expect("a sound unit")
}

/// The header and, if that announces no more than `longest` bytes, the pattern behind it as often as it takes.
pub(super) fn expanded(data: &[u8], longest: u64) -> Vec<u8> {
    let Ok(parsed) = Header::parse(data) else { return data.to_vec() };
    let (head, pattern) = data.split_at(HEADER_LEN);
    let mut object = head.to_vec();
    if parsed.length <= longest {
        let zero = [0];
        let pattern = if pattern.is_empty() { &zero[..] } else { pattern };
        object.extend(pattern.iter().copied().cycle().take(parsed.length as usize));
    }
    object
}

/// A header for so many polynomials.
fn header(
    kind: u8,
    params: Params,
    context: [u8; 16],
    counts: [u32; 4],
    polynomials: usize,
) -> Vec<u8> {
    // 50 bits a word.
    let length = polynomials * params.words() * 50 / 8;
    header_bytes(kind, length as u64, params.digest().short(), context, counts)
}

/// The bytes of a header.
pub(super) fn header_bytes(
    kind: u8,
    length: u64,
    params: [u8; 16],
    context: [u8; 16],
    counts: [u32; 4],
) -> Vec<u8> {
    let mut bytes = b"hegwas\x01".to_vec();
    bytes.push(kind);
    bytes.extend(length.to_le_bytes());
    bytes.extend(params);
    bytes.extend(context);
    bytes.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
    bytes
}

pub(super) fn seeds() -> Seeds {
    let small = Params::N2048Q50;
    let study = Digest::of(b"study").short();
    let digits = small.limbs() * small.gadget_digits();
    let of = |head: Vec<u8>, pattern: &[u8]| [head, pattern.to_vec()].concat();
    let share =
        PublicShare::new(small, Digest::of(b"study"), study_mask(small, Digest::of(b"words")))
            .to_bytes();
    let commitment = Commitment::new(key_round(Digest::of(b"study")), "anna", &[0; 32], b"object");
    let commitment = commitment.to_bytes();
    let round = key_round(Digest::of(b"study"));
    let complete = Commitments::collect(round, &["anna"], [("anna", &commitment[..])]);
    let reveal = complete.map(|c| good_reveal(&c)).expect("a complete round");
    let mut purpose = commitment.clone();
    purpose[48] = 3;
    vec![
        ("good-unit", of(header(3, small, [0; 16], [1, 2, 2, 3], 12), &[1, 0, 0, 0, 0])),
        ("good-unit-large", of(header(3, Params::N8192Q200, [0; 16], [0, 0, 1, 1], 2), &[0])),
        (
            "good-switching-key",
            of(
                header(4, small, study, [COMPONENTS as u32, 0, 0, 0], COMPONENTS * digits * 2),
                &[7, 0, 0],
            ),
        ),
        ("good-contribution", of(header(5, Params::N4096Q100, study, [0; 4], 1), &[9, 0])),
        ("good-contribution-random", share),
        ("good-share", of(header(6, small, SHARED, [1, 1, 0, 0], 1), &[3, 0])),
        ("good-share-refresh", of(header(6, small, SHARED, [1, 1, 1, 0], 1), &[3, 0])),
        ("good-unit-three", of(header(3, small, [0; 16], [0, 0, 1, 1 | 2 << 16], 2), &[1, 0])),
        ("good-totals", of(header(9, small, study, [255, 0, 1, 2], 4), &[5, 0])),
        ("good-commitment", commitment.clone()),
        ("good-reveal", reveal.clone()),
        ("bad-reveal", of(reveal[..64 - 4].to_vec(), &[1, 0, 0, 0])),
        ("bad-commitment", purpose),
        ("bad-totals", of(header(9, small, study, [255, 0, 1, 2 | 1 << 16], 4), &[5, 0])),
        ("bad-share-kind", of(header(6, small, SHARED, [1, 1, 2, 0], 1), &[3, 0])),
        ("bad-residue", of(header(5, small, study, [0; 4], 1), &[0xff])),
        ("bad-bodies", of(header(3, small, [0; 16], [0, 0, 9, 1], 18), &[0])),
        ("bad-channels", of(header(3, small, [0; 16], [0, 0, 1, 18], 36), &[0])),
        ("bad-counts", of(header(3, small, [0; 16], [0, 0, 1, 1], 4), &[0])),
        ("bad-params", of(header(5, small, study, [0; 4], 2), &[0])),
        (
            "bad-context",
            of(
                header(4, small, [9; 16], [COMPONENTS as u32, 0, 0, 0], COMPONENTS * digits * 2),
                &[0],
            ),
        ),
    ]
}
