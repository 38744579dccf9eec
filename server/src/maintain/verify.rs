//! `hegwas-server verify`: every stored object against its name.

use std::io::BufReader;
use std::path::Path;

use gwas::panel::Panel;
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind};
use serde::Serialize;

use super::reindex::manifest_kind;
use crate::index::{Index as _, SqliteIndex};
use crate::lock::Lock;
use crate::records::Record;
use crate::server::StartError;
use crate::store::{Class, LocalFolder, Object, ObjectStore, has_its_digest, read_all};

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct VerifyReport {
    /// Objects read.
    pub objects: u64,
    /// Those that are not what their names say, as `class/name`.
    pub damaged: Vec<String>,
    /// Whether damaged chunks were marked, so that their owners' clients send them again. Not while the server runs: it
    /// finds them itself before a job uses them.
    pub marked: bool,
}

/// Reads every object. Memory does not grow with the number of objects.
///
/// # Errors
/// When the data folder can't be read.
pub async fn verify(path: &Path) -> Result<VerifyReport, StartError> {
    let data = |source| StartError::Data { path: path.to_owned(), source };
    let store = LocalFolder::read_only(&path.join("objects"));
    let mut report = VerifyReport::default();
    let mut chunks = Vec::new();
    for class in Class::ALL {
        let mut each = |name: Digest| {
            report.objects += 1;
            if !is_sound(&store, class, &name) {
                report.damaged.push(format!("{}/{name}", class.folder()));
                if class == Class::Chunk {
                    chunks.push(name);
                }
            }
            Ok(())
        };
        store.list(class, &mut each).map_err(data)?;
    }
    if let (false, Ok(_lock)) = (chunks.is_empty(), Lock::take(path)) {
        let index = SqliteIndex::open(&path.join("index.sqlite"), true).await?;
        for name in chunks {
            index.mark_damaged(&name).await?;
        }
        index.close().await;
        report.marked = true;
    }
    Ok(report)
}

/// Whether an object can be read and is what its name says.
pub(super) fn is_sound(store: &dyn ObjectStore, class: Class, name: &Digest) -> bool {
    match class {
        Class::Chunk => has_its_digest(store, name).unwrap_or(false),
        Class::Panel => panel(store, name).is_some_and(|summary| summary.digest == *name),
        Class::Manifest => {
            let limit = Kind::Envelope.limit() + HEADER_LEN as u64;
            let bytes = read_all(store, class, name, limit);
            bytes.is_ok_and(|bytes| manifest_kind(&bytes).is_some_and(|(_, id)| id == *name))
        }
        Class::Record => Record::read(store, name).is_ok(),
    }
}

/// Name and size of a stored panel, from its text.
pub(super) fn panel(store: &dyn ObjectStore, name: &Digest) -> Option<gwas::panel::PanelSummary> {
    let object = store.open(Class::Panel, name).ok()?;
    let length = object.version().ok()?.length;
    let reader = Reader { object: object.as_ref(), at: 0, length };
    Panel::scan_text(BufReader::with_capacity(1 << 18, reader)).ok()
}

/// A stored object as a stream.
struct Reader<'a> {
    object: &'a dyn Object,
    at: u64,
    length: u64,
}

impl std::io::Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX);
        let now = left.min(buffer.len());
        self.object.read_at(self.at, buffer.get_mut(..now).unwrap_or_default())?;
        self.at += now as u64;
        Ok(now)
    }
}
