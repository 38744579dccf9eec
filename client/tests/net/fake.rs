//! A server of a few lines that stores chunks, checks every signature, and misbehaves on demand.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gwas::wire::httpsig::{Limits, RequestParts, check_content_digest, verify};
use gwas::wire::status::ChunkQuery;

/// A request with its signature verified.
pub struct Request {
    pub method: String,
    pub path: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What to answer: a whole HTTP response, after which the connection breaks if it says so, or nothing (it breaks at once).
pub type Answer = Option<Vec<u8>>;

pub fn ok(status: u16, kind: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Some([head.as_bytes(), body].concat())
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// A running fake.
pub struct Fake {
    pub url: String,
    /// Requests so far, as `METHOD path`.
    pub log: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Answers every request with `handler`, each connection in a thread.
    pub fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let nonces = Arc::<Mutex<HashSet<String>>>::default();
        let (handler, kept, name): (Arc<Handler>, _, _) =
            (Arc::new(handler), Arc::clone(&log), authority.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, log, nonces, name) =
                    (Arc::clone(&handler), Arc::clone(&kept), Arc::clone(&nonces), name.clone());
                std::thread::spawn(move || serve(stream, &name, &handler, &log, &nonces));
            }
        });
        Self { url: format!("http://{authority}"), log }
    }

    pub fn count(&self, method: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|l| l.starts_with(method)).count()
    }
}

fn serve(
    mut stream: TcpStream,
    authority: &str,
    handler: &Arc<Handler>,
    log: &Mutex<Vec<String>>,
    nonces: &Mutex<HashSet<String>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read(&mut reader, authority, nonces) {
        log.lock().unwrap().push(request.line());
        match handler(&request) {
            Some(response) => {
                stream.write_all(&response).unwrap_or(());
                if response.windows(17).any(|word| word == b"connection: close") {
                    return stream.shutdown(std::net::Shutdown::Both).unwrap_or(());
                }
            }
            None => return stream.shutdown(std::net::Shutdown::Both).unwrap_or(()),
        }
    }
}

fn read(
    reader: &mut impl BufRead,
    authority: &str,
    nonces: &Mutex<HashSet<String>>,
) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let digest = headers.get("content-digest").map(String::as_str);
    let uri = format!("http://{authority}{path}");
    let parts =
        RequestParts { method: &method, authority, target_uri: &uri, content_digest: digest };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let verified =
        verify(&parts, &headers["signature-input"], &headers["signature"], now, Limits::default())
            .unwrap();
    assert!(nonces.lock().unwrap().insert(verified.nonce), "a nonce was used twice");
    if !(method == "PUT" && path.starts_with("/v1/chunks/")) {
        check_content_digest(digest, &body).unwrap();
    }
    Some(Request { method, path, body })
}

/// The chunk routes over a map, which breaks every connection after `life` uploads.
pub struct ChunkStore {
    pub held: Mutex<HashMap<String, Vec<u8>>>,
    pub life: AtomicU32,
}

impl ChunkStore {
    pub fn new(life: u32) -> Arc<Self> {
        Arc::new(Self { held: Mutex::default(), life: AtomicU32::new(life) })
    }

    pub fn answer(&self, request: &Request) -> Answer {
        if self.life.load(Ordering::SeqCst) == 0 {
            return None;
        }
        if request.line() == "POST /v1/chunks/missing" {
            let query: ChunkQuery = serde_json::from_slice(&request.body).unwrap();
            let held = self.held.lock().unwrap();
            let digests =
                query.digests.into_iter().filter(|d| !held.contains_key(&d.to_string())).collect();
            return ok(
                200,
                "application/json",
                &serde_json::to_vec(&ChunkQuery { digests }).unwrap(),
            );
        }
        if let Some(name) =
            request.path.strip_prefix("/v1/chunks/").filter(|_| request.method == "PUT")
        {
            self.life.fetch_sub(1, Ordering::SeqCst);
            assert_eq!(he_core::Digest::of(&request.body).to_string(), name);
            let old = self.held.lock().unwrap().insert(name.to_owned(), request.body.clone());
            return ok(if old.is_some() { 200 } else { 201 }, "text/plain", b"");
        }
        ok(201, "text/plain", b"")
    }
}
