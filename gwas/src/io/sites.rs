//! Variant lists without genotypes: a panel's text, a .bim file, or a VCF file (with or without samples, compressed or not).
//!
//! Which of them a file is, its first bytes tell. VCF rows are read up to ALT; nothing else of them is looked at.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::bim::{self, BimError, RefAllele};
use super::exclusions::{Exclusions, SiteError, SiteSorter, empty_panel};
use super::vcf::{self, VcfErrorKind};
use crate::panel::{Panel, PanelError, PanelTextError, ReferenceStatus};

/// How to read a variant list.
#[derive(Clone, Debug)]
pub struct SiteListOptions {
    /// Which allele column of a .bim file is REF.
    pub ref_allele: RefAllele,
    /// The genome build of .bim and VCF files, if the user names it; a panel's text has its own.
    pub build: Option<String>,
    /// Stop at unknown contigs and exact duplicates instead of excluding them.
    pub strict: bool,
    /// Exclude VCF rows with several ALT alleles instead of stopping.
    pub skip_multiallelic: bool,
    /// Threads that decompress.
    pub threads: NonZeroUsize,
}

impl Default for SiteListOptions {
    fn default() -> Self {
        Self {
            ref_allele: RefAllele::default(),
            build: None,
            strict: false,
            skip_multiallelic: false,
            threads: NonZeroUsize::MIN,
        }
    }
}

/// A variant list.
#[derive(Debug)]
pub struct SiteList {
    /// The variants that the exclusion rules keep.
    pub panel: Panel,
    /// What they took out.
    pub exclusions: Exclusions,
}

/// Why a variant list can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct SiteListError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: SiteListErrorKind,
}

/// What is wrong with a variant list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteListErrorKind {
    /// It can't be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is a panel's text, and wrong.
    #[error(transparent)]
    Panel(#[from] PanelTextError),
    /// It is taken for a .bim file, and wrong.
    #[error("{0} (the file is read as a .bim file, since it is neither a panel nor VCF)")]
    Bim(#[from] BimError),
    /// It is a VCF file, and wrong.
    #[error(transparent)]
    Vcf(#[from] VcfErrorKind),
    /// The variants as a whole aren't acceptable.
    #[error(transparent)]
    Sites(#[from] SiteError),
    /// The build's name isn't acceptable.
    #[error("the build given: {0}")]
    Build(#[from] PanelError),
}

/// Reads a variant list.
///
/// # Errors
/// When the file can't be read, is malformed, or lists no variant.
pub fn read_sites(path: &Path, options: &SiteListOptions) -> Result<SiteList, SiteListError> {
    let list = File::open(path).map_err(Into::into).and_then(|file| read(file, options));
    list.map_err(|kind| SiteListError { path: path.to_owned(), kind })
}

fn read(
    mut file: impl Read + Send + 'static,
    options: &SiteListOptions,
) -> Result<SiteList, SiteListErrorKind> {
    const PANEL: &[u8] = b"##hegwas-panel=";
    let mut head = Vec::new();
    (&mut file).take(PANEL.len() as u64).read_to_end(&mut head)?;
    let input = io::Cursor::new(head.clone()).chain(file);
    let build = options.build.as_deref();
    if head == PANEL {
        let panel = Panel::read_text(BufReader::with_capacity(1 << 18, input))?;
        return Ok(SiteList { panel, exclusions: Exclusions::default() });
    }
    let sorter = if head.starts_with(b"##fil") || head.starts_with(&[0x1f, 0x8b]) {
        let panel = empty_panel(ReferenceStatus::Given, build)?;
        let sorter = SiteSorter::new(panel, options.strict);
        vcf::read_sites(input, sorter, options.skip_multiallelic, options.threads)?
    } else {
        let panel = empty_panel(ReferenceStatus::Provisional, build)?;
        let mut sorter = SiteSorter::new(panel, options.strict);
        let input: &mut dyn BufRead = &mut BufReader::with_capacity(1 << 18, input);
        bim::read(input, options.ref_allele, &mut sorter)?;
        sorter
    };
    let sorted = sorter.finish()?;
    Ok(SiteList { panel: sorted.panel, exclusions: sorted.exclusions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &[u8], skip_multiallelic: bool) -> Result<SiteList, SiteListErrorKind> {
        let options = SiteListOptions {
            skip_multiallelic,
            build: Some("b".to_owned()),
            ..SiteListOptions::default()
        };
        read(io::Cursor::new(text.to_vec()), &options)
    }

    const SITES: &[u8] = b"##fileformat=VCFv4.2\n##x\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
        22\t5\ta\tA\tC\t.\t.\tAF=0.5\n22\t6\tb\tA\tC,G\t.\t.\t.\nX\t7\tc\tA\tC\n\n22\t8\td\tAT\tA\t.\t.\t.";

    #[test]
    fn all_three_kinds_are_told_by_their_first_bytes() {
        let bim =
            list(b"22\ta\t0\t5\tC\tA\n22\td\t0\t8\tA\tAT\nX\tc\t0\t7\tC\tA\n", false).unwrap();
        let vcf = list(SITES, true).unwrap();
        assert_eq!(vcf.panel.digest(), bim.panel.digest());
        assert_eq!((bim.exclusions.len(), vcf.exclusions.len()), (1, 2));
        assert_eq!(vcf.panel.reference_status(), ReferenceStatus::Given);
        let mut text = Vec::new();
        vcf.panel.write_text(&mut text).unwrap();
        assert_eq!(list(&text, false).unwrap().panel, vcf.panel);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packed, SITES).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(list(&packed, true).unwrap().panel, vcf.panel);
        assert!(list(&packed[..packed.len() - 9], true).is_err());
    }

    #[test]
    fn bad_lists_are_refused() {
        for (text, message) in [
            (&b""[..], "no variant"),
            (b"hello\n", "line 1 has 1 columns"),
            (b"##hegwas-panel=2\n", "another format version"),
            (b"##fileformat=VCFv4.2\n", "the header ends"),
            (b"##fileformat=VCFv3.3\n", "older VCF"),
            (b"##fileformat=VCFv4.2\n22\t1\n", "expected a header line"),
            (b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n", "no variant"),
            (b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tALT\tREF\n", "must begin with the columns"),
            (b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n22\tx\t.\tA\tC\n", "line 3: POS"),
            (b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n22\t1\t.\tA\n", "fewer columns"),
            (SITES, "more than one ALT"),
        ] {
            let error = list(text, false).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packed, b"BCF\x02\x02\0\0\0\0").unwrap();
        let error = list(&packed.finish().unwrap(), false).unwrap_err().to_string();
        assert!(error.contains("bcftools view"), "{error}");
    }
}
