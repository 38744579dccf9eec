//! What the handlers share.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use gwas::wire::httpsig::Origin;
use gwas::wire::log::Event;
use gwas::wire::{Did, Envelope, Opened, Study};
use he_core::Digest;
use he_core::codec::{Kind, Message};
use tokio::sync::{Mutex, OwnedMutexGuard, RwLock, Semaphore, watch};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::index::{Index, Orphans};
use crate::jobs::Jobs;
use crate::logs::{Happened, Logs};
use crate::metrics::Metrics;
use crate::policy::{Limits, Policy};
use crate::store::{Class, ObjectStore, Verified, read_all};

/// Bodies that are held in memory as a whole, together, in MiB: one envelope of the largest size.
const BODIES: usize = 66;

/// The server's parts.
pub struct App {
    /// Objects.
    pub store: Arc<dyn ObjectStore>,
    /// What is known of them.
    pub index: Arc<dyn Index>,
    /// Logs of studies.
    pub logs: Arc<Logs>,
    /// Names of the logs of studies that were asked for: they never change, and a study takes a signature of each holder to
    /// load.
    log_names: std::sync::Mutex<HashMap<Digest, Digest>>,
    /// Chunks whose bytes were checked in this process.
    pub verified: Verified,
    /// Addresses under which clients know this server; the first is printed.
    pub origins: Vec<Origin>,
    /// Who may use it.
    pub policy: Policy,
    /// How much.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// Running jobs.
    pub jobs: Jobs,
    /// Counters.
    pub metrics: Metrics,
    /// Held for reading while an object becomes visible and is recorded, for writing while objects are erased, so that an
    /// object can't be erased between the two.
    pub erasing: RwLock<()>,
    /// Limits the memory that bodies take: a permit is a MiB.
    pub bodies: Arc<Semaphore>,
    /// Held while something is checked and recorded: checks load what a manifest names, one at a time keeps memory flat.
    checking: Arc<Mutex<()>>,
    /// True once the server is shutting down.
    pub stopping: watch::Sender<bool>,
}

/// What an [`App`] is made of.
pub struct Parts {
    /// Objects.
    pub store: Arc<dyn ObjectStore>,
    /// Index.
    pub index: Arc<dyn Index>,
    /// Logs of studies.
    pub logs: Arc<Logs>,
    /// Addresses.
    pub origins: Vec<Origin>,
    /// Who may use it.
    pub policy: Policy,
    /// How much.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, index, logs, origins, policy, limits, clock } = parts;
        Arc::new(Self {
            store,
            index,
            logs,
            log_names: std::sync::Mutex::default(),
            verified: Verified::default(),
            origins,
            policy,
            limits,
            clock,
            jobs: Jobs::default(),
            metrics: Metrics::default(),
            erasing: RwLock::default(),
            bodies: Arc::new(Semaphore::new(BODIES)),
            checking: Arc::default(),
            stopping: watch::Sender::new(false),
        })
    }

    /// The time in seconds since 1970.
    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    /// The turn to check something and record it. Whoever records hands it to what can't be interrupted: a limit that was
    /// kept when something was checked is still kept when it is recorded.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.checking).lock_owned().await
    }

    /// Whether the server is shutting down.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// A stored manifest.
    ///
    /// # Errors
    /// When it is not there or not what its name says.
    pub async fn load<T: Message + Send + 'static>(
        self: &Arc<Self>,
        id: &Digest,
    ) -> Result<Opened<T>, ApiError> {
        let (app, id) = (Arc::clone(self), *id);
        blocking(move || app.load_blocking(&id)).await
    }

    /// [`Self::load`] for threads that may block.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_blocking<T: Message>(&self, id: &Digest) -> Result<Opened<T>, ApiError> {
        let bytes = self.read_manifest(id)?;
        let opened = Envelope::open::<T>(&bytes)?;
        if opened.id == *id {
            Ok(opened)
        } else {
            Err(ApiError::Internal(format!("the stored manifest {id} is another one")))
        }
    }

    /// Writes into a study's log what happened; once.
    ///
    /// # Errors
    /// Those of the log; when there is no such study.
    pub async fn note(
        self: &Arc<Self>,
        study: &Digest,
        party: &Did,
        event: Event,
        digests: Vec<Digest>,
    ) -> Result<(), ApiError> {
        let log = self.log_of(study).await?;
        self.note_in(&log, party, event, digests).await
    }

    /// The name of a study's log.
    async fn log_of(self: &Arc<Self>, study: &Digest) -> Result<Digest, ApiError> {
        let known = |app: &Self| {
            let names = app.log_names.lock().unwrap_or_else(PoisonError::into_inner);
            names.get(study).copied()
        };
        if let Some(log) = known(self) {
            return Ok(log);
        }
        let log = self.load::<Study>(study).await?.message.log(*study);
        self.log_names.lock().unwrap_or_else(PoisonError::into_inner).insert(*study, log);
        Ok(log)
    }

    /// Writes into the log of that name.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn note_in(
        self: &Arc<Self>,
        log: &Digest,
        party: &Did,
        event: Event,
        digests: Vec<Digest>,
    ) -> Result<(), ApiError> {
        let happened = Happened { time: self.now(), party: *party, event, digests };
        let (logs, log) = (Arc::clone(&self.logs), *log);
        blocking(move || Ok(logs.ensure(&log, &happened).map(drop)?)).await
    }

    /// The bytes of a stored envelope.
    ///
    /// # Errors
    /// Those of the store.
    pub fn read_manifest(&self, id: &Digest) -> Result<Vec<u8>, ApiError> {
        let limit = Kind::Envelope.limit() + he_core::codec::HEADER_LEN as u64;
        match read_all(self.store.as_ref(), Class::Manifest, id, limit) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(ApiError::Missing { what: "manifest", digest: *id })
            }
            other => Ok(other?),
        }
    }

    /// Deletes what the index no longer knows. The caller holds [`Self::erasing`] for writing.
    ///
    /// # Errors
    /// Those of store and index; what is left is deleted at the next start.
    pub async fn delete(self: &Arc<Self>, orphans: &Orphans) -> Result<(), ApiError> {
        for (class, name) in orphans.objects.clone() {
            let app = Arc::clone(self);
            blocking(move || Ok(app.store.delete(class, &name)?)).await?;
            self.verified.forget(&name);
            self.index.erased(class, &name).await?;
        }
        Ok(())
    }

    /// Deletes what an earlier process removed from the index but not from the store.
    ///
    /// # Errors
    /// Those of store and index.
    pub async fn finish_erasures(self: &Arc<Self>) -> Result<(), ApiError> {
        let _exclusive = self.erasing.write().await;
        let objects = self.index.erasing().await?;
        self.delete(&Orphans { objects, bytes: 0 }).await
    }
}

/// Runs `work` where it may block.
///
/// # Errors
/// Those of `work`; `Internal` when it panics.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .await
        .unwrap_or_else(|error| Err(ApiError::Internal(error.to_string())))
}

/// Runs `work` to its end even if the client goes away meanwhile: store and index change together.
///
/// # Errors
/// Those of `work`; `Internal` when it panics.
pub async fn uninterrupted<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    use tracing::Instrument as _;
    tokio::spawn(work.in_current_span())
        .await
        .unwrap_or_else(|error| Err(ApiError::Internal(error.to_string())))
}
