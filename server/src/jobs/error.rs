//! Why a block fails, in words for those who may read the job.

use std::io;

use gwas::finish::FinishError;

use crate::error::ApiError;
use crate::store::Damaged;

/// Why a block could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// A stored object is damaged.
    #[error("{0}; then send the job again")]
    Damaged(#[from] Damaged),
    /// The disk is full.
    #[error(
        "the server has no space left for results; when its operator has added some, send the job again"
    )]
    Full,
    /// The owner's quota is used up.
    #[error(
        "the results exceed the quota of who asked for the job; delete what is no longer needed, then send the job again"
    )]
    Quota,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<io::Error> for BlockError {
    fn from(error: io::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl From<FinishError> for BlockError {
    fn from(error: FinishError) -> Self {
        Self::Failed(format!("the statistic can't be finished: {error}"))
    }
}

impl From<ApiError> for BlockError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Damaged(damaged) => Self::Damaged(damaged),
            ApiError::Full => Self::Full,
            ApiError::Quota { .. } => Self::Quota,
            // Details are for the log; the status of a job is read by several parties.
            ApiError::Internal(detail) => {
                tracing::error!(detail, "a job failed");
                Self::Failed(
                    "the server failed; tell its operator the digest of the job".to_owned(),
                )
            }
            other => Self::Failed(other.to_string()),
        }
    }
}
