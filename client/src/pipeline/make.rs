//! `hegwas study` and `grant`.

use std::sync::Arc;

use gwas::wire::{Dataset, Release, Study};
use he_core::arith::Ring;

use super::study::StudyText;
use super::{ceremony, draft, remote};
use crate::Result;
use crate::cli::common::{KeyFileArgs, ServerArgs};
use crate::cli::grant::{GrantArgs, GrantCommand};
use crate::cli::study::{StudyArgs, StudyCommand};
use crate::console::Console;
use crate::keys::Identity;
use crate::net::{Client, Collection, Options};

/// Opens a key file.
pub(super) fn identity(args: &KeyFileArgs) -> Result<Arc<Identity>> {
    Ok(Arc::new(Identity::load(&args.key, &args.passphrase.passphrase_file.clone().into())?))
}

/// A client of the server that the arguments name.
pub(super) fn client(server: &ServerArgs, key: &KeyFileArgs) -> Result<Client> {
    Ok(Client::new(server.server.clone(), identity(key)?, &Options::from(&server.connection))?)
}

/// `hegwas study`.
///
/// # Errors
/// When the server refuses.
pub fn study(args: &StudyArgs, console: &Console) -> Result<()> {
    match &args.command {
        StudyCommand::New(new) => {
            let client = client(&new.server, &new.key)?;
            let dataset = client.get_manifest::<Dataset>(Collection::Datasets, &new.dataset)?;
            let ring = Ring::new(dataset.message.plan.params());
            let text = StudyText {
                name: new.name.clone(),
                purpose: new.purpose.clone(),
                min_people: new.min_people,
                release: Release::Counts,
            };
            let (id, _) = remote::create_study(&client, &ring, &dataset.message, text)?;
            console.print_either(&id, ToString::to_string)
        }
        StudyCommand::List(list) => {
            let client = client(&list.server, &list.key)?;
            print_list(&client, Collection::Studies, console)
        }
        StudyCommand::Show(show) => {
            let client = client(&show.server, &show.key)?;
            let study = client.get_manifest::<Study>(Collection::Studies, &show.id)?;
            let keys = client.study_keys(&show.id)?.len();
            console.print_either(&study.message, |s| {
                format!(
                    "name\t{}\npurpose\t{}\nvariants\t{}\nparameters\t{}\nkey holders\t{} ({keys} with a key)\nfewest people\t{}",
                    s.name,
                    s.purpose,
                    s.variants,
                    s.plan.params().name(),
                    s.key_holders.len(),
                    s.limits.min_people
                )
            })
        }
        StudyCommand::Draft(args) => draft::draft(args, console),
        StudyCommand::Invite(args) => draft::invite(args, console),
        StudyCommand::Join(args) => draft::join(args, console),
        StudyCommand::Propose(args) => draft::propose(args, console),
        StudyCommand::Sign(args) => ceremony::sign(args, console),
        StudyCommand::Status(args) => ceremony::status(args, console),
        StudyCommand::Advance(args) => ceremony::advance(args, console),
    }
}

/// `hegwas grant`.
///
/// # Errors
/// When the server refuses.
pub fn grant(args: &GrantArgs, console: &Console) -> Result<()> {
    match &args.command {
        GrantCommand::New(new) => {
            let client = client(&new.server, &new.key)?;
            let dataset = client.get_manifest::<Dataset>(Collection::Datasets, &new.dataset)?;
            let study = client.get_manifest::<Study>(Collection::Studies, &new.study)?;
            let ring = Ring::new(dataset.message.plan.params());
            let (id, terms) = remote::create_grant(
                &client,
                &ring,
                (dataset.id, &dataset.message),
                (study.id, &study.message),
                new.lasts.as_secs(),
            )?;
            console.note(format_args!(
                "the switching key has {:.1} MiB, for a dataset of {} people",
                terms.switching_key.length as f64 / f64::from(1 << 20),
                dataset.message.rows
            ));
            console.print_either(&id, ToString::to_string)
        }
        GrantCommand::List(list) => {
            let client = client(&list.server, &list.key)?;
            print_list(&client, Collection::Grants, console)
        }
        GrantCommand::Withdraw(withdraw) => {
            let client = client(&withdraw.server, &withdraw.key)?;
            client.delete(Collection::Grants, &withdraw.id)?;
            console.note("withdrawn; what was decrypted before stays known");
            Ok(())
        }
    }
}

fn print_list(client: &Client, collection: Collection, console: &Console) -> Result<()> {
    let listed = client.list(collection)?;
    console.print_either(&listed, |listed| {
        let line = |l: &gwas::wire::status::Listed| format!("{}\t{}\t{}", l.id, l.created, l.name);
        listed.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
