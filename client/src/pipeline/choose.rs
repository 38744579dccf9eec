//! Which inputs a new job has.

use std::collections::BTreeMap;

use gwas::wire::status::Listed;
use gwas::wire::{GrantTerms, JobInput, Phenotype};
use he_core::Digest;

use crate::cli::run::NewArgs;
use crate::console::Console;
use crate::net::{Client, Collection, now};
use crate::{Error, Result};

/// The inputs that are given by their ids, then those of a phenotype's name; says which.
///
/// # Errors
/// When ids do not come in threes, or a granted dataset has no phenotype of that name that the caller sees: a job is never
/// over fewer inputs than its author believes.
pub(super) fn inputs(client: &Client, args: &NewArgs, console: &Console) -> Result<Vec<JobInput>> {
    let mut inputs = explicit(args)?;
    if let Some(name) = &args.phenotype_name {
        let named = named(client, args, name, &inputs)?;
        inputs.extend(named);
    }
    for input in &inputs {
        console.note(match input {
            JobInput::Rows { dataset, phenotype, .. } => {
                format!("dataset {dataset} with phenotype {phenotype}")
            }
            JobInput::Totals { totals } => format!("totals {totals}"),
        });
    }
    if inputs.is_empty() {
        return Err(Error::input("no dataset and no totals of the study have that phenotype")
            .with_remedy("check its name, or give the inputs by their ids"));
    }
    Ok(inputs)
}

fn explicit(args: &NewArgs) -> Result<Vec<JobInput>> {
    let count = args.dataset.len();
    if args.phenotype.len() != count || args.grant.len() != count {
        return Err(Error::usage(
            "each dataset comes with a phenotype and a grant",
            "give --dataset, --phenotype and --grant equally often, in the same order",
        ));
    }
    let rows = args.dataset.iter().zip(&args.phenotype).zip(&args.grant);
    let rows =
        rows.map(|((&dataset, &phenotype), &grant)| JobInput::Rows { dataset, phenotype, grant });
    Ok(rows.chain(args.totals.iter().map(|&totals| JobInput::Totals { totals })).collect())
}

/// Every granted dataset with its newest phenotype of that name, and the newest totals of that name of every owner; but
/// nothing that was `given` by its id.
fn named(client: &Client, args: &NewArgs, name: &str, given: &[JobInput]) -> Result<Vec<JobInput>> {
    let is_given =
        |id: &Digest| given.iter().any(|i| i.subject() == *id) || args.without.contains(id);
    let mut phenotypes = BTreeMap::new();
    for listed in newest_last(client.list(Collection::Phenotypes)?, name) {
        let opened = client.get_manifest::<Phenotype>(Collection::Phenotypes, &listed.id)?;
        phenotypes.insert(opened.message.dataset, opened.id);
    }
    let mut inputs = Vec::new();
    for (dataset, (_, grant)) in grants(client, args.study)? {
        if is_given(&dataset) {
            continue;
        }
        let phenotype = phenotypes.get(&dataset).copied().ok_or_else(|| {
            Error::input(format_args!("you see no phenotype {name} of the granted dataset {dataset}"))
                .with_remedy(format_args!(
                    "ask its owner for the id and give --dataset, --phenotype and --grant {grant}; or leave it out with \
                     --without {dataset}"
                ))
        })?;
        inputs.push(JobInput::Rows { dataset, phenotype, grant });
    }
    let mut totals = BTreeMap::new();
    for listed in newest_last(client.list_totals()?, name) {
        if client.get_totals(&listed.id)?.message.study == args.study {
            totals.insert(listed.owner, listed.id);
        }
    }
    let totals = totals.into_values().filter(|id| !is_given(id));
    inputs.extend(totals.map(|totals| JobInput::Totals { totals }));
    Ok(inputs)
}

/// For each dataset granted to the study the grant that holds longest, with its end.
fn grants(client: &Client, study: Digest) -> Result<BTreeMap<Digest, (u64, Digest)>> {
    let mut grants = BTreeMap::new();
    for listed in client.list(Collection::Grants)? {
        let terms = client.get_manifest::<GrantTerms>(Collection::Grants, &listed.id)?.message;
        if terms.study == study && terms.expires > now() {
            let known = grants.entry(terms.dataset).or_insert((terms.expires, listed.id));
            *known = (*known).max((terms.expires, listed.id));
        }
    }
    Ok(grants)
}

/// Those of a name, by the time at which the server received them.
fn newest_last(mut listed: Vec<Listed>, name: &str) -> Vec<Listed> {
    listed.retain(|l| l.name == name);
    // RFC 3339 in UTC, written in one way: sorts as text.
    listed.sort_by(|a, b| a.created.cmp(&b.created));
    listed
}
