//! `hegwas key rotate`.

use std::sync::Arc;

use gwas::wire::status::Listed;
use serde::Serialize;

use super::{must_be_free, protection, warn_unencrypted};
use crate::Result;
use crate::cli::key::RotateArgs;
use crate::console::Console;
use crate::keys::Identity;
use crate::net::{Client, Collection, Options};

/// A successor, and what is left to do.
#[derive(Serialize)]
struct Rotation {
    old: String,
    new: String,
    datasets: Vec<Listed>,
    phenotypes: Vec<Listed>,
    studies: Vec<Listed>,
    grants: Vec<Listed>,
}

const STEPS: &str = "\
What to do now:
  1. Have the server's operator allow the new party, and withdraw what a stolen key could use:
     hegwas grant withdraw ID --key OLD
  2. Encrypt and push each dataset and phenotype again, from the original files, with the new key.
  3. Make studies anew, and grant them the new datasets. Results of old jobs open with the old key only.
  4. When nothing needs the old key any more: erase the old datasets from the server, then destroy the
     old key file and its backups. If the old key was stolen, do so at once: whoever has it can read
     every ciphertext made with it.";

/// Makes a new key and lists what depends on the old one.
pub(super) fn rotate(args: &RotateArgs, console: &Console) -> Result<()> {
    must_be_free(&args.out)?;
    let old = Identity::load(&args.key, &args.passphrase.passphrase_file.clone().into())?;
    let did = old.did();
    let mut rotation = Rotation {
        old: did.to_string(),
        new: String::new(),
        datasets: Vec::new(),
        phenotypes: Vec::new(),
        studies: Vec::new(),
        grants: Vec::new(),
    };
    if let Some(url) = &args.server {
        let client = Client::new(url.clone(), Arc::new(old), &Options::from(&args.connection))?;
        let own = |collection| -> Result<Vec<Listed>> {
            let mut listed = client.list(collection)?;
            listed.retain(|item| item.owner == did);
            Ok(listed)
        };
        rotation.datasets = own(Collection::Datasets)?;
        rotation.phenotypes = own(Collection::Phenotypes)?;
        rotation.studies = own(Collection::Studies)?;
        rotation.grants = own(Collection::Grants)?;
    }
    let protection = protection(&args.new, &args.out)?;
    let new = Identity::generate(crate::net::now())?;
    new.create(&args.out, &protection)?;
    warn_unencrypted(&protection, &args.out, console);
    rotation.new = new.did().to_string();
    console.note(STEPS);
    if args.server.is_none() {
        console.note("With --server URL this command lists what the old key has on a server.");
    }
    console.print_either(&rotation, Rotation::text)
}

impl Rotation {
    fn text(&self) -> String {
        let lines = |word: &'static str, items: &[Listed]| {
            items.iter().map(|i| format!("\n{word}\t{}\t{}", i.id, i.name)).collect::<String>()
        };
        format!(
            "old\t{}\nnew\t{}{}{}{}{}",
            self.old,
            self.new,
            lines("dataset", &self.datasets),
            lines("phenotype", &self.phenotypes),
            lines("study", &self.studies),
            lines("grant", &self.grants)
        )
    }
}
