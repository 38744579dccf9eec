//! Plans, batches and public factors.

use he_core::ckks::circuits::{Offset, chi_square};
use he_core::ckks::{CkksParams, Clear, ProductInverse};
use he_core::{Plan, PlanRequest};

use super::plan::Factors;
use super::*;
use crate::presence::Presence;
use crate::wire::{
    Bitmap, Did, GroupSize, HitRule, Participation, PlaneKind, Release, Statistic, StudyLimits,
};

fn study(holders: u8, variants: u32, smallest_frequency: u32) -> Study {
    let party = |seed: u8| {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        Did::new(key.verifying_key().to_bytes()).unwrap()
    };
    let mut key_holders: Vec<Did> = (1..=holders).map(party).collect();
    key_holders.sort();
    let request = PlanRequest {
        holders: holders.into(),
        smudging_bits: 40,
        mask_bits: 40,
        values: 1 << 20,
        datasets: 4,
        ..PlanRequest::sole_holder(1000)
    };
    Study {
        name: "x".into(),
        purpose: "y".into(),
        draft: None,
        plan: Plan::new(request).unwrap(),
        build: String::new(),
        panel: Digest::of(b"panel"),
        variants,
        planes: vec![PlaneKind::Dosage],
        statistics: vec![Statistic::Allelic],
        release: Release::Statistic { smallest_frequency },
        participation: Participation::Public,
        coordinator: party(1),
        data_owners: vec![party(1)],
        analysts: Vec::new(),
        sealing_keys: Vec::new(),
        key_holders,
        limits: StudyLimits { max_jobs: 4, ..StudyLimits::open(1) },
        created: 0,
        nonce: [1; 16],
    }
}

#[test]
fn the_set_follows_the_smallest_frequency_and_roots_stay_exact() {
    for (frequency, params) in [
        (50_000, CkksParams::N32768Q750),
        (13_900, CkksParams::N32768Q850),
        (500_000, CkksParams::N32768Q750),
        (2_000, CkksParams::N65536Q1700),
    ] {
        for holders in [1, 3] {
            let plan = FinishPlan::new(&study(holders, 85_485, frequency)).unwrap();
            assert_eq!(plan.params(), params, "{frequency}");
            for chi2 in [0.0, 1.0, 30.0, 174.0] {
                assert!(plan.z_error(chi2) < 0.01, "{frequency} {chi2}: {}", plan.z_error(chi2));
            }
        }
    }
    for bad in [0, 99, 500_001, u32::MAX] {
        let refused = FinishPlan::new(&study(1, 10, bad));
        assert!(matches!(refused, Err(FinishError::Frequency)), "{bad}");
    }
    let counts = Study { release: Release::Counts, ..study(1, 10, 50_000) };
    assert!(matches!(FinishPlan::new(&counts), Err(FinishError::Counts)));
}

/// p below 5e-8.
const RULE: HitRule = HitRule { threshold: 5_451_310, band: 20_000, smallest_frequency: 50_000 };

#[test]
fn hits_have_a_plan_and_their_slots_a_meaning() {
    let request = PlanRequest { people: 400, ..study(3, 1, 50_000).plan.request() };
    let of_400 = Study { plan: Plan::new(request).unwrap(), ..study(3, 85_485, 50_000) };
    let hits = |release| FinishPlan::new(&Study { release, ..of_400.clone() }).unwrap();
    let wide = HitRule { band: 20_000, ..RULE };
    let (plan, values) = (hits(Release::Hits(RULE)), hits(Release::HitsWithValues(wide)));
    assert_eq!((plan.slots(), plan.batches(), plan.ciphertexts()), (32_768, 3, 2));
    assert_eq!((values.slots(), values.batches(), values.ciphertexts()), (32_768, 3, 4));
    assert_eq!((plan.refresh_lengths(2), values.refresh_lengths(2)), ([2, 6, 11], [2, 12, 11]));
    // One of each kind: for indicators the sign alone is known.
    let hit = if plan.read(1.0) == Finding::Other { -1.0 } else { 1.0 };
    assert_eq!(plan.read(hit), Finding::Hit(None));
    assert_eq!((plan.read(-hit), plan.read(0.2)), (Finding::Other, Finding::Undecided));
    let fifty = Finding::Hit(Some((50.0, values.z_error(50.0))));
    let hit = if values.read(100.0) == fifty { 1.0 } else { -1.0 };
    assert_eq!(values.read(100.0 * hit), fifty);
    assert_eq!((values.read(0.0), values.read(20.0 * hit)), (Finding::Other, Finding::Undecided));
    assert!(values.largest() > 1600.0 && plan.largest() < 2.1);
    // A slot that no variant has is no hit; neither is one of a variant that no case has.
    let presence = Presence::new(85_485, &[None]);
    let maps = plan.maps(2, &presence, &[GroupSize { people: 300, cases: 100 }]).unwrap();
    let [offsets] = &maps.offsets[..] else { panic!("one stage") };
    let used = 85_485 - 65_536;
    assert!(offsets.len() == 32_768 && offsets[used] == offsets[32_767]);
    // At the reference frequency 1/2 it is the same as that of a variant.
    assert!(offsets.iter().all(|x| *x == offsets[0]) && offsets[0] != 0.0);
    let numbers: Vec<_> = maps.inputs().map(|(_, spread, number)| (spread, number)).collect();
    assert_eq!(numbers, [(false, 4), (true, 5)]);
    let maps = values.maps(0, &presence, &[GroupSize { people: 300, cases: 100 }]).unwrap();
    assert_eq!((maps.offsets.len(), maps.inputs().count()), (2, 4));
}

#[test]
fn batches_are_whole_blocks_of_the_units_they_come_from() {
    let plan = FinishPlan::new(&study(3, 85_485, 50_000)).unwrap();
    assert_eq!((plan.slots(), plan.batches(), plan.ciphertexts()), (16_384, 6, 2));
    assert_eq!((plan.variants(0), plan.variants(5)), (0..16_384, 81_920..85_485));
    assert_eq!((plan.groups(3), plan.groups(4)), (0..1, 1..2));
    // A unit holds [body][channel][coefficient]; here each integer says where it stands.
    let unit = |group: i128, bodies: i128| -> Vec<i128> {
        let each = move |i: i128| group << 40 | i;
        (0..bodies * 2 * 8192).map(each).collect()
    };
    let units = [unit(0, 8), unit(1, 3)];
    let slots = plan.gather(4, 1, |group| &units[group as usize]);
    assert_eq!(slots.len(), 16_384);
    assert_eq!((slots[0], slots[8192]), (1 << 40 | 8192, (1 << 40) | (3 * 8192)));
    let last = plan.gather(5, 0, |group| &units[group as usize]);
    assert_eq!((last.len(), last[0]), (8192, (1 << 40) | (4 * 8192)));
    let first = plan.gather(1, 1, |group| &units[group as usize]);
    assert_eq!(first[1], 5 * 8192 + 1);
}

/// Chi-square of the table of alleles, from its cells.
fn oracle([a, t]: [f64; 2], [n, r]: [f64; 2]) -> f64 {
    let cells = [[a, 2.0 * r - a], [t - a, 2.0 * (n - r) - (t - a)]];
    let total = 2.0 * n;
    let mut chi2 = 0.0;
    for row in cells {
        for (x, column) in row.into_iter().zip([t, total - t]) {
            let expected = row.iter().sum::<f64>() * column / total;
            chi2 += (x - expected).powi(2) / expected;
        }
    }
    chi2
}

/// The circuit in the clear, on the factors of a variant.
fn run(plan: &FinishPlan, group: GroupSize, [a, t]: [f64; 2]) -> f64 {
    let Factors { cases, all, spread, constants, offset } = plan.factors(group).unwrap()[0];
    let (n, r) = (f64::from(group.people), f64::from(group.cases));
    let effect = vec![cases * (a - r) + all * (t - n) + constants[0]];
    let root = vec![spread * (t - n) + constants[1]];
    // That of the smallest frequency 0.05.
    let inverse = ProductInverse::with_error(0.19, 1.0, 1e-4).unwrap();
    chi_square(&Clear, &inverse, &effect, &root, &Offset::Public(&[offset])).unwrap()[0]
}

#[test]
fn factors_give_the_chi_square_of_centred_sums_or_less() {
    let plan = FinishPlan::new(&study(1, 10, 50_000)).unwrap();
    let group = GroupSize { people: 400, cases: 100 };
    let mut rare = 0;
    for t in 0..=800u32 {
        for a in [0, t / 8, t / 4, t / 3, t / 2, t].map(|a| a.min(200)) {
            if t - a > 600 {
                continue;
            }
            let (a, t) = (f64::from(a), f64::from(t));
            let found = run(&plan, group, [a, t]);
            let exact = if t == 0.0 || t == 800.0 { 0.0 } else { oracle([a, t], [400.0, 100.0]) };
            let frequency = (t / 800.0).min(1.0 - t / 800.0);
            if frequency >= 0.05 {
                assert!((found - exact).abs() <= 1e-4 * exact + 1e-9, "{a} {t}: {found} {exact}");
            } else {
                rare += 1;
                assert!(
                    found >= -1e-9 && found <= exact * 1.0001 + 1e-9,
                    "{a} {t}: {found} {exact}"
                );
            }
        }
    }
    assert!(rare > 300);
}

#[test]
fn patterns_have_factors_of_their_own() {
    let plan = FinishPlan::new(&study(2, 4, 50_000)).unwrap();
    let absent = Bitmap::new(4, |v| v == 2);
    let nobody = Bitmap::new(4, |v| v == 2 || v == 3);
    let presence = Presence::new(4, &[Some(&absent), Some(&nobody)]);
    let groups = [GroupSize { people: 300, cases: 100 }, GroupSize { people: 100, cases: 0 }];
    assert_eq!(presence.patterns(), 2);
    let maps = plan.maps(0, &presence, &groups).unwrap();
    // Variant 2 nobody has; of variant 3 there are no cases.
    let offsets = &maps.offsets[0];
    assert!(offsets[0] != 0.0 && offsets[1] != 0.0);
    assert!(offsets[2..].iter().all(|x| *x == 0.0) && offsets.len() == 16_384);
    let refused = plan.maps(0, &presence, &groups[..1]);
    assert!(matches!(refused, Err(FinishError::Groups)));
    for cases in [0, 300] {
        let one_sided = [GroupSize { people: 300, cases }, groups[1]];
        let refused = plan.maps(0, &presence, &one_sided);
        assert!(matches!(refused, Err(FinishError::Excluded(Excluded::OneGroup))), "{cases}");
    }
}

#[test]
fn bad_studies_are_refused() {
    use he_core::codec::{CodecError, encode};
    assert!(encode(&study(1, 10, 50_000)).is_ok());
    let refused = |change: &dyn Fn(&mut Study), word: &str| {
        let mut bad = study(1, 10, 50_000);
        change(&mut bad);
        match encode(&bad) {
            Err(CodecError::Conformance(said)) => assert!(said.contains(word), "{said}"),
            other => panic!("{word}: {other:?}"),
        }
    };
    refused(&|s| s.planes.push(PlaneKind::HomAlt), "complete genotypes");
    refused(&|s| s.statistics = vec![Statistic::Allelic, Statistic::Trend], "");
    refused(&|s| s.plan = Plan::new(PlanRequest::sole_holder(100)).unwrap(), "refresh masks");
    refused(&|s| s.release = Release::Statistic { smallest_frequency: 0 }, "between 0.0001");
    for rule in [
        HitRule { threshold: 900_000, ..RULE },
        HitRule { threshold: 31_000_000, ..RULE },
        HitRule { band: 0, ..RULE },
        HitRule { band: 1_000_001, ..RULE },
    ] {
        refused(&|s| s.release = Release::Hits(rule), "threshold of |Z|");
    }
    let rare = HitRule { smallest_frequency: 1_000, ..RULE };
    refused(&|s| s.release = Release::Hits(rare), "widen the band to 0.");
    let rare = HitRule { smallest_frequency: 0, ..RULE };
    refused(&|s| s.release = Release::HitsWithValues(rare), "between 0.0001");
    // Nobody can be a hit among ten people.
    let few = Plan::new(PlanRequest { people: 10, ..study(1, 10, 50_000).plan.request() }).unwrap();
    let hits = Release::Hits(RULE);
    refused(&|s| (s.plan, s.release) = (few, hits), "relative gap");
}
