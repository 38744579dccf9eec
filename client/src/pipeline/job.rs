//! `hegwas run`.

use gwas::wire::Job;
use gwas::wire::status::{JobState, JobStatus};
use he_core::Digest;

use super::make::client;
use super::study::job;
use super::{choose, remote};
use crate::Result;
use crate::cli::run::{RunArgs, RunCommand};
use crate::console::Console;
use crate::net::{Client, Collection, now};

/// Submits, lists, shows, watches, cancels jobs.
///
/// # Errors
/// When the server refuses, or the job ends without a result.
pub fn run(args: &RunArgs, console: &Console) -> Result<()> {
    match &args.command {
        RunCommand::New(new) => {
            let client = client(&new.server, &new.key)?;
            let job = job(new.study, choose::inputs(&client, new, console)?, now());
            let id = match earlier(&client, &job)? {
                Some(id) => {
                    console.note(format_args!("job {id} has the same inputs: it is not run again"));
                    id
                }
                None => remote::submit(&client, &job)?,
            };
            if new.detach {
                return console.print_either(&id, ToString::to_string);
            }
            let status = remote::wait(&client, &id, console)?;
            console.print_either(&status, |s| s.job.to_string())
        }
        RunCommand::List(list) => {
            let client = client(&list.server, &list.key)?;
            let jobs = client.list_jobs()?;
            console.print_either(&jobs, |jobs| jobs.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        RunCommand::Status(args) => {
            let status = client(&args.server, &args.key)?.job_status(&args.id)?;
            console.print_either(&status, line)
        }
        RunCommand::Watch(args) => {
            let client = client(&args.server, &args.key)?;
            let status = remote::wait(&client, &args.id, console)?;
            console.print_either(&status, line)
        }
        RunCommand::Cancel(args) => {
            let status = client(&args.server, &args.key)?.cancel_job(&args.id)?;
            console.print_either(&status, line)
        }
    }
}

/// A job of the same inputs that has a result, or will have one. Its result is what another would have, and key holders share
/// it once.
fn earlier(client: &Client, wanted: &Job) -> Result<Option<Digest>> {
    for status in client.list_jobs()?.iter().filter(|status| status.study == wanted.study) {
        if !matches!(status.state, JobState::Failed | JobState::Cancelled | JobState::Revoked) {
            let job = client.get_manifest::<Job>(Collection::Jobs, &status.job)?;
            if job.message.inputs == wanted.inputs {
                return Ok(Some(job.id));
            }
        }
    }
    Ok(None)
}

fn line(status: &JobStatus) -> String {
    let JobStatus { job, state, done, total, error, .. } = status;
    let error = error.as_deref().map(|e| format!("\t{e}")).unwrap_or_default();
    let state = format!("{state:?}").to_lowercase();
    format!("{job}\t{state}\t{done}/{total}{error}")
}
