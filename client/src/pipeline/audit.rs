//! `hegwas audit`.

use he_core::arith::Ring;
use serde::Serialize;

use super::make::client;
use super::shares::{Inputs, replay, result_of};
use super::use_threads;
use crate::Result;
use crate::cli::audit::AuditArgs;
use crate::console::{Console, Unit};

/// What an audit found right.
#[derive(Serialize)]
struct Audited {
    job: he_core::Digest,
    result: he_core::Digest,
    units: usize,
    people: u32,
}

/// Recomputes a job's result and compares.
///
/// # Errors
/// When an input can't be read, or the result is another one than the inputs give.
pub fn audit(args: &AuditArgs, console: &Console) -> Result<()> {
    use_threads(args.threads.count());
    let client = client(&args.server, &args.key)?;
    let inputs = Inputs::load(&client, &args.job)?;
    let (id, result) = result_of(&client, &client.job_status(&args.job)?)?;
    let ring = Ring::new(inputs.params());
    let units = result.units.len() + result.totals.len();
    let progress = console.progress("replay", units as u64, Unit::Items("units"));
    replay(&client, &ring, &inputs, &result, &progress)?;
    progress.finish();
    let audited = Audited { job: args.job, result: id, units, people: result.people };
    console.print_either(&audited, |a| {
        format!("the server computed {} units over {} people as its inputs say", a.units, a.people)
    })
}
