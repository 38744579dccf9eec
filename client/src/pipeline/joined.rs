//! A study as somebody sees it who contributes data.

use std::path::Path;

use gwas::io::Cohort;
use gwas::panel::Panel;
use gwas::wire::{Bitmap, Dataset, Did, Envelope, Opened, PlaneKind, Study};
use he_core::codec::{HEADER_LEN, Kind};

use super::panel::read_panel;
use crate::bundle::read_limited;
use crate::cli::encrypt::StudyName;
use crate::net::{Client, Collection};
use crate::{Error, Result};

/// Reads a study, from the server or a file, and checks that everybody has signed it and that `me` may contribute.
pub(super) fn study(name: &StudyName, client: Option<&Client>, me: &Did) -> Result<Opened<Study>> {
    let opened: Opened<Study> = match (name, client) {
        (StudyName::Id(id), Some(client)) => client.get_manifest(Collection::Studies, id)?,
        (StudyName::Id(_), None) => {
            return Err(Error::usage(
                "a study's id says where to find it only together with a server",
                "give --server URL, or the file of the study's manifest and --panel FILE",
            ));
        }
        (StudyName::File(path), _) => {
            let bytes = read_limited(path, Kind::Envelope.limit() + HEADER_LEN as u64)?;
            Envelope::open(&bytes).map_err(|e| {
                Error::corrupt(format_args!("{}: {e}", path.display()))
                    .with_remedy("get the study's manifest again from its coordinator")
            })?
        }
    };
    let unsigned = opened.message.signatories().into_iter().find(|s| !opened.signers.contains(s));
    if let Some(party) = unsigned {
        return Err(Error::input(format_args!("{party} has not signed the study"))
            .with_remedy("wait until its coordinator and every key holder have signed it"));
    }
    if !opened.message.data_owners.contains(me) {
        return Err(Error::input(format_args!("{me} is not one of the study's data owners"))
            .with_remedy("use the key file with which you joined it, or ask its coordinator"));
    }
    Ok(opened)
}

/// The study's panel, from a file or the server.
pub(super) fn panel(study: &Study, file: Option<&Path>, client: Option<&Client>) -> Result<Panel> {
    let panel = match (file, client) {
        (Some(path), _) => read_panel(path)?,
        (None, Some(client)) => {
            let text = client.get_panel(&study.panel)?;
            Panel::read_text(text.as_slice()).map_err(Error::corrupt)?
        }
        (None, None) => {
            return Err(Error::usage(
                "the study's manifest names its panel and does not contain it",
                "give --panel FILE, or --server URL to fetch it",
            ));
        }
    };
    if panel.digest() == study.panel && panel.len() == study.variants {
        return Ok(panel);
    }
    Err(Error::input(format_args!(
        "the panel {} is not the study's, which is {}",
        panel.digest(),
        study.panel
    ))
    .with_remedy("get the study's panel from its coordinator, or from the server with --server"))
}

/// Checks that files can be summed with the study's planes and plan, and says which variants they lack.
pub(super) fn fits(study: &Study, cohort: &Cohort, any_missing: bool) -> Result<Option<Bitmap>> {
    if any_missing && !study.planes.contains(&PlaneKind::Called) {
        return Err(Error::input(
            "calls are missing in the files, and the study has no plane of calls that would count them",
        )
        .with_remedy(
            "leave out the variants with missing calls (--extract FILE with the others): they then count as absent at \
             your site; or ask for a study with a plane of calls",
        ));
    }
    check_people(study, cohort.people())?;
    let absent = Bitmap::new(cohort.variant_count(), |v| cohort.is_absent(v));
    Ok((absent.count() > 0).then_some(absent))
}

fn check_people(study: &Study, people: u32) -> Result<()> {
    let planned = study.plan.request().people;
    if people <= planned {
        return Ok(());
    }
    Err(Error::input(format_args!("{people} people; the study is planned for {planned} in all"))
        .with_remedy("contribute fewer people (--keep FILE), or ask for a larger study"))
}

/// Refuses a dataset that was encrypted for something else.
pub(super) fn dataset_fits(study: &Study, dataset: &Dataset) -> Result<()> {
    let planes = study.planes.iter().all(|plane| dataset.planes.contains(plane));
    let reason = if dataset.panel != study.panel {
        "another panel"
    } else if dataset.plan != study.plan {
        "other parameters or scales"
    } else if !planes {
        "fewer planes"
    } else {
        return Ok(());
    };
    Err(Error::input(format_args!("the dataset was encrypted with {reason} than the study's"))
        .with_remedy("encrypt the genotypes for this study: `hegwas encrypt --study`"))
}
