//! Uploading while encrypting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use he_core::Digest;
use hegwas::Exit;
use hegwas::console::{Console, Unit};
use hegwas::sink::{ChunkSink, UploadSink};

use super::client;
use super::fake::{ChunkStore, Fake, ok};

fn chunk(number: u32) -> (Digest, Vec<u8>) {
    let bytes = number.to_le_bytes().repeat(1000);
    (Digest::of(&bytes), bytes)
}

#[test]
fn everything_arrives_and_buffers_come_back() {
    let store = ChunkStore::new(u32::MAX);
    let served = Arc::clone(&store);
    let fake = Fake::start(move |request| served.answer(request));
    let progress = Console::silent().progress("upload", 0, Unit::Bytes);
    let sink = UploadSink::start(&client(&fake.url, 1), 3, &progress).unwrap();
    for number in 0..50 {
        let (digest, bytes) = chunk(number);
        let mut buffer = sink.buffer();
        // It may hold an earlier chunk: whoever takes it writes all of it.
        assert!(buffer.is_empty() || buffer.len() == bytes.len());
        buffer.clear();
        buffer.extend_from_slice(&bytes);
        sink.put(digest, buffer).unwrap();
    }
    sink.finish().unwrap();
    assert_eq!(store.held.lock().unwrap().len(), 50);
    assert_eq!(progress.done(), 50 * 4000);
}

#[test]
fn only_a_few_chunks_are_held() {
    let release = Arc::new(AtomicU32::new(0));
    let gate = Arc::clone(&release);
    let fake = Fake::start(move |_| {
        while gate.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        ok(201, "text/plain", b"")
    });
    let progress = Console::silent().progress("upload", 0, Unit::Bytes);
    let sink = UploadSink::start(&client(&fake.url, 1), 2, &progress).unwrap();
    let taken = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20 {
                let (digest, bytes) = chunk(number);
                sink.put(digest, bytes).unwrap();
                taken.fetch_add(1, Ordering::SeqCst);
            }
        });
        std::thread::sleep(Duration::from_millis(300));
        assert!(taken.load(Ordering::SeqCst) <= 4, "two on their way, two queued");
        release.store(1, Ordering::SeqCst);
    });
    sink.finish().unwrap();
}

#[test]
fn a_failure_stops_the_encryption() {
    let store = ChunkStore::new(4);
    let fake = Fake::start(move |request| store.answer(request));
    let progress = Console::silent().progress("upload", 0, Unit::Bytes);
    let sink = UploadSink::start(&client(&fake.url, 2), 2, &progress).unwrap();
    let failed = (0..1000).find_map(|number| {
        let (digest, bytes) = chunk(number);
        sink.put(digest, bytes).err()
    });
    assert_eq!(failed.unwrap().exit(), Exit::Network);
    assert!(sink.finish().is_err());
}
