//! A TCP proxy between the commands and the server that keeps every byte, and can do something after so many of them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::site::Server;

type Action = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Shared {
    upstream: Mutex<String>,
    /// One buffer for each direction of each connection.
    streams: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    /// Bytes that may still pass from clients to the server before the action.
    alarm: Mutex<Option<(usize, Action)>>,
}

/// Hands every connection to `take` until the test ends; where to connect.
pub fn accept(take: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(take));
    url
}

/// Accepts connections until the test ends.
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

impl Proxy {
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let accepting = Arc::clone(&shared);
        let url = accept(move |client| {
            let upstream = accepting.upstream.lock().unwrap().clone();
            // Without a server the connection is closed again, as a dead one's would be.
            let Ok(server) = TcpStream::connect(upstream) else { return };
            let pairs = [(&client, &server, true), (&server, &client, false)];
            for (from, to, alarmed) in pairs {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || shared.pass(from, to, alarmed));
            }
        });
        Self { url, shared }
    }

    /// Where connections go from now on.
    pub fn connect(&self, server: &Server) {
        *self.shared.upstream.lock().unwrap() = server.address.clone();
    }

    /// Does `action`, once, when `bytes` more bytes have come from clients.
    pub fn after(&self, bytes: usize, action: impl FnOnce() + Send + 'static) {
        *self.shared.alarm.lock().unwrap() = Some((bytes, Box::new(action)));
    }

    /// Everything that passed so far, a buffer for each direction of each connection.
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        let streams = self.shared.streams.lock().unwrap();
        streams.iter().map(|s| s.lock().unwrap().clone()).collect()
    }
}

impl Shared {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, alarmed: bool) {
        let record = Arc::<Mutex<Vec<u8>>>::default();
        self.streams.lock().unwrap().push(Arc::clone(&record));
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            record.lock().unwrap().extend_from_slice(&buffer[..length]);
            if alarmed {
                self.count(length);
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    fn count(&self, length: usize) {
        let mut alarm = self.alarm.lock().unwrap();
        match alarm.take() {
            Some((left, action)) if left <= length => action(),
            Some((left, action)) => *alarm = Some((left - length, action)),
            None => {}
        }
    }
}
