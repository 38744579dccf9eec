//! `hegwas study draft`, `invite`, `join` and `propose`: how parties come together.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use gwas::packing::planes_for;
use gwas::panel::Panel;
use gwas::wire::draft::{Acceptance, Draft, NewDraft, NewInvitation, Role};
use gwas::wire::{
    Did, Participation, PlaneKind, Release, SealingKey, SharePhase, Statistic, Study, StudyLimits,
};
use he_core::{Digest, Plan, PlanRequest};
use zeroize::Zeroizing;

use super::folder::save_private;
use super::make::client;
use super::publish;
use super::remote::send_panel;
use super::study::sign;
use crate::cli::study::{DraftArgs, InviteArgs, JoinArgs, LimitArgs, ProposeArgs};
use crate::console::Console;
use crate::net::{Client, Collection, now};
use crate::{Error, Result};

/// Bits by which shares are hidden.
const SMUDGING_BITS: u32 = 40;
/// Longest invitation in bytes.
const MAX_INVITATION: u64 = 1024;
/// Largest ring degree: no set packs a study's values less tightly.
const MAX_DEGREE: u64 = 8192;

pub(super) fn draft(args: &DraftArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let nonce = Digest(random()?);
    let new = NewDraft { name: args.name.clone(), purpose: args.purpose.clone(), nonce };
    let draft = client.new_draft(&new)?;
    console.print_either(&draft, |draft| draft.id.to_string())
}

pub(super) fn invite(args: &InviteArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let token = token(args)?;
    let key =
        Did::new(token.verifying_key().to_bytes()).map_err(|e| Error::Internal(e.to_string()))?;
    let (role, expires) = (args.role.into(), now().saturating_add(args.lasts.as_secs()));
    // Of a file that was there before a crash the server may know already, with the end that it had then.
    let known = client.draft(&args.draft)?.invitations;
    if !known.iter().any(|i| i.key == key && i.role == role) {
        client.invite(&args.draft, &NewInvitation { key, role, expires })?;
    }
    console.note(format_args!(
        "send {} to the party you invite, and to nobody else: whoever has it can join in its place",
        args.out.display()
    ));
    console.print_either(&key, ToString::to_string)
}

/// A new token, in its file: an invitation that nobody has the token of is of no use. Or that of a file that is there
/// already, which the server may not have been told of.
fn token(args: &InviteArgs) -> Result<SigningKey> {
    if args.out.exists() {
        return match read_invitation(&args.out) {
            Ok((draft, token)) if draft == args.draft => Ok(token),
            _ => Err(Error::file("create", &args.out)(std::io::ErrorKind::AlreadyExists.into())),
        };
    }
    let token = Zeroizing::new(random::<32>()?);
    let text = Zeroizing::new(format!("{}.{}\n", args.draft, Digest(*token)));
    save_private(&args.out, text.as_bytes())?;
    Ok(SigningKey::from_bytes(&token))
}

pub(super) fn join(args: &JoinArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let (draft, token) = read_invitation(&args.invitation)?;
    let invitation = Did::new(token.verifying_key().to_bytes()).map_err(Error::input)?;
    let sealing = client.identity().sealing()?.recipient();
    let sign = |bytes: &[u8]| token.sign(bytes).to_bytes();
    let acceptance = Acceptance::new(draft, invitation, client.did(), Some(sealing), sign);
    let draft = client.accept_invitation(&acceptance)?;
    let role = draft.invitations.iter().find(|i| i.key == invitation).map_or("", |i| i.role.name());
    console.note(format_args!("joined {:?} as {role}: {}", draft.name, draft.purpose));
    console.print_either(&draft, |draft| draft.id.to_string())
}

/// The draft and the token in an invitation's file.
fn read_invitation(path: &Path) -> Result<(Digest, SigningKey)> {
    use std::io::Read as _;
    let file = File::open(path).map_err(Error::file("read", path))?;
    let mut text = Zeroizing::new(String::with_capacity(MAX_INVITATION as usize));
    file.take(MAX_INVITATION).read_to_string(&mut text).map_err(Error::file("read", path))?;
    let parts = text.trim().split_once('.');
    let read = parts.and_then(|(draft, token)| Some((draft.parse().ok()?, token.parse().ok()?)));
    let (draft, Digest(token)) = read.ok_or_else(|| {
        Error::input(format_args!("{} is no invitation", path.display()))
            .with_remedy("use the file that the coordinator's `hegwas study invite` wrote")
    })?;
    Ok((draft, SigningKey::from_bytes(&token)))
}

pub(super) fn propose(args: &ProposeArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let draft = client.draft(&args.draft)?;
    check_draft(&draft)?;
    if draft.coordinator != client.did() {
        return Err(Error::input("only the draft's coordinator proposes the study")
            .with_remedy(format_args!("ask {} to do it", draft.coordinator)));
    }
    let file = File::open(&args.panel).map_err(Error::file("read", &args.panel))?;
    let panel = Panel::read_text(BufReader::with_capacity(1 << 18, file))
        .map_err(|e| Error::input(format_args!("{}: {e}", args.panel.display())))?;
    let study = study_of(args, &draft, &panel, &client)?;
    send_panel(&client, &panel)?;
    let envelope = sign(&study, client.identity())?;
    client.put_manifest(Collection::Studies, &envelope)?;
    console.print_either(&envelope.id(), ToString::to_string)
}

/// Every acceptance must be signed by its token, which the server does not have.
pub(super) fn check_draft(draft: &Draft) -> Result<()> {
    let unsigned = draft.invitations.iter().find_map(|invitation| {
        let accepted = invitation.accepted.as_ref()?;
        let own = accepted.draft == draft.id && accepted.invitation == invitation.key;
        (!own || !accepted.is_signed()).then_some(accepted.party)
    });
    match unsigned {
        None => Ok(()),
        Some(party) => Err(Error::corrupt(format_args!(
            "the server says that {party} joined the draft, but no token of the coordinator's signed that"
        ))
        .with_remedy("do not trust this server; invite again through another")),
    }
}

fn study_of(args: &ProposeArgs, draft: &Draft, panel: &Panel, client: &Client) -> Result<Study> {
    let me = client.did();
    let of = |role: Role| {
        let joined = draft.acceptances().filter(|(r, _)| *r == role).map(|(_, a)| a.party);
        let own = args.also.iter().filter(|also| Role::from(**also) == role).map(|_| me);
        let mut parties: Vec<Did> = joined.chain(own).collect();
        parties.sort();
        parties.dedup();
        parties
    };
    let (key_holders, data_owners) = (of(Role::KeyHolder), of(Role::DataOwner));
    let tests = publish::tests(&args.tests.tests());
    let genotypes = tests.iter().any(|t| t.needs_genotypes());
    let planes = planes_for(genotypes, !args.complete);
    let contributions = args.contributions.unwrap_or(data_owners.len() as u32);
    let request = PlanRequest {
        holders: key_holders.len() as u32,
        smudging_bits: if key_holders.len() > 1 { SMUDGING_BITS } else { 0 },
        values: values(panel.len(), planes.len(), args.limits.max_jobs),
        datasets: contributions,
        ..PlanRequest::sole_holder(args.people)
    };
    let mut study = Study {
        name: draft.name.clone(),
        purpose: draft.purpose.clone(),
        draft: Some(draft.id),
        plan: Plan::new(request).map_err(Error::input)?,
        build: panel.build().unwrap_or_default().to_owned(),
        panel: panel.digest(),
        variants: panel.len(),
        statistics: statistics(&planes),
        planes,
        release: Release::Counts,
        participation: if args.encrypted_participation {
            Participation::Encrypted
        } else {
            Participation::Public
        },
        coordinator: me,
        key_holders,
        data_owners,
        analysts: of(Role::Analyst),
        sealing_keys: Vec::new(),
        limits: limits(&args.limits),
        created: now(),
        nonce: random()?,
    };
    let recipients = if study.is_shared() {
        study.recipients(SharePhase::Totals)
    } else {
        study.analysts.clone()
    };
    let own = client.identity().sealing()?.recipient();
    study.sealing_keys = recipients
        .into_iter()
        .filter_map(|party| {
            let given = draft.acceptances().find(|(_, a)| a.party == party);
            let key = given.and_then(|(_, a)| a.sealing_key.clone());
            let key = key.or_else(|| (party == me).then(|| own.clone()))?;
            Some(SealingKey { party, key })
        })
        .collect();
    Ok(study)
}

/// Coefficients of all shares of all jobs: what smudging has to hide.
fn values(variants: u32, planes: usize, jobs: u32) -> u64 {
    let bodies = planes as u64 * u64::from(variants).div_ceil(MAX_DEGREE) + 8;
    2 * MAX_DEGREE * bodies * u64::from(jobs)
}

fn statistics(planes: &[PlaneKind]) -> Vec<Statistic> {
    use Statistic::{Allelic, Dominant, Genotypic, Recessive, Trend};
    if planes.contains(&PlaneKind::HomAlt) {
        vec![Allelic, Trend, Genotypic, Dominant, Recessive]
    } else {
        vec![Allelic]
    }
}

fn limits(args: &LimitArgs) -> StudyLimits {
    let LimitArgs {
        min_people,
        min_cases,
        min_controls,
        min_sites,
        min_changed_rows,
        max_jobs,
        max_donors,
    } = *args;
    StudyLimits {
        min_people,
        min_cases,
        min_controls,
        min_sites,
        min_changed_rows,
        max_jobs,
        max_donors,
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_invitations_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.invitation");
        let (draft, token) = (Digest::of(b"draft"), Digest([7; 32]));
        std::fs::write(&path, format!("{draft}.{token}\n")).unwrap();
        let (read, key) = read_invitation(&path).unwrap();
        assert_eq!((read, key.to_bytes()), (draft, [7; 32]));
        for bad in ["", ".", "abc.def", &format!("{draft}"), &format!("{draft}.{token}.x")] {
            std::fs::write(&path, bad).unwrap();
            assert!(read_invitation(&path).is_err(), "{bad}");
        }
    }

    #[test]
    fn smudging_is_planned_for_every_job() {
        assert_eq!(values(1, 1, 1), 2 * 8192 * 9);
        assert_eq!(values(8193, 3, 2), 2 * 8192 * (3 * 2 + 8) * 2);
    }
}
