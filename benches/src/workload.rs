//! The workload of the comparison: genotypes and a case-control phenotype in, allele counts and their allelic chi-square out.
//!
//! Every scheme gets the same integers in memory, so that reading files is in nobody's time.

use std::fs;
use std::path::Path;

use gwas::io::{BedOptions, Cohort, Table, code, open_bfile};
use gwas::oracle;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Variants that are read at once.
const PIECE: u32 = 256;

/// People and variants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// People.
    pub people: u32,
    /// Variants.
    pub variants: u32,
}

impl Shape {
    /// People x variants.
    #[must_use]
    pub fn genotypes(self) -> f64 {
        f64::from(self.people) * f64::from(self.variants)
    }

    /// The smaller of both in each direction.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self { people: self.people.min(other.people), variants: self.variants.min(other.variants) }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.people, self.variants)
    }
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts = text.split_once('x').map(|(p, v)| (p.parse(), v.parse()));
        match parts {
            Some((Ok(people), Ok(variants))) if people > 0 && variants > 0 => {
                Ok(Self { people, variants })
            }
            _ => Err("give people and variants as 1000x16384".to_owned()),
        }
    }
}

/// The data of one measurement. `Debug` is not implemented: a user's own files are private.
pub struct Workload {
    /// People and variants.
    pub shape: Shape,
    /// The same people and variants as a cohort, for what reads genotypes through the product's own readers.
    pub cohort: Cohort,
    /// Copies of ALT, `[person][variant]`, each 0, 1 or 2.
    pub genotypes: Vec<u8>,
    /// 1 for a case, 0 for a control.
    pub cases: Vec<u8>,
}

/// What a scheme has to give, decrypted. `f64` holds exact counts exactly, and leaves room for schemes that only approximate.
#[derive(Clone, PartialEq)]
pub struct Answer {
    /// Copies of ALT among all people, for each variant.
    pub all: Vec<f64>,
    /// Copies of ALT among the cases.
    pub cases: Vec<f64>,
    /// Number of cases.
    pub case_count: f64,
}

/// How far an answer is from the oracle's.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Deviation {
    /// Largest distance of a count.
    pub count: f64,
    /// Largest distance of a chi-square from the oracle's, divided by the larger of 1 and the oracle's.
    pub chisq: f64,
}

/// Counts and chi-square of one variant as [`gwas::oracle`] computes them.
#[derive(Clone, Copy, PartialEq)]
struct Expected {
    all: f64,
    cases: f64,
    chisq: Option<f64>,
}

impl Workload {
    /// Reads a PLINK fileset and the first phenotype of a table (or the named one): the people who have a status, the variants
    /// that all of them are called at, and of both as many as `shape` asks for, from the first on.
    ///
    /// # Errors
    /// When a file can't be read, or has fewer.
    pub fn open(prefix: &Path, table: &Path, name: Option<&str>, shape: Shape) -> Result<Self> {
        Self::read(prefix, table, name, Some(shape))
    }

    /// The same without a limit: how many people and variants the files have.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn whole(prefix: &Path, table: &Path, name: Option<&str>) -> Result<Self> {
        Self::read(prefix, table, name, None)
    }

    fn read(prefix: &Path, table: &Path, name: Option<&str>, shape: Option<Shape>) -> Result<Self> {
        let file = open_bfile(prefix, &BedOptions::default());
        let all = Cohort::whole(file.map_err(Error::step("opening the genotypes"))?.genotypes);
        let samples: Vec<_> = all.samples().cloned().collect();
        let table = Table::open(table).map_err(Error::step("reading the phenotype"))?;
        let phenotype = table.case_control(name, &samples, false);
        let phenotype = phenotype.map_err(Error::step("reading the phenotype"))?;
        let limit = shape.unwrap_or(Shape { people: u32::MAX, variants: u32::MAX });
        let known = (0u32..).zip(&phenotype.status).filter_map(|(row, s)| Some((row, (*s)?)));
        let (rows, status): (Vec<u32>, Vec<bool>) = known.take(limit.people as usize).unzip();
        let failed = Error::step("choosing people and variants");
        let cohort = all.with_rows(&rows).map_err(failed)?;
        let (chosen, by_variant) = complete(&cohort, limit.variants as usize)?;
        let cohort = cohort.with_variants(&chosen);
        let cohort = cohort.map_err(Error::step("choosing people and variants"))?;
        let found = Shape { people: cohort.people(), variants: cohort.variant_count() };
        if shape.is_some_and(|shape| shape != found) {
            return Err(Error::Step {
                what: "choosing people and variants",
                why: format!(
                    "the files have {found} with a status and complete calls, fewer than asked for"
                ),
            });
        }
        let cases = status.into_iter().map(u8::from).collect();
        Ok(Self { shape: found, cohort, genotypes: transposed(&by_variant, rows.len()), cases })
    }

    /// Genotypes of one person.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.genotypes.chunks_exact(self.shape.variants.max(1) as usize)
    }

    /// How far `answer` is from what [`gwas::oracle`] says of these data.
    ///
    /// # Errors
    /// When the answer has another number of variants.
    pub fn deviation(&self, answer: &Answer) -> Result<Deviation> {
        let variants = self.shape.variants as usize;
        if (answer.all.len(), answer.cases.len()) != (variants, variants) {
            return Err(Error::Inexact("the number of variants of an answer"));
        }
        let people = f64::from(self.shape.people);
        let cases: f64 = self.cases.iter().map(|&c| f64::from(c)).sum();
        let mut largest = Deviation { count: (answer.case_count - cases).abs(), chisq: 0.0 };
        let expected = self.expected();
        for ((expected, &all), &in_cases) in expected.iter().zip(&answer.all).zip(&answer.cases) {
            let count = (all - expected.all).abs().max((in_cases - expected.cases).abs());
            largest.count = largest.count.max(count);
            let chisq = chisq(people, answer.case_count, all, in_cases);
            let distance = match (chisq, expected.chisq) {
                (Some(chisq), Some(expected)) => (chisq - expected).abs() / expected.max(1.0),
                (None, None) => 0.0,
                // Defined for one and not for the other: as wrong as can be.
                _ => f64::INFINITY,
            };
            largest.chisq = largest.chisq.max(distance);
        }
        Ok(largest)
    }

    /// The oracle's counts and statistics, variant by variant.
    fn expected(&self) -> Vec<Expected> {
        let status: Vec<Option<bool>> = self.cases.iter().map(|&c| Some(c == 1)).collect();
        let of = |variant: usize| {
            let copies: Vec<Option<u8>> =
                self.rows().map(|row| row.get(variant).copied()).collect();
            let truth = oracle::truth(&copies, &status);
            let alleles = |[_, one, two]: [u64; 3]| (one + 2 * two) as f64;
            let [controls, cases] = truth.people.map(alleles);
            let [allelic, ..] = truth.tests;
            Expected { all: controls + cases, cases, chisq: allelic.chisq }
        };
        (0..self.shape.variants as usize).into_par_iter().map(of).collect()
    }
}

/// The allelic chi-square of a variant: `T (T a - R t)^2 / (R (T - R) t (T - t))` with `T` alleles, `R` of them in cases, `t`
/// ALT alleles, `a` of them in cases. Nothing where a margin is empty.
fn chisq(people: f64, cases: f64, all: f64, in_cases: f64) -> Option<f64> {
    let (total, case_total) = (2.0 * people, 2.0 * cases);
    let margins = case_total * (total - case_total) * all * (total - all);
    let difference = total * in_cases - case_total * all;
    (margins > 0.0).then(|| total * difference * difference / margins)
}

/// The first variants at which nobody misses a call, and their genotypes, `[variant][person]`.
fn complete(cohort: &Cohort, limit: usize) -> Result<(Vec<u32>, Vec<u8>)> {
    let file_rows = cohort.file_rows();
    let end = file_rows.last().map_or(0, |&row| row + 1);
    let stride = end.div_ceil(4) as usize;
    let (mut chosen, mut genotypes) = (Vec::new(), Vec::new());
    let mut first = 0;
    while first < cohort.variant_count() && chosen.len() < limit {
        let last = cohort.variant_count().min(first + PIECE);
        let mut codes = vec![0; stride * (last - first) as usize];
        cohort
            .read_codes(first..last, 0..end, &mut codes)
            .map_err(Error::step("reading genotypes"))?;
        for (variant, codes) in (first..last).zip(codes.chunks_exact(stride)) {
            let copies = |&row: &u32| {
                let byte = codes.get(row as usize / 4).copied().unwrap_or(0b0101_0101);
                match byte >> (2 * (row % 4)) & 3 {
                    code::HOM_ALT => Some(2),
                    code::HET => Some(1),
                    code::HOM_REF => Some(0),
                    _ => None,
                }
            };
            let start = genotypes.len();
            genotypes.extend(file_rows.iter().map_while(copies));
            if chosen.len() < limit && genotypes.len() == start + file_rows.len() {
                chosen.push(variant);
            } else {
                genotypes.truncate(start);
            }
        }
        first = last;
    }
    Ok((chosen, genotypes))
}

/// `[variant][person]` as `[person][variant]`.
fn transposed(by_variant: &[u8], people: usize) -> Vec<u8> {
    let variants = by_variant.len() / people.max(1);
    let mut out = vec![0; by_variant.len()];
    out.par_chunks_exact_mut(variants.max(1)).enumerate().for_each(|(person, row)| {
        let column = by_variant.chunks_exact(people.max(1));
        for (value, column) in row.iter_mut().zip(column) {
            *value = column.get(person).copied().unwrap_or_default();
        }
    });
    out
}

/// Writes the workload as a PLINK fileset with the phenotype in the .fam file: what PLINK gets instead of ciphertexts.
///
/// # Errors
/// When a file can't be written.
pub fn write_plink(work: &Workload, prefix: &Path) -> Result<u64> {
    let mut bed = vec![0x6c, 0x1b, 0x01];
    for variant in 0..work.shape.variants as usize {
        let mut codes = work.rows().map(|row| match row.get(variant) {
            Some(2) => code::HOM_ALT,
            Some(1) => code::HET,
            _ => code::HOM_REF,
        });
        for _ in 0..work.shape.people.div_ceil(4) {
            let four = (0..4).filter_map(|place| Some(codes.next()? << (2 * place)));
            bed.push(four.fold(0, |byte, code| byte | code));
        }
    }
    let bim: String =
        (1..=work.shape.variants).map(|v| format!("1\tv{v}\t0\t{v}\tC\tA\n")).collect();
    let person =
        |(number, case): (usize, &u8)| format!("p{number}\tp{number}\t0\t0\t1\t{}\n", case + 1);
    let fam: String = work.cases.iter().enumerate().map(person).collect();
    for (extension, bytes) in
        [("bed", bed.as_slice()), ("bim", bim.as_bytes()), ("fam", fam.as_bytes())]
    {
        let path = prefix.with_extension(extension);
        fs::write(&path, bytes).map_err(Error::file(&path))?;
    }
    Ok(bed.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::Workplace;

    fn small(people: u32, variants: u32) -> Workload {
        let place = Workplace::new(None).unwrap();
        let files = place.cohort(40, 60).unwrap();
        Workload::open(&files.prefix, &files.phenotype, None, Shape { people, variants }).unwrap()
    }

    fn counted(work: &Workload) -> Answer {
        let sum = |weight: &dyn Fn(u8) -> u8| {
            let mut sums = vec![0.0; work.shape.variants as usize];
            for (row, &case) in work.rows().zip(&work.cases) {
                sums.iter_mut().zip(row).for_each(|(s, &g)| *s += f64::from(g * weight(case)));
            }
            sums
        };
        let case_count = work.cases.iter().map(|&c| f64::from(c)).sum();
        Answer { all: sum(&|_| 1), cases: sum(&|case| case), case_count }
    }

    #[test]
    fn exact_counts_have_no_deviation_and_others_have() {
        let work = small(30, 50);
        assert_eq!((work.genotypes.len(), work.cases.len()), (1500, 30));
        assert!(work.genotypes.iter().all(|&g| g <= 2) && work.genotypes.contains(&2));
        let answer = counted(&work);
        let exact = work.deviation(&answer).unwrap();
        assert!(exact.count == 0.0 && exact.chisq < 1e-10, "{exact:?}");
        let mut wrong = answer.clone();
        wrong.cases[7] += 1.0;
        let found = work.deviation(&wrong).unwrap();
        assert!(found.count == 1.0 && found.chisq > 1e-6, "{found:?}");
        wrong.all.pop();
        assert!(work.deviation(&wrong).is_err());
        let wrong = Answer { case_count: answer.case_count + 2.0, ..answer };
        assert_eq!(work.deviation(&wrong).unwrap().count, 2.0);
    }

    #[test]
    fn a_part_is_the_first_people_and_variants() {
        let (whole, part) = (small(40, 60), small(11, 7));
        for (all, row) in whole.rows().zip(part.rows()) {
            assert_eq!(all[..7], *row);
        }
        assert_eq!(part.cases, whole.cases[..11]);
    }

    #[test]
    fn plink_files_hold_the_same_and_missing_calls_leave_a_variant_out() {
        let work = small(21, 30);
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("w");
        write_plink(&work, &prefix).unwrap();
        let table = folder.path().join("p.tsv");
        let lines: String = work
            .cases
            .iter()
            .enumerate()
            .map(|(i, c)| format!("p{i}\tp{i}\t{}\n", c + 1))
            .collect();
        fs::write(&table, format!("FID\tIID\tCASE\n{lines}")).unwrap();
        let again = Workload::whole(&prefix, &table, Some("CASE")).unwrap();
        assert!(again.genotypes == work.genotypes && again.cases == work.cases);

        let mut bed = fs::read(prefix.with_extension("bed")).unwrap();
        bed[3 + 6 * 2] = 0b0000_0001; // variant 2, person 0
        fs::write(prefix.with_extension("bed"), bed).unwrap();
        let fewer = Workload::whole(&prefix, &table, None).unwrap();
        assert_eq!(fewer.shape, Shape { people: 21, variants: 29 });
        let shape = Shape { people: 21, variants: 30 };
        assert!(Workload::open(&prefix, &table, None, shape).is_err());
    }

    #[test]
    fn shapes_are_read_as_they_are_written() {
        assert_eq!("200x16384".parse(), Ok(Shape { people: 200, variants: 16_384 }));
        assert_eq!(Shape { people: 2, variants: 3 }.to_string(), "2x3");
        for bad in ["", "200", "0x5", "5x0", "axb", "1x2x3"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }
}
