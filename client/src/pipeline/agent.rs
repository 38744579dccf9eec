//! `hegwas agent`: a key holder's part, unattended.

use std::cell::RefCell;
use std::collections::HashSet;

use gwas::wire::status::StudyPhase;
use he_core::Digest;
use he_core::arith::Ring;
use he_core_secret::HolderKey;
use serde::Serialize;

use super::log::verify_log;
use super::make::client;
use super::shares::{EXAMPLE, Finisher, Holder, PolicyFile, Store};
use super::{ceremony, use_threads};
use crate::cli::agent::{AgentArgs, AgentCommand, PolicyArgs, PolicyFileArgs};
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

/// Shares for a key holder, or deals with its policy file.
///
/// # Errors
/// When the key is none of the study's, its memory is damaged, the policy is none, or the log is not the one that was seen
/// before; with `--once` also when a job is not shared.
pub fn agent(command: &AgentCommand, console: &Console) -> Result<()> {
    match command {
        AgentCommand::Run(args) => run(args, console),
        AgentCommand::Policy(PolicyFileArgs { check: Some(path), .. }) => {
            PolicyFile::read(path)?;
            console.print_either(&true, |_| format!("{} is a policy", path.display()))
        }
        AgentCommand::Policy(PolicyFileArgs { check: None, .. }) => {
            console.print_either(&EXAMPLE, |text| text.trim_end().to_owned())
        }
    }
}

/// Makes the study's key with the other holders, and shares what may be shared.
///
/// # Errors
/// When the key is none of the study's, its memory is damaged, or the log is not the one that was seen before; with `--once`
/// also when a job is not shared.
fn run(args: &AgentArgs, console: &Console) -> Result<()> {
    use_threads(args.threads.count());
    let file = policy(&args.policy)?;
    let client = client(&args.server, &args.key)?;
    let asks = Asks { asks: args.ask || file.ask, declined: RefCell::default() };
    let mut holder = holder(args, file, &client, console)?;
    let mut told = HashSet::new();
    loop {
        let refused = match round(args, &asks, &mut holder, &mut told) {
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

/// The policy file with the flags, which go before it.
fn policy(args: &PolicyArgs) -> Result<PolicyFile> {
    let mut file = args.policy.as_deref().map(PolicyFile::read).transpose()?.unwrap_or_default();
    for (flag, setting) in [
        (args.min_people, &mut file.min_people),
        (args.min_cases, &mut file.min_cases),
        (args.min_controls, &mut file.min_controls),
        (args.min_sites, &mut file.min_sites),
        (args.min_changed_rows, &mut file.min_changed_rows),
        (args.max_jobs, &mut file.max_jobs),
        (args.max_jobs_per_dataset, &mut file.max_jobs_per_dataset),
        (args.max_phenotypes_per_dataset, &mut file.max_phenotypes_per_dataset),
    ] {
        *setting = flag.or(*setting);
    }
    Ok(file)
}

/// Whether a person is asked before a job is shared, and what the person does not want.
struct Asks {
    asks: bool,
    declined: RefCell<HashSet<Digest>>,
}

impl Asks {
    fn ask(&self, job: &Digest, in_words: &str) -> Result<()> {
        if !self.asks {
            return Ok(());
        }
        if self.declined.borrow().contains(job) {
            return Err(Error::input("you did not agree to share it")
                .with_remedy("start the agent again to be asked again"));
        }
        ceremony::confirm(&format!("{in_words}Share this job's result? Type yes: ")).inspect_err(
            |_| {
                self.declined.borrow_mut().insert(*job);
            },
        )
    }
}

fn holder<'a>(
    args: &AgentArgs,
    policy: PolicyFile,
    client: &'a Client,
    console: &'a Console,
) -> Result<Holder<'a>> {
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
    let policy = policy.policy();
    Ok(Holder { client, ring, key, finisher, store, policy, console, study })
}

/// Does all that can be done now; the first refusal of a job. What was told before is not told again.
fn round(
    args: &AgentArgs,
    asks: &Asks,
    holder: &mut Holder<'_>,
    told: &mut HashSet<(Digest, String)>,
) -> Result<Option<Error>> {
    verify_log(holder.client, &args.study, &args.key.key)?;
    while let Some(done) = ceremony::step(holder.client, &args.study, &args.key.key)? {
        report(holder, None, done)?;
    }
    let status = holder.client.study_status(&args.study)?;
    let mut first = None;
    if status.phase != StudyPhase::Ready {
        return Ok(None);
    }
    let ask = |job: &Digest, in_words: &str| asks.ask(job, in_words);
    for job in status.jobs.iter().filter(|job| job.state.is_open()) {
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
