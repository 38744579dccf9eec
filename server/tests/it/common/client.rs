//! Signed requests, and the same with anything wrong about them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use gwas::wire::Did;
use gwas::wire::httpsig::{Origin, RequestParts, Window, content_digest, sign};
use gwas::wire::status::Problem;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::now;

static NEXT: AtomicU8 = AtomicU8::new(1);
static NONCE: AtomicU64 = AtomicU64::new(1);

/// Somebody with a key.
#[derive(Clone)]
pub struct Party {
    pub key: SigningKey,
    pub did: Did,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
    pub version: hyper::Version,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Checks status and problem code; every problem has a remedy.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Problem {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: Problem = self.json();
        assert_eq!(problem.kind, format!("/problems/{code}"), "{problem:?}");
        assert_eq!(problem.status, status);
        assert!(!problem.remedy.is_empty() && !problem.detail.is_empty());
        problem
    }

    #[track_caller]
    pub fn ok(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// A request before it is sent.
#[derive(Clone, Debug)]
pub struct Draft {
    pub method: String,
    pub url: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Draft {
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    pub fn header(&self, name: &str) -> String {
        self.headers.iter().find(|(n, _)| n == name).unwrap().1.clone()
    }

    /// Sends it over HTTP/1.1.
    pub async fn send(&self) -> Answer {
        let stream = TcpStream::connect(address(&self.url)).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(self.request(&self.path)).await.unwrap();
        collect(answer).await
    }

    /// Sends it over HTTP/2.
    pub async fn send_h2(&self) -> Answer {
        let stream = TcpStream::connect(address(&self.url)).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let uri = format!("{}{}", self.url, self.path);
        let request = self.clone().without("host").request(&uri);
        collect(sender.send_request(request).await.unwrap()).await
    }

    pub fn request(&self, uri: &str) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).unwrap()
    }

    /// The head as HTTP/1.1 text, with another declared length.
    pub fn head(&self, length: u64) -> String {
        let mut text =
            format!("{} {} HTTP/1.1\r\ncontent-length: {length}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text + "\r\n"
    }
}

pub async fn collect(answer: hyper::Response<hyper::body::Incoming>) -> Answer {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body, version: parts.version }
}

/// Host and port of a URL.
pub fn address(url: &str) -> String {
    url.split_once("://").unwrap().1.to_owned()
}

impl Party {
    pub fn new() -> Self {
        let key = SigningKey::from_bytes(&[NEXT.fetch_add(1, Ordering::Relaxed); 32]);
        let did = Did::new(key.verifying_key().to_bytes()).unwrap();
        Self { key, did }
    }

    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// A signed request.
    pub fn draft(&self, url: &str, method: &str, path: &str, body: impl Into<Bytes>) -> Draft {
        let created = now();
        self.draft_in(url, method, path, body, Window { created, expires: created + 120 })
    }

    pub fn draft_in(
        &self,
        url: &str,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
        window: Window,
    ) -> Draft {
        let body = body.into();
        let origin: Origin = url.parse().unwrap();
        let chunk = method == "PUT" && path.starts_with("/v1/chunks/");
        let digest = (!body.is_empty() && !chunk).then(|| content_digest(&body).unwrap());
        let target = origin.target_uri(path);
        let parts = RequestParts {
            method,
            authority: origin.authority(),
            target_uri: &target,
            content_digest: digest.as_deref(),
        };
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&NONCE.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        nonce[8..12].copy_from_slice(&std::process::id().to_le_bytes());
        let signed = sign(&parts, &self.did, window, nonce, |base| self.sign_bytes(base)).unwrap();
        let mut headers = vec![
            ("host".to_owned(), origin.authority().to_owned()),
            ("signature-input".to_owned(), signed.signature_input),
            ("signature".to_owned(), signed.signature),
        ];
        headers.extend(digest.map(|d| ("content-digest".to_owned(), d)));
        Draft {
            method: method.to_owned(),
            url: url.to_owned(),
            path: path.to_owned(),
            headers,
            body,
        }
    }

    pub async fn get(&self, url: &str, path: &str) -> Answer {
        self.draft(url, "GET", path, "").send().await
    }

    pub async fn put(&self, url: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        self.draft(url, "PUT", path, body).send().await
    }

    pub async fn post(&self, url: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        self.draft(url, "POST", path, body).set("content-type", "application/json").send().await
    }

    pub async fn delete(&self, url: &str, path: &str) -> Answer {
        self.draft(url, "DELETE", path, "").send().await
    }

    /// Asks for a status until it satisfies `wanted`.
    pub async fn wait(
        &self,
        url: &str,
        job: &he_core::Digest,
        wanted: impl Fn(&gwas::wire::status::JobStatus) -> bool,
    ) -> gwas::wire::status::JobStatus {
        for _ in 0..6000 {
            let status = self.get(url, &format!("/v1/jobs/{job}/status")).await.ok(200).json();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the job did not get there in two minutes")
    }
}
