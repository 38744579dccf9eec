//! The same sums in the clear, through the product's own packing: what encryption is compared with.

use gwas::packing::{PlainSums, plain_sums};
use gwas::wire::PlaneKind;
use he_core::Params;

use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent};
use crate::workload::{Answer, Shape, Workload};
use crate::{Error, Result};

/// `--plaintext`.
pub(super) struct Clear;

/// Genotypes as the server would read them.
pub(super) struct Codes {
    cohort: gwas::io::Cohort,
}

impl Scheme for Clear {
    type Secret = ();
    type Server = ();
    type Genotypes = Codes;
    type Phenotype = Vec<i64>;
    type Sums = (PlainSums, f64);

    fn about(&self) -> About {
        About {
            name: "plaintext".to_owned(),
            title: "hegwas --plaintext".to_owned(),
            library: format!("gwas {}", env!("CARGO_PKG_VERSION")),
            regime: Regime::Clear,
            security: "none".to_owned(),
            readers: "the server".to_owned(),
            evaluation_keys: "none".to_owned(),
            layout: "two bits a genotype, read from the BED file in the page cache".to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        1
    }

    fn held_bytes(&self) -> u64 {
        1
    }

    fn setup(&self, _: Shape) -> Result<Keys<(), ()>> {
        Ok(Keys { secret: (), server: (), bytes: KeyBytes::default() })
    }

    fn encrypt(&self, (): &(), work: &Workload) -> Result<Sent<Codes>> {
        let bytes = u64::from(work.shape.people.div_ceil(4)) * u64::from(work.shape.variants);
        Ok(Sent { value: Codes { cohort: work.cohort.clone() }, bytes })
    }

    fn encrypt_phenotype(&self, (): &(), work: &Workload) -> Result<Sent<Vec<i64>>> {
        let value: Vec<i64> = work.cases.iter().map(|&c| i64::from(c)).collect();
        Ok(Sent { bytes: value.len() as u64, value })
    }

    fn compute(&self, (): &(), codes: &Codes, cases: &Vec<i64>) -> Result<Sent<Self::Sums>> {
        let degree = Params::N2048Q50.degree();
        let sums = plain_sums(&codes.cohort, &[cases], &[PlaneKind::Dosage], degree);
        let sums = sums.map_err(Error::step("summing in the clear"))?.into_iter().next();
        let sums = sums.ok_or(Error::Inexact("the number of planes"))?;
        let bytes = 16 * sums.plain.len() as u64;
        Ok(Sent { value: (sums, cases.iter().sum::<i64>() as f64), bytes })
    }

    fn decrypt(&self, (): &(), (sums, cases): &Self::Sums, shape: Shape) -> Result<Answer> {
        let plus = |sums: &[i64], people: f64| sums.iter().map(|&s| s as f64 + people).collect();
        Ok(Answer {
            all: plus(&sums.plain, shape.people.into()),
            cases: plus(sums.weighted.first().map_or(&[], Vec::as_slice), *cases),
            case_count: *cases,
        })
    }

    fn bits_left(&self, (): &(), _: &Self::Sums) -> Result<Option<f64>> {
        Ok(None)
    }
}
