//! Receiving an object whose length and digest were announced.

use he_core::Digest;

use super::{Class, ObjectStore, Upload};
use crate::error::ApiError;

/// An object on its way in: refuses one byte too many at once, and one too few or another digest at the end.
pub struct Receiver {
    upload: Box<dyn Upload>,
    hasher: blake3::Hasher,
    declared: u64,
    received: u64,
}

impl Receiver {
    /// Begins to receive `declared` bytes.
    ///
    /// # Errors
    /// Those of the store; the disk may be full.
    pub fn new(store: &dyn ObjectStore, class: Class, declared: u64) -> Result<Self, ApiError> {
        let upload = store.begin(class, declared)?;
        Ok(Self { upload, hasher: blake3::Hasher::new(), declared, received: 0 })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When there are more than declared; those of the store.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.received > self.declared {
            return Err(ApiError::Length { declared: self.declared, received: self.received });
        }
        self.hasher.update(bytes);
        Ok(self.upload.write(bytes)?)
    }

    /// Checks length and digest and makes the object visible under its digest.
    ///
    /// # Errors
    /// When either differs (nothing is stored then); those of the store.
    pub fn finish(self, expected: &Digest) -> Result<(), ApiError> {
        let found = Digest(*self.hasher.finalize().as_bytes());
        if found != *expected {
            self.check_length()?;
            return Err(ApiError::Digest { expected: *expected, found });
        }
        self.finish_as(expected)
    }

    /// Checks the length alone and makes the object visible under a name that the caller has checked.
    ///
    /// # Errors
    /// When the length differs; those of the store.
    pub fn finish_as(self, name: &Digest) -> Result<(), ApiError> {
        self.check_length()?;
        Ok(self.upload.commit(name)?)
    }

    fn check_length(&self) -> Result<(), ApiError> {
        if self.received == self.declared {
            Ok(())
        } else {
            Err(ApiError::Length { declared: self.declared, received: self.received })
        }
    }
}
