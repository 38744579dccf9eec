//! The real cohorts and their oracles.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use gwas::io::{BedOptions, Cohort, Table, open_bfile};
use he_core::ckks::circuits::Variant;
use hegwas_bench::finish::study::Public;

/// A cohort whose people all have a phenotype, with what an oracle says of it.
pub(crate) struct Data {
    pub(crate) cohort: Cohort,
    /// 1 for a case.
    pub(crate) cases: Vec<i64>,
    pub(crate) truth: Vec<Truth>,
}

/// One variant.
pub(crate) struct Truth {
    pub(crate) people: f64,
    /// Alternate alleles of all people.
    pub(crate) alleles: f64,
    pub(crate) homozygotes: f64,
    /// People with calls and alternate alleles of cases.
    pub(crate) cases: [f64; 2],
    pub(crate) allelic: Option<f64>,
    pub(crate) trend: Option<f64>,
}

impl Truth {
    /// Copies of the rarer allele.
    pub(crate) fn minor(&self) -> f64 {
        self.alleles.min(2.0 * self.people - self.alleles)
    }
}

/// 358 people, 85,485 variants, no missing calls; `None`, with the reason printed, where the data are not here.
pub(crate) fn geuvadis() -> Option<Data> {
    data("geuvadis22", "g22", "hi_ENSG00000172404")
}

/// 191 people, 14,305 variants, of which one in five lacks calls.
pub(crate) fn hapmap() -> Option<Data> {
    data("hapmap3", "data", "TSI_v_CEU")
}

/// Every eighth variant, and all near or beyond genome-wide significance.
pub(crate) fn geuvadis_sample() -> Option<Data> {
    let mut data = geuvadis()?;
    let chosen = |i: &u32| i.is_multiple_of(8) || data.truth[*i as usize].allelic > Some(20.0);
    let chosen: Vec<u32> = (0..data.cohort.variant_count()).filter(chosen).collect();
    data.cohort = data.cohort.with_variants(&chosen).unwrap();
    let mut i = 0..;
    data.truth.retain(|_| i.next().is_some_and(|i| chosen.binary_search(&i).is_ok()));
    Some(data)
}

fn data(folder: &str, prefix: &str, phenotype: &str) -> Option<Data> {
    let Some(root) = hegwas_fixtures::real_data() else {
        eprintln!("skipped: no real data here (set HEGWAS_DATA to the folder that holds it)");
        return None;
    };
    let folder: PathBuf = root.join(folder);
    let file = open_bfile(&folder.join(prefix), &BedOptions::default()).unwrap();
    let cohort = Cohort::whole(file.genotypes);
    let samples: Vec<_> = cohort.samples().cloned().collect();
    let table = Table::open(&folder.join("pheno_bin.tsv")).unwrap();
    let status = table.case_control(Some(phenotype), &samples, false).unwrap().status;
    let rows: Vec<u32> = (0..).zip(&status).filter(|(_, s)| s.is_some()).map(|(i, _)| i).collect();
    let cohort = cohort.with_rows(&rows).unwrap();
    let cases = status.iter().flatten().map(|&case| i64::from(case)).collect();
    let truth = truth(&folder.join(format!("truth/oracle.{phenotype}.tsv.gz")));
    assert_eq!(truth.len(), cohort.variant_count() as usize);
    Some(Data { cohort, cases, truth })
}

fn truth(path: &Path) -> Vec<Truth> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let column = |name: &str| names.iter().position(|n| *n == name).unwrap();
    let [people, case, control, allelic, trend] =
        ["OBS_CT", "A1_CASE_CT", "A1_CTRL_CT", "CHISQ", "TREND"].map(column);
    let homozygotes = ["CASE_HOM_A1", "CTRL_HOM_A1"].map(column);
    let of_cases = ["CASE_HOM_A2", "CASE_HET", "CASE_HOM_A1"].map(column);
    lines
        .map(|line| {
            let fields: Vec<Option<f64>> = line.split('\t').map(|f| f.parse().ok()).collect();
            let count = |i: usize| fields[i].unwrap();
            Truth {
                people: count(people),
                alleles: count(case) + count(control),
                homozygotes: homozygotes.map(count).iter().sum(),
                cases: [of_cases.map(count).iter().sum(), count(case)],
                allelic: fields[allelic],
                trend: fields[trend],
            }
        })
        .collect()
}

impl Data {
    /// What a study publishes: with references, or without, which is to say with 1/2.
    pub(crate) fn public(&self, reference: impl Fn(usize, f64) -> f64) -> Public {
        let people = self.cases.len() as f64;
        let variants: Vec<Variant> = (self.truth.iter().enumerate())
            .map(|(i, t)| Variant { reference: reference(i, t.alleles / (2.0 * people)), people })
            .collect();
        let rho = self.cases.iter().sum::<i64>() as f64 / people;
        Public { missing: false, rho, excluded: vec![false; variants.len()], variants }
    }
}

/// The frequency that a panel of the same population may have: up to a fifth off, in three digits.
pub(crate) fn panel(i: usize, frequency: f64) -> f64 {
    let off = (i as f64 * 0.618_034).fract() * 0.4 - 0.2;
    let minor = frequency.min(1.0 - frequency);
    let rounded = (minor * (1.0 + off) * 1000.0).round().max(1.0) / 1000.0;
    if frequency < 0.5 { rounded } else { 1.0 - rounded }
}
