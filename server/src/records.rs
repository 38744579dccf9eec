//! What the server has to remember when its index is rebuilt, and no signed object says: small JSON objects of the class
//! [`Class::Record`].

use std::io;

use gwas::wire::Did;
use gwas::wire::draft::Draft;
use he_core::Digest;
use serde::{Deserialize, Serialize};

use crate::store::{Class, ObjectStore, read_all, write_all};

/// A draft with every invitation accepted by a party with a post-quantum sealing key.
const LIMIT: u64 = 32 << 20;

/// One fact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// A key holder contributed an object to a study's key.
    Key {
        /// The study.
        study: Digest,
        /// The holder.
        party: Did,
        /// The object.
        chunk: Digest,
    },
    /// A job was cancelled.
    Cancelled {
        /// The job.
        job: Digest,
    },
    /// A draft, as it is now.
    Draft(Draft),
}

impl Record {
    /// Its name: there is one record for each subject.
    fn name(&self) -> Digest {
        let subject = match self {
            Self::Key { study, party, .. } => format!("key {study} {party}"),
            Self::Cancelled { job } => format!("cancelled {job}"),
            Self::Draft(draft) => format!("draft {}", draft.id),
        };
        Digest::derive("hegwas server v1 record", subject.as_bytes())
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn write(&self, store: &dyn ObjectStore) -> io::Result<()> {
        write_all(store, Class::Record, &self.name(), &serde_json::to_vec(self)?)
    }

    /// Reads the record of that name.
    ///
    /// # Errors
    /// `InvalidData` when it is not one; those of the store.
    pub fn read(store: &dyn ObjectStore, name: &Digest) -> io::Result<Self> {
        let record: Self = serde_json::from_slice(&read_all(store, Class::Record, name, LIMIT)?)?;
        if record.name() == *name { Ok(record) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}
