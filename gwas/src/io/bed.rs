//! PLINK binary filesets: PREFIX.bed, PREFIX.bim, PREFIX.fam.
//!
//! Format: <https://www.cog-genomics.org/plink/1.9/formats#bed>. Three magic bytes `6c 1b 01`, then per variant
//! `ceil(n / 4)` bytes. Bits past the last person are not looked at: PLINK writes zeros there, other programs don't
//! always. The file's length must fit the .bim and .fam files exactly.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bim::{self, BimError, RefAllele};
use super::exclusions::{Exclusions, SiteError, SiteSorter, empty_panel};
use super::fam::{self, FamError};
use super::positioned::PositionedFile;
use super::source::{GenotypeSource, code_bytes};
use super::store::{CodeStore, PackedGenotypes};
use crate::panel::{PanelError, ReferenceStatus};

const MAGIC: [u8; 3] = [0x6c, 0x1b, 0x01];

/// How to open a fileset.
#[derive(Clone, Debug, Default)]
pub struct BedOptions {
    /// Which allele column is REF.
    pub ref_allele: RefAllele,
    /// The genome build, if the user names it.
    pub build: Option<String>,
    /// Stop at unknown contigs and exact duplicates instead of excluding them.
    pub strict: bool,
}

/// Why a fileset can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BedError {
    /// A file can't be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The .fam file is wrong.
    #[error("{}: {source}", path.display())]
    Fam {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FamError,
    },
    /// The .bim file is wrong.
    #[error("{}: {source}", path.display())]
    Bim {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BimError,
    },
    /// The variants as a whole aren't acceptable.
    #[error("{}: {source}", path.display())]
    Sites {
        /// The .bim file.
        path: PathBuf,
        /// What is wrong.
        source: SiteError,
    },
    /// The build's name isn't acceptable.
    #[error("the build given: {0}")]
    Build(#[from] PanelError),
    /// Not a .bed file.
    #[error(
        "{} is not a PLINK 1 .bed file (it must start with the bytes 6c 1b 01); convert with `plink --make-bed` or, for VCF and BCF, use --vcf",
        path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
    },
    /// The obsolete order.
    #[error("{} is in sample-major order; rewrite it with `plink --bfile PREFIX --make-bed --out NEW`", path.display())]
    SampleMajor {
        /// The file.
        path: PathBuf,
    },
    /// The length can't be: the counts disagree, or the file is cut off.
    #[error(
        "{} has {found} bytes, but {people} people (.fam) and {variants} variants (.bim) make {expected}: {guess}",
        path.display()
    )]
    Length {
        /// The .bed file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The length that the other files imply.
        expected: u64,
        /// People in the .fam file.
        people: u32,
        /// Variants in the .bim file.
        variants: u32,
        /// What is likely wrong and what to do.
        guess: String,
    },
}

/// An open genotype file with what came along.
#[derive(Debug)]
pub struct GenotypeFile {
    /// The genotypes of all people at all variants that the exclusion rules keep.
    pub genotypes: Arc<dyn GenotypeSource>,
    /// What the exclusion rules took out.
    pub exclusions: Exclusions,
    /// How many kept variants repeat an earlier variant's id: worth a notice, never an error.
    pub repeated_ids: u32,
    /// The phenotypes of the .fam file's sixth column; nothing for formats without one.
    pub phenotypes: Option<FamPhenotypes>,
}

impl std::fmt::Debug for dyn GenotypeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenotypeSource")
            .field("people", &self.samples().len())
            .field("panel", self.panel())
            .finish_non_exhaustive()
    }
}

/// Column six of a .fam file, not yet interpreted.
#[derive(Clone)]
pub struct FamPhenotypes {
    pub(crate) path: PathBuf,
    /// One token a person.
    pub(crate) tokens: Vec<Box<str>>,
    /// The line of each person.
    pub(crate) lines: Vec<u64>,
}

/// Phenotypes are private.
impl std::fmt::Debug for FamPhenotypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FamPhenotypes").field("people", &self.tokens.len()).finish_non_exhaustive()
    }
}

/// Opens PREFIX.bed, PREFIX.bim and PREFIX.fam.
///
/// Reads the .bim and .fam files whole and checks the .bed file's magic and length; genotypes are read later, in pieces.
///
/// # Errors
/// When a file is missing, malformed or doesn't fit the others.
pub fn open_bfile(prefix: &Path, options: &BedOptions) -> Result<GenotypeFile, BedError> {
    let path = |extension: &str| {
        let mut name = OsString::from(prefix);
        name.push(extension);
        PathBuf::from(name)
    };
    let (bed_path, bim_path, fam_path) = (path(".bed"), path(".bim"), path(".fam"));
    // The .bed file first: a wrong prefix or format is found before two text files are read.
    let bed = open_bed(&bed_path)?;
    let fam = fam::read(BufReader::new(open(&fam_path)?))
        .map_err(|source| BedError::Fam { path: fam_path.clone(), source })?;

    let panel = empty_panel(ReferenceStatus::Provisional, options.build.as_deref())?;
    let mut sorter = SiteSorter::new(panel, options.strict);
    bim::read(BufReader::with_capacity(1 << 18, open(&bim_path)?), options.ref_allele, &mut sorter)
        .map_err(|source| BedError::Bim { path: bim_path.clone(), source })?;
    let variants = sorter.row_count();
    // `fam::read` bounds the number of people.
    let people = u32::try_from(fam.samples.len()).unwrap_or(u32::MAX);
    check_length(&bed, &bed_path, people, variants)?;
    let sites = sorter.finish().map_err(|source| BedError::Sites { path: bim_path, source })?;

    let magic = MAGIC.len() as u64;
    let store =
        CodeStore::file(PositionedFile::new(bed), &bed_path, magic, code_bytes(people), variants)
            .swapped(options.ref_allele == RefAllele::First);
    let repeated_ids = sites.panel.repeated_id_count();
    let phenotypes = FamPhenotypes { path: fam_path, tokens: fam.phenotypes, lines: fam.lines };
    Ok(GenotypeFile {
        genotypes: Arc::new(PackedGenotypes::new(fam.samples, sites.panel, sites.rows, store)),
        exclusions: sites.exclusions,
        repeated_ids,
        phenotypes: Some(phenotypes),
    })
}

fn open(path: &Path) -> Result<File, BedError> {
    File::open(path).map_err(|source| BedError::Io { path: path.to_owned(), source })
}

/// Opens a .bed file and checks its magic bytes.
fn open_bed(path: &Path) -> Result<File, BedError> {
    let mut file = open(path)?;
    let mut magic = Vec::with_capacity(MAGIC.len());
    (&mut file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut magic)
        .map_err(|source| BedError::Io { path: path.to_owned(), source })?;
    match magic.as_slice() {
        m if m == MAGIC => Ok(file),
        [0x6c, 0x1b, 0x00] => Err(BedError::SampleMajor { path: path.to_owned() }),
        _ => Err(BedError::Magic { path: path.to_owned() }),
    }
}

fn check_length(file: &File, path: &Path, people: u32, variants: u32) -> Result<(), BedError> {
    let stride = code_bytes(people) as u64;
    let magic = MAGIC.len() as u64;
    let expected = magic + stride * u64::from(variants);
    let found =
        file.metadata().map_err(|source| BedError::Io { path: path.to_owned(), source })?.len();
    if found == expected {
        return Ok(());
    }
    let data = found.saturating_sub(magic);
    let guess = if data.is_multiple_of(u64::from(variants)) && data > 0 {
        let bytes = data / u64::from(variants);
        format!(
            "it would fit a .fam file of {} to {} people; use the .fam file that was written with it",
            bytes * 4 - 3,
            bytes * 4
        )
    } else if data.is_multiple_of(stride) && data > 0 {
        format!(
            "it would fit a .bim file of {} variants; use the .bim file that was written with it, or copy a cut-off .bed file again",
            data / stride
        )
    } else if found < expected {
        "it is cut off; copy it again".to_owned()
    } else {
        "the three files do not belong together".to_owned()
    };
    Err(BedError::Length { path: path.to_owned(), found, expected, people, variants, guess })
}

#[cfg(test)]
mod tests;
