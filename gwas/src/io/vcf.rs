//! VCF, VCF.gz (BGZF or plain gzip) and BCF, read once from beginning to end.
//!
//! Genotypes are packed into 2-bit codes as they stream by and then look exactly like a .bed file's. Small files stay in
//! memory; larger ones go to an **unlinked temporary file** in the system's temporary folder: it never has a name, and the
//! system frees it when the process ends, however it ends. It does hold genotypes in the clear while it lives; point
//! `TMPDIR` to an encrypted disk where that matters.
//!
//! Rules, the same for all formats:
//! - rows with several ALT alleles stop the run, or are excluded with `--skip-multiallelic`; ALT `.` is a valid row;
//! - FILTER and QUAL are not looked at; phase is ignored;
//! - `./.`, `.`, half-calls (`0/.`), and rows without GT are missing calls;
//! - a call of one allele, or of three and more, on a chromosome that is kept (and so diploid) stops the run;
//! - people are named by the header; they have no family id, sex or parents.
//!
//! Formats: VCF 4.1 to 4.5 and BCF 2.1, 2.2 (<https://samtools.github.io/hts-specs/>).

mod bcf;
mod gt;
mod input;
mod sites;
mod spool;
mod text;

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bed::GenotypeFile;
use super::exclusions::{RawSite, Reason, SiteError, SiteSorter, empty_panel};
use super::source::{MAX_PEOPLE, Sample, Sex, code_bytes};
use super::store::PackedGenotypes;
use crate::lines::LineError;
use crate::panel::{PanelError, ReferenceStatus};
use gt::CallError;
use input::Format;
use spool::Spool;

/// How to open a VCF or BCF file.
#[derive(Clone, Debug)]
pub struct VcfOptions {
    /// The genome build, if the user names it.
    pub build: Option<String>,
    /// Stop at unknown contigs and exact duplicates instead of excluding them.
    pub strict: bool,
    /// Exclude rows with several ALT alleles instead of stopping.
    pub skip_multiallelic: bool,
    /// Threads that decompress, beside the one that parses.
    pub threads: std::num::NonZeroUsize,
    /// Packed genotypes up to this many bytes stay in memory.
    pub memory: usize,
    /// Where the temporary file is made; the system's temporary folder if not given.
    pub spool_dir: Option<PathBuf>,
}

impl Default for VcfOptions {
    fn default() -> Self {
        Self {
            build: None,
            strict: false,
            skip_multiallelic: false,
            threads: std::num::NonZeroUsize::MIN,
            memory: 64 << 20,
            spool_dir: None,
        }
    }
}

/// Why a VCF or BCF file can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct VcfError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: VcfErrorKind,
}

/// A place in a file: a line of a VCF file, or a record of a BCF file (1-based both).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line of the text, header included.
    Line(u64),
    /// Record, header not counted.
    Record(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::Record(n) => write!(f, "record {n}"),
        }
    }
}

/// What is wrong with a VCF or BCF file. Never holds a genotype or a sample's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VcfErrorKind {
    /// The file can't be opened, read or decompressed.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line can't be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Another format.
    #[error("is neither VCF nor BCF (compressed or not); for PLINK files use --bfile PREFIX")]
    Format,
    /// A list of sites in BCF.
    #[error(
        "is BCF, which is not read as a list of sites; write them as VCF with `bcftools view -G -Oz -o OUT IN`"
    )]
    BcfSites,
    /// The compressed file lacks its end.
    #[error("is cut off: the BGZF end-of-file block is missing; copy or make the file again")]
    Truncated,
    /// The header isn't one.
    #[error("{place}: {what}")]
    Header {
        /// Where.
        place: Place,
        /// What is wrong.
        what: &'static str,
    },
    /// Two samples of one name.
    #[error(
        "two samples in the header have the same name (columns {first} and {second}); rename one with `bcftools reheader`"
    )]
    RepeatedSample {
        /// 1-based number of the sample.
        first: usize,
        /// 1-based number of the sample.
        second: usize,
    },
    /// A record isn't one.
    #[error("{place}: {what}")]
    Record {
        /// Where.
        place: Place,
        /// What is wrong.
        what: &'static str,
    },
    /// More than one ALT.
    #[error(
        "{place}: {chrom}:{pos} has more than one ALT allele; split such rows with `bcftools norm -m- IN -Oz -o OUT`, or leave them out with --skip-multiallelic"
    )]
    Multiallelic {
        /// Where.
        place: Place,
        /// Chromosome.
        chrom: String,
        /// Position.
        pos: i64,
    },
    /// A call that can't be counted.
    #[error("{place}, sample {sample}: {source}")]
    Call {
        /// Where.
        place: Place,
        /// 1-based number of the sample in the header.
        sample: usize,
        /// What is wrong.
        source: CallError,
    },
    /// The variant isn't acceptable.
    #[error("{place}: {source}")]
    Site {
        /// Where.
        place: Place,
        /// What is wrong.
        source: SiteError,
    },
    /// The variants as a whole aren't acceptable.
    #[error(transparent)]
    Sites(SiteError),
    /// The build's name isn't acceptable.
    #[error("the build given: {0}")]
    Build(#[from] PanelError),
    /// The temporary file can't be made or written.
    #[error("cannot write packed genotypes to a temporary file in {}: {source}; set TMPDIR to a folder with {needed} bytes free", dir.display())]
    Spool {
        /// The folder.
        dir: PathBuf,
        /// Bytes wanted so far.
        needed: u64,
        /// What the system said.
        source: io::Error,
    },
    /// No variant at all.
    #[error("holds no variant")]
    Empty,
}

pub use gt::CallError as VcfCallError;
pub(super) use sites::read_sites;

/// Opens a VCF, VCF.gz or BCF file, whatever its name; reads it whole.
///
/// # Errors
/// When the file can't be read, is malformed, or breaks one of the rules above.
pub fn open_vcf(path: &Path, options: &VcfOptions) -> Result<GenotypeFile, VcfError> {
    let file = std::fs::File::open(path)
        .map_err(|e| VcfError { path: path.to_owned(), kind: e.into() })?;
    read_vcf(file, path, options)
}

/// Reads a VCF, VCF.gz or BCF stream (such as standard input) to its end; `path` is for errors.
///
/// # Errors
/// As [`open_vcf`].
pub fn read_vcf(
    input: impl Read + Send + 'static,
    path: &Path,
    options: &VcfOptions,
) -> Result<GenotypeFile, VcfError> {
    read(input, options).map_err(|kind| VcfError { path: path.to_owned(), kind })
}

fn read(
    input: impl Read + Send + 'static,
    options: &VcfOptions,
) -> Result<GenotypeFile, VcfErrorKind> {
    let mut opened = input::open(input, options.threads)?;
    let finished = match opened.format {
        Format::Text => text::read(&mut opened.reader, options)?,
        Format::Binary => bcf::read(&mut opened.reader, options)?,
    };
    if !opened.tail.is_complete() {
        return Err(VcfErrorKind::Truncated);
    }
    finished.into_file()
}

/// What the readers of both formats fill: samples first, then row after row.
struct Rows<'a> {
    samples: Vec<Sample>,
    sorter: SiteSorter,
    spool: Spool,
    options: &'a VcfOptions,
    /// The codes of the current row.
    codes: Vec<u8>,
}

/// What becomes of a row once its site is known.
enum Wanted {
    /// Its genotypes go to [`Rows::codes`], then [`Rows::commit`] is called.
    Yes,
    /// The row is excluded.
    No,
}

impl<'a> Rows<'a> {
    fn new(names: Vec<Box<str>>, options: &'a VcfOptions) -> Result<Self, VcfErrorKind> {
        let place = Place::Line(1);
        let wrong = |what| Err(VcfErrorKind::Header { place, what });
        if names.is_empty() {
            return wrong("the file has no sample, only sites");
        }
        if names.len() > MAX_PEOPLE as usize {
            return wrong("the file has more than 16 million samples");
        }
        if names.iter().any(|n| n.is_empty() || n.len() > super::fam::MAX_ID_LEN) {
            return wrong("a sample's name is empty or longer than 1,000 bytes");
        }
        let mut seen = std::collections::HashMap::new();
        for (number, name) in (1..).zip(&names) {
            if let Some(first) = seen.insert(name, number) {
                return Err(VcfErrorKind::RepeatedSample { first, second: number });
            }
        }
        let sample = |iid| Sample { fid: None, iid, sex: Sex::Unknown, founder: true };
        let samples: Vec<Sample> = names.into_iter().map(sample).collect();
        let stride = code_bytes(samples.len() as u32);
        let panel = empty_panel(ReferenceStatus::Given, options.build.as_deref())?;
        Ok(Self {
            samples,
            sorter: SiteSorter::new(panel, options.strict),
            spool: Spool::new(stride, options.memory, options.spool_dir.clone()),
            options,
            codes: vec![0; stride],
        })
    }

    /// Takes the next row's site; `alleles` is the number of ALT alleles.
    fn site(
        &mut self,
        site: RawSite<'_>,
        alternates: usize,
        place: Place,
    ) -> Result<Wanted, VcfErrorKind> {
        let wrong = |source| VcfErrorKind::Site { place, source };
        let diploid = crate::panel::Contig::parse(site.chrom).is_diploid();
        if alternates > 1 && diploid {
            if !self.options.skip_multiallelic {
                let (chrom, pos) = (site.chrom.to_owned(), site.pos);
                return Err(VcfErrorKind::Multiallelic { place, chrom, pos });
            }
            self.sorter.exclude(site, Reason::Multiallelic).map_err(wrong)?;
            return Ok(Wanted::No);
        }
        Ok(if self.sorter.offer(site).map_err(wrong)? { Wanted::Yes } else { Wanted::No })
    }

    /// Stores the codes of the row last taken.
    fn commit(&mut self) -> Result<(), VcfErrorKind> {
        self.spool.push(&self.codes)
    }

    fn into_file(self) -> Result<GenotypeFile, VcfErrorKind> {
        if self.sorter.row_count() == 0 {
            return Err(VcfErrorKind::Empty);
        }
        let store = self.spool.finish()?;
        // The spool holds the kept rows only, one after the other.
        let sites = self.sorter.finish().map_err(VcfErrorKind::Sites)?;
        let repeated_ids = sites.panel.repeated_id_count();
        let genotypes = PackedGenotypes::new(self.samples, sites.panel, sites.accepted, store);
        Ok(GenotypeFile {
            genotypes: Arc::new(genotypes),
            exclusions: sites.exclusions,
            repeated_ids,
            phenotypes: None,
        })
    }
}

/// A reader of decompressed bytes.
type Bytes<'a> = &'a mut dyn BufRead;

#[cfg(test)]
mod tests;
