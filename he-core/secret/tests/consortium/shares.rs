//! Shares: one function of their inputs, useless in part, refused when altered, and as noisy as planned.

use he_core::arith::{Crt, Scale};
use he_core::codec::CodecError;
use he_core::commit::RoundError;
use he_core::kernel::Engine;
use he_core::params::Params;
use he_core::result::SwitchedUnit;
use he_core::share::{CombineError, DecryptionShare, ShareKind, ShareLedger, combine};
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::{ShareError, decryption_share, smudged_share};

use crate::three_holders;
use crate::world::{Consortium, by_name, holder_key};

const PARAMS: Params = Params::N8192Q150;

fn world() -> (Consortium, SwitchedUnit) {
    let world = Consortium::new(three_holders(), PARAMS);
    let site = world.site(0, 5);
    let [unit, _] = world.contribution(Engine::detect(), &site);
    (world, unit)
}

fn bytes(unit: &SwitchedUnit) -> Vec<u8> {
    unit.to_bytes([1; 16], 0, 0)
}

#[test]
fn a_share_is_a_function_of_key_result_job_and_kind() {
    let (world, unit) = world();
    let (job, short) = (Digest::of(b"job"), Digest::of(&bytes(&unit)).short());
    let first: Vec<Vec<u8>> =
        world.shares(job, &unit).iter().map(|share| share.to_bytes(short)).collect();
    // Keys derived anew, as after a restart, and another ledger.
    let again = Consortium::new(three_holders(), PARAMS);
    let second: Vec<Vec<u8>> =
        again.shares(job, &unit).iter().map(|share| share.to_bytes(short)).collect();
    assert!(first == second);
    // Known answer: any change of these bytes is a change of the format, and a second share on the same C1.
    assert_eq!(
        Digest::of(&first[0]).to_string(),
        "e033278426f9e608f9165c9f97c0e50968f7b67096fe9e35bba309e775beecac"
    );
    for share in world.shares(Digest::of(b"another job"), &unit) {
        assert!(!first.contains(&share.to_bytes(short)));
    }
    assert!(first[0] != first[1], "holders have noise of their own");
    // Under one ledger a further job with the same C1 gets the same share: there is never a second noise on it.
    let mut ledger = ShareLedger::restore(world.study, world.plan, []).unwrap();
    let key = &world.holders[0];
    let mut share = |job: &[u8]| {
        let write = |_: &_| Ok::<(), core::convert::Infallible>(());
        let admitted = ledger.admit(Digest::of(job), ShareKind::Open, &unit, write).unwrap();
        smudged_share(&world.ring, key, &admitted, &unit).unwrap().to_bytes(short)
    };
    assert!(share(b"job") == first[0] && share(b"another job") == first[0]);
}

#[test]
fn all_shares_are_needed_and_fit() {
    let (world, unit) = world();
    let job = Digest::of(b"job");
    let shares = world.shares(job, &unit);
    let open = |shares: &[DecryptionShare]| combine(&world.ring, &world.plan, &unit, shares);
    assert!(open(&shares).is_ok());
    for missing in 0..3 {
        let rest: Vec<_> = (0..3).filter(|&k| k != missing).map(|k| shares[k].clone()).collect();
        assert_eq!(open(&rest), Err(CombineError::Shares { expected: 3, found: 2 }));
    }
    // One twice in place of another; one of another study's key; all of them for another job.
    let twice = [shares[0].clone(), shares[1].clone(), shares[1].clone()];
    assert_eq!(open(&twice), Err(CombineError::OutOfRange));
    let admitted = world.admit(job, ShareKind::Open, &unit);
    let stranger = holder_key(&world.ring, world.study, 9);
    let foreign = smudged_share(&world.ring, &stranger, &admitted, &unit).unwrap();
    assert_eq!(
        open(&[shares[0].clone(), shares[1].clone(), foreign]),
        Err(CombineError::OutOfRange)
    );
    // Too many contributions for the plan.
    let fewer = Plan::new(PlanRequest { datasets: 1, ..three_holders() }).unwrap();
    let mut sum = unit.clone();
    sum.add(&world.plan, &unit).unwrap();
    let refused = combine(&world.ring, &fewer, &sum, &shares);
    assert_eq!(refused, Err(CombineError::Contributions { planned: 1, found: 2 }));
}

#[test]
fn altered_shares_are_refused_and_their_author_named() {
    let (world, unit) = world();
    let object = Digest::of(&bytes(&unit));
    let shares = world.shares(Digest::of(b"job"), &unit);
    // After the fact: the commitment gives it away.
    let (commitments, mut reveals) = world.share_round(object, &shares);
    let last = reveals[1].len() - 1;
    reveals[1][last] ^= 1;
    let broken = world.receive(&unit, &commitments, &reveals);
    assert_eq!(broken, Err(RoundError::Broken(world.parties[1].clone())));
    reveals.pop();
    reveals[1][last] ^= 1;
    let missing = world.receive(&unit, &commitments, &reveals);
    assert_eq!(missing, Err(RoundError::Missing(vec![world.parties[2].clone()])));
    // Committed to as such: out of range.
    let mut altered = shares[2].to_bytes(object.short());
    altered[70] ^= 1;
    let altered = DecryptionShare::from_bytes(&altered, &unit, object.short()).unwrap();
    let shares = [shares[0].clone(), shares[1].clone(), altered];
    let (commitments, reveals) = world.share_round(object, &shares);
    let shares = world.receive(&unit, &commitments, &reveals).unwrap();
    let opened = combine(&world.ring, &world.plan, &unit, &shares);
    assert_eq!(opened, Err(CombineError::OutOfRange));
}

#[test]
fn bad_shares_are_refused() {
    let (world, unit) = world();
    let short = Digest::of(&bytes(&unit)).short();
    let good = world.shares(Digest::of(b"job"), &unit)[0].to_bytes(short);
    let read = |bytes: &[u8]| DecryptionShare::from_bytes(bytes, &unit, short);
    assert!(read(&good).is_ok());
    for (at, value) in [(48, 2), (52, 1), (56, 1), (60, 1)] {
        let mut bad = good.clone();
        bad[at] = value; // bodies, channels, kind, nothing
        assert!(matches!(read(&bad), Err(CodecError::Counts(_))), "{at}");
    }
    assert!(DecryptionShare::read(&good, &unit, short, ShareKind::Refresh).is_err());
    let mut residue = good.clone();
    residue[64..71].fill(255);
    assert!(matches!(read(&residue), Err(CodecError::Residue)));
    assert!(matches!(read(&good[..good.len() - 1]), Err(CodecError::Truncated { .. })));
    let other = DecryptionShare::from_bytes(&good, &unit, [0; 16]);
    assert!(matches!(other, Err(CodecError::Context(_))));
}

#[test]
fn only_what_was_admitted_is_shared() {
    let (world, unit) = world();
    let admitted = world.admit(Digest::of(b"job"), ShareKind::Open, &unit);
    let share = |key, unit| smudged_share(&world.ring, key, &admitted, unit).map(drop);
    let key = &world.holders[0];
    assert_eq!(share(key, &unit), Ok(()));
    let [other, _] = world.contribution(Engine::detect(), &world.site(1, 5));
    assert_eq!(share(key, &other), Err(ShareError::NotAdmitted));
    let study = holder_key(&world.ring, Digest::of(b"another study"), 0);
    assert_eq!(share(&study, &unit), Err(ShareError::NotAdmitted));
    // The sole holder's way is closed.
    let unsmudged = decryption_share(&world.plan, key, &unit);
    assert!(matches!(unsmudged, Err(ShareError::SeveralHolders)));
}

/// Two shares of one holder on one `C1`, which no ledger ever admits, differ by two smudging noises and nothing else.
#[test]
fn smudging_is_as_wide_as_planned() {
    let (world, unit) = world();
    let [a, b] = [b"job a", b"job b"].map(|job| {
        world.shares(Digest::of(job), &unit).swap_remove(0).words()[..PARAMS.words()].to_vec()
    });
    let n = PARAMS.degree();
    let limbs = a.chunks_exact(n).zip(b.chunks_exact(n)).zip(PARAMS.moduli());
    let mut difference: Vec<u64> =
        limbs.flat_map(|((a, b), m)| a.iter().zip(b).map(move |(&a, &b)| m.sub(a, b))).collect();
    world.ring.inverse(&mut difference);
    let crt = Crt::new(PARAMS);
    let noise: Vec<f64> = (0..n)
        .map(|i| difference.iter().copied().skip(i).step_by(n))
        .map(|residues| crt.decode(residues, Scale::product(1 << 100, 1 << 48)).unwrap().1)
        .map(|noise| noise / world.plan.smudging())
        .collect();
    let moment = |power| noise.iter().map(|x: &f64| x.powi(power)).sum::<f64>() / n as f64;
    // Five deviations of each estimate.
    assert!(moment(1).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{}", moment(1));
    assert!((moment(2) / 2.0 - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{}", moment(2));
    let neighbours: f64 = noise.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n as f64;
    assert!(neighbours.abs() < 5.0 * 2.0 / (n as f64).sqrt(), "{neighbours}");
    // The noise to be hidden is 2^49 times smaller.
    let ratio = world.plan.smudging() / world.plan.deviation();
    assert!((49.5..49.8).contains(&ratio.log2()), "2^{}", ratio.log2());
}

#[test]
fn names_and_objects_go_together() {
    let (world, unit) = world();
    let object = Digest::of(&bytes(&unit));
    let shares = world.shares(Digest::of(b"job"), &unit);
    let (commitments, mut reveals) = world.share_round(object, &shares);
    reveals.swap(0, 1);
    let received = by_name(&world.parties, &reveals);
    let broken = commitments.open(received).unwrap_err();
    assert_eq!(broken, RoundError::Broken(world.parties[0].clone()));
    // A holder does not reveal where its commitment was replaced.
    let (key, party) = (&world.holders[0], &world.parties[1]);
    assert!(key.reveal_share(party, object, &shares[0], &commitments).is_err());
    let elsewhere = Digest::of(b"another result");
    assert!(key.reveal_share(&world.parties[0], elsewhere, &shares[0], &commitments).is_err());
}
