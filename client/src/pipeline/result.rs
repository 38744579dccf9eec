//! `hegwas share` and `hegwas result`.

use std::collections::HashMap;
use std::path::Path;

use gwas::panel::Panel;
use gwas::wire::{Job, JobInput, JobResult, Opened, Phenotype, Study};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::codec::{HEADER_LEN, Header, Kind};
use he_core::result::SwitchedUnit;
use he_core_secret::{HolderKey, decryption_share};

use super::folder::save_private;
use super::make::client;
use super::open::{Opener, objects, open};
use super::publish::{self, Findings};
use super::{remote, use_threads};
use crate::cli::result::ResultArgs;
use crate::cli::share::ShareArgs;
use crate::console::{Console, Unit};
use crate::net::{Client, Collection};
use crate::{Error, Result};

/// A computed job with its study.
struct Computed {
    job: Opened<Job>,
    study: Opened<Study>,
    result: JobResult,
}

fn load(client: &Client, id: &Digest) -> Result<Computed> {
    let job = client.get_manifest::<Job>(Collection::Jobs, id)?;
    let study = client.get_manifest::<Study>(Collection::Studies, &job.message.study)?;
    let result = remote::result(client, &client.job_status(id)?)?;
    Ok(Computed { job, study, result })
}

/// Writes a file with the caller's shares of a job's result.
///
/// # Errors
/// When the job is not computed, the study has another key holder, or the file can't be written.
pub fn share(args: &ShareArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let Computed { study, result, .. } = load(&client, &args.job)?;
    let ring = Ring::new(study.message.plan.params());
    let key = holder_key(&client, &ring, &study)?;
    let mut bytes = Vec::new();
    let progress = console.progress("share", result.units.len() as u64 + 1, Unit::Items("units"));
    for (chunk, plane, group) in objects(&result) {
        let object = remote::fetch(&client, &chunk)?;
        let unit =
            SwitchedUnit::from_bytes(&object, ring.params(), result.job.short(), plane, group)
                .map_err(Error::corrupt)?;
        let share = decryption_share(&study.message.plan, &key, &unit).map_err(Error::input)?;
        bytes.extend(share.to_bytes(chunk.digest.short()));
        progress.inc(1);
    }
    progress.finish();
    save_private(&args.out, &bytes)?;
    console.note("with this file the result can be decrypted: keep it as secret as the result");
    Ok(())
}

/// The caller's key of a study, if it is one of the holders.
fn holder_key(client: &Client, ring: &Ring, study: &Opened<Study>) -> Result<HolderKey> {
    if !study.message.key_holders.contains(&client.did()) {
        return Err(Error::input("your key is not one of the study's key holders'")
            .with_remedy("use the key file that made the study, or give a share made with it"));
    }
    Ok(HolderKey::derive(client.identity().master(), ring, study.id))
}

/// Decrypts a result into a table.
///
/// # Errors
/// When the job is not computed, or key or share do not decrypt it.
pub fn result(args: &ResultArgs, console: &Console) -> Result<()> {
    publish::check_prefix(&args.output.out)?;
    use_threads(args.threads.count());
    let client = client(&args.server, &args.key)?;
    let Computed { job, study, result } = load(&client, &args.job)?;
    let ring = Ring::new(study.message.plan.params());
    let panel = panel(&client, &study.message.panel)?;
    let progress = console.progress("decrypt", result.units.len() as u64 + 1, Unit::Items("units"));
    let fetch = |chunk: &gwas::wire::ChunkRef| remote::fetch(&client, chunk);
    let opened = match &args.share {
        None => {
            let key = holder_key(&client, &ring, &study)?;
            open(&ring, &study.message, &result, &fetch, &Opener::Key(&key), &progress)?
        }
        Some(path) => {
            let shares = read_shares(path)?;
            let find = |chunk: &gwas::wire::ChunkRef| {
                shares.get(&chunk.digest.short()).map(|s| vec![s.clone()]).ok_or_else(|| {
                    Error::corrupt(format_args!("{} holds no share of this result", path.display()))
                        .with_remedy("make the share again with `hegwas share` for this job")
                })
            };
            open(&ring, &study.message, &result, &fetch, &Opener::Shares(&find), &progress)?
        }
    };
    progress.finish();
    let phenotype = job.message.inputs.iter().find_map(|input| match *input {
        JobInput::Rows { phenotype, .. } => Some(phenotype),
        JobInput::Totals { .. } => None,
    });
    let phenotype = phenotype.unwrap_or_default();
    let phenotype = client.get_manifest::<Phenotype>(Collection::Phenotypes, &phenotype);
    let name = phenotype.map_or_else(|_| "phenotype".to_owned(), |p| p.message.name);
    let findings = Findings {
        panel: &panel,
        phenotype: &name,
        people: opened.people,
        cases: opened.cases,
        sums: &opened.variants,
    };
    let tests = publish::tests(&args.tests.tests());
    let files = publish::write(&findings, &tests, &args.output, console)?;
    let files: Vec<String> = files.iter().map(|p| p.display().to_string()).collect();
    console.print_either(&files, |files| files.join("\n"))
}

/// Downloads a panel and checks its digest.
fn panel(client: &Client, digest: &Digest) -> Result<Panel> {
    let text = client.get_panel(digest)?;
    let panel = Panel::read_text(&text[..]).map_err(Error::corrupt)?;
    if panel.digest() == *digest {
        Ok(panel)
    } else {
        Err(Error::corrupt("the server sent another panel than the study's"))
    }
}

/// Largest file of shares that is read.
const MAX_SHARES: u64 = 64 << 30;

/// Takes a file of shares apart, by the unit that each belongs to.
fn read_shares(path: &Path) -> Result<HashMap<[u8; 16], Vec<u8>>> {
    let bad = |what: String| Error::corrupt(format_args!("{}: {what}", path.display()));
    let length = std::fs::metadata(path).map_err(Error::file("read", path))?.len();
    if length > MAX_SHARES {
        return Err(bad("too large for a share".into()));
    }
    let bytes = std::fs::read(path).map_err(Error::file("read", path))?;
    let mut rest = bytes.as_slice();
    let mut shares = HashMap::new();
    while !rest.is_empty() {
        let header = Header::parse(rest).map_err(|e| bad(e.to_string()))?;
        header.expect_kind(Kind::DecryptionShare).map_err(|e| bad(e.to_string()))?;
        let length = HEADER_LEN + usize::try_from(header.length).unwrap_or(usize::MAX - HEADER_LEN);
        let (share, later) =
            rest.split_at_checked(length).ok_or_else(|| bad("the last share is cut off".into()))?;
        shares.insert(header.context, share.to_vec());
        rest = later;
    }
    Ok(shares)
}
