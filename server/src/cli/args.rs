//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gwas::wire::httpsig::Origin;

use crate::config::{Config, ConfigError, policy};
use crate::policy::Limits;

const EXAMPLES: &str = "\
Examples:
  hegwas-server --data ./store --allow did:key:z6Mk...
      serve one party on 127.0.0.1:8750
  hegwas-server --data /var/lib/hegwas --listen 0.0.0.0:8750 --allow /etc/hegwas/parties \\
      --public-url https://gwas.example.org
      behind a proxy that ends TLS
  hegwas-server --data /var/lib/hegwas --listen 0.0.0.0:443 --allow /etc/hegwas/parties \\
      --public-url https://gwas.example.org --tls-cert chain.pem --tls-key key.pem
      with TLS of its own
  hegwas-server verify --data /var/lib/hegwas
      read every stored object and compare it with its name

Every option can also be set as HEGWAS_OPTION in the environment. Signals: TERM and INT stop (the running block of a
job is finished first, jobs go on at the next start), HUP reads the TLS files again.

Exit codes: 0 success, 1 failure while running, 2 wrong usage, 3 impossible configuration, 4 damaged objects found,
5 data folder in use.";

/// The hegwas compute service: stores encrypted genotypes, runs encrypted association studies, cannot decrypt.
#[derive(Parser, Debug)]
#[command(name = "hegwas-server", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServeArguments,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Serve (what happens without a command).
    #[command(after_help = EXAMPLES)]
    Serve(ServeArguments),
    /// Check the configuration and the index, without serving.
    #[command(
        after_help = "Example:\n  hegwas-server check --data ./store --allow /etc/hegwas/parties"
    )]
    Check(ServeArguments),
    /// Build the index again from the stored objects; the server must not run.
    #[command(after_help = "Example:\n  hegwas-server reindex --data ./store --prune")]
    Reindex {
        /// The data folder.
        #[arg(long, env = "HEGWAS_DATA", value_name = "DIR")]
        data: PathBuf,
        /// Also delete objects that no manifest names (uploads that were never finished).
        #[arg(long)]
        prune: bool,
    },
    /// Read every stored object and compare it with its name; the server may run.
    #[command(after_help = "Example:\n  hegwas-server verify --data ./store")]
    Verify {
        /// The data folder.
        #[arg(long, env = "HEGWAS_DATA", value_name = "DIR")]
        data: PathBuf,
    },
    /// Print completions for a shell.
    #[command(
        after_help = "Example:\n  hegwas-server completions bash > /etc/bash_completion.d/hegwas-server"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(super) enum LogFormat {
    /// One JSON object on each line.
    Json,
    /// For people.
    Text,
}

#[derive(Args, Debug, Clone)]
pub(super) struct ServeArguments {
    /// The data folder; made if there is none.
    #[arg(long, env = "HEGWAS_DATA", value_name = "DIR", default_value = "hegwas-data")]
    pub(super) data: PathBuf,
    /// Where to listen; port 0 takes any free one.
    #[arg(long, env = "HEGWAS_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8750")]
    pub(super) listen: SocketAddr,
    /// Address under which clients know this server (what they sign); may be given several times. Default: where it listens.
    #[arg(long, env = "HEGWAS_PUBLIC_URL", value_name = "URL", value_delimiter = ',')]
    pub(super) public_url: Vec<Origin>,
    /// Certificate chain (PEM).
    #[arg(long, env = "HEGWAS_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM).
    #[arg(long, env = "HEGWAS_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// Parties that may use the server: did:key:..., or files with one on each line.
    #[arg(long, env = "HEGWAS_ALLOW", value_name = "DID|FILE", value_delimiter = ',')]
    pub(super) allow: Vec<String>,
    /// Let every party use the server that can sign.
    #[arg(long, env = "HEGWAS_OPEN_REGISTRATION")]
    pub(super) open_registration: bool,
    /// Threads that compute; 0 for one on each core.
    #[arg(long, env = "HEGWAS_THREADS", value_name = "N", default_value_t = 0)]
    pub(super) threads: usize,
    /// Bytes that one party may hold (K, M, G, T: powers of 1024).
    #[arg(long, env = "HEGWAS_QUOTA", value_name = "BYTES", default_value = "1T", value_parser = bytes)]
    pub(super) quota: u64,
    /// Largest chunk in bytes, its header included.
    #[arg(long, env = "HEGWAS_MAX_CHUNK", value_name = "BYTES", default_value = "67108928", value_parser = bytes)]
    pub(super) max_chunk: u64,
    /// Largest panel in bytes.
    #[arg(long, env = "HEGWAS_MAX_PANEL", value_name = "BYTES", default_value = "1G", value_parser = bytes)]
    pub(super) max_panel: u64,
    /// Disk space to leave free.
    #[arg(long, env = "HEGWAS_RESERVE", value_name = "BYTES", default_value = "64M", value_parser = bytes)]
    pub(super) reserve: u64,
    /// Requests served at once; more are answered with 503.
    #[arg(long, env = "HEGWAS_MAX_REQUESTS", value_name = "N", default_value_t = 64)]
    pub(super) max_requests: usize,
    /// Connections at once; more are closed.
    #[arg(long, env = "HEGWAS_MAX_CONNECTIONS", value_name = "N", default_value_t = 256)]
    pub(super) max_connections: usize,
    /// Longest pause of a client inside a request, in seconds.
    #[arg(long, env = "HEGWAS_IDLE", value_name = "SECONDS", default_value_t = 30)]
    pub(super) idle: u64,
    /// Serve Prometheus metrics and health at this address (plain HTTP, unsigned: keep it private).
    #[arg(long, env = "HEGWAS_ADMIN_LISTEN", value_name = "ADDR")]
    pub(super) admin_listen: Option<SocketAddr>,
    /// Form of the log on standard error.
    #[arg(long, env = "HEGWAS_LOG_FORMAT", value_enum, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Do not wait for the disk: for a data folder that is thrown away afterwards.
    #[arg(long, env = "HEGWAS_EPHEMERAL")]
    pub(super) ephemeral: bool,
    /// Stop when standard input ends: for a program that starts this one.
    #[arg(long)]
    pub(super) exit_with_parent: bool,
}

impl ServeArguments {
    /// The configuration.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some((chain.clone(), key.clone())),
            _ => return Err(ConfigError::Tls),
        };
        Ok(Config {
            data: self.data.clone(),
            listen: self.listen,
            public: self.public_url.clone(),
            tls,
            admin: self.admin_listen,
            threads: self.threads,
            policy: policy(&self.allow, self.open_registration)?,
            limits: Limits {
                max_chunk: self.max_chunk,
                max_panel: self.max_panel,
                quota: self.quota,
                requests: self.max_requests.max(1),
                connections: self.max_connections.max(1),
                idle: std::time::Duration::from_secs(self.idle.max(1)),
                ..Limits::default()
            },
            reserve: self.reserve,
            durable: !self.ephemeral,
        })
    }
}

/// A number of bytes: `1000`, `64M`, `2T`.
fn bytes(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (text.get(..at), 10),
        Some((at, 'M' | 'm')) => (text.get(..at), 20),
        Some((at, 'G' | 'g')) => (text.get(..at), 30),
        Some((at, 'T' | 't')) => (text.get(..at), 40),
        _ => (Some(text), 0),
    };
    let number: Option<u64> = number.and_then(|n| n.parse().ok());
    number
        .and_then(|n| n.checked_mul(1 << shift))
        .ok_or_else(|| "expected a number of bytes such as 1000, 64M, 10G or 2T".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes("1000"), Ok(1000));
        assert_eq!(bytes("64M"), Ok(64 << 20));
        assert_eq!(bytes("2T"), Ok(2 << 40));
        for bad in ["", "M", "-1", "1.5G", "99999999999T", "1é"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
