//! A running server: data folder, service, jobs.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;

use crate::app::{App, Parts};
use crate::config::{Config, ConfigError};
use crate::error::ApiError;
use crate::index::{Index, IndexError, SqliteIndex};
use crate::listen::{Listening, load_tls, serve};
use crate::lock::{Lock, LockError};
use crate::logs::Logs;
use crate::store::{Class, LocalFolder, ObjectStore};
use crate::{clock, http, jobs, resume};

/// How long requests that are being answered may take when the server stops.
const GRACE: Duration = Duration::from_secs(20);

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data folder can't be used.
    #[error("the data folder {path}: {source}")]
    Data {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The index can't be used.
    #[error("{0}; if the index is damaged, `hegwas-server reindex` builds it again")]
    Index(#[from] IndexError),
    /// An address can't be listened at.
    #[error("can't listen at {address}: {source}; choose another with --listen or --admin-listen")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There are objects, but the index knows nothing.
    #[error(
        "the store in {0} holds manifests but its index is empty: it was lost; build it again with `hegwas-server reindex`"
    )]
    NoIndex(std::path::PathBuf),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<ApiError> for StartError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Internal(detail) => Self::Other(detail),
            other => Self::Other(other.to_string()),
        }
    }
}

/// A data folder, opened and locked.
pub struct Data {
    /// Objects.
    pub store: Arc<dyn ObjectStore>,
    /// Index.
    pub index: SqliteIndex,
    /// Logs of studies.
    pub logs: Logs,
    lock: Lock,
}

/// Makes the data folder if there is none.
///
/// # Errors
/// Those of the system.
pub fn make_folder(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::Data { path: path.to_owned(), source })
}

impl Data {
    /// Opens and locks a data folder; makes it if there is none.
    ///
    /// # Errors
    /// When it is in use, damaged, or can't be written to.
    pub async fn open(path: &Path, reserve: u64, durable: bool) -> Result<Self, StartError> {
        make_folder(path)?;
        let lock = Lock::take(path)?;
        let data = |source| StartError::Data { path: path.to_owned(), source };
        let store = LocalFolder::open(&path.join("objects"), reserve, durable).map_err(data)?;
        let index = SqliteIndex::open(&path.join("index.sqlite"), durable).await?;
        let logs = Logs::open(&path.join("logs"), durable).map_err(data)?;
        Ok(Self { store: Arc::new(store), index, logs, lock })
    }

    /// Whether the index is empty although manifests are stored. Every manifest names an object or another manifest.
    async fn is_without_index(&self) -> Result<bool, StartError> {
        if self.index.totals().await? != (0, 0) {
            return Ok(false);
        }
        // One is enough to know: the listing is broken off by an error of no other meaning.
        let mut any = false;
        let listed = self.store.list(Class::Manifest, &mut |_| {
            any = true;
            Err(std::io::ErrorKind::Interrupted.into())
        });
        match listed {
            Err(error) if !any => Err(StartError::Other(error.to_string())),
            _ => Ok(any),
        }
    }
}

/// A server that listens.
pub struct Server {
    /// Its parts.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it serves metrics.
    pub admin: Option<SocketAddr>,
    tls: Option<(RustlsConfig, std::path::PathBuf, std::path::PathBuf)>,
    listening: Vec<Listening>,
    jobs: JoinHandle<()>,
    index: SqliteIndex,
    _lock: Lock,
}

impl Server {
    /// Starts a server on its data folder.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let data = Data::open(&config.data, config.reserve, config.durable).await?;
        Self::start_on(config, data, clock::system()).await
    }

    /// Starts a server on an opened data folder, with a clock of the caller's.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_on(
        config: Config,
        data: Data,
        clock: clock::Clock,
    ) -> Result<Self, StartError> {
        if data.is_without_index().await? {
            return Err(StartError::NoIndex(config.data));
        }
        let tls = match &config.tls {
            None => None,
            Some((chain, key)) => {
                let loaded = RustlsConfig::from_config(load_tls(chain, key)?);
                Some((loaded, chain.clone(), key.clone()))
            }
        };
        let (listener, address) = bind(config.listen)?;
        let origins = config.origins(address);
        let (policy, limits) = (config.policy, config.limits);
        let index: Arc<dyn Index> = Arc::new(data.index.clone());
        let (store, logs) = (data.store, Arc::new(data.logs));
        let app = App::new(Parts { store, index, logs, origins, policy, limits, clock });
        app.finish_erasures().await?;
        resume::resume(&app).await?;

        let failed = |source| StartError::Listen { address, source };
        let secure = tls.as_ref().map(|(config, ..)| config.clone());
        let router = http::router(Arc::clone(&app));
        let mut listening = vec![serve(listener, secure, router, &limits).map_err(failed)?];
        let admin = match config.admin {
            None => None,
            Some(wanted) => {
                let (listener, address) = bind(wanted)?;
                let failed = |source| StartError::Listen { address, source };
                let router = admin_router(Arc::clone(&app));
                listening.push(serve(listener, None, router, &limits).map_err(failed)?);
                Some(address)
            }
        };
        tokio::spawn(resume::sweep(Arc::clone(&app)));
        let jobs = jobs::start(Arc::clone(&app), config.threads)
            .map_err(|e| StartError::Other(e.to_string()))?;
        let (index, lock) = (data.index, data.lock);
        Ok(Self { app, address, admin, tls, listening, jobs, index, _lock: lock })
    }

    /// The address that clients use.
    pub fn url(&self) -> String {
        self.app.origins.first().map(ToString::to_string).unwrap_or_default()
    }

    /// Reads the TLS files again, for new connections.
    ///
    /// # Errors
    /// When they can't be used; the old ones stay.
    pub fn reload_tls(&self) -> Result<(), ConfigError> {
        if let Some((config, chain, key)) = &self.tls {
            config.reload_from_config(load_tls(chain, key)?);
        }
        Ok(())
    }

    /// Stops: no new requests, the block of a job that is being computed is finished and recorded, the index is closed.
    ///
    /// # Errors
    /// Those of the sockets.
    pub async fn stop(self) -> std::io::Result<()> {
        self.app.stopping.send_replace(true);
        let mut outcome = Ok(());
        for listening in self.listening {
            outcome = outcome.and(listening.stop(GRACE).await);
        }
        let jobs = self.jobs;
        let joined = tokio::task::spawn_blocking(move || jobs.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread of the jobs did not end well");
        }
        self.index.close().await;
        outcome
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// What the admin address serves: plain HTTP, unsigned, for the operator's network only.
fn admin_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(http::livez))
        .route("/readyz", get(http::readyz))
        .with_state(app)
}

async fn metrics(State(app): State<Arc<App>>) -> Result<String, ApiError> {
    Ok(app.metrics.text(app.index.totals().await?))
}
