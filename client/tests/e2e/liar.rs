//! A server that lies: everything passes through to the honest one behind it, but answers can be replaced.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::proxy::accept;

/// What is answered otherwise than by the honest server.
#[derive(Clone, Default)]
pub struct Lie {
    /// Answers to `METHOD path`; the request does not reach the server.
    pub answers: HashMap<String, Vec<u8>>,
    /// Text that is replaced in all JSON but the log, of which every party keeps the head.
    pub words: Vec<(String, String)>,
    /// `METHOD path` of which the last bit of the honest answer is changed.
    pub flipped: Option<String>,
}

#[derive(Default)]
struct Shared {
    upstream: Mutex<String>,
    lie: Mutex<Lie>,
    received: Mutex<Vec<(String, Vec<u8>)>>,
}

/// Accepts connections until the test ends.
pub struct Liar {
    pub url: String,
    shared: Arc<Shared>,
}

impl Liar {
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let accepting = Arc::clone(&shared);
        let url = accept(move |client| {
            let shared = Arc::clone(&accepting);
            std::thread::spawn(move || shared.serve(&client));
        });
        Self { url, shared }
    }

    /// Where requests go, as host and port.
    pub fn connect(&self, address: &str) {
        *self.shared.upstream.lock().unwrap() = address.to_owned();
    }

    /// Lies while `work` lasts.
    pub fn telling<T>(&self, lie: &Lie, work: impl FnOnce() -> T) -> T {
        *self.shared.lie.lock().unwrap() = lie.clone();
        let value = work();
        *self.shared.lie.lock().unwrap() = Lie::default();
        value
    }

    /// Forgets and returns what clients sent, as `METHOD path` and body.
    pub fn take_received(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut *self.shared.received.lock().unwrap())
    }
}

/// A first line, further lines with lower-case names, and a body.
struct Message {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    /// Reads a request, or an answer that ends with the connection.
    fn read(reader: &mut impl BufRead, to_the_end: bool) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let (mut headers, mut text) = (Vec::new(), String::new());
        while reader.read_line(&mut text).ok()? > 0 {
            let Some((name, value)) = text.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
            text.clear();
        }
        let mut body = Vec::new();
        if to_the_end {
            reader.read_to_end(&mut body).ok()?;
        } else {
            let length = headers.iter().find(|h| h.0 == "content-length");
            body.resize(length.map_or(0, |(_, l)| l.parse().unwrap()), 0);
            reader.read_exact(&mut body).ok()?;
        }
        Some(Self { line: line.trim_end().to_owned(), headers, body })
    }

    fn bytes(&self, line: &str) -> Vec<u8> {
        let mut bytes = format!("{line}\r\n").into_bytes();
        let own = ["content-length", "transfer-encoding", "connection"];
        for (name, value) in self.headers.iter().filter(|h| !own.contains(&h.0.as_str())) {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).bytes());
        bytes.extend(&self.body);
        bytes
    }
}

impl Shared {
    fn serve(&self, mut client: &TcpStream) {
        let mut reader = BufReader::new(client);
        while let Some(request) = Message::read(&mut reader, false) {
            let name = request.line.rsplit_once(' ').unwrap().0.to_owned();
            self.received.lock().unwrap().push((name.clone(), request.body.clone()));
            let lie = self.lie.lock().unwrap().clone();
            let answer = match lie.answers.get(&name) {
                Some(body) => {
                    let status = if name.starts_with("PUT") { 201 } else { 200 };
                    let kind = if body.starts_with(b"{") || body.starts_with(b"[") {
                        "application/json"
                    } else {
                        "application/octet-stream"
                    };
                    let headers = vec![("content-type".to_owned(), kind.to_owned())];
                    let line = format!("HTTP/1.1 {status} Lie");
                    Message { line, headers, body: body.clone() }
                }
                None => match self.ask(&request, &name, &lie) {
                    Some(answer) => answer,
                    None => return,
                },
            };
            if client.write_all(&answer.bytes(&answer.line)).is_err() {
                return;
            }
        }
    }

    /// The honest answer, with a bit changed or words replaced; none of a server that is dead.
    fn ask(&self, request: &Message, name: &str, lie: &Lie) -> Option<Message> {
        let mut server = TcpStream::connect(self.upstream.lock().unwrap().as_str()).ok()?;
        // Of this version of HTTP an answer ends with the connection.
        server.write_all(&request.bytes(&format!("{name} HTTP/1.0"))).ok()?;
        let mut answer = Message::read(&mut BufReader::new(server), true)?;
        answer.line = answer.line.replacen("HTTP/1.0", "HTTP/1.1", 1);
        let json = |h: &(String, String)| h.0 == "content-type" && h.1.contains("json");
        if answer.headers.iter().any(json) && !name.contains("/log") {
            let mut text = String::from_utf8(answer.body).unwrap();
            for (from, to) in &lie.words {
                text = text.replace(from, to);
            }
            answer.body = text.into_bytes();
        }
        if lie.flipped.as_deref() == Some(name) {
            *answer.body.last_mut().unwrap() ^= 1;
        }
        Some(answer)
    }
}
