//! From sockets to the service: TLS, limits on connections, timeouts, shutdown.

mod limit;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;

use crate::policy::Limits;
use limit::LimitedAcceptor;

pub use tls::load as load_tls;

/// Longest head of an HTTP/2 request in bytes.
const MAX_HEADER: u32 = 32 << 10;
/// Bytes that are read at once from an HTTP/1.1 connection; a head must fit.
const BUFFER: usize = 128 << 10;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// Streams of one HTTP/2 connection at once.
const MAX_STREAMS: u32 = 32;

/// A listening service.
pub struct Listening {
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Listening {
    /// Stops to accept and waits for requests that are being answered, at most so long.
    pub async fn stop(self, grace: Duration) -> std::io::Result<()> {
        self.handle.graceful_shutdown(Some(grace));
        self.task.await.map_err(std::io::Error::other)?
    }
}

/// Serves `router` on a bound socket, with TLS if there is a configuration for it.
///
/// # Errors
/// When the socket can't be used.
pub fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    router: Router,
    limits: &Limits,
) -> std::io::Result<Listening> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let acceptor = LimitedAcceptor::new(limits.connections);
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle.clone())
        .first_request_timeout(limits.idle)
        .accept_error_handler(|_, error| tracing::debug!(%error, "connection refused"));
    let http = server.http_builder();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.idle)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    let service = router.into_make_service();
    let task = match tls {
        None => {
            let server = server.acceptor(acceptor);
            tokio::spawn(async move { server.serve(service).await })
        }
        Some(config) => {
            let server = server.acceptor(RustlsAcceptor::new(config).acceptor(acceptor));
            tokio::spawn(async move { server.serve(service).await })
        }
    };
    Ok(Listening { handle, task })
}
