use poulpy_core::layouts::LWEInfos as _;
use poulpy_hal::layouts::Module;

use crate::protocol::{self, Cohort};
use crate::scheme::{self, Engine};

/// A small cohort; nobody has the first variant, everybody the second.
fn cohort(people: usize, variants: usize) -> (Vec<u8>, Vec<u8>) {
    let copies = |i: usize| match i % variants {
        0 => 0,
        1 => 2,
        _ => (i * i % 7 % 3) as u8,
    };
    let genotypes = (0..people * variants).map(copies).collect();
    (genotypes, (0..people).map(|i| (i % 3 == 0) as u8).collect())
}

#[test]
fn sums_are_those_in_the_clear() {
    let (people, variants) = (7, scheme::SLOTS + 5);
    let (genotypes, cases) = cohort(people, variants);
    let sum = |variant: usize, of: fn(u8) -> bool| -> f64 {
        (0..people)
            .filter(|&i| of(cases[i]))
            .map(|i| f64::from(genotypes[i * variants + variant]))
            .sum()
    };
    let clear = Cohort::new(genotypes.clone(), cases.clone(), people, variants).unwrap();
    let (counts, costs) = protocol::measure(&clear).unwrap();
    assert_eq!((counts.all.len(), counts.cases.len()), (variants, variants));
    for variant in 0..variants {
        assert!((counts.all[variant] - sum(variant, |_| true)).abs() < 1e-3);
        assert!((counts.cases[variant] - sum(variant, |y| y == 1)).abs() < 1e-3);
    }
    assert_eq!(counts.all[..2], [0.0, 2.0 * people as f64]);
    assert!((counts.case_count - 3.0).abs() < 1e-3);
    let held = (people * 2 * scheme::HELD_BYTES) as u64;
    let sent = costs["genotype_bytes"].as_u64().unwrap();
    assert!(sent >= held && sent < held + 4096, "{sent} of {held}");
}

/// The standard's table allows 109 bits with 4,096 coefficients, evaluation keys included.
#[test]
fn the_largest_modulus_is_in_the_table() {
    assert_eq!(scheme::key_layout().k().as_usize(), scheme::KEY_BITS);
    const { assert!(scheme::DEGREE == 4096 && scheme::KEY_BITS <= 109) };
}

/// Each product of two ciphertexts adds four of their digits at most.
#[test]
fn digits_are_small_enough_for_the_most_people() {
    let most = Module::<Engine>::max_base2k(scheme::DEGREE, 4 * scheme::MOST_PEOPLE, 64, false);
    assert!(scheme::DIGIT_BITS <= most, "{most}");
}

#[test]
fn what_is_no_cohort_is_refused() {
    let refused = |change: fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let (mut genotypes, mut cases) = cohort(4, 10);
        change(&mut genotypes, &mut cases);
        Cohort::new(genotypes, cases, 4, 10).is_err()
    };
    assert!(!refused(|_, _| ()));
    assert!(refused(|genotypes, _| genotypes.truncate(39)));
    assert!(refused(|genotypes, _| genotypes[7] = 3));
    assert!(refused(|_, cases| cases.push(0)));
    assert!(refused(|_, cases| cases[1] = 2));
    assert!(Cohort::new(Vec::new(), Vec::new(), 0, 10).is_err());
    let arguments = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(protocol::answer(&arguments("trial --people 4")).is_err());
    assert!(protocol::answer(&arguments("else")).is_err());
    assert!(protocol::answer(&arguments("about")).unwrap().contains("server-multiplies"));
}
