//! What a key holder said while a study's key was made: which part it committed to, and whose commitments it answered.
//!
//! The file `ceremony` in the holder's folder ([`super::store`]): JSON lines, on the disk before what they say is sent. A holder that
//! answered two sets of commitments would let whoever shows them choose its own part of the key after having seen the holder's.

use std::path::Path;

use he_core::Digest;
use serde::{Deserialize, Serialize};

use super::store::{Appended, line, lines_of, state_folder, sync_folder, unknown};
use crate::{Error, Result};

/// A line of the file.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Promise {
    /// The digest of the commitment to the holder's part.
    Committed(Digest),
    /// The digest of all holders' commitments, to which the holder revealed its part.
    Answered(Digest),
}

/// A holder's memory of how a study's key was made; one process at a time has it, others wait.
pub(in crate::pipeline) struct Promises {
    file: Appended,
    said: Vec<Promise>,
}

impl Promises {
    /// Opens what is remembered of `study` beside the file `key`; nothing of a new study.
    ///
    /// # Errors
    /// When it is damaged or can't be made.
    pub(in crate::pipeline) fn open(key: &Path, study: Digest) -> Result<Self> {
        let folder = state_folder(key, &study.to_string())?;
        let (file, said) = lines_of(Appended::open_alone(folder.join("ceremony"))?)?;
        sync_folder(&folder)?;
        Ok(Self { file, said })
    }

    /// Leave to commit to the holder's part of the key: to one for ever.
    ///
    /// # Errors
    /// When it committed to another one.
    pub(in crate::pipeline) fn commit(&mut self, commitment: Digest) -> Result<()> {
        let other = |said: &Promise| matches!(said, Promise::Committed(c) if *c != commitment);
        if self.said.iter().any(other) {
            return Err(Error::corrupt("you committed to another part of this study's key before")
                .with_remedy(
                    "tell the other parties: the study has to be proposed anew, with new keys",
                ));
        }
        self.say(Promise::Committed(commitment))
    }

    /// Leave to reveal the part to the commitments with the digest `seen`: to one set of them for ever.
    ///
    /// # Errors
    /// When it was revealed to others, or nothing is known of what the holder committed to.
    pub(in crate::pipeline) fn answer(&mut self, seen: Digest) -> Result<()> {
        if !self.said.iter().any(|said| matches!(said, Promise::Committed(_))) {
            return Err(unknown());
        }
        if self.said.iter().any(|said| matches!(said, Promise::Answered(other) if *other != seen)) {
            return Err(Error::corrupt(
                "you revealed your part of the key to other commitments than these: somebody changed a part after seeing yours",
            )
            .with_remedy(
                "share nothing, and tell the other parties not to trust this server; the study has to be proposed anew",
            ));
        }
        self.say(Promise::Answered(seen))
    }

    fn say(&mut self, promise: Promise) -> Result<()> {
        if !self.said.contains(&promise) {
            self.file.append(&line(&promise)?)?;
            self.said.push(promise);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_revealed_to_one_set_of_commitments() {
        let folder = tempfile::tempdir().unwrap();
        let (key, study) = (folder.path().join("me.key"), Digest::of(b"study"));
        let open = || Promises::open(&key, study).unwrap();
        let [one, two] = [Digest::of(b"one"), Digest::of(b"two")];
        assert!(open().answer(one).is_err(), "nothing is known of a commitment");
        open().commit(one).unwrap();
        open().commit(one).unwrap();
        assert!(matches!(open().commit(two), Err(Error::Corrupt { .. })));
        open().answer(one).unwrap();
        open().answer(one).unwrap();
        let refused = open().answer(two).unwrap_err().to_string();
        assert!(refused.contains("other commitments"), "{refused}");
        // What a crash cut off was never acted upon.
        let path = state_folder(&key, &study.to_string()).unwrap().join("ceremony");
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.iter().filter(|&&b| b == b'\n').count(), 2);
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        open().answer(two).unwrap();
        assert!(open().answer(one).is_err());
    }
}
