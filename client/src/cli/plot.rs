//! `hegwas plot`.

use std::path::PathBuf;

use clap::Args;

use super::common::PlotFormat;

const EXAMPLES: &str = "\
Examples:
  hegwas plot result.assoc.tsv --out result
  hegwas plot result.assoc.tsv --format svg --out figure1";

/// Draw Manhattan and QQ plots from a table
///
/// Reads a table written by `hegwas assoc` or `hegwas result` and writes PREFIX.TEST.manhattan and PREFIX.TEST.qq for each
/// of its tests.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct PlotArgs {
    /// The table
    #[arg(value_name = "TABLE")]
    pub table: PathBuf,
    /// Prefix of the files to write
    #[arg(long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// Formats, comma-separated
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMATS", default_value = "png")]
    pub format: Vec<PlotFormat>,
}
