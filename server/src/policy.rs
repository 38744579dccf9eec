//! Who may use the server, and how much.

use std::collections::HashSet;

use gwas::wire::Did;

use crate::error::ApiError;

/// Which parties are registered.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Every party that can sign.
    Open,
    /// These.
    Allow(HashSet<Did>),
}

impl Policy {
    /// Refuses parties that are not registered.
    ///
    /// # Errors
    /// When the party is not.
    pub fn check(&self, party: &Did) -> Result<(), ApiError> {
        match self {
            Self::Allow(parties) if !parties.contains(party) => {
                Err(ApiError::NotRegistered(*party))
            }
            _ => Ok(()),
        }
    }
}

/// Limits on what comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest chunk, header included, in bytes.
    pub max_chunk: u64,
    /// Largest panel in bytes.
    pub max_panel: u64,
    /// Bytes that one party may hold.
    pub quota: u64,
    /// Requests served at once; more are turned away.
    pub requests: usize,
    /// Connections at once; more are closed.
    pub connections: usize,
    /// Longest pause inside a body, and longest wait for a request's header.
    pub idle: std::time::Duration,
    /// A body may take `idle` plus its length divided by this many bytes per second.
    pub slowest: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_chunk: (64 << 20) + he_core::codec::HEADER_LEN as u64,
            max_panel: 1 << 30,
            quota: 1 << 40,
            requests: 64,
            connections: 256,
            idle: std::time::Duration::from_secs(30),
            slowest: 16 << 10,
        }
    }
}
