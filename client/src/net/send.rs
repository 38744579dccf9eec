//! One request: signed, sent, repeated if need be, its answer read within its limit.

use std::io::Read;
use std::time::Duration;

use gwas::wire::httpsig::{RequestParts, Window, content_digest, sign};
use gwas::wire::status::Problem;
use ureq::http::{Method, Request, Response};
use ureq::{Body, Error as Ureq};

use super::{Client, NetError};

/// Seconds for which a signature is valid.
const VALID: u64 = 120;
/// Longest problem document in bytes.
const MAX_PROBLEM: u64 = 64 << 10;
/// Memory in bytes that an announced length alone gets; more comes as bytes arrive.
const RESERVED: u64 = 64 << 10;
/// Longest text of a server that is shown.
const MAX_TEXT: usize = 2000;

/// What to send.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Begins with a slash.
    pub(super) path: String,
    /// For `PUT` and `POST`.
    pub(super) body: &'a [u8],
    pub(super) content_type: &'static str,
    /// Whether the body's SHA-256 is signed; a chunk is bound by its own name in the path.
    pub(super) digest: bool,
    /// Longest answer in bytes.
    pub(super) limit: u64,
}

impl Call<'_> {
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Without the digests.
    fn kind(&self) -> String {
        let words = self.path.split('/').map(|word| if word.len() == 64 { "*" } else { word });
        format!("{} {}", self.method, words.collect::<Vec<_>>().join("/"))
    }
}

/// An answer of 200 to 299.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Why an attempt failed, and whether another may succeed.
struct Failed {
    error: NetError,
    again: bool,
    /// The server asks for at least this pause.
    pause: Option<Duration>,
}

impl From<NetError> for Failed {
    fn from(error: NetError) -> Self {
        Self { error, again: false, pause: None }
    }
}

impl Client {
    /// Sends a request, as often as the retry policy says.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Answer, NetError> {
        let mut attempt = 0;
        loop {
            let failed = match self.attempt(call) {
                Ok(answer) => {
                    if call.method != Method::GET {
                        gwas::walk::durable(|| call.kind());
                    }
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            let pause = self.retry.pause(attempt, failed.pause, random()?).filter(|_| failed.again);
            match pause {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(failed.error),
            }
            attempt += 1;
        }
    }

    fn attempt(&self, call: &Call<'_>) -> Result<Answer, Failed> {
        self.traffic.add_sent(call.body.len());
        let response = self.open(call)?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            let body = self.read(call, response, call.limit)?;
            return Ok(Answer { status, body });
        }
        let pause = response
            .headers()
            .get("retry-after")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.parse().ok());
        let again = matches!(status, 429 | 502 | 503 | 504);
        let error = self.refusal(call, response);
        Err(Failed { error, again, pause: pause.map(Duration::from_secs) })
    }

    /// Sends the request and returns the response with its body unread. Refused connections and broken ones may be tried
    /// again.
    fn open(&self, call: &Call<'_>) -> Result<Response<Body>, Failed> {
        let uri = self.url.origin().target_uri(&call.path);
        let broken = |error: Ureq| broken(&uri, &error);
        let builder = self.signed(call, &uri)?;
        if call.method == Method::GET || call.method == Method::DELETE {
            let request = builder.body(()).map_err(|e| NetError::System(e.to_string()))?;
            self.agent.run(request).map_err(broken)
        } else {
            let builder = builder.header("content-type", call.content_type);
            let request = builder.body(call.body).map_err(|e| NetError::System(e.to_string()))?;
            self.agent.run(request).map_err(broken)
        }
    }

    fn signed(&self, call: &Call<'_>, uri: &str) -> Result<ureq::http::request::Builder, NetError> {
        let digest = if call.digest && !call.body.is_empty() {
            Some(content_digest(call.body)?)
        } else {
            None
        };
        let parts = RequestParts {
            method: call.method.as_str(),
            authority: self.url.origin().authority(),
            target_uri: uri,
            content_digest: digest.as_deref(),
        };
        let created = (self.clock)();
        let window = Window { created, expires: created + VALID };
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|e| NetError::System(e.to_string()))?;
        let headers =
            sign(&parts, &self.identity.did(), window, nonce, |base| self.identity.sign(base))?;
        let builder = Request::builder().method(call.method.clone()).uri(uri);
        let builder = builder
            .header("signature-input", headers.signature_input)
            .header("signature", headers.signature);
        Ok(match digest {
            Some(digest) => builder.header("content-digest", digest),
            None => builder,
        })
    }

    /// Reads a body of at most `limit` bytes.
    fn read(
        &self,
        call: &Call<'_>,
        response: Response<Body>,
        limit: u64,
    ) -> Result<Vec<u8>, Failed> {
        let announced = response.body().content_length().unwrap_or(0);
        let too_long = || NetError::TooLong { what: call.what(), limit };
        if announced > limit {
            return Err(too_long().into());
        }
        let mut body = Vec::with_capacity(announced.min(RESERVED) as usize);
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        reader.take(limit.saturating_add(1)).read_to_end(&mut body).map_err(|e| Failed {
            error: NetError::Unreachable {
                url: self.url.origin().target_uri(&call.path),
                reason: e.to_string(),
            },
            again: true,
            pause: None,
        })?;
        self.traffic.add_received(body.len());
        if body.len() as u64 > limit { Err(too_long().into()) } else { Ok(body) }
    }

    /// The error that an unsuccessful response means.
    fn refusal(&self, call: &Call<'_>, response: Response<Body>) -> NetError {
        let status = response.status().as_u16();
        let body = self.read(call, response, MAX_PROBLEM).unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => {
                let problem = Problem {
                    kind: printable(&problem.kind),
                    title: printable(&problem.title),
                    status,
                    detail: printable(&problem.detail),
                    remedy: printable(&problem.remedy),
                };
                NetError::Refused { what: call.what(), problem: Box::new(problem) }
            }
            Err(_) => NetError::Status { what: call.what(), status },
        }
    }

    /// The response itself, for a stream of events; one attempt.
    pub(super) fn stream(&self, call: &Call<'_>) -> Result<Response<Body>, (NetError, bool)> {
        let response = self.open(call).map_err(|f| (f.error, f.again))?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(response);
        }
        Err((self.refusal(call, response), matches!(status, 429 | 502 | 503 | 504)))
    }
}

fn broken(uri: &str, error: &Ureq) -> Failed {
    let (url, reason) = (uri.to_owned(), error.to_string());
    let again = matches!(
        error,
        Ureq::Io(_)
            | Ureq::Timeout(_)
            | Ureq::ConnectionFailed
            | Ureq::HostNotFound
            | Ureq::Protocol(_)
    );
    match error {
        Ureq::Tls(_) | Ureq::Rustls(_) | Ureq::Pem(_) => NetError::Untrusted { url, reason }.into(),
        // rustls reports what it does not trust as invalid data.
        Ureq::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            NetError::Untrusted { url, reason }.into()
        }
        _ => Failed { error: NetError::Unreachable { url, reason }, again, pause: None },
    }
}

/// A server's text without what could command a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

pub(super) fn random() -> Result<u32, NetError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|e| NetError::System(e.to_string()))?;
    Ok(u32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_commands_no_terminal() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a [2Jb ");
        assert_eq!(printable(&"x".repeat(10_000)).len(), MAX_TEXT);
    }
}
