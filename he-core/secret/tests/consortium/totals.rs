//! Totals that a site encrypts itself, without the smudging that would hide their noise.

use he_core::arith::Ring;
use he_core::noise::public_key_variance;
use he_core::params::Params;
use he_core::public_key::PublicKey;
use he_core::share::{combine, measure_noise};
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::{
    EncryptError, Entropy, HolderKey, MasterKey, Totals, decryption_share, encrypt_totals,
};

use crate::world::digits;

const PARAMS: Params = Params::N2048Q50;

struct Study {
    plan: Plan,
    ring: Ring,
    holder: HolderKey,
    public: PublicKey,
}

fn study() -> Study {
    let plan = Plan::new(PlanRequest::sole_holder(1000)).unwrap();
    let (ring, study) = (Ring::new(PARAMS), Digest::of(b"totals"));
    let master = MasterKey::generate(&Entropy::insecure_deterministic(1));
    let holder = HolderKey::derive(&master, &ring, study);
    let public = PublicKey::combine(PARAMS, study, 1, &[holder.public_share(&ring)]).unwrap();
    Study { plan, ring, holder, public }
}

fn values(count: usize) -> Vec<i64> {
    digits(1, 2001).map(|d| d as i64 - 1000).take(count).collect()
}

const TOTALS: Totals<'static> =
    Totals { people: 1000, plane: 0, group: 0, channels: 2, values: &[] };

#[test]
fn totals_decrypt_exactly_with_the_predicted_noise() {
    let Study { plan, ring, holder, public } = study();
    let values = values(3 * 2 * 2048);
    let totals = Totals { values: &values, ..TOTALS };
    let entropy = Entropy::insecure_deterministic(2);
    let object = encrypt_totals(&ring, &plan, &public, &entropy, &totals).unwrap();
    // Known answer: any change of these bytes is a change of the format.
    let bytes = object.to_bytes(public.study(), 0, 0);
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "b826f096809cda9bd1e0f030f31a2b4cb92b32b78ceb7e5f8b3aa10e4a9a9c38"
    );
    let unit = object.into_unit();
    let share = [decryption_share(&plan, &holder, &unit).unwrap()];
    let opened = combine(&ring, &plan, &unit, &share).unwrap();
    for (number, expected) in values.chunks_exact(2048).enumerate() {
        assert!(opened.get(number / 2, number % 2) == expected);
    }
    let (rms, _) = measure_noise(&ring, &plan, &unit, &share).unwrap();
    let predicted = public_key_variance(PARAMS, 1.0).sqrt();
    let ratio = rms / predicted;
    assert!((0.25..1.05).contains(&ratio), "{rms} and {predicted}");
    assert!(predicted < plan.deviation(), "less than a switched contribution adds");
}

#[test]
fn every_encryption_is_fresh() {
    let Study { plan, ring, public, .. } = study();
    let values = values(2 * 2048);
    let mut changed = values.clone();
    changed[5] += 1;
    let base = Totals { values: &values, ..TOTALS };
    let entropy = || Entropy::insecure_deterministic(2);
    let masks = |entropy: &Entropy, totals: &Totals<'_>| {
        let object = encrypt_totals(&ring, &plan, &public, entropy, totals).unwrap();
        let unit = object.into_unit();
        let masks: Vec<Vec<u64>> = unit.ciphertexts().map(|(_, c1)| c1.to_vec()).collect();
        masks
    };
    let first = masks(&entropy(), &base);
    assert!(first[0] != first[1]);
    assert!(first == masks(&entropy(), &base));
    for other in [
        masks(&Entropy::insecure_deterministic(3), &base),
        masks(&entropy(), &Totals { values: &changed, ..base }),
        masks(&entropy(), &Totals { group: 1, ..base }),
        masks(&entropy(), &Totals { plane: 1, ..base }),
        masks(&entropy(), &Totals { channels: 1, ..base }),
    ] {
        assert!(other.iter().all(|mask| !first.contains(mask)));
    }
}

#[test]
fn what_does_not_fit_is_not_encrypted() {
    let Study { plan, ring, public, .. } = study();
    let entropy = Entropy::insecure_deterministic(2);
    let refused =
        |totals: &Totals<'_>| encrypt_totals(&ring, &plan, &public, &entropy, totals).unwrap_err();
    let values = values(2 * 2048);
    let good = Totals { values: &values, ..TOTALS };
    let mut large = values.clone();
    large[17] = -1001;
    assert_eq!(refused(&Totals { values: &large, ..good }), EncryptError::Magnitude);
    large[17] = i64::MIN;
    assert_eq!(refused(&Totals { values: &large, ..good }), EncryptError::Magnitude);
    assert_eq!(refused(&Totals { people: 999, ..good }), EncryptError::Magnitude);
    assert_eq!(
        refused(&Totals { people: 1001, ..good }),
        EncryptError::People { planned: 1000, rows: 1001 }
    );
    let nine_bodies = vec![0; 9 * 2 * 2048];
    for bad in [
        Totals { values: &[], ..good },
        Totals { values: &values[1..], ..good },
        Totals { channels: 0, ..good },
        Totals { channels: 3, ..good },
        Totals { channels: 18, values: &nine_bodies, ..good },
        Totals { values: &nine_bodies, ..good },
    ] {
        assert_eq!(refused(&bad), EncryptError::Length);
    }
    let other = Ring::new(Params::N4096Q100);
    let mismatch = encrypt_totals(&other, &plan, &public, &entropy, &good);
    assert_eq!(mismatch, Err(EncryptError::Params));
}
