//! The schemes that are compared, one in a file.

mod clear;
mod external;
mod ours;
mod plink;
#[cfg(test)]
mod template;

#[cfg(feature = "fhe")]
mod bfv;
#[cfg(feature = "tfhe")]
mod glwe;
#[cfg(feature = "tfhe-zk")]
mod proven;
#[cfg(feature = "tfhe")]
mod radix;

use he_core::Params;

use std::path::Path;

use crate::Result;
use crate::kernel::SETS;
use crate::trial::Entrant;

/// A scheme that this program can't measure here, and why.
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why, with the remedy.
    pub why: String,
}

/// The schemes that can be measured, in the order of reports, and those that can't.
#[must_use]
pub fn all() -> (Vec<Box<dyn Entrant>>, Vec<Missing>) {
    let mut found: Vec<Box<dyn Entrant>> = Vec::new();
    let mut missing = Vec::new();
    // The sets that a study of one key holder can ask for: the other schemes have one holder too.
    for params in SETS {
        found.push(Box::new(ours::Ours::shared(params)));
    }
    found.push(Box::new(ours::Ours::apart(Params::N2048Q50)));
    found.push(Box::new(ours::Ours::added(Params::N2048Q50)));
    others(&mut found, &mut missing);
    found.push(Box::new(clear::Clear));
    for program in [plink::Plink::Old, plink::Plink::New] {
        match program.installed() {
            Ok(installed) => found.push(Box::new(installed)),
            Err(why) => missing.push(Missing { name: program.name().to_owned(), why }),
        }
    }
    (found, missing)
}

/// A scheme in a program of its own.
///
/// # Errors
/// When it can't be run, or does not answer as `docs/comparison.md` says.
pub fn external(program: &Path) -> Result<Box<dyn Entrant>> {
    Ok(Box::new(external::External::new(program)?))
}

/// Schemes behind features.
fn others(found: &mut Vec<Box<dyn Entrant>>, missing: &mut Vec<Missing>) {
    #[cfg(feature = "fhe")]
    found.extend(bfv::all());
    #[cfg(feature = "tfhe")]
    {
        found.push(Box::new(glwe::Glwe));
        found.push(Box::new(radix::Radix));
    }
    #[cfg(feature = "tfhe-zk")]
    found.push(Box::new(proven::Proven));
    let features = [
        ("fhe", cfg!(feature = "fhe"), "bfv"),
        ("tfhe", cfg!(feature = "tfhe"), "tfhe-radix, tfhe-ggsw"),
        ("tfhe-zk", cfg!(feature = "tfhe-zk"), "tfhe-proven"),
    ];
    for (feature, built, name) in features {
        if !built {
            let why =
                format!("not built in: cargo build --release -p hegwas-bench --features {feature}");
            missing.push(Missing { name: name.to_owned(), why });
        }
    }
    let why = "no program for it here: docs/comparison.md, run --external".to_owned();
    missing.push(Missing { name: "ckks".to_owned(), why });
    let _ = found;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Error;
    use crate::cohort::Workplace;
    use crate::scheme::Regime;
    use crate::workload::{Shape, Workload};

    /// The shape of the conformance test of a scheme: some people, more variants than fit into one ciphertext if those are few.
    fn small(scheme: &dyn Entrant) -> Shape {
        match scheme.slots() {
            0..=1 => Shape { people: 5, variants: 2 },
            slots => Shape { people: 9, variants: slots.min(9_000) + 3 },
        }
    }

    fn work(place: &Workplace, shape: Shape) -> Workload {
        let files = place.cohort(24, 9_100).unwrap();
        Workload::open(&files.prefix, &files.phenotype, None, shape).unwrap()
    }

    #[test]
    fn every_scheme_counts_as_the_oracle_does() {
        let place = Workplace::new(None).unwrap();
        for scheme in all().0 {
            let (about, shape) = (scheme.about(), small(scheme.as_ref()));
            let measured = scheme.trial(&work(&place, shape), 1).unwrap();
            assert_eq!(measured.about, about);
            assert_eq!(measured.shape, shape);
            // Nothing here approximates: counts are exact, and chi-square follows up to rounding.
            assert!(measured.deviation.count == 0.0, "{}: {measured:?}", about.name);
            assert!(measured.deviation.chisq < 1e-9, "{}: {measured:?}", about.name);
            assert!(measured.bits_left.is_none_or(|bits| bits > 0.0), "{}", about.name);
            assert!(measured.genotype_bytes > 0 && measured.result_bytes > 0, "{}", about.name);
            let secret = measured.keys.secret;
            assert_eq!(secret == 0, about.regime == Regime::Clear, "{}", about.name);
        }
    }

    #[test]
    fn names_are_unique_and_units_grow_with_the_shape() {
        let (found, missing) = all();
        let names: BTreeSet<String> = found.iter().map(|s| s.about().name).collect();
        assert_eq!(names.len(), found.len());
        assert!(missing.iter().all(|m| !m.why.is_empty() && !names.contains(&m.name)));
        for scheme in found {
            let name = scheme.about().name;
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)), "{name}");
            let slots = scheme.slots();
            let of = |people, blocks| scheme.units(Shape { people, variants: blocks * slots });
            let (one, more) = (of(10, 1), of(20, 3));
            assert!(one.input > 0.0 && one.output > 0.0 && scheme.held_bytes() > 0, "{name}");
            assert!((more.input / one.input - 6.0).abs() < 1e-9, "{name}");
            assert!((more.people / one.people - 2.0).abs() < 1e-9, "{name}");
            assert!((more.output / one.output - 3.0).abs() < 1e-9, "{name}");
            let shape = Shape { people: 10, variants: slots };
            assert_eq!(scheme.limit(shape), shape, "{name}");
        }
    }

    #[test]
    fn the_template_is_measured_and_a_wrong_answer_is_refused() {
        let place = Workplace::new(None).unwrap();
        let work = work(&place, Shape { people: 24, variants: 50 });
        let measured = template::Template { mistake: 0 }.trial(&work, 2).unwrap();
        assert_eq!((measured.threads, measured.genotype_bytes), (2, 24 * 64));
        let wrong = template::Template { mistake: 1 }.trial(&work, 1);
        assert!(matches!(wrong, Err(Error::Inexact(_))));
    }
}
