//! A folder with one encrypted object: what `hegwas encrypt` writes and `hegwas push` uploads.
//!
//! ```text
//! FOLDER/manifest.hegwas    signed manifest of a dataset, a phenotype or totals, written last
//! FOLDER/chunks/<digest>    its chunk objects
//! FOLDER/panel.tsv          text of the dataset's panel (datasets only)
//! FOLDER/people.tsv         who the rows are (datasets only); stays here, readable by its owner alone
//! ```

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use gwas::io::{Sample, Sex};
use gwas::panel::Panel;
use gwas::wire::{ChunkRef, Dataset, Envelope, EnvelopeError, Opened, Phenotype, Totals};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind, decode};

use crate::{Error, Result};

/// Name of the manifest in its folder.
pub const MANIFEST: &str = "manifest.hegwas";
/// Name of the folder of chunks.
pub const CHUNKS: &str = "chunks";
/// Name of the panel's text.
pub const PANEL: &str = "panel.tsv";
/// Name of the list of people.
pub const PEOPLE: &str = "people.tsv";

/// An encrypted object in a folder, its manifest verified.
pub struct Bundle {
    folder: PathBuf,
    envelope: Envelope,
    manifest: Manifest,
}

/// The manifest of a [`Bundle`].
#[derive(Debug)]
pub enum Manifest {
    /// Genotypes.
    Dataset(Opened<Dataset>),
    /// A phenotype.
    Phenotype(Opened<Phenotype>),
    /// A site's totals.
    Totals(Opened<Totals>),
}

impl Manifest {
    /// Reads a signed manifest and verifies its signatures.
    ///
    /// # Errors
    /// When the bytes are not one, or a signature does not verify.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        match Envelope::kind_of(bytes)? {
            Kind::Phenotype => Envelope::open(bytes).map(Self::Phenotype),
            Kind::Totals => Envelope::open(bytes).map(Self::Totals),
            _ => Envelope::open(bytes).map(Self::Dataset),
        }
    }

    /// Its name.
    pub fn id(&self) -> Digest {
        match self {
            Self::Dataset(opened) => opened.id,
            Self::Phenotype(opened) => opened.id,
            Self::Totals(opened) => opened.id,
        }
    }

    /// Its objects.
    pub fn chunks(&self) -> Vec<ChunkRef> {
        match self {
            Self::Dataset(opened) => opened.message.chunks.clone(),
            Self::Phenotype(opened) => opened.message.chunks.clone(),
            Self::Totals(opened) => opened.message.objects().collect(),
        }
    }
}

impl Bundle {
    /// Opens the folder `folder` and verifies its manifest; the chunks are not looked at.
    ///
    /// # Errors
    /// When there is no manifest, or it does not verify.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let bytes = read_limited(&path, Kind::Envelope.limit() + HEADER_LEN as u64)?;
        let bad = |e: EnvelopeError| {
            Error::corrupt(format_args!("{}: {e}", path.display())).with_remedy(AGAIN)
        };
        let manifest = Manifest::parse(&bytes).map_err(bad)?;
        let envelope = decode(&bytes).map_err(|e| bad(e.into()))?;
        Ok(Self { folder: folder.to_owned(), envelope, manifest })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The signed manifest.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads a chunk and checks length and digest.
    ///
    /// # Errors
    /// When the file is missing, damaged or another one.
    pub fn chunk(&self, chunk: &ChunkRef) -> Result<Vec<u8>> {
        let path = self.folder.join(CHUNKS).join(chunk.digest.to_string());
        let bytes = read_limited(&path, chunk.length)?;
        if bytes.len() as u64 == chunk.length && Digest::of(&bytes) == chunk.digest {
            return Ok(bytes);
        }
        Err(Error::corrupt(format_args!(
            "{} is damaged: its content is not what its name says",
            path.display()
        ))
        .with_remedy(AGAIN))
    }

    /// The text of a dataset's panel, if the folder holds it, checked against the manifest.
    ///
    /// # Errors
    /// When the panel is damaged or another one.
    pub fn panel_text(&self) -> Result<Option<Vec<u8>>> {
        let (path, Manifest::Dataset(opened)) = (self.folder.join(PANEL), &self.manifest) else {
            return Ok(None);
        };
        if !path.is_file() {
            return Ok(None);
        }
        let text = read_limited(&path, Kind::Panel.limit())?;
        let panel = Panel::read_text(text.as_slice()).map_err(|e| {
            Error::corrupt(format_args!("{}: {e}", path.display())).with_remedy(AGAIN)
        })?;
        if panel.digest() == opened.message.panel {
            Ok(Some(text))
        } else {
            Err(Error::corrupt(format_args!("{} is not the panel of this dataset", path.display()))
                .with_remedy(AGAIN))
        }
    }
}

/// Largest list of people that is read.
const MAX_PEOPLE_FILE: u64 = 1 << 30;

/// Reads who the rows of a dataset are, from its folder.
///
/// # Errors
/// When the list is missing, or a line is not a family and an individual id.
pub fn read_people(folder: &Path) -> Result<Vec<Sample>> {
    let path = folder.join(PEOPLE);
    let length = std::fs::metadata(&path).map_err(Error::file("read", &path))?.len();
    let bad = |line: usize| {
        Error::input(format_args!("{} line {line}: not FID and IID", path.display()))
            .with_remedy("use the folder as `hegwas encrypt` wrote it")
    };
    if length > MAX_PEOPLE_FILE {
        return Err(bad(1));
    }
    let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    let mut lines = (1..).zip(text.lines());
    if lines.next().is_none_or(|(_, header)| header != "#FID\tIID") {
        return Err(bad(1));
    }
    lines
        .map(|(number, line)| match line.split_once('\t') {
            Some((fid, iid)) if !iid.is_empty() && !iid.contains('\t') => Ok(Sample {
                fid: Some(fid.into()),
                iid: iid.into(),
                sex: Sex::Unknown,
                founder: true,
            }),
            _ => Err(bad(number)),
        })
        .collect()
}

const AGAIN: &str = "encrypt again, or copy the folder again from where it was made";

/// The bytes of a file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::file("open", path))?;
    let length = file.metadata().map_or(0, |m| m.len()).min(limit);
    let mut bytes = Vec::with_capacity(length as usize + 1);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(Error::file("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::corrupt(format_args!(
            "{} is longer than {limit} bytes",
            path.display()
        ))
        .with_remedy(AGAIN));
    }
    Ok(bytes)
}
