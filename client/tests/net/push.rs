//! Uploading a folder, through the death of the server.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gwas::wire::{ChunkRef, Dataset, Envelope, PlaneKind};
use he_core::codec::HEADER_LEN;
use he_core::layout::Shape;
use he_core::mask::MaskSeed;
use he_core::{Digest, Plan, PlanRequest};
use hegwas::bundle::{CHUNKS, MANIFEST};
use hegwas::commands::push_folder;
use hegwas::console::Console;
use hegwas::keys::Identity;
use hegwas::sink::{ChunkSink, FolderSink};
use hegwas::{Error, Exit};

use super::client;
use super::fake::{ChunkStore, Fake};

/// A dataset folder of 1 person and 5 chunks; what they hold does not matter to an upload.
fn folder(path: &Path) -> Vec<Digest> {
    let plan = Plan::new(PlanRequest::sole_holder(1)).unwrap();
    let shape = Shape { params: plan.params(), rows: 1, planes: 1, blocks: 40 };
    let sink = FolderSink::create(&path.join(CHUNKS)).unwrap();
    let mut chunks = Vec::new();
    for (number, spec) in shape.chunks().enumerate() {
        let bytes = vec![number as u8; spec.body_len() + HEADER_LEN];
        let digest = Digest::of(&bytes);
        chunks.push(ChunkRef { digest, length: bytes.len() as u64 });
        sink.put(digest, bytes).unwrap();
    }
    sink.finish().unwrap();
    let digests = chunks.iter().map(|c| c.digest).collect();
    let dataset = Dataset {
        name: "test".into(),
        plan,
        panel: gwas_panel_digest(),
        variants: 40 * 2048,
        rows: 1,
        planes: vec![PlaneKind::Dosage],
        absent: None,
        nonce: [1; 16],
        mask_seed: MaskSeed([2; 16]),
        chunks,
    };
    let me = Identity::ephemeral().unwrap();
    let mut envelope = Envelope::new(&dataset).unwrap();
    envelope.sign(me.did(), |bytes| me.sign(bytes));
    std::fs::write(path.join(MANIFEST), envelope.to_bytes().unwrap()).unwrap();
    digests
}

fn gwas_panel_digest() -> Digest {
    Digest::of(b"panel")
}

fn push(url: &str, folder: &Path) -> Result<hegwas::commands::Pushed, Error> {
    push_folder(&client(url, 2), folder, 2, &Console::silent())
}

#[test]
fn an_upload_goes_on_where_it_was_interrupted() {
    let root = tempfile::tempdir().unwrap();
    let digests = folder(root.path());
    assert_eq!(digests.len(), 5);
    let store = ChunkStore::new(3);
    let served = Arc::clone(&store);
    let fake = Fake::start(move |request| served.answer(request));

    let error = push(&fake.url, root.path()).unwrap_err();
    assert_eq!(error.exit(), Exit::Network, "{error}");
    assert_eq!(store.held.lock().unwrap().len(), 3);
    assert_eq!(fake.count("PUT /v1/datasets"), 0, "no manifest before its chunks");

    store.life.store(u32::MAX, Ordering::SeqCst);
    fake.log.lock().unwrap().clear();
    let pushed = push(&fake.url, root.path()).unwrap();
    assert_eq!((pushed.kind, pushed.chunks, pushed.uploaded_chunks), ("dataset", 5, 2));
    assert_eq!(fake.count("PUT /v1/chunks"), 2);
    assert_eq!(fake.count(&format!("PUT /v1/datasets/{}", pushed.id)), 1);

    let again = push(&fake.url, root.path()).unwrap();
    assert_eq!((again.uploaded_chunks, again.id), (0, pushed.id));
}

#[test]
fn damaged_folders_are_refused_before_they_are_sent() {
    let root = tempfile::tempdir().unwrap();
    let digests = folder(root.path());
    let store = ChunkStore::new(u32::MAX);
    let fake = Fake::start(move |request| store.answer(request));
    let chunk = root.path().join(CHUNKS).join(digests[1].to_string());
    let good = std::fs::read(&chunk).unwrap();
    let refused = |what: &str| {
        let error = push(&fake.url, root.path()).unwrap_err();
        assert_eq!(fake.count("PUT /v1/datasets"), 0, "{what}");
        error.exit()
    };
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    std::fs::write(&chunk, flipped).unwrap();
    assert_eq!(refused("a flipped bit"), Exit::Corrupt);
    std::fs::write(&chunk, &good[..good.len() - 1]).unwrap();
    assert_eq!(refused("a truncated chunk"), Exit::Corrupt);
    std::fs::write(&chunk, [&good[..], b"x"].concat()).unwrap();
    assert_eq!(refused("a longer chunk"), Exit::Corrupt);
    std::fs::remove_file(&chunk).unwrap();
    assert_eq!(refused("a missing chunk"), Exit::Input);
    std::fs::write(&chunk, &good).unwrap();

    let manifest = root.path().join(MANIFEST);
    let mut bytes = std::fs::read(&manifest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    assert_eq!(refused("a forged signature"), Exit::Corrupt);
}
