//! Writing and reading the folder of an encrypted object (see [`crate::bundle`]).

use std::io::Write;
use std::path::Path;

use gwas::io::{Cohort, Sample, Sex};
use gwas::wire::Envelope;

use crate::bundle::{MANIFEST, PANEL, PEOPLE};
use crate::{Error, Result};

/// Writes a new file that only its owner can read, complete or not at all.
pub(super) fn save_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || {
        // Temporary files are created readable by their owner alone.
        let mut file = tempfile::NamedTempFile::with_prefix_in(".part-", folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|e| e.error)
    };
    write().map(drop).map_err(Error::file("write", path))
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

/// Largest list of people that is read.
const MAX_PEOPLE_FILE: u64 = 1 << 30;

/// Reads who the rows of a dataset are.
pub(super) fn load_people(folder: &Path) -> Result<Vec<Sample>> {
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
