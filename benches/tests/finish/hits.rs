//! Hits of all variants at genome-wide significance.

use gwas::wire::PlaneKind;
use he_core::Digest;
use he_core::ckks::hits::{Hits, Rule};
use he_core::ckks::{CkksParams, ProductInverse, Test};
use hegwas_bench::finish::circuit::Circuit;
use hegwas_bench::finish::study::Study;

use crate::data::{Data, geuvadis, geuvadis_sample, panel};
use crate::world::World;

/// p = 5e-8 of chi-square with one degree of freedom.
const THRESHOLD: f64 = 29.716_785;
/// Half of a band of 0.02 in `|Z|`.
const BAND: f64 = 0.01;

#[test]
fn three_holders_release_hits_and_nothing_else() {
    geuvadis_sample().into_iter().for_each(three_holders);
}

#[test]
#[ignore = "all 85,485 variants: a minute of both cores"]
fn three_holders_release_all_hits_and_nothing_else() {
    geuvadis().into_iter().for_each(three_holders);
}

fn three_holders(data: Data) {
    let world = World::new(data, 3, &[PlaneKind::Dosage], false);
    let masked = world.masked(Digest::of(b"job"));
    let (lo, hi) = (0.5, 1.5);
    // No chi-square exceeds the number of alleles, 716.
    let largest = 2.0 * world.data.cases.len() as f64;
    let hits = Hits::new(Rule { threshold: THRESHOLD, band: BAND, largest, lo, hi }).unwrap();
    let hit = hits.hit();
    let circuit = Circuit::Hits(Test::Allelic, hits, CkksParams::N65536Q1700);
    let finishing = world.holders.finishing(CkksParams::N65536Q1700).unwrap();
    let mut public = world.data.public(panel);
    let inverse = ProductInverse::with_error(lo, hi, 1e-2).unwrap();
    let sites = world.data.truth.iter().zip(&public.variants);
    public.excluded =
        sites.map(|(t, v)| v.check_allelic_site(&inverse, t.alleles).is_err()).collect();
    let job = Digest::of(b"hits");
    let (public, masked) = (&public, &masked);
    let study = Study { finishing: &finishing, circuit: &circuit, public, masked, job };
    let released = study.run().unwrap();

    let (mut found, mut band, mut kept) = (0, 0, 0);
    for (i, (truth, &value)) in world.data.truth.iter().zip(&released).enumerate() {
        let z = truth.allelic.unwrap_or(0.0).sqrt();
        if public.excluded[i] {
            assert!(value * hit < -0.5, "{i}: left out, so no hit");
            continue;
        }
        kept += 1;
        if (z - THRESHOLD.sqrt()).abs() < BAND {
            band += 1;
            continue;
        }
        let expected = if z > THRESHOLD.sqrt() { 1.0 } else { -1.0 };
        found += usize::from(expected > 0.0);
        assert!((value * hit - expected).abs() < 0.5, "{i}: {z} {value}");
    }
    println!("{kept} variants, {found} hits, {band} in the band");
    assert!(found > 400 && band <= 2 && kept == world.data.truth.len());
}
