//! The client itself: connection settings and identity.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gwas::wire::Did;
use ureq::Agent;

use super::{NetError, Retry, ServerUrl, Traffic, tls};
use crate::keys::Identity;

/// Settings of a [`Client`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Trust these authorities (PEM) instead of the system's.
    pub ca_cert: Option<PathBuf>,
    /// Allow plain HTTP to other machines.
    pub insecure_http: bool,
    /// When to try again.
    pub retry: Retry,
    /// The time in seconds since 1970-01-01 UTC, for signatures.
    pub clock: fn() -> u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { ca_cert: None, insecure_http: false, retry: Retry::default(), clock: now }
    }
}

impl From<&crate::cli::common::ConnectionArgs> for Options {
    fn from(args: &crate::cli::common::ConnectionArgs) -> Self {
        Self { ca_cert: args.ca_cert.clone(), insecure_http: args.insecure_http, ..Self::default() }
    }
}

/// The system's clock, in seconds since 1970-01-01 UTC.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// A signing client of one server. Cheap to clone; clones share connections and counters and may be used from any thread.
#[derive(Clone)]
pub struct Client {
    pub(super) url: ServerUrl,
    pub(super) identity: Arc<Identity>,
    pub(super) agent: Agent,
    pub(super) retry: Retry,
    pub(super) clock: fn() -> u64,
    pub(super) traffic: Arc<Traffic>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} as {})", self.url, self.identity.did())
    }
}

/// Connecting takes no longer.
const CONNECT: Duration = Duration::from_secs(10);
/// Nothing arrives or leaves for no longer. A server may sync a chunk to a slow disk meanwhile.
const STALL: Duration = Duration::from_secs(60);
/// Idle connections kept.
const IDLE: usize = 16;

impl Client {
    /// A client of the server at `url` that acts as `identity`. Connects with the first request.
    ///
    /// # Errors
    /// When `url` is plain HTTP to another machine and that is not allowed, or the authorities can't be used.
    pub fn new(
        url: ServerUrl,
        identity: Arc<Identity>,
        options: &Options,
    ) -> Result<Self, NetError> {
        if !url.is_secure() && !url.is_loopback() && !options.insecure_http {
            return Err(NetError::Insecure(url.to_string()));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("hegwas/", env!("CARGO_PKG_VERSION")))
            .accept("*/*")
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(STALL))
            .timeout_per_write(Some(STALL))
            .timeout_recv_response(Some(2 * STALL))
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE);
        if url.is_secure() {
            config = config.tls_config(tls::config(options.ca_cert.as_deref())?);
        }
        if url.is_loopback() {
            config = config.proxy(None);
        }
        Ok(Self {
            url,
            identity,
            agent: Agent::new_with_config(config.build()),
            retry: options.retry,
            clock: options.clock,
            traffic: Arc::default(),
        })
    }

    /// The server.
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Whom it acts as.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Who that is.
    pub fn did(&self) -> Did {
        self.identity.did()
    }

    /// Bytes transferred by this client and its clones.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_needs_permission_elsewhere() {
        let me = Arc::new(Identity::ephemeral().unwrap());
        let client = |url: &str, insecure_http| {
            let options = Options { insecure_http, ..Options::default() };
            Client::new(url.parse().unwrap(), Arc::clone(&me), &options)
        };
        assert!(matches!(client("http://gwas.example.org", false), Err(NetError::Insecure(_))));
        assert!(client("http://gwas.example.org", true).is_ok());
        assert!(client("http://127.0.0.1:1", false).is_ok());
        assert!(client("https://gwas.example.org", false).is_ok());
    }
}
