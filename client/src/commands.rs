//! Commands that are not part of the encrypted computation itself.

mod completions;
mod help;

pub use completions::completions;
pub use help::help;

use crate::cli::{inspect, key, plot, push, serve};
use crate::console::Console;
use crate::{Error, Result};

fn later() -> Result<()> {
    Err(Error::Internal("not in this build".into()))
}
/// x
pub fn key(_: &key::KeyArgs, _: &Console) -> Result<()> {
    later()
}
/// x
pub fn push(_: &push::PushArgs, _: &Console) -> Result<()> {
    later()
}
/// x
pub fn plot(_: &plot::PlotArgs, _: &Console) -> Result<()> {
    later()
}
/// x
pub fn inspect(_: &inspect::InspectArgs, _: &Console) -> Result<()> {
    later()
}
/// x
pub fn serve(_: &serve::ServeArgs, _: &Console) -> Result<()> {
    later()
}
