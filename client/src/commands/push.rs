//! `hegwas push`.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use gwas::wire::ChunkRef;
use he_core::Digest;
use serde::Serialize;

use crate::bundle::{Bundle, Manifest};
use crate::cli::push::PushArgs;
use crate::console::{Console, Unit};
use crate::keys::Identity;
use crate::net::{Client, Collection, Options};
use crate::{Error, Result};

/// What was uploaded.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Pushed {
    /// `dataset`, `phenotype` or `totals`.
    pub kind: &'static str,
    /// The object's id.
    pub id: Digest,
    /// Its chunks.
    pub chunks: usize,
    /// Those that the server did not hold.
    pub uploaded_chunks: usize,
    /// Their bytes.
    pub uploaded_bytes: u64,
}

/// Uploads folders.
///
/// # Errors
/// When a folder is damaged, or the server can't be reached or refuses.
pub fn push(args: &PushArgs, console: &Console) -> Result<()> {
    let identity =
        Identity::load(&args.key.key, &args.key.passphrase.passphrase_file.clone().into())?;
    let options = Options::from(&args.server.connection);
    let client = Client::new(args.server.server.clone(), Arc::new(identity), &options)?;
    let connections = usize::from(args.server.connection.connections);
    let mut done = Vec::new();
    for folder in &args.folders {
        let pushed = push_folder(&client, folder, connections, console)?;
        if !console.json() {
            console.print(format_args!("{}\t{}", pushed.kind, pushed.id))?;
        }
        done.push(pushed);
    }
    if console.json() { console.print_json(&done) } else { Ok(()) }
}

/// Uploads one folder: its panel, the chunks that the server does not hold yet, and last the manifest.
///
/// # Errors
/// As [`push`].
pub fn push_folder(
    client: &Client,
    folder: &Path,
    connections: usize,
    console: &Console,
) -> Result<Pushed> {
    let bundle = Bundle::open(folder)?;
    if let (Manifest::Dataset(opened), Some(text)) = (bundle.manifest(), bundle.panel_text()?) {
        client.put_panel(&opened.message.panel, &text)?;
    }
    let chunks = bundle.manifest().chunks();
    let missing = missing(client, &chunks)?;
    let bytes = missing.iter().map(|c| c.length).sum();
    upload(client, &bundle, &missing, connections, console)?;
    let (kind, collection) = match bundle.manifest() {
        Manifest::Dataset(_) => ("dataset", Collection::Datasets),
        Manifest::Phenotype(_) => ("phenotype", Collection::Phenotypes),
        Manifest::Totals(_) => ("totals", Collection::Totals),
    };
    client.put_manifest(collection, bundle.envelope())?;
    Ok(Pushed {
        kind,
        id: bundle.manifest().id(),
        chunks: chunks.len(),
        uploaded_chunks: missing.len(),
        uploaded_bytes: bytes,
    })
}

/// The chunks that the server does not hold, each once.
fn missing(client: &Client, chunks: &[ChunkRef]) -> Result<Vec<ChunkRef>> {
    let digests: Vec<Digest> = chunks.iter().map(|c| c.digest).collect();
    let mut wanted: HashSet<Digest> = client.missing_chunks(&digests)?.into_iter().collect();
    Ok(chunks.iter().filter(|c| wanted.remove(&c.digest)).copied().collect())
}

/// Reads, checks and uploads chunks on several connections, one chunk in memory for each.
fn upload(
    client: &Client,
    bundle: &Bundle,
    chunks: &[ChunkRef],
    connections: usize,
    console: &Console,
) -> Result<()> {
    if chunks.is_empty() {
        console.note("the server holds every chunk already");
        return Ok(());
    }
    let progress = console.progress("upload", chunks.iter().map(|c| c.length).sum(), Unit::Bytes);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None::<Error>));
    let failure = || failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..connections.clamp(1, chunks.len()) {
            scope.spawn(|| {
                while failure().is_none() {
                    let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return;
                    };
                    let sent = bundle.chunk(chunk).and_then(|bytes| {
                        client.put_chunk(&chunk.digest, &bytes).map_err(Error::from)
                    });
                    match sent {
                        Ok(_) => progress.inc(chunk.length),
                        Err(error) => {
                            let _first = failure().get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failure().take() {
        return Err(error);
    }
    progress.finish();
    Ok(())
}
