//! Refresh shares: the server learns masked integers, exactly, and nothing else.

use he_core::codec::CodecError;
use he_core::kernel::Engine;
use he_core::params::Params;
use he_core::share::{CombineError, DecryptionShare, ShareKind, combine, combine_refreshed};
use he_core::{Digest, PlanRequest};
use he_core_secret::{Masks, ShareError, refresh_share, smudged_share};

use crate::three_holders;
use crate::world::Consortium;

#[test]
fn refreshed_values_are_the_sums_plus_the_masks() {
    let request = PlanRequest { mask_bits: 40, ..three_holders() };
    let world = Consortium::new(request, Params::N8192Q200);
    let site = world.site(0, 12);
    let [unit, _] = world.contribution(Engine::detect(), &site);
    let admitted = world.admit(Digest::of(b"job"), ShareKind::Refresh, &unit);
    let refresh = |key| refresh_share(&world.ring, key, &admitted, &unit).unwrap();
    let (shares, masks): (Vec<DecryptionShare>, Vec<Masks>) =
        world.holders.iter().map(refresh).unzip();
    let masked = combine_refreshed(&world.ring, &world.plan, &unit, &shares).unwrap();
    let expected: Vec<i128> = (0..)
        .zip(site.sums().concat())
        .map(|(i, sum)| i128::from(sum) + masks.iter().map(|m| m.values()[i]).sum::<i128>())
        .collect();
    assert!(masked == expected);
    // The masks are 2^40 times the range of the sums, which is 256 with 200 people rounded up.
    assert_eq!(world.plan.mask_bits(), Some(48));
    let largest = masks[0].values().iter().map(|m| m.unsigned_abs()).max().unwrap();
    assert!((1 << 47..=1 << 48).contains(&largest));

    // The same again is the same; other jobs and holders have other masks.
    let (again, same) = refresh(&world.holders[0]);
    assert!(again == shares[0] && same.values() == masks[0].values());
    assert!(masks[0].values() != masks[1].values());

    // A refresh share opens nothing, an opening share refreshes nothing.
    let opened = combine(&world.ring, &world.plan, &unit, &shares);
    assert_eq!(opened, Err(CombineError::Shares { expected: 3, found: 0 }));
    let open = world.shares(Digest::of(b"job"), &unit);
    let refreshed = combine_refreshed(&world.ring, &world.plan, &unit, &open);
    assert_eq!(refreshed, Err(CombineError::Shares { expected: 3, found: 0 }));
    let wrong = smudged_share(&world.ring, &world.holders[0], &admitted, &unit);
    assert_eq!(wrong, Err(ShareError::NotAdmitted));
    let short = [2; 16];
    let bytes = shares[0].to_bytes(short);
    assert!(DecryptionShare::read(&bytes, &unit, short, ShareKind::Refresh).unwrap() == shares[0]);
    // Known answer: any change of these bytes is a change of the format, and a second share on the same C1.
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "972fc15323ee1afd87708d55c57622ce1b0cfb2e1e1c80f989c57cece2283410"
    );
    let misread = DecryptionShare::from_bytes(&bytes, &unit, short);
    assert!(matches!(misread, Err(CodecError::Counts(_))));
    // One missing.
    let rest = combine_refreshed(&world.ring, &world.plan, &unit, &shares[1..]);
    assert_eq!(rest, Err(CombineError::Shares { expected: 3, found: 2 }));
}

#[test]
fn plans_without_masks_refresh_nothing() {
    let world = Consortium::new(three_holders(), Params::N8192Q150);
    let [unit, _] = world.contribution(Engine::detect(), &world.site(0, 2));
    let refreshed = combine_refreshed(&world.ring, &world.plan, &unit, &[]);
    assert_eq!(refreshed, Err(CombineError::Masks));
    let admitted = world.admit(Digest::of(b"job"), ShareKind::Open, &unit);
    let refused = refresh_share(&world.ring, &world.holders[0], &admitted, &unit).map(drop);
    assert_eq!(refused, Err(ShareError::NotAdmitted));
}
