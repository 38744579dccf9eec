//! `hegwas erase`: data leave a server, and the studies' logs say so.

use gwas::wire::Study;
use gwas::wire::log::{Event, Head, LogEntry, PAGE};
use gwas::wire::status::Erased;
use he_core::Digest;
use serde::Serialize;

use super::ceremony::confirm;
use super::make::client;
use crate::cli::erase::{Erasable, EraseArgs};
use crate::console::Console;
use crate::net::{Client, Collection};
use crate::{Error, Result};

/// An entry of a study's log that says that something is gone.
#[derive(Serialize)]
struct Receipt {
    study: Digest,
    seq: u64,
    hash: Digest,
    erased: Digest,
}

/// What went, and where that is written down.
#[derive(Serialize)]
struct Done {
    #[serde(flatten)]
    erased: Erased,
    receipts: Vec<Receipt>,
}

/// Erases, then shows the receipts.
///
/// # Errors
/// When the server refuses, or a log does not say what was done.
pub fn erase(args: &EraseArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let collection = match args.kind {
        Erasable::Dataset => Collection::Datasets,
        Erasable::Phenotype => Collection::Phenotypes,
        Erasable::Totals => Collection::Totals,
    };
    if !args.yes {
        confirm(&format!(
            "Erase the {} {} from the server? Type yes: ",
            collection.singular(),
            args.id
        ))?;
    }
    let erased = client.delete(collection, &args.id)?;
    let mut receipts = Vec::new();
    for study in client.list(Collection::Studies)? {
        receipts.extend(receipts_of(&client, study.id, &erased.manifests)?);
    }
    console.print_either(&Done { erased, receipts }, |done| {
        let objects =
            format!("erased {} objects, {} bytes", done.erased.objects, done.erased.bytes);
        let line = |r: &Receipt| format!("{}\t{}\t{}\t{}", r.study, r.seq, r.hash, r.erased);
        [objects].into_iter().chain(done.receipts.iter().map(line)).collect::<Vec<_>>().join("\n")
    })
}

/// The entries of a study's log, which is verified, about the end of these manifests.
fn receipts_of(client: &Client, study: Digest, gone: &[Digest]) -> Result<Vec<Receipt>> {
    let name = client.get_manifest::<Study>(Collection::Studies, &study)?.message.log(study);
    let (mut head, mut receipts) = (Head::genesis(&name), Vec::new());
    loop {
        let entries = client.study_log(&study, head.seq)?;
        for entry in &entries {
            head = head.after(entry).map_err(Error::corrupt)?;
            receipts.extend(receipt(study, entry, head, gone));
        }
        if entries.len() < PAGE {
            return Ok(receipts);
        }
    }
}

fn receipt(study: Digest, entry: &LogEntry, head: Head, gone: &[Digest]) -> Option<Receipt> {
    let ends = matches!(entry.event, Event::Erased | Event::Withdrawn);
    let erased = *entry.digests.first()?;
    (ends && gone.contains(&erased)).then_some(Receipt {
        study,
        seq: head.seq,
        hash: head.hash,
        erased,
    })
}
