//! Exact results of several datasets under one study key, and their noise.

use he_core::kernel::Engine;
use he_core::params::Params;
use he_core::result::{AddError, SwitchedUnit};
use he_core::share::{combine, measure_noise};
use he_core::totals::EncryptedTotals;
use he_core::{Digest, PlanRequest};
use he_core_secret::{Entropy, Totals, encrypt_totals};

use crate::world::{Consortium, Site, TOTALS, UNIT};
use crate::{ten_holders, three_holders};

const JOB: [u8; 16] = [4; 16];

/// A site's own sums, encrypted, through their bytes.
fn encrypted(world: &Consortium, site: &Site, entropy: u64) -> [SwitchedUnit; 2] {
    let (params, n) = (world.plan.params(), world.plan.params().degree());
    let mut total = vec![0; n];
    total[0] = site.weight_total();
    let parts = [(UNIT, 2, site.sums().concat()), (TOTALS, 1, total)];
    parts.map(|(unit, channels, values)| {
        let totals = Totals {
            people: site.people(),
            plane: unit.plane,
            group: unit.group,
            channels,
            values: &values,
        };
        let entropy = Entropy::insecure_deterministic(entropy);
        let object =
            encrypt_totals(&world.ring, &world.plan, &world.public, &entropy, &totals).unwrap();
        let bytes = object.to_bytes(world.study, unit.plane, unit.group);
        EncryptedTotals::from_bytes(&bytes, params, world.study, unit.plane, unit.group)
            .unwrap()
            .into_unit()
    })
}

/// Datasets of these sizes and one site's totals in one result, opened by all holders.
fn check(request: PlanRequest, params: Params, rows: &[u32]) {
    let world = Consortium::new(request, params);
    let mut sites: Vec<Site> =
        (0..).zip(rows).map(|(number, &rows)| world.site(number, rows)).collect();
    let mut results = world.results(Engine::detect(), &sites);
    let clear = world.site(77, 50);
    for (result, totals) in results.iter_mut().zip(encrypted(&world, &clear, 400)) {
        result.add(&world.plan, &totals).unwrap();
        assert_eq!(result.contributions() as usize, rows.len() + 1);
    }
    sites.push(clear);

    for (result, unit) in results.iter().zip([UNIT, TOTALS]) {
        let bytes = result.to_bytes(JOB, unit.plane, unit.group);
        let result = SwitchedUnit::from_bytes(&bytes, params, JOB, unit.plane, unit.group).unwrap();
        let shares = world.shares(Digest::of(b"job"), &result);
        let (commitments, reveals) = world.share_round(Digest::of(&bytes), &shares);
        let shares = world.receive(&result, &commitments, &reveals).unwrap();
        let values = combine(&world.ring, &world.plan, &result, &shares).unwrap();
        for channel in 0..result.channels() {
            let mut expected = vec![0; params.degree()];
            if unit == UNIT {
                for site in &sites {
                    let sums = &site.sums()[channel];
                    expected.iter_mut().zip(sums).for_each(|(e, s)| *e += s);
                }
            } else {
                expected[0] = sites.iter().map(Site::weight_total).sum();
            }
            assert!(values.get(0, channel) == expected, "{unit:?}, channel {channel}");
        }

        let (rms, largest) = measure_noise(&world.ring, &world.plan, &result, &shares).unwrap();
        let predicted = world.predicted();
        let text = format!("measured 2^{:.2}, predicted 2^{:.2}", rms.log2(), predicted.log2());
        // The deviation of a sample of 8192 values is known to about one percent.
        assert!(rms <= 1.04 * predicted && rms >= predicted / 4.0, "{text}");
        assert!(largest <= world.plan.noise_bound());
    }
}

#[test]
fn three_holders_three_datasets_and_totals() {
    check(three_holders(), Params::N8192Q150, &[40, 3, 65]);
}

#[test]
fn ten_holders_two_datasets_a_donor_and_totals() {
    check(ten_holders(), Params::N8192Q200, &[33, 1, 20]);
}

#[test]
fn more_datasets_than_planned_are_refused() {
    let request = PlanRequest { datasets: 2, ..three_holders() };
    let world = Consortium::new(request, Params::N8192Q150);
    let site = world.site(0, 2);
    let [mut unit, _] = world.contribution(Engine::detect(), &site);
    let more = unit.clone();
    unit.add(&world.plan, &more).unwrap();
    assert_eq!(unit.add(&world.plan, &more), Err(AddError::Datasets { planned: 2 }));
}

#[test]
fn a_replay_gives_the_same_bytes() {
    let world = Consortium::new(three_holders(), Params::N8192Q150);
    let sites = [world.site(0, 40), world.site(1, 7)];
    let digests = |engine| {
        let results = world.results(engine, &sites);
        let units = results.iter().zip([UNIT, TOTALS]);
        units.map(|(r, u)| Digest::of(&r.to_bytes(JOB, u.plane, u.group))).collect::<Vec<_>>()
    };
    let server = digests(Engine::detect());
    // A holder with another processor and one thread, from what is stored.
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(single.install(|| digests(Engine::Portable)), server);
    // A row more is another result.
    let other = [world.site(0, 40), world.site(1, 8)];
    assert_ne!(sites[1].stored(), other[1].stored());
    let results = world.results(Engine::detect(), &other);
    assert_ne!(Digest::of(&results[0].to_bytes(JOB, 0, 0)), server[0]);
}
