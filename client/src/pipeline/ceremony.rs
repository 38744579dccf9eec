//! `hegwas study sign`, `status` and `advance`: from a proposed study to its key.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use gwas::wire::draft::Role;
use gwas::wire::status::{Action, StudyPhase, StudyStatus, Todo};
use gwas::wire::{Did, KeyCommitment, Opened, Release, Study, millionths};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::ceremony::key_round;
use he_core_secret::HolderKey;

use super::draft::check_draft;
use super::make::client;
use super::remote;
use super::shares::Promises;
use super::study::sign as sign_message;
use crate::cli::common::IdArgs;
use crate::cli::study::SignArgs;
use crate::console::Console;
use crate::net::{Client, Collection};
use crate::{Error, Result};

pub(super) fn sign(args: &SignArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let (opened, mut envelope) = client.envelope::<Study>(Collection::Studies, &args.study)?;
    let study = &opened.message;
    if !opened.signers.contains(&study.coordinator) {
        return Err(Error::corrupt("the study's coordinator has not signed it")
            .with_remedy("do not sign; ask the coordinator what it proposed"));
    }
    if !study.signatories().contains(&client.did()) {
        return Err(Error::input("your key is not one of those that sign the study")
            .with_remedy("coordinator and key holders sign; use the key file that joined as one"));
    }
    check_parties(&client, study)?;
    console.note(in_words(study));
    if !args.yes {
        confirm("Sign this study? Type yes to sign: ")?;
    }
    let identity = client.identity();
    envelope.sign(identity.did(), |bytes| identity.sign(bytes));
    client.put_study_signature(&envelope)?;
    console.print_either(&args.study, |_| "signed".to_owned())
}

/// That the parties are those who joined the draft, each in its role and with the sealing key that it gave.
fn check_parties(client: &Client, study: &Study) -> Result<()> {
    let own = client.identity().sealing()?.recipient();
    let me = client.did();
    if study.sealing_keys.iter().any(|k| k.party == me && k.key != own) {
        return Err(Error::corrupt("the study seals what is for you to another key than yours")
            .with_remedy("do not sign; somebody replaced the sealing key that you joined with"));
    }
    let Some(draft) = &study.draft else { return Ok(()) };
    let draft = client.draft(draft)?;
    check_draft(&draft)?;
    let roles = [
        (&study.key_holders, Role::KeyHolder),
        (&study.data_owners, Role::DataOwner),
        (&study.analysts, Role::Analyst),
    ];
    let stranger = roles.into_iter().find_map(|(parties, role)| {
        Some((parties.iter().find(|party| !draft.admits(party, role))?, role))
    });
    if draft.coordinator != study.coordinator {
        return Err(Error::corrupt("the study is not proposed by the draft's coordinator"));
    }
    if let Some((party, role)) = stranger {
        return Err(Error::corrupt(format_args!(
            "{party} did not join the draft as {}",
            role.name()
        ))
        .with_remedy("do not sign; ask the coordinator to propose the study anew"));
    }
    match study.sealing_keys.iter().find(|key| !draft.admits_key(key)) {
        None => Ok(()),
        Some(key) => Err(Error::corrupt(format_args!(
            "the study seals what is for {} to another key than the one it joined with",
            key.party
        ))
        .with_remedy("do not sign; ask the coordinator to propose the study anew")),
    }
}

/// What a study is, for people who decide whether to sign it.
fn in_words(study: &Study) -> String {
    let limits = &study.limits;
    let released = match study.release {
        Release::Counts => "counts of every variant".to_owned(),
        Release::Statistic { smallest_frequency } => format!(
            "chi-squares alone, computed under encryption, exact for frequencies from {}",
            millionths(smallest_frequency)
        ),
        Release::Hits(rule) | Release::HitsWithValues(rule) => format!(
            "which variants have |Z| above {}, give or take {}, at frequencies from {}{}; computed under encryption, and nothing else",
            millionths(rule.threshold),
            millionths(rule.band),
            millionths(rule.smallest_frequency),
            if matches!(study.release, Release::Hits(_)) { "" } else { ", and their chi-squares" }
        ),
    };
    let mut text = format!(
        "{}\n  purpose       {}\n  panel         {} ({} variants{})\n  published     {}\n  decrypted     {released}\n  people        at most {}, in at most {} contributions\n",
        study.name,
        study.purpose,
        study.panel,
        study.variants,
        if study.build.is_empty() { String::new() } else { format!(", {}", study.build) },
        study
            .statistics
            .iter()
            .map(|s| format!("{s:?}").to_lowercase())
            .collect::<Vec<_>>()
            .join(", "),
        study.plan.request().people,
        study.plan.request().datasets,
    );
    let masked = study.plan.request().mask_bits;
    if masked > 0 {
        let _ = writeln!(text, "  masks         hide each sum from the server to 2^-{masked}");
    }
    let parties = [
        ("coordinator", std::slice::from_ref(&study.coordinator)),
        ("key holders", &study.key_holders),
        ("data owners", &study.data_owners),
        ("analysts", &study.analysts),
    ];
    for (role, parties) in parties {
        for (number, party) in parties.iter().enumerate() {
            let role = if number == 0 { role } else { "" };
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {role:<13} {party}");
        }
    }
    let _ = write!(
        text,
        "  limits        a job has at least {} people, {} cases, {} controls, {} data owners; differs from earlier ones by no or at least {} rows; at most {} jobs",
        limits.min_people,
        limits.min_cases,
        limits.min_controls,
        limits.min_sites,
        limits.min_changed_rows,
        limits.max_jobs
    );
    text
}

/// Asks on the terminal.
pub(super) fn confirm(question: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage(
            "there is no terminal to ask on",
            "run it on a terminal, or give --yes (for the agent: leave out --ask) after reading what it is about",
        ));
    }
    let mut answer = String::new();
    // A closed standard error shows in the missing question; the answer decides.
    drop(write!(std::io::stderr(), "{question}").and_then(|()| std::io::stderr().flush()));
    std::io::stdin().read_line(&mut answer).map_err(|e| Error::Internal(e.to_string()))?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(Error::usage("not confirmed: nothing was done", "type yes to agree"))
    }
}

pub(super) fn status(args: &IdArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let status = client.study_status(&args.id)?;
    console.print_either(&status, |status| status_in_words(status, &client.did()))
}

fn status_in_words(status: &StudyStatus, me: &Did) -> String {
    let mut text = match status.phase {
        StudyPhase::Signing => "not everybody has signed",
        StudyPhase::Committing => "signed; key holders commit to their parts of the key",
        StudyPhase::Revealing => "committed; key holders reveal their parts of the key",
        StudyPhase::Ready => "the key is complete",
    }
    .to_owned();
    for Todo { party, action, job } in &status.todo {
        let you = if party == me { " (you)" } else { "" };
        let job = job.map(|job| format!(" of job {job}")).unwrap_or_default();
        let _ = write!(text, "\n{party}{you}: {}{job}", what(*action));
    }
    for job in &status.jobs {
        let state = format!("{:?}", job.state).to_lowercase();
        let _ = write!(text, "\njob {}: {state}", job.job);
    }
    text
}

fn what(action: Action) -> &'static str {
    match action {
        Action::Sign => "read and sign the study (hegwas study sign)",
        Action::Commit => "commit to a part of the key (hegwas study advance)",
        Action::Reveal => "reveal the part of the key (hegwas study advance)",
        Action::Contribute => "contribute data (hegwas grant new)",
        Action::CommitTotals => "check and commit to shares of the totals (hegwas agent)",
        Action::ShareTotals => "share the totals (hegwas agent)",
        Action::CommitSums => "check and commit to shares of the sums (hegwas agent)",
        Action::ShareSums => "share the sums (hegwas agent)",
        Action::CommitRefresh => {
            "check the totals and commit to a refresh of the sums (hegwas agent)"
        }
        Action::ShareRefresh => "reveal the refresh (hegwas agent)",
        Action::CommitValues => {
            "check the finished statistic and commit to shares of it (hegwas agent)"
        }
        Action::ShareValues => "share the finished statistic (hegwas agent)",
    }
}

pub(super) fn advance(args: &IdArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    while let Some(done) = step(&client, &args.id, &args.key.key)? {
        console.note(done);
    }
    let status = client.study_status(&args.id)?;
    console.print_either(&status, |status| status_in_words(status, &client.did()))
}

/// Does the caller's next step in the making of the key, if it is its turn; what was done. What was said before is remembered beside
/// the key file.
pub(super) fn step(client: &Client, id: &Digest, file: &Path) -> Result<Option<&'static str>> {
    let me = client.did();
    let status = client.study_status(id)?;
    let mine = status.todo.iter().find(|todo| todo.party == me && todo.job.is_none());
    let action = mine.map(|todo| todo.action);
    if !matches!(action, Some(Action::Commit | Action::Reveal)) {
        return Ok(None);
    }
    let study = signed(client, id)?;
    let ring = Ring::new(study.message.plan.params());
    let key = HolderKey::derive(client.identity().master(), &ring, *id);
    let party = me.to_string();
    let master = client.identity().master();
    let object = remote::contribution(master, &ring, &key, &study.message);
    if action == Some(Action::Commit) {
        let commitment = key.commit(key_round(*id), &party, &object).to_bytes();
        if let Some(mut promises) = promises(file, &study)? {
            promises.commit(Digest::of(&commitment))?;
        }
        let message = KeyCommitment { study: *id, commitment };
        client.put_key_commitment(&sign_message(&message, client.identity())?, id)?;
        return Ok(Some("committed to your part of the study's key"));
    }
    let commitments = remote::commitments(client, (*id, &study.message))?;
    let reveal = key.reveal(key_round(*id), &party, &commitments, object);
    let reveal = reveal.map_err(Error::corrupt)?;
    if let Some(mut promises) = promises(file, &study)? {
        promises.answer(commitments.digest())?;
    }
    let reveal = reveal.signed(|text| client.identity().sign(text));
    client.put_study_key(id, &reveal.to_bytes())?;
    Ok(Some("revealed your part of the study's key"))
}

/// What was said in the making of a key; nothing where it is made by one holder, who answers nobody.
fn promises(file: &Path, study: &Opened<Study>) -> Result<Option<Promises>> {
    let alone = study.message.key_holders.len() == 1;
    if alone { Ok(None) } else { Promises::open(file, study.id).map(Some) }
}

/// A study that coordinator and all key holders have signed.
pub(super) fn signed(client: &Client, id: &Digest) -> Result<Opened<Study>> {
    let study = client.get_manifest::<Study>(Collection::Studies, id)?;
    let missing: Vec<String> = study
        .message
        .signatories()
        .iter()
        .filter(|party| !study.signers.contains(party))
        .map(Did::to_string)
        .collect();
    if missing.is_empty() {
        return Ok(study);
    }
    Err(Error::input(format_args!("the study is not signed yet by {}", missing.join(", ")))
        .with_remedy("each of them reads it and signs it with `hegwas study sign`"))
}
