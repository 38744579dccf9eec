//! Which stored chunks have been read and found to be what their names say, in this process.
//!
//! Disks forget and administrators restore old copies: a chunk is hashed once before a job uses it, and again when its
//! file has changed. Uploads are hashed on their way in; where that check was as strict as this one, it is not done again.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;

use he_core::Digest;

use super::{Class, Object, ObjectStore, Version};
use crate::check::Residues;

const PIECE: usize = 1 << 20;
const LOCKS: usize = 64;

/// A stored object is not what its name says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the stored chunk {digest} is {}; push it again: the server replaces it", if *missing { "missing" } else { "damaged" })]
pub struct Damaged {
    /// Its name.
    pub digest: Digest,
    /// Whether it is not there at all.
    pub missing: bool,
}

/// The verified chunks. Memory: 100 bytes each.
pub struct Verified {
    seen: Mutex<HashMap<Digest, Version>>,
    /// So that two threads do not hash the same chunk.
    busy: [Mutex<()>; LOCKS],
}

impl Default for Verified {
    fn default() -> Self {
        Self { seen: Mutex::default(), busy: std::array::from_fn(|_| Mutex::default()) }
    }
}

/// A lock that outlives a panic elsewhere: what it guards is valid after every step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Verified {
    /// Opens a chunk; reads it whole first unless that was done. `residues` makes the check of the words that belongs to
    /// the chunk's place.
    ///
    /// # Errors
    /// [`Damaged`] inside the error; those of the store.
    pub fn open(
        &self,
        store: &dyn ObjectStore,
        digest: &Digest,
        residues: impl FnOnce() -> Residues,
    ) -> io::Result<Box<dyn Object>> {
        let damaged = |missing| io::Error::other(Damaged { digest: *digest, missing });
        let object = match store.open(Class::Chunk, digest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(true)),
            other => other?,
        };
        let version = object.version()?;
        let known = || lock(&self.seen).get(digest) == Some(&version);
        if known() {
            return Ok(object);
        }
        let number = usize::from(digest.0.first().copied().unwrap_or_default()) % LOCKS;
        let _busy = self.busy.get(number).map(lock);
        if !known() {
            if !is_sound(object.as_ref(), version.length, digest, residues())? {
                return Err(damaged(false));
            }
            lock(&self.seen).insert(*digest, version);
        }
        Ok(object)
    }

    /// Takes note of a chunk that was hashed and checked on its way in; `version` is that of the file written then.
    pub fn learn(&self, digest: &Digest, version: Version) {
        lock(&self.seen).insert(*digest, version);
    }

    /// Forgets a chunk that was deleted or replaced.
    pub fn forget(&self, digest: &Digest) {
        lock(&self.seen).remove(digest);
    }
}

/// Whether an object has its digest and reduced words.
fn is_sound(
    object: &dyn Object,
    length: u64,
    digest: &Digest,
    mut residues: Residues,
) -> io::Result<bool> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    while offset < length {
        let now = usize::try_from(length - offset).unwrap_or(PIECE).min(PIECE);
        let bytes = piece.get_mut(..now).unwrap_or_default();
        object.read_at(offset, bytes)?;
        hasher.update(bytes);
        let header = (he_core::codec::HEADER_LEN as u64).saturating_sub(offset);
        let body = bytes.get(usize::try_from(header).unwrap_or(now)..).unwrap_or_default();
        if !residues.take(body) {
            return Ok(false);
        }
        offset += now as u64;
    }
    Ok(*hasher.finalize().as_bytes() == digest.0)
}

/// Whether a stored chunk has its digest.
///
/// # Errors
/// Those of the store.
pub fn has_its_digest(store: &dyn ObjectStore, digest: &Digest) -> io::Result<bool> {
    let object = store.open(Class::Chunk, digest)?;
    let length = object.version()?.length;
    is_sound(object.as_ref(), length, digest, Residues::unchecked())
}
