//! `hegwas agent`: a key holder's part, unattended.

use std::collections::HashSet;

use gwas::wire::status::{JobState, StudyPhase};
use he_core::Digest;
use he_core::arith::Ring;
use he_core_secret::HolderKey;
use serde::Serialize;

use super::log::verify_log;
use super::make::client;
use super::shares::{Finisher, Holder, Policy, Store};
use super::{ceremony, use_threads};
use crate::cli::agent::{AgentArgs, PolicyArgs};
use crate::console::Console;
use crate::net::{Client, now};
use crate::{Error, Result};

/// One thing that the agent did, or did not do.
#[derive(Serialize)]
struct Entry<'a> {
    time: u64,
    study: Digest,
    job: Option<Digest>,
    done: Option<&'a str>,
    refused: Option<String>,
}

/// Makes the study's key with the other holders, and shares what may be shared.
///
/// # Errors
/// When the key is none of the study's, its memory is damaged, or the log is not the one that was seen before; with `--once`
/// also when a job is not shared.
pub fn agent(args: &AgentArgs, console: &Console) -> Result<()> {
    use_threads(args.threads.count());
    let client = client(&args.server, &args.key)?;
    let mut holder = holder(args, &client, console)?;
    let mut told = HashSet::new();
    loop {
        let refused = match round(args, &mut holder, &mut told) {
            // A server that can't be reached now may be later.
            Err(Error::Net(error)) if !args.once && error.exit() == crate::Exit::Network => {
                console.warn(error);
                None
            }
            other => other?,
        };
        if args.once {
            return refused.map_or(Ok(()), Err);
        }
        std::thread::sleep(args.every);
    }
}

fn holder<'a>(args: &AgentArgs, client: &'a Client, console: &'a Console) -> Result<Holder<'a>> {
    let study = ceremony::signed(client, &args.study)?;
    let terms = &study.message;
    if !terms.key_holders.contains(&client.did()) {
        return Err(Error::input("your key is not one of the study's key holders'")
            .with_remedy("use the key file that signed the study as a key holder"));
    }
    if !terms.is_shared() && !terms.is_finished() {
        return Err(Error::input("you hold the study's key alone: nothing is shared")
            .with_remedy("decrypt its results with `hegwas result`"));
    }
    let ring = Ring::new(terms.plan.params());
    let key = HolderKey::derive(client.identity().master(), &ring, study.id);
    let finisher = Finisher::new(&study, client.identity().master());
    let store = Store::open(&args.key.key, study.id, terms.plan)?;
    Ok(Holder { client, ring, key, finisher, store, policy: policy(&args.policy), console, study })
}

fn policy(args: &PolicyArgs) -> Policy {
    Policy {
        min_people: args.min_people,
        min_cases: args.min_cases,
        min_controls: args.min_controls,
        min_sites: args.min_sites,
        max_jobs: args.max_jobs.unwrap_or(u32::MAX),
    }
}

/// Does all that can be done now; the first refusal of a job. What was told before is not told again.
fn round(
    args: &AgentArgs,
    holder: &mut Holder<'_>,
    told: &mut HashSet<(Digest, String)>,
) -> Result<Option<Error>> {
    verify_log(holder.client, &args.study, &args.key.key)?;
    while let Some(done) = ceremony::step(holder.client, &args.study)? {
        report(holder, None, done)?;
    }
    let status = holder.client.study_status(&args.study)?;
    let mut first = None;
    if status.phase != StudyPhase::Ready {
        return Ok(None);
    }
    let ask = |job: &Digest| {
        if args.ask { ceremony::confirm(&format!("Share job {job}? Type yes: ")) } else { Ok(()) }
    };
    let open = [JobState::Computed, JobState::Releasing];
    for job in status.jobs.iter().filter(|job| open.contains(&job.state)) {
        let refusal = loop {
            match holder.step(job, &ask) {
                Ok(Some(done)) => report(holder, Some(job.job), done)?,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = refusal {
            if told.insert((job.job, error.to_string())) {
                holder.console.warn(format_args!("job {}: {error}", job.job));
                let refused = Some(error.to_string());
                let (time, study) = (now(), args.study);
                holder.store.note(&Entry {
                    time,
                    study,
                    job: Some(job.job),
                    done: None,
                    refused,
                })?;
            }
            first.get_or_insert(error);
        }
    }
    Ok(first)
}

fn report(holder: &mut Holder<'_>, job: Option<Digest>, done: &str) -> Result<()> {
    let study = holder.study.id;
    let entry = Entry { time: now(), study, job, done: Some(done), refused: None };
    holder.store.note(&entry)?;
    holder.console.print_either(&entry, |_| match job {
        Some(job) => format!("{job}\t{done}"),
        None => done.to_owned(),
    })
}
