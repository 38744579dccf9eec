//! `hegwas serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use gwas::wire::Did;

use super::common::ThreadArgs;

const EXAMPLES: &str = "\
Examples:
  hegwas serve --data store
  hegwas serve --data store --allow did:key:z6Mk...
  hegwas-server serve --help";

/// Run a server in the foreground
///
/// Starts the hegwas-server program with a folder of yours until Ctrl-C. For TLS, metrics and everything else run
/// hegwas-server itself.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Folder for everything that the server stores
    #[arg(long, value_name = "FOLDER")]
    pub data: PathBuf,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8750")]
    pub listen: SocketAddr,
    /// Parties who may use it (see `hegwas key show`), once for each [default: everybody on this machine]
    #[arg(long, value_name = "DID")]
    pub allow: Vec<Did>,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}
