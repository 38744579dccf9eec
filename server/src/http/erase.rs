//! Erasing manifests, with what ends and what is written down.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use gwas::wire::log::Event;
use gwas::wire::status::{Erased, JobState};
use gwas::wire::{GrantTerms, Totals};
use he_core::Digest;
use he_core::codec::Kind;

use crate::app::{App, uninterrupted};
use crate::error::ApiError;

/// Ends the jobs that use these manifests, writes down what goes, then erases them, in this order.
pub(super) async fn erase(app: Arc<App>, names: Vec<Digest>) -> Result<Response, ApiError> {
    Ok(Json(erased(app, names).await?).into_response())
}

/// Removes grants whose time is over, as their owners would.
///
/// # Errors
/// Those of index, store and log.
pub async fn end_grants(app: &Arc<App>) -> Result<(), ApiError> {
    let ended = app.index.expired(app.now()).await?;
    if ended.is_empty() {
        return Ok(());
    }
    tracing::info!(grants = ended.len(), "grants have expired");
    uninterrupted(erased(Arc::clone(app), ended)).await.map(drop)
}

async fn erased(app: Arc<App>, names: Vec<Digest>) -> Result<Erased, ApiError> {
    let mut answer = Erased { manifests: Vec::new(), objects: 0, bytes: 0 };
    for name in &names {
        for job in app.index.linked(name, Kind::Job).await? {
            app.jobs.end(&app, &job, JobState::Revoked, None).await?;
        }
    }
    // The receipt comes first: whoever finds that it was not carried out asks again.
    for name in &names {
        note(&app, name).await?;
    }
    let _exclusive = app.erasing.write().await;
    for name in names {
        let orphans = app.index.erase(&name).await?;
        if orphans.objects.is_empty() {
            continue; // somebody else was faster
        }
        app.delete(&orphans).await?;
        answer.manifests.push(name);
        answer.objects += orphans.objects.len() as u64;
        answer.bytes += orphans.bytes;
    }
    Ok(answer)
}

/// Writes into the logs of all studies concerned that a manifest goes.
async fn note(app: &Arc<App>, name: &Digest) -> Result<(), ApiError> {
    let Some(row) = app.index.manifest(name).await? else { return Ok(()) };
    let owner = &row.owner;
    match row.kind {
        Kind::Grant => {
            let GrantTerms { study, dataset, .. } = app.load::<GrantTerms>(name).await?.message;
            app.note(&study, owner, Event::Withdrawn, vec![*name, dataset]).await
        }
        Kind::Totals => {
            let study = app.load::<Totals>(name).await?.message.study;
            app.note(&study, owner, Event::Erased, vec![*name]).await
        }
        Kind::Dataset => {
            for grant in app.index.linked(name, Kind::Grant).await? {
                let study = app.load::<GrantTerms>(&grant).await?.message.study;
                app.note(&study, owner, Event::Erased, vec![*name]).await?;
            }
            Ok(())
        }
        Kind::Phenotype | Kind::Job => {
            let jobs = match row.kind {
                Kind::Job => vec![*name],
                _ => app.index.linked(name, Kind::Job).await?,
            };
            for job in jobs {
                if let Some(status) = app.index.job(&job).await? {
                    app.note(&status.study, owner, Event::Erased, vec![*name]).await?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
