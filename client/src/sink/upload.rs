//! Chunks straight to a server, on several connections.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use he_core::Digest;

use super::ChunkSink;
use crate::console::Progress;
use crate::net::{Client, NetError};
use crate::{Error, Result};

/// Uploads chunks in threads of its own. At most twice as many chunks as connections are held: half of them queued, half
/// on their way.
#[derive(Debug)]
pub struct UploadSink {
    queue: Option<SyncSender<(Digest, Vec<u8>)>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Most buffers that wait to be used again: the chunks of one slab.
const KEEP: usize = 8;

#[derive(Debug, Default)]
struct Shared {
    /// The first failure.
    failed: Mutex<Option<NetError>>,
    /// Buffers to be used again.
    buffers: Mutex<Vec<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UploadSink {
    /// Starts `connections` uploads; `progress` counts bytes that have arrived.
    ///
    /// # Errors
    /// When a thread can't be started.
    pub fn start(client: &Client, connections: usize, progress: &Progress) -> Result<Self> {
        let connections = connections.max(1);
        let (queue, chunks) = sync_channel(connections);
        let chunks = Arc::new(Mutex::new(chunks));
        let shared = Arc::<Shared>::default();
        let threads = (0..connections)
            .map(|_| {
                let (client, progress) = (client.clone(), progress.clone());
                let (chunks, shared) = (Arc::clone(&chunks), Arc::clone(&shared));
                std::thread::Builder::new()
                    .name("upload".into())
                    .spawn(move || shared.upload(&client, &progress, &chunks))
            })
            .collect::<std::io::Result<_>>()
            .map_err(|e| NetError::System(format!("cannot start a thread: {e}")))?;
        Ok(Self { queue: Some(queue), shared, threads })
    }

    /// Ends the queue and waits for the threads; the first failure, if there was one.
    fn join(&mut self) -> Result<()> {
        drop(self.queue.take());
        let panicked = self.threads.drain(..).filter_map(|t| t.join().err()).count();
        if let Some(error) = lock(&self.shared.failed).take() {
            return Err(error.into());
        }
        if panicked > 0 { Err(Error::Internal("an upload thread panicked".into())) } else { Ok(()) }
    }
}

impl Shared {
    /// Uploads chunks until there are no more, or one failed: then takes the rest without sending it, so that nobody waits.
    fn upload(
        &self,
        client: &Client,
        progress: &Progress,
        chunks: &Mutex<Receiver<(Digest, Vec<u8>)>>,
    ) {
        loop {
            let next = lock(chunks).recv();
            let Ok((digest, bytes)) = next else { return };
            if lock(&self.failed).is_some() {
                continue;
            }
            match client.put_chunk(&digest, &bytes) {
                Ok(_) => progress.inc(bytes.len() as u64),
                Err(error) => {
                    let _first = lock(&self.failed).get_or_insert(error);
                    continue;
                }
            }
            let mut buffers = lock(&self.buffers);
            if buffers.len() < KEEP {
                buffers.push(bytes);
            }
        }
    }
}

impl ChunkSink for UploadSink {
    fn put(&self, digest: Digest, bytes: Vec<u8>) -> Result<()> {
        let stopped = || Error::Internal("the upload has ended".into());
        // One guard for both steps: the lock is not reentrant.
        if let Some(failed) = lock(&self.shared.failed).as_mut() {
            // Later callers are told that it has ended; the first one why.
            let later = NetError::System("an earlier chunk could not be uploaded".into());
            return Err(std::mem::replace(failed, later).into());
        }
        self.queue.as_ref().ok_or_else(stopped)?.send((digest, bytes)).map_err(|_| stopped())
    }

    fn buffer(&self) -> Vec<u8> {
        lock(&self.shared.buffers).pop().unwrap_or_default()
    }

    fn finish(mut self) -> Result<()> {
        self.join()
    }
}

impl Drop for UploadSink {
    fn drop(&mut self) {
        // Abandoned: what is queued is not sent.
        let _first = lock(&self.shared.failed)
            .get_or_insert(NetError::System("the upload was abandoned".into()));
        let _ended = self.join();
    }
}
