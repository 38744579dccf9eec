//! Which inputs a new job has.

use std::collections::{BTreeMap, BTreeSet};

use gwas::wire::status::Listed;
use gwas::wire::{Did, GrantTerms, JobInput, Opened, Participation, Phenotype, Study, Totals};
use he_core::Digest;

use crate::cli::run::NewArgs;
use crate::console::Console;
use crate::net::{Client, Collection, now};
use crate::{Error, Result};

/// The inputs that are given by their ids, then those of a phenotype's name, of every owner; says which.
///
/// # Errors
/// When ids do not come in threes, or a granted dataset has no phenotype of that name: a job is never over fewer inputs than
/// its author believes.
pub(super) fn inputs(client: &Client, args: &NewArgs, console: &Console) -> Result<Vec<JobInput>> {
    let mut inputs = explicit(args)?;
    if let Some(name) = &args.phenotype_name {
        let found = Named::find(client, args, name, &inputs)?;
        found.tell(console);
        inputs.extend(found.inputs);
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

/// What a name stands for.
struct Named {
    inputs: Vec<JobInput>,
    /// Owners who take part with rows and with totals.
    twice: Vec<Did>,
    /// Data owners of the study who do not take part.
    away: Vec<Did>,
}

impl Named {
    /// Every granted dataset with its newest phenotype of that name, and the newest totals of that name of every owner; but
    /// nothing that was `given` by its id or left out.
    fn find(client: &Client, args: &NewArgs, name: &str, given: &[JobInput]) -> Result<Self> {
        let study = client.get_manifest::<Study>(Collection::Studies, &args.study)?.message;
        let is_given =
            |id: &Digest| given.iter().any(|i| i.subject() == *id) || args.without.contains(id);
        let phenotypes = phenotypes(client, name, study.participation)?;
        let (mut inputs, mut totals) = (Vec::new(), BTreeMap::new());
        let (mut known, mut rows) = (BTreeSet::new(), BTreeSet::new());
        for (dataset, grant) in grants(client, args.study)? {
            known.insert(grant.owner);
            if !args.without.contains(&dataset) {
                rows.insert(grant.owner);
            }
            if is_given(&dataset) {
                continue;
            }
            let phenotype = phenotypes.get(&dataset).copied();
            let phenotype = phenotype.ok_or_else(|| lacking(name, dataset, grant.owner))?;
            inputs.push(JobInput::Rows { dataset, phenotype, grant: grant.id });
        }
        for listed in newest_last(client.list(Collection::Totals)?, name) {
            if totals_of(client, &listed.id)?.message.study == args.study {
                totals.insert(listed.owner, listed.id);
            }
        }
        known.extend(totals.keys().copied());
        for input in given {
            if let JobInput::Totals { totals } = input {
                known.extend(totals_of(client, totals)?.signers);
            }
        }
        let away = study.data_owners.into_iter().filter(|owner| !known.contains(owner)).collect();
        totals.retain(|_, id| !is_given(id));
        let twice = totals.keys().filter(|owner| rows.contains(*owner)).copied().collect();
        inputs.extend(totals.into_values().map(|totals| JobInput::Totals { totals }));
        Ok(Self { inputs, twice, away })
    }

    /// Says what the job's author may not expect.
    fn tell(&self, console: &Console) {
        for owner in &self.twice {
            console.warn(format_args!(
                "{owner} takes part with rows and with totals: if these are the same people, leave one of them out with --without"
            ));
        }
        for owner in &self.away {
            console.note(format_args!(
                "{owner} has granted no dataset and sent no totals of that name: the job is without it"
            ));
        }
    }
}

fn totals_of(client: &Client, id: &Digest) -> Result<Opened<Totals>> {
    Ok(client.get_manifest(Collection::Totals, id)?)
}

fn lacking(name: &str, dataset: Digest, owner: Did) -> Error {
    Error::input(format_args!(
        "{owner} has sent no phenotype {name} of its granted dataset {dataset} that the study can sum"
    ))
    .with_remedy(format_args!(
        "ask for it (`hegwas encrypt --study ID --dataset FOLDER --pheno-name {name}`), or leave the dataset out with \
         --without {dataset}"
    ))
}

/// For each dataset its newest phenotype of that name which such a study can sum.
fn phenotypes(
    client: &Client,
    name: &str,
    participation: Participation,
) -> Result<BTreeMap<Digest, Digest>> {
    let mut phenotypes = BTreeMap::new();
    for listed in newest_last(client.list(Collection::Phenotypes)?, name) {
        let opened = client.get_manifest::<Phenotype>(Collection::Phenotypes, &listed.id)?;
        if opened.message.serves(participation) {
            phenotypes.insert(opened.message.dataset, opened.id);
        }
    }
    Ok(phenotypes)
}

/// A grant that is in force.
struct Grant {
    id: Digest,
    owner: Did,
    expires: u64,
}

/// For each dataset granted to the study the grant that holds longest.
fn grants(client: &Client, study: Digest) -> Result<BTreeMap<Digest, Grant>> {
    let mut grants: BTreeMap<Digest, Grant> = BTreeMap::new();
    for Listed { id, owner, .. } in client.list(Collection::Grants)? {
        let terms = client.get_manifest::<GrantTerms>(Collection::Grants, &id)?.message;
        let longest = grants.get(&terms.dataset).is_none_or(|g| g.expires < terms.expires);
        if terms.study == study && terms.expires > now() && longest {
            grants.insert(terms.dataset, Grant { id, owner, expires: terms.expires });
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
