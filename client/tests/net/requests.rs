//! Single requests.

use std::sync::atomic::{AtomicU32, Ordering};

use gwas::wire::ChunkRef;
use gwas::wire::status::{JobState, JobStatus};
use he_core::Digest;
use hegwas::Exit;
use hegwas::net::{Collection, NetError};

use super::client;
use super::fake::{ChunkStore, Fake, ok};

#[test]
fn chunks_go_there_and_back_signed() {
    let store = ChunkStore::new(u32::MAX);
    let served = std::sync::Arc::clone(&store);
    let fake = Fake::start(move |request| match request.method.as_str() {
        "GET" => {
            let name = request.path.rsplit('/').next().unwrap();
            ok(200, "application/octet-stream", &served.held.lock().unwrap()[name])
        }
        _ => served.answer(request),
    });
    let client = client(&fake.url, 1);
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    assert_eq!(client.missing_chunks(&[one, two]).unwrap(), [one, two]);
    assert!(client.put_chunk(&one, b"one").unwrap());
    assert!(!client.put_chunk(&one, b"one").unwrap(), "held already");
    assert_eq!(client.missing_chunks(&[one, two]).unwrap(), [two]);
    assert_eq!(client.get_chunk(&ChunkRef { digest: one, length: 3 }).unwrap(), b"one");
    assert!(client.traffic().sent() > 6 && client.traffic().received() > 3);
    assert!(client.missing_chunks(&[]).unwrap().is_empty());
}

#[test]
fn busy_and_broken_servers_are_asked_again() {
    let asked = AtomicU32::new(0);
    let fake = Fake::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Some(b"HTTP/1.1 503 X\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".to_vec()),
        1 => None,
        2 => Some(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n[".to_vec()).map(|mut half| {
            half.truncate(45);
            half
        }),
        _ => ok(200, "application/json", b"[]"),
    });
    // The third answer promises more than it sends, and the connection is then needed for the next request.
    let fake_url = fake.url.clone();
    let list = std::thread::spawn(move || client(&fake_url, 2).list(Collection::Datasets));
    assert!(list.join().unwrap().is_err(), "two attempts are not enough");
    assert_eq!(fake.count("GET"), 2);
}

#[test]
fn a_server_that_recovers_is_enough() {
    let asked = AtomicU32::new(0);
    let fake = Fake::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 2 => ok(503, "text/plain", b"busy"),
        1 => None,
        _ => ok(200, "application/json", b"[]"),
    });
    assert!(client(&fake.url, 5).list(Collection::Studies).unwrap().is_empty());
    assert_eq!(fake.count("GET"), 4);
}

#[test]
fn refusals_carry_the_servers_remedy_and_are_not_repeated() {
    let problem = br#"{"type":"/problems/forbidden","title":"Forbidden","status":403,
        "detail":"not allowed\u001b[2J","remedy":"ask the operator"}"#;
    let fake = Fake::start(|_| ok(403, "application/problem+json", problem));
    let error = client(&fake.url, 5).list(Collection::Grants).unwrap_err();
    assert_eq!(fake.count("GET"), 1);
    assert_eq!((error.exit(), error.remedy().as_str()), (Exit::Refused, "ask the operator"));
    assert!(!error.to_string().contains('\x1b'), "{error}");
}

#[test]
fn other_failures_have_their_exit_codes() {
    let plain = |status| {
        let fake = Fake::start(move |_| ok(status, "text/html", b"<html>"));
        client(&fake.url, 1).list(Collection::Jobs).unwrap_err().exit()
    };
    assert_eq!(plain(404), Exit::Refused);
    assert_eq!(plain(500), Exit::Network);
    assert_eq!(plain(302), Exit::Network);
    assert_eq!(plain(200), Exit::Corrupt);
    let nobody = client("http://127.0.0.1:9", 1).list(Collection::Jobs).unwrap_err();
    assert_eq!(nobody.exit(), Exit::Network);
    assert!(matches!(nobody, NetError::Unreachable { .. }));
}

#[test]
fn what_is_not_what_it_is_called_is_refused() {
    let fake = Fake::start(|_| ok(200, "application/octet-stream", b"something else"));
    let client = client(&fake.url, 1);
    let chunk = |length| ChunkRef { digest: Digest::of(b"wanted"), length };
    assert!(matches!(client.get_chunk(&chunk(14)), Err(NetError::WrongDigest { .. })));
    assert!(matches!(client.get_chunk(&chunk(5)), Err(NetError::TooLong { limit: 5, .. })));
    let id = Digest::of(b"wanted");
    assert_eq!(
        client.get_manifest::<gwas::wire::Study>(Collection::Studies, &id).unwrap_err().exit(),
        Exit::Corrupt
    );
    assert_eq!(client.job_result(&id, &id).unwrap_err().exit(), Exit::Corrupt);
}

#[test]
fn unknown_lengths_are_limited_too() {
    let endless = |_: &super::fake::Request| {
        let head = b"HTTP/1.1 200 X\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = [b"10000\r\n", &vec![b'x'; 65536][..], b"\r\n"].concat();
        Some([&head[..], &chunk.repeat(4)].concat())
    };
    let fake = Fake::start(endless);
    let wanted = ChunkRef { digest: Digest::of(b"wanted"), length: 1000 };
    assert!(matches!(
        client(&fake.url, 1).get_chunk(&wanted),
        Err(NetError::TooLong { limit: 1000, .. })
    ));
}

#[test]
fn no_memory_is_given_to_a_length_that_somebody_wrote() {
    // A server that promises as much as the chunk's length says, and breaks off.
    let promise = |_: &super::fake::Request| {
        Some(format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\nx", 60u64 << 20).into_bytes())
    };
    let fake = Fake::start(promise);
    let client = client(&fake.url, 1);
    let digest = Digest::of(b"wanted");
    let header = he_core::codec::HEADER_LEN as u64;
    for length in [u64::MAX, 1 << 62, 1 << 40, (64 << 20) + header + 1] {
        let said = client.get_chunk(&ChunkRef { digest, length }).unwrap_err();
        assert_eq!(said.exit(), Exit::Corrupt);
        assert!(said.to_string().contains(&format!("a chunk of {length} bytes")), "{said}");
        assert!(said.to_string().contains(&digest.to_string()), "{said}");
    }
    let kind = he_core::codec::Kind::GenotypeChunk;
    let over = ChunkRef { digest, length: kind.limit() + header + 1 };
    let said = client.get_chunk_of(kind, &over).unwrap_err();
    assert!(matches!(said, NetError::TooLarge { what: "a genotype chunk", .. }), "{said}");
    assert_eq!(fake.count("GET"), 0, "nothing was asked for");
    // Announced beyond the limit, at whatever size: refused before a byte is kept.
    let most = ChunkRef { digest, length: kind.limit() + header };
    let said = client.get_chunk_of(kind, &most).unwrap_err();
    assert!(matches!(said, NetError::TooLong { .. }), "{said}");
    // Announced within the limit, and not sent: there is no room for that, and none is made.
    for promised in [1 << 40, u64::MAX] {
        let head = format!("HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: {promised}");
        let fake = Fake::start(move |_| Some(format!("{head}\r\n\r\nx").into_bytes()));
        assert!(super::client(&fake.url, 1).get_object_bytes(&digest, u64::MAX).is_err());
    }
}

#[test]
fn a_job_is_followed_through_broken_streams() {
    let job = Digest::of(b"job");
    let status = move |state, done| JobStatus {
        job,
        study: Digest::of(b"study"),
        state,
        done,
        total: 3,
        seconds: 0.5,
        result: None,
        finished: None,
        error: None,
    };
    let event =
        |status: JobStatus| format!("data: {}\n\n", serde_json::to_string(&status).unwrap());
    let joined = AtomicU32::new(0);
    let fake = Fake::start(move |_| {
        let text = match joined.fetch_add(1, Ordering::SeqCst) {
            0 => event(status(JobState::Running, 1)),
            1 => return None,
            2 => return ok(503, "text/plain", b""),
            _ => format!(
                ": hello\n\n{}{}",
                event(status(JobState::Running, 2)),
                event(status(JobState::Computed, 3))
            ),
        };
        ok(200, "text/event-stream", text.as_bytes())
    });
    let mut seen = Vec::new();
    let end = client(&fake.url, 5).watch_job(&job, |s| seen.push(s.done)).unwrap();
    assert_eq!((end.state, seen), (JobState::Computed, vec![1, 2, 3]));
    let strange = client(&fake.url, 5).watch_job(&Digest::of(b"other"), |_| ()).unwrap_err();
    assert_eq!(strange.exit(), Exit::Corrupt);
}
