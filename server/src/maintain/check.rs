//! `hegwas-server check`.

use serde::Serialize;

use crate::config::Config;
use crate::index::Index as _;
use crate::listen::load_tls;
use crate::server::{Data, StartError};

/// What a check found to be in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CheckReport {
    /// Addresses under which clients reach the server (with port 0: not yet known).
    pub addresses: Vec<String>,
    /// Objects in the index.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that can still be stored.
    pub free: u64,
}

/// Checks a configuration, the data folder and the index, as a start would. Objects are not read: see
/// [`verify`](super::verify()).
///
/// # Errors
/// What a start would fail with; damage of the index.
pub async fn check(config: &Config) -> Result<CheckReport, StartError> {
    if let Some((chain, key)) = &config.tls {
        load_tls(chain, key)?;
    }
    let data = Data::open(&config.data, config.reserve, config.durable).await?;
    data.index.check().await?;
    let (objects, bytes) = data.index.totals().await?;
    let free = data
        .store
        .free_space()
        .map_err(|source| StartError::Data { path: config.data.clone(), source })?;
    data.index.close().await;
    let addresses = config.origins(config.listen).iter().map(ToString::to_string).collect();
    Ok(CheckReport { addresses, objects, bytes, free })
}
