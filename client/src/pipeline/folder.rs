//! Writing and reading the folder of an encrypted object (see [`crate::bundle`]).

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use gwas::io::Cohort;
use gwas::wire::Envelope;

use crate::bundle::{MANIFEST, PANEL, PEOPLE};
use crate::cleanup::Guard;
use crate::{Error, Result};

/// A new file that only its owner can read, complete or not there at all.
pub(super) struct PrivateFile {
    path: PathBuf,
    file: BufWriter<tempfile::NamedTempFile>,
}

impl PrivateFile {
    /// Begins a file; `path` must not exist when it is [published](Self::publish).
    pub(super) fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Temporary files are created readable by their owner alone.
        let file = tempfile::NamedTempFile::with_prefix_in(".part-", folder);
        let file = BufWriter::new(file.map_err(Error::file("write", path))?);
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::file("write", &self.path))
    }

    /// Gives the file its name.
    pub(super) fn publish(self) -> Result<()> {
        let publish = || {
            let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist_noclobber(&self.path).map_err(|e| e.error)
        };
        publish().map(drop).map_err(Error::file("write", &self.path))?;
        gwas::walk::durable(|| format!("file {}", self.path.display()));
        Ok(())
    }
}

/// Writes a new file that only its owner can read, complete or not at all.
pub(super) fn save_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = PrivateFile::create(path)?;
    file.write(bytes)?;
    file.publish()
}

/// A folder that is being made: gone again with all that is in it, unless it is [kept](Self::keep).
pub(super) struct NewFolder(Guard);

impl NewFolder {
    /// Makes `path`, which must not exist, and the folders above it.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let parent = path.parent().filter(|p| !p.exists()).map(Path::to_owned);
        if let Some(parent) = &parent {
            fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        }
        fs::create_dir(path).map_err(Error::file("create", path))?;
        let path = path.to_owned();
        Ok(Self(Guard::new(move || {
            drop(fs::remove_dir_all(path));
            // Fails, as it should, where something else stands in it.
            parent.map(fs::remove_dir);
        })))
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(self) {
        self.0.disarm();
    }
}

/// Writes the manifest, which makes the folder complete.
pub(super) fn save_manifest(folder: &Path, envelope: &Envelope) -> Result<()> {
    let path = folder.join(MANIFEST);
    let bytes = envelope.to_bytes().map_err(|e| Error::Internal(e.to_string()))?;
    gwas::report::save(&path, &bytes).map_err(Error::file("write", &path))
}

/// Writes the panel and who the rows are.
pub(super) fn save_cohort(folder: &Path, cohort: &Cohort) -> Result<()> {
    let path = folder.join(PANEL);
    let mut text = Vec::new();
    cohort.panel().write_text(&mut text).map_err(Error::file("write", &path))?;
    gwas::report::save(&path, &text).map_err(Error::file("write", &path))?;
    let mut people = String::from("#FID\tIID\n");
    for sample in cohort.samples() {
        people.push_str(sample.fid.as_deref().unwrap_or("0"));
        people.push('\t');
        people.push_str(&sample.iid);
        people.push('\n');
    }
    save_private(&folder.join(PEOPLE), people.as_bytes())
}
