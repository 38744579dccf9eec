//! Result tables: our own, PLINK 1.9's, and GWAS-SSF.
//!
//! Statistics are computed and formatted in parallel, a batch of variants at a time, and written in panel order; besides the
//! [summary](Summary), memory does not grow with the panel. Files get their names only when all of them are complete.

mod plink;
mod read;
mod ssf;
mod tsv;

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use read::{ReadError, read_table};

use super::atomic::{Pending, Synced, with_suffix};
use super::summary::{Collector, Row, TestSummary};
use crate::panel::{Panel, Variant};
use crate::stats::counts::{CountError, VariantCounts, VariantSums};
use crate::stats::{self, Test};

/// Variants that one task formats.
const BATCH: usize = 1024;
/// Tasks whose text is in memory at a time.
const BATCHES: usize = 32;

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `PREFIX.assoc.tsv`, one row per variant and test.
    ///
    /// Columns `#CHROM POS ID REF ALT A1 A1_FREQ A1_CASE_CT A1_CTRL_CT OBS_CT TEST CHISQ DF OR LOG(OR)_SE P NEG_LOG10_P
    /// ERRCODE`, separated by tabs. A1 is ALT. A1_FREQ is its frequency among the called, A1_CASE_CT and A1_CTRL_CT count
    /// alleles, OBS_CT people called. `NA` is undefined; ERRCODE is `.` when there is nothing to say. Floats are the
    /// shortest text that reads back equal. A P too small for a double is written from its logarithm (`1.2345e-412`).
    Tsv,
    /// PLINK 1.9's `PREFIX.assoc` (as `--assoc`) if the allelic test is among the tests, and `PREFIX.model` (as `--model
    /// --cell 0`, always with all five tests) if genotypes are known; A1 is ALT, as with `--keep-allele-order`.
    Plink,
    /// GWAS-SSF 1.0: `PREFIX.gwas-ssf.tsv` and `PREFIX.gwas-ssf.tsv-meta.yaml`, one row per variant, for the first of ALLELIC,
    /// DOM, REC that is among the tests. `#NA` is missing. Chromosomes are numbers (X and its pseudo-autosomal part 23, Y 24,
    /// mitochondrial 25); variants without such a number or without a position can't be told and are left out.
    Ssf,
}

/// The study that a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Study<'a> {
    /// Name of the phenotype.
    pub phenotype: &'a str,
    /// People who take part.
    pub people: u32,
    /// Cases among them.
    pub cases: u32,
    /// Today, as `YYYY-MM-DD`; only GWAS-SSF's sidecar says it.
    pub date: &'a str,
}

/// What was written or read.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The files, in the order of the format's description.
    pub files: Vec<PathBuf>,
    /// Variants in the panel.
    pub variants: u32,
    /// Variants that the format can't express.
    pub left_out: u32,
    /// The tests, in the order of a report's rows.
    pub tests: Vec<TestSummary>,
}

/// Why no table was written. Nothing half-written is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file can't be written.
    #[error("{}: {source}; check the folder, its permissions and free space, or choose another --out", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Sums that are no counts.
    #[error(transparent)]
    Counts(#[from] CountError),
    /// As many sums as variants are needed.
    #[error("{sums} sums for {variants} variants; the result belongs to another panel")]
    Length {
        /// Sums given.
        sums: usize,
        /// Variants in the panel.
        variants: u32,
    },
    /// No test was asked for.
    #[error("no test to report; name at least one of allelic, trend, geno, dom, rec")]
    NoTest,
    /// A test needs genotype counts that the sums don't have.
    #[error(
        "{0} needs genotype counts, which were not computed; leave it out, or run the job with it"
    )]
    NoGenotypes(Test),
    /// GWAS-SSF is about effects.
    #[error("GWAS-SSF needs a test with an odds ratio; add allelic, dom or rec to --test")]
    NoEffect,
}

/// Writes the tables of `format` for `tests`, from the sums of each variant of `panel`.
///
/// # Errors
/// When the sums don't fit the panel, the tests or each other, or a file can't be written.
pub fn write(
    prefix: &Path,
    panel: &Panel,
    study: &Study<'_>,
    sums: &[VariantSums],
    tests: &[Test],
    format: Format,
) -> Result<Summary, TableError> {
    if u32::try_from(sums.len()) != Ok(panel.len()) {
        return Err(TableError::Length { sums: sums.len(), variants: panel.len() });
    }
    let tests: Vec<Test> = Test::ALL.into_iter().filter(|t| tests.contains(t)).collect();
    let layout = Layout::new(format, panel, &tests, sums)?;
    let mut outputs = layout.open(prefix, panel)?;
    let mut collectors: Vec<Collector> = tests.iter().map(|&t| Collector::new(t)).collect();
    let mut left_out = 0;
    for (wave, sums) in (0..).zip(sums.chunks(BATCH * BATCHES)) {
        let batches: Vec<Batch> = sums
            .par_chunks(BATCH)
            .enumerate()
            .map(|(i, sums)| layout.batch(panel, study, &tests, (wave * BATCHES + i) * BATCH, sums))
            .collect::<Result<_, _>>()?;
        for batch in batches {
            for (output, text) in outputs.iter_mut().zip(&batch.texts) {
                output.write(text)?;
            }
            collectors.iter_mut().zip(batch.collectors).for_each(|(all, part)| all.join(part));
            left_out += batch.left_out;
        }
    }
    let mut synced = Vec::new();
    for output in outputs {
        let digest = output.digest();
        synced.push(output.sync()?);
        if let (Layout::Ssf(test), Some(md5)) = (&layout, digest) {
            let path = with_suffix(prefix, ".gwas-ssf.tsv-meta.yaml");
            let text = ssf::sidecar(panel, study, *test, prefix, &md5);
            let mut sidecar = Output::new(path, false)?;
            sidecar.write(text.as_bytes())?;
            synced.push(sidecar.sync()?);
        }
    }
    let publish = |(path, file): (PathBuf, Synced)| file.publish().map_err(TableError::io(&path));
    let files = synced.into_iter().map(publish).collect::<Result<_, _>>()?;
    let tests = collectors.into_iter().map(Collector::finish).collect();
    Ok(Summary { files, variants: panel.len(), left_out, tests })
}

impl TableError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// One table file in the making.
struct Output {
    file: Pending,
    md5: Option<md5::Md5>,
}

impl Output {
    fn new(path: PathBuf, md5: bool) -> Result<Self, TableError> {
        use md5::Digest as _;
        let file = Pending::new(path.clone()).map_err(TableError::io(&path))?;
        Ok(Self { file, md5: md5.then(md5::Md5::new) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        use md5::Digest as _;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        let path = self.file.path().to_owned();
        self.file.write(bytes).map_err(TableError::io(&path))
    }

    /// Hexadecimal MD5 of everything written, where it was asked for.
    fn digest(&self) -> Option<String> {
        use md5::Digest as _;
        let digest = self.md5.clone()?.finalize();
        Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn sync(self) -> Result<(PathBuf, Synced), TableError> {
        let path = self.file.path().to_owned();
        let synced = self.file.sync().map_err(TableError::io(&path))?;
        Ok((path, synced))
    }
}

/// Formatted rows of consecutive variants.
struct Batch {
    /// Text for each output file.
    texts: Vec<Vec<u8>>,
    collectors: Vec<Collector>,
    left_out: u32,
}

/// Which files a run writes, and how.
enum Layout {
    Tsv,
    Plink { assoc: bool, model: bool, id_width: usize },
    Ssf(Test),
}

impl Layout {
    fn new(
        format: Format,
        panel: &Panel,
        tests: &[Test],
        sums: &[VariantSums],
    ) -> Result<Self, TableError> {
        if tests.is_empty() {
            return Err(TableError::NoTest);
        }
        let genotypes = sums.iter().all(|s| s.all.hom_alt.is_some());
        match (tests.iter().find(|t| t.needs_genotypes()), genotypes) {
            (Some(&test), false) => return Err(TableError::NoGenotypes(test)),
            (needs, _) if format == Format::Plink => {
                let longest = panel.iter().map(|v| v.id.len()).max().unwrap_or(0);
                let assoc = tests.contains(&Test::Allelic);
                return Ok(Self::Plink {
                    assoc,
                    model: needs.is_some(),
                    id_width: plink::id_width(longest),
                });
            }
            _ if format == Format::Tsv => return Ok(Self::Tsv),
            _ => {}
        }
        let effect = [Test::Allelic, Test::Dominant, Test::Recessive];
        let test = effect.into_iter().find(|t| tests.contains(t)).ok_or(TableError::NoEffect)?;
        Ok(Self::Ssf(test))
    }

    /// Starts the files and writes their headers.
    fn open(&self, prefix: &Path, panel: &Panel) -> Result<Vec<Output>, TableError> {
        let headers = match self {
            Self::Tsv => vec![(".assoc.tsv", tsv::HEADER.to_owned())],
            Self::Plink { assoc, model, id_width } => {
                let assoc = assoc.then(|| (".assoc", plink::assoc_header(*id_width)));
                let model = model.then(|| (".model", plink::model_header(*id_width)));
                assoc.into_iter().chain(model).collect()
            }
            Self::Ssf(_) => vec![(".gwas-ssf.tsv", ssf::header(panel))],
        };
        let md5 = matches!(self, Self::Ssf(_));
        let mut outputs = Vec::new();
        for (suffix, header) in headers {
            let mut output = Output::new(with_suffix(prefix, suffix), md5)?;
            output.write(header.as_bytes())?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// Computes and formats variants `first..first + sums.len()`.
    fn batch(
        &self,
        panel: &Panel,
        study: &Study<'_>,
        tests: &[Test],
        first: usize,
        sums: &[VariantSums],
    ) -> Result<Batch, CountError> {
        let mut batch = Batch {
            texts: vec![Vec::new(), Vec::new()],
            collectors: tests.iter().map(|&t| Collector::new(t)).collect(),
            left_out: 0,
        };
        for (index, sums) in (first..).zip(sums) {
            // The panel has at most 2^27 variants.
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let Some(variant) = panel.get(index) else { break };
            let counts = sums.counts(index, study.people, study.cases)?;
            let rows: Vec<Row> = tests.iter().filter_map(|&t| row(index, t, &counts)).collect();
            for collector in &mut batch.collectors {
                let test = collector.test();
                rows.iter().filter(|r| r.result.test == test).for_each(|r| collector.add(r));
            }
            self.format(&mut batch, panel, &variant, &counts, &rows);
        }
        Ok(batch)
    }

    fn format(
        &self,
        batch: &mut Batch,
        panel: &Panel,
        variant: &Variant<'_>,
        counts: &VariantCounts,
        rows: &[Row],
    ) {
        let [first, second] = batch.texts.as_mut_slice() else { return };
        match self {
            Self::Tsv => rows.iter().for_each(|row| tsv::push(first, variant, row)),
            Self::Plink { assoc, model, id_width } => {
                // Without the first file the second takes its place.
                let other = if *assoc { second } else { &mut *first };
                if *model {
                    plink::push_model(other, *id_width, variant, counts);
                }
                if *assoc {
                    plink::push_assoc(first, *id_width, variant, counts);
                }
            }
            Self::Ssf(test) => {
                let row = rows.iter().find(|r| r.result.test == *test);
                let told = row.is_some_and(|row| ssf::push(first, panel, variant, row));
                batch.left_out += u32::from(!told);
            }
        }
    }
}

fn row(variant: u32, test: Test, counts: &VariantCounts) -> Option<Row> {
    let alleles = &counts.alleles;
    Some(Row {
        variant,
        a1_freq: alleles.alt_frequency(),
        a1_cases: alleles.case_alt,
        a1_controls: alleles.control_alt,
        called: alleles.cases + alleles.controls,
        result: stats::run(test, counts)?,
    })
}

#[cfg(test)]
mod tests;
