//! What a user reads: tables, plots, the best hits.

mod atomic;
mod number;
pub mod plot;
mod released;
mod summary;
pub mod table;
mod top_hits;

pub use released::{HitCounts, Released, write_hits, write_released};
pub use summary::{Row, TOP_HITS, TestSummary};
pub use table::{Format, Study, Summary, read_table};
pub use top_hits::{paragraph, top_hits};

use std::io;
use std::path::Path;

/// Writes a finished file (a plot, say) so that it appears whole or not at all.
///
/// # Errors
/// When the folder can't be written to; an older file of that name is left as it was.
pub fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = atomic::Pending::new(path.to_owned())?;
    file.write(bytes)?;
    file.sync()?.publish()?;
    Ok(())
}
