//! Shares of totals: what is to be read is read, and the mask of one honest holder hides all the rest.

use he_core::Digest;
use he_core::params::Params;
use he_core::result::SwitchedUnit;
use he_core::share::{
    CombineError, DecryptionShare, Readable, ShareKind, combine, combine_readable, measure_noise,
};
use he_core_secret::{Entropy, Totals, encrypt_totals, totals_share};

use crate::three_holders;
use crate::world::{Consortium, digits};

const PARAMS: Params = Params::N8192Q150;
const N: usize = 8192;
const CHANNELS: usize = 2;
/// The first body of two and a little of the second.
const PATTERNS: usize = N + 5;

/// A unit of two bodies that is no honest totals: values everywhere.
fn world() -> (Consortium, SwitchedUnit, Vec<i64>) {
    let world = Consortium::new(three_holders(), PARAMS);
    let values: Vec<i64> = digits(1, 401).map(|d| d as i64 - 200).take(2 * CHANNELS * N).collect();
    let totals = Totals { people: 200, plane: 255, group: 0, channels: CHANNELS, values: &values };
    let entropy = Entropy::insecure_deterministic(2);
    let object = encrypt_totals(&world.ring, &world.plan, &world.public, &entropy, &totals);
    (world, object.unwrap().into_unit(), values)
}

fn readable() -> Readable {
    Readable::of_patterns(PARAMS, PATTERNS as u32, 0)
}

fn masked(world: &Consortium, job: &[u8], unit: &SwitchedUnit) -> Vec<DecryptionShare> {
    let admitted = world.admit(Digest::of(job), ShareKind::Open, unit);
    let share = |key| totals_share(&world.ring, key, &admitted, unit, readable()).unwrap();
    world.holders.iter().map(share).collect()
}

/// Whether a coefficient, counted through bodies and channels, is to be read.
fn is_readable(at: usize) -> bool {
    let (body, coefficient) = (at / N / CHANNELS, at % N);
    body * N + coefficient < PATTERNS
}

#[test]
fn readable_coefficients_are_counted_through_bodies_and_objects() {
    let counts = |patterns, group| {
        let readable = Readable::of_patterns(PARAMS, patterns, group);
        [0, 1, 7].map(|body| readable.in_body(PARAMS, body))
    };
    assert_eq!(counts(1, 0), [1, 0, 0]);
    assert_eq!(counts(N as u32 + 5, 0), [N, 5, 0]);
    assert_eq!(counts(8 * N as u32 + 3, 0), [N, N, N]);
    assert_eq!(counts(8 * N as u32 + 3, 1), [3, 0, 0]);
    assert_eq!(counts(1, u32::MAX), [0, 0, 0]);
}

#[test]
fn masked_shares_open_what_is_to_be_read_and_nothing_else() {
    let (world, unit, values) = world();
    let shares = masked(&world, b"job", &unit);
    let opened = combine_readable(&world.ring, &world.plan, &unit, &shares, readable()).unwrap();
    for (number, expected) in values.chunks_exact(N).enumerate() {
        let opened = opened.get(number / CHANNELS, number % CHANNELS);
        for (at, (found, value)) in opened.iter().zip(expected).enumerate() {
            let expected = if is_readable(number * N + at) { *value } else { 0 };
            assert_eq!(*found, expected, "{number} {at}");
        }
    }
    let all = combine(&world.ring, &world.plan, &unit, &shares);
    assert_eq!(all, Err(CombineError::OutOfRange));
}

#[test]
fn repeated_shares_are_the_same() {
    let (world, unit, _) = world();
    let first = masked(&world, b"job", &unit);
    // Keys derived anew, as after a restart.
    let again = Consortium::new(three_holders(), PARAMS);
    assert!(masked(&again, b"job", &unit) == first);
    let other = masked(&world, b"another job", &unit);
    assert!(first.iter().all(|share| !other.contains(share)));
    // Known answer: any change of these words is another mask on the same C1.
    let bytes = first[0].to_bytes([1; 16]);
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "2916c054a8e7088fb94bc23898fdac0d6fc16e55dddd79bbf92fbbba468fb920"
    );
}

/// Beside holders who mask nothing, as if they were in league, one who does hides the rest.
#[test]
fn one_honest_holder_hides_what_is_not_to_be_read() {
    let (world, unit, _) = world();
    let plain = world.shares(Digest::of(b"job"), &unit);
    let masked = masked(&world, b"job", &unit);
    let one = [plain[0].clone(), masked[1].clone(), plain[2].clone()];
    assert!(combine(&world.ring, &world.plan, &unit, &plain).is_ok());
    assert!(combine(&world.ring, &world.plan, &unit, &one).is_err());
    assert!(combine_readable(&world.ring, &world.plan, &unit, &one, readable()).is_ok());
    // What is left lies uniformly between the multiples of the scale: of four polynomials two are read, but for a little.
    let scale = world.plan.delta_g() as f64 * world.plan.delta_y() as f64;
    let (rms, _) = measure_noise(&world.ring, &world.plan, &unit, &one).unwrap();
    let ratio = rms / (scale / 24f64.sqrt());
    assert!((0.97..1.03).contains(&ratio), "{ratio}");

    // The mask itself: nothing where it is to be read, in every limb uniform elsewhere, and another for each ciphertext.
    let limbs = PARAMS.limbs();
    let mut masks = Vec::new();
    let ciphertexts = masked[1].words().chunks_exact(limbs * N);
    for (masked, plain) in ciphertexts.zip(plain[1].words().chunks_exact(limbs * N)) {
        let pairs = masked.chunks_exact(N).zip(plain.chunks_exact(N)).zip(PARAMS.moduli());
        let mut mask: Vec<u64> = pairs
            .flat_map(|((a, b), m)| a.iter().zip(b).map(move |(&a, &b)| m.sub(a, b)))
            .collect();
        world.ring.inverse(&mut mask);
        masks.push(mask);
    }
    for (number, mask) in masks.iter().enumerate() {
        for (words, m) in mask.chunks_exact(N).zip(PARAMS.moduli()) {
            let (mut counts, mut hidden) = ([0f64; 64], 0.0);
            for (at, &word) in words.iter().enumerate() {
                if is_readable(number * N + at) {
                    assert_eq!(word, 0);
                } else {
                    hidden += 1.0;
                    counts[(u128::from(word) * 64 / u128::from(m.value())) as usize] += 1.0;
                }
            }
            let expected: f64 = hidden / 64.0;
            if number >= CHANNELS {
                let chi: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
                assert!(chi < 130.0, "63 degrees of freedom: {chi}");
            } else {
                assert!(hidden == 0.0, "all of the first body is read");
            }
        }
    }
    let [a, b] = [&masks[CHANNELS], &masks[CHANNELS + 1]];
    assert!(a.iter().zip(b).filter(|(a, b)| a == b).count() <= 5 * limbs);
}
