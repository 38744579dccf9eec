//! `hegwas-server serve`.

use std::io::Read as _;
use std::sync::Arc;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::args::ServeArguments;
use super::{Failure, log, print, runtime};
use crate::server::Server;

/// What is printed when the server is ready.
#[derive(Serialize)]
struct Ready {
    listening: String,
    pid: u32,
}

pub(super) fn run(args: ServeArguments) -> Result<(), Failure> {
    log(args.log_format);
    let config = args.config()?;
    let orphaned = Arc::new(Notify::new());
    if args.exit_with_parent {
        watch_parent(Arc::clone(&orphaned))?;
    }
    runtime(2)?.block_on(async {
        let signals = |kind| signal(kind).map_err(|e| Failure::Other(e.to_string()));
        let mut terminate = signals(SignalKind::terminate())?;
        let mut interrupt = signals(SignalKind::interrupt())?;
        let mut hang_up = signals(SignalKind::hangup())?;
        let server = Server::start(config).await?;
        tracing::info!(address = %server.address, admin = ?server.admin, "listening");
        print(&Ready { listening: server.url(), pid: std::process::id() })?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = orphaned.notified() => break,
                _ = hang_up.recv() => match server.reload_tls() {
                    Ok(()) => tracing::info!("TLS files read again"),
                    Err(error) => tracing::error!(%error, "the TLS files were not taken over"),
                },
            }
        }
        tracing::info!("stopping");
        server.stop().await.map_err(|e| Failure::Other(e.to_string()))?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Notices when standard input ends: the parent has closed it or has died.
fn watch_parent(orphaned: Arc<Notify>) -> Result<(), Failure> {
    let watch = move || {
        let mut buffer = [0; 256];
        let mut input = std::io::stdin().lock();
        while matches!(input.read(&mut buffer), Ok(1..)) {}
        orphaned.notify_one();
    };
    let thread = std::thread::Builder::new().name("parent".to_owned()).spawn(watch);
    thread.map(drop).map_err(|e| Failure::Other(e.to_string()))
}
