//! A client that signs, and small valid objects of random ciphertexts: any words below the primes are one.

pub mod client;
pub mod consortium;
pub mod objects;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hegwas_server::config::Config;
use hegwas_server::policy::{Limits, Policy};
use hegwas_server::server::{Data, Server};

pub use client::{Answer, Party};
pub use consortium::Consortium;
pub use objects::World;

/// A configuration for tests: any free port, everybody may use it, two threads.
pub fn config(data: &Path) -> Config {
    Config {
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        public: Vec::new(),
        tls: None,
        admin: None,
        threads: 2,
        policy: Policy::Open,
        limits: Limits { idle: Duration::from_millis(1500), ..Limits::default() },
        reserve: 0,
        durable: false,
    }
}

/// The time now, in seconds.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A server in this process, with a clock that a test can move.
pub struct Running {
    pub server: Server,
    pub offset: Arc<AtomicU64>,
}

impl Running {
    pub async fn start(config: Config) -> Self {
        let data = Data::open(&config.data, config.reserve, config.durable).await.unwrap();
        Self::start_on(config, data).await
    }

    pub async fn start_on(config: Config, data: Data) -> Self {
        let offset = Arc::new(AtomicU64::new(0));
        let shift = Arc::clone(&offset);
        let clock = Arc::new(move || now() + shift.load(Ordering::Relaxed));
        let server = Server::start_on(config, data, clock).await.unwrap();
        Self { server, offset }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }
}
