//! What operators run beside the server.

mod check;
mod reindex;
mod verify;

pub use check::{CheckReport, check};
pub use reindex::{ReindexReport, reindex};
pub use verify::{VerifyReport, verify};
