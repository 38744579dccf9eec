//! Objects of the finishing ring: contributions to its keys, mask ciphertexts, evaluated results, release shares.

use he_core::Digest;
use he_core::ckks::params::BASE_LIMBS;
use he_core::ckks::{
    CkksParams, CkksPublicShare, EvaluatedResult, MaskCiphertext, ReleaseShare, RelinShare,
};
use he_core::codec::Header;

use super::Seeds;
use super::bulk::{expanded, header_bytes};

pub(super) const WORDS: &[&[u8]] = &[
    b"hegwas\x01\x40",
    b"hegwas\x01\x41",
    b"hegwas\x01\x42",
    b"hegwas\x01\x43",
    b"hegwas\x01\x44",
    &[0xff; 7],
    &[0; 8],
];

/// Bytes of bodies that are tried: two polynomials of fifteen primes at the smaller degree have 6.1 MB.
const LONGEST_BODY: u64 = 7 << 20;

/// As the target of the first ring: a header and a pattern; what is accepted is what would be written.
pub(super) fn finishing(data: &[u8]) -> bool {
    let object = expanded(data, LONGEST_BODY);
    // The number is the header's own: what a caller expects is tested elsewhere.
    let number = Header::parse(&object).map_or(0, |header| header.counts[0]);
    let (study, job, result) = (digest(b"study"), digest(b"job"), digest(b"result"));
    let same = |bytes: Vec<u8>| {
        assert_eq!(bytes, object);
        true
    };
    let mut accepted = false;
    for params in CkksParams::ALL {
        let share = CkksPublicShare::from_bytes(&object, params, study);
        accepted |= share.is_ok_and(|share| same(share.to_bytes()));
        let relin = RelinShare::from_bytes(&object, params, study, number as usize);
        accepted |= relin.is_ok_and(|share| same(share.to_bytes()));
        let mask = MaskCiphertext::from_bytes(&object, params, job, (number, params.limbs()));
        accepted |= mask.is_ok_and(|mask| same(mask.to_bytes()));
        let evaluated = EvaluatedResult::from_bytes(&object, params, &job, number);
        accepted |= evaluated.is_ok_and(|evaluated| {
            let ciphertext = evaluated.ciphertext();
            assert!(ciphertext.limbs() == BASE_LIMBS && ciphertext.scale().is_normal());
            same(evaluated.to_bytes(&job, number))
        });
        let share = ReleaseShare::from_bytes(&object, params, &result);
        accepted |= share.is_ok_and(|share| same(share.to_bytes(&result)));
    }
    accepted
}

fn digest(name: &[u8]) -> Digest {
    Digest::of(name)
}

/// A header for so many polynomials of so many primes.
fn header(
    kind: u8,
    params: CkksParams,
    context: &[u8],
    counts: [u32; 4],
    polynomials: usize,
    limbs: usize,
) -> Vec<u8> {
    let length = polynomials * limbs * params.degree() * 50 / 8;
    header_bytes(kind, length as u64, params.digest().short(), digest(context).short(), counts)
}

pub(super) fn seeds() -> Seeds {
    let [small, middle, large, deep] = CkksParams::ALL;
    let of = |head: Vec<u8>, pattern: &[u8]| [head, pattern.to_vec()].concat();
    let scale = |scale: f64| {
        let bits = scale.to_bits();
        [4, BASE_LIMBS as u32, bits as u32, (bits >> 32) as u32]
    };
    let result = |scale_counts| header(67, small, b"job", scale_counts, 2, BASE_LIMBS);
    let good_scale = scale(2f64.powi(100));
    let share = |context: &[u8]| header(68, small, context, [0; 4], 1, BASE_LIMBS);
    let mut version = share(b"result");
    version[6] = 2;
    let key = |params: CkksParams| header(64, params, b"study", [0; 4], 1, params.all_limbs());
    vec![
        ("good-key", of(key(small), &[7, 0, 0])),
        ("good-key-middle", of(key(middle), &[7, 0, 0])),
        (
            "good-relinearisation",
            of(header(65, small, b"study", [4, 0, 0, 0], 2, small.all_limbs()), &[9, 0]),
        ),
        (
            "good-mask",
            of(header(66, small, b"job", [31, 0, 0, 0], 1, small.limbs()), &[1, 0, 0, 0, 0]),
        ),
        ("good-result", of(result(good_scale), &[3, 0])),
        ("good-share", of(share(b"result"), &[5, 0])),
        ("good-share-large", of(header(68, large, b"result", [0; 4], 1, BASE_LIMBS), &[5, 0])),
        ("good-share-deep", of(header(68, deep, b"result", [0; 4], 1, BASE_LIMBS), &[5, 0])),
        ("bad-residue", of(share(b"result"), &[0xff])),
        ("bad-context", of(share(b"another"), &[0])),
        ("bad-version", of(version, &[0])),
        ("bad-share-counts", of(header(68, small, b"result", [1, 0, 0, 0], 1, BASE_LIMBS), &[0])),
        ("bad-share-limbs", of(header(68, small, b"result", [0; 4], 1, BASE_LIMBS + 1), &[0])),
        ("bad-key-as-mask", of(header(66, small, b"study", [0; 4], 1, small.all_limbs()), &[0])),
        (
            "bad-relinearisation-half",
            of(header(65, small, b"study", [4, 0, 0, 0], 1, small.all_limbs()), &[0]),
        ),
        ("bad-mask-set", of(header(66, middle, b"job", [0; 4], 1, small.limbs()), &[0])),
        ("bad-result-primes", of(result([4, 2, good_scale[2], good_scale[3]]), &[0])),
        ("bad-result-scale", of(result(scale(2f64.powi(141))), &[0])),
        ("bad-result-scale-negative", of(result(scale(-1e30)), &[0])),
        ("bad-result-scale-nan", of(result(scale(f64::NAN)), &[0])),
        ("bad-result-truncated", result(good_scale)[..40].to_vec()),
    ]
}
