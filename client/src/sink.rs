//! Where encrypted chunks go while encryption runs: files of a folder, or straight to a server.
//!
//! Both hold a bounded number of chunks at a time and report the first failure to the next caller, so that encryption
//! stops early. Buffers that a sink is done with can be taken back ([`ChunkSink::buffer`]).

mod folder;
mod upload;

use he_core::Digest;

use crate::Result;

pub use folder::FolderSink;
pub use upload::UploadSink;

/// Takes whole chunk objects, from any thread.
pub trait ChunkSink: Sync {
    /// Stores a chunk; may wait until there is room. `digest` is that of `bytes`.
    ///
    /// # Errors
    /// When this chunk or an earlier one could not be stored.
    fn put(&self, digest: Digest, bytes: Vec<u8>) -> Result<()>;

    /// A buffer to write the next chunk into: one that has been stored, with what it held, if there is any.
    fn buffer(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Waits until everything is stored for good.
    ///
    /// # Errors
    /// When a chunk could not be stored.
    fn finish(self) -> Result<()>
    where
        Self: Sized;
}
