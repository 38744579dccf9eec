//! What a server is told at its start, checked.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use gwas::wire::Did;
use gwas::wire::httpsig::Origin;

use crate::policy::{Limits, Policy};

/// Configuration of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen; port 0 is any free one.
    pub listen: SocketAddr,
    /// Addresses under which clients know the server; when empty they follow from the listening address.
    pub public: Vec<Origin>,
    /// Certificate chain and key, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where to serve metrics, if at all.
    pub admin: Option<SocketAddr>,
    /// Threads that compute; 0 for one on each core.
    pub threads: usize,
    /// Who may use it.
    pub policy: Policy,
    /// How much.
    pub limits: Limits,
    /// Bytes of the disk to leave free.
    pub reserve: u64,
    /// Whether to wait for the disk before a success is answered.
    pub durable: bool,
}

/// A configuration that can't be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nobody could use the server.
    #[error(
        "nobody may use this server: name parties with --allow did:key:... (or a file of them), or open it to everybody with --open-registration"
    )]
    Nobody,
    /// Both ways of registration.
    #[error("--allow and --open-registration exclude each other: leave one out")]
    Both,
    /// A party is malformed.
    #[error(
        "{place}: {text:?} is not a party; expected did:key:z6Mk..., as `hegwas key show` prints it"
    )]
    Party {
        /// Option or file and line.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A file can't be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// One half of a TLS configuration.
    #[error("--tls-cert and --tls-key go together: give both")]
    Tls,
    /// TLS files that can't be used.
    #[error("{path}: {detail}; expected PEM, the certificate chain first its own")]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

/// Reads `--allow`: parties, or files with one party on each line (`#` begins a comment).
///
/// # Errors
/// When a party is malformed, a file can't be read, or nobody or everybody is named.
pub fn policy(allow: &[String], open: bool) -> Result<Policy, ConfigError> {
    if open {
        return if allow.is_empty() { Ok(Policy::Open) } else { Err(ConfigError::Both) };
    }
    let mut parties = HashSet::new();
    for item in allow {
        if item.starts_with("did:") {
            parties.insert(party("--allow", item)?);
        } else {
            let path = Path::new(item);
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
            for (number, line) in (1..).zip(text.lines()) {
                let line = line.split('#').next().unwrap_or_default().trim();
                if !line.is_empty() {
                    parties.insert(party(&format!("{item}, line {number}"), line)?);
                }
            }
        }
    }
    if parties.is_empty() { Err(ConfigError::Nobody) } else { Ok(Policy::Allow(parties)) }
}

fn party(place: &str, text: &str) -> Result<Did, ConfigError> {
    text.parse().map_err(|_| ConfigError::Party {
        place: place.to_owned(),
        text: text.chars().take(100).collect(),
    })
}

impl Config {
    /// The addresses of a server that listens at `bound`: those configured; else the address itself, with `localhost` on a
    /// loopback or unspecified address.
    pub fn origins(&self, bound: SocketAddr) -> Vec<Origin> {
        if !self.public.is_empty() {
            return self.public.clone();
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let port = bound.port();
        let local = bound.ip().is_loopback() || bound.ip().is_unspecified();
        let address = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => format!("127.0.0.1:{port}"),
            IpAddr::V6(ip) if ip.is_unspecified() => format!("[::1]:{port}"),
            _ => bound.to_string(),
        };
        let mut hosts = vec![address];
        if local {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")));
        }
        let mut origins: Vec<Origin> = Vec::new();
        for host in hosts {
            if let Ok(origin) = format!("{scheme}://{host}").parse()
                && !origins.contains(&origin)
            {
                origins.push(origin);
            }
        }
        origins
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PARTY: &str = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";

    fn origins(listen: &str, public: &[&str]) -> Vec<String> {
        let config = Config {
            data: PathBuf::new(),
            listen: listen.parse().unwrap(),
            public: public.iter().map(|p| p.parse().unwrap()).collect(),
            tls: None,
            admin: None,
            threads: 0,
            policy: Policy::Open,
            limits: Limits::default(),
            reserve: 0,
            durable: true,
        };
        config.origins(config.listen).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_follow_from_where_it_listens() {
        let local = ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"];
        assert_eq!(origins("127.0.0.1:9", &[]), local);
        assert_eq!(origins("0.0.0.0:9", &[]), local);
        assert_eq!(origins("192.0.2.1:9", &[]), ["http://192.0.2.1:9"]);
        assert_eq!(origins("[::1]:9", &[]).first().unwrap(), "http://[::1]:9");
        assert_eq!(
            origins("0.0.0.0:9", &["https://gwas.example.org/"]),
            ["https://gwas.example.org"]
        );
    }

    #[test]
    fn parties_come_from_options_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parties");
        std::fs::write(&file, format!("# ours\n\n{PARTY} # lab\n")).unwrap();
        let file = file.to_str().unwrap().to_owned();
        for allow in [vec![PARTY.to_owned()], vec![file.clone()]] {
            let Policy::Allow(parties) = policy(&allow, false).unwrap() else { panic!() };
            assert!(parties.contains(&PARTY.parse().unwrap()));
        }
        assert!(matches!(policy(&[], true), Ok(Policy::Open)));
        assert!(matches!(policy(&[], false), Err(ConfigError::Nobody)));
        assert!(matches!(policy(&[PARTY.to_owned()], true), Err(ConfigError::Both)));
        assert!(matches!(policy(&["did:web:x".to_owned()], false), Err(ConfigError::Party { .. })));
        assert!(matches!(policy(&["/no/such".to_owned()], false), Err(ConfigError::File { .. })));
        std::fs::write(&file, format!("{PARTY}\nalice\n")).unwrap();
        let error = policy(&[file], false).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("alice"), "{error}");
    }
}
