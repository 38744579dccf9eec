//! Where objects are: named, immutable, written once and whole.
//!
//! [`ObjectStore`] is what the rest of the server knows; [`LocalFolder`] is the embedded default, and an object storage
//! service fits behind the same trait. Calls block: they run on blocking threads or on the pool of the jobs, never on the
//! async runtime.

mod local;
mod receive;
mod verified;

use std::io;

use he_core::Digest;

pub use local::LocalFolder;
pub use receive::Receiver;
pub use verified::{Damaged, Verified, has_its_digest};

/// What kind of thing a name belongs to; each has names of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Bulk objects and job results, named by the BLAKE3 digest of their bytes.
    Chunk,
    /// Panels as text, named by their panel digest.
    Panel,
    /// Envelopes, named by the digest of the message inside.
    Manifest,
    /// What the server itself has to remember when its index is rebuilt ([`crate::records`]).
    Record,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Chunk, Self::Panel, Self::Manifest, Self::Record];

    /// Name of the folder.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Chunk => "chunks",
            Self::Panel => "panels",
            Self::Manifest => "manifests",
            Self::Record => "records",
        }
    }

    /// Number in the index.
    pub const fn code(self) -> i64 {
        match self {
            Self::Chunk => 0,
            Self::Panel => 1,
            Self::Manifest => 2,
            Self::Record => 3,
        }
    }

    /// The class with that number.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code() == code)
    }
}

/// Tells whether the stored bytes are still those that were looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// Length in bytes.
    pub length: u64,
    /// When it was written, in nanoseconds since 1970.
    pub modified: i128,
    /// Number of the file.
    pub inode: u64,
}

/// A stored object, opened.
pub trait Object: Send + Sync {
    /// Its version.
    ///
    /// # Errors
    /// Those of the system.
    fn version(&self) -> io::Result<Version>;

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// Those of the system; `UnexpectedEof` past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// An object being written. Dropped without [`Upload::commit`] it leaves nothing behind.
pub trait Upload: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the object durable and visible under `name`; replaces what was there.
    ///
    /// # Errors
    /// Those of the system; nothing is visible then.
    fn commit(self: Box<Self>, name: &Digest) -> io::Result<()>;
}

/// A place for objects.
pub trait ObjectStore: Send + Sync + 'static {
    /// Begins to write an object of `length` bytes.
    ///
    /// # Errors
    /// `StorageFull` when the space left is not enough; those of the system.
    fn begin(&self, class: Class, length: u64) -> io::Result<Box<dyn Upload>>;

    /// Opens an object.
    ///
    /// # Errors
    /// `NotFound`; those of the system.
    fn open(&self, class: Class, name: &Digest) -> io::Result<Box<dyn Object>>;

    /// Deletes an object; that it does not exist is no error.
    ///
    /// # Errors
    /// Those of the system.
    fn delete(&self, class: Class, name: &Digest) -> io::Result<()>;

    /// Calls `each` with every name of a class, in no order.
    ///
    /// # Errors
    /// Those of the system, and those of `each`.
    fn list(&self, class: Class, each: &mut dyn FnMut(Digest) -> io::Result<()>) -> io::Result<()>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// Those of the system.
    fn free_space(&self) -> io::Result<u64>;
}

/// The whole of an object of at most `limit` bytes.
///
/// # Errors
/// `InvalidData` when it is longer; those of the store.
pub fn read_all(
    store: &dyn ObjectStore,
    class: Class,
    name: &Digest,
    limit: u64,
) -> io::Result<Vec<u8>> {
    let object = store.open(class, name)?;
    let length = object.version()?.length;
    if length > limit {
        let text = format!("{name} has {length} bytes, more than the limit of {limit}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    object.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Writes a whole object.
///
/// # Errors
/// Those of the store.
pub fn write_all(
    store: &dyn ObjectStore,
    class: Class,
    name: &Digest,
    bytes: &[u8],
) -> io::Result<()> {
    let mut upload = store.begin(class, bytes.len() as u64)?;
    upload.write(bytes)?;
    upload.commit(name)
}

/// Whether an error means that the disk, or a limit of the system on files, is exhausted.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
