//! Drafts and invitations: who comes together for a study.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use gwas::wire::draft::{
    Acceptance, Draft, Invitation, MAX_INVITATIONS, NewDraft, NewInvitation, Role,
};
use gwas::wire::log::Event;
use gwas::wire::{Did, SealingKey};
use he_core::Digest;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedMutexGuard;

use super::extract::{Caller, Joining, Named, Signed};
use super::{Answer, schema};
use crate::app::{App, blocking, uninterrupted};
use crate::error::ApiError;
use crate::records::Record;

const LIMIT: u64 = 16 << 10;
/// Most drafts of one coordinator.
const MOST: usize = 100;

/// Makes a draft, whose coordinator the caller is.
#[utoipa::path(
    post, path = "/v1/drafts", tag = "drafts", request_body = schema::NewDraft,
    responses(
        (status = 201, description = "made", body = schema::Draft),
        (status = 200, description = "made before", body = schema::Draft),
        schema::ManifestRefusals
    )
)]
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Signed { caller, body, .. }: Signed<LIMIT>,
) -> Answer {
    let new: NewDraft = json(&body)?;
    if !new.is_sound() {
        let text = "names and purposes are at most 1024 bytes without control characters";
        return Err(ApiError::Json(text.to_owned()));
    }
    let turn = app.turn().await;
    let id = new.id(&caller);
    if let Some(draft) = app.index.draft(&id).await? {
        return Ok(Json(draft).into_response());
    }
    let own = app.index.drafts(&caller).await?;
    if own.iter().filter(|draft| draft.coordinator == caller).count() >= MOST {
        return Err(ApiError::Conflict("you have as many drafts as a party may have"));
    }
    let draft = Draft {
        id,
        name: new.name,
        purpose: new.purpose,
        coordinator: caller,
        created: app.now(),
        invitations: Vec::new(),
    };
    let draft = keep(&app, turn, draft, caller, Event::Drafted, id).await?;
    Ok((StatusCode::CREATED, Json(draft)).into_response())
}

/// The drafts of which the caller is a member.
#[utoipa::path(
    get, path = "/v1/drafts", tag = "drafts",
    responses((status = 200, description = "list", body = Vec<schema::Draft>), schema::Refusals)
)]
pub(super) async fn list(State(app): State<Arc<App>>, Caller(caller): Caller) -> Answer {
    Ok(Json(app.index.drafts(&caller).await?).into_response())
}

/// A draft with its members.
#[utoipa::path(
    get, path = "/v1/drafts/{digest}", tag = "drafts", params(schema::Name),
    responses(
        (status = 200, description = "draft", body = schema::Draft),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Named(id): Named,
    Caller(caller): Caller,
) -> Answer {
    Ok(Json(visible(&app, &id, &caller).await?).into_response())
}

/// A draft, for its members; to everybody else it is not there.
pub(super) async fn visible(app: &App, id: &Digest, caller: &Did) -> Result<Draft, ApiError> {
    let draft = app.index.draft(id).await?.filter(|draft| draft.is_member(caller));
    draft.ok_or(ApiError::NotFound("draft"))
}

/// Adds an invitation, of which the server learns the public half alone.
#[utoipa::path(
    post, path = "/v1/drafts/{digest}/invitations", tag = "drafts", params(schema::Name),
    request_body = schema::NewInvitation,
    responses(
        (status = 201, description = "added", body = schema::Draft),
        (status = 200, description = "added before", body = schema::Draft),
        schema::ManifestRefusals, schema::NotFound
    )
)]
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    Named(id): Named,
    Signed { caller, body, .. }: Signed<LIMIT>,
) -> Answer {
    let NewInvitation { key, role, expires } = json(&body)?;
    let turn = app.turn().await;
    let mut draft = visible(&app, &id, &caller).await?;
    if draft.coordinator != caller {
        return Err(ApiError::Forbidden("only the coordinator invites"));
    }
    if let Some(known) = draft.invitations.iter().find(|i| i.key == key) {
        return if (known.role, known.expires) == (role, expires) {
            Ok(Json(draft).into_response())
        } else {
            Err(ApiError::Conflict("this token invites to something else already; make a new one"))
        };
    }
    if expires <= app.now() {
        return Err(ApiError::Refused("the invitation has expired already".to_owned()));
    }
    if draft.invitations.len() >= MAX_INVITATIONS {
        return Err(ApiError::Conflict("the draft has as many invitations as one may have"));
    }
    draft.invitations.push(Invitation { key, role, expires, accepted: None });
    let draft = keep(&app, turn, draft, caller, Event::Invited, name_of(&key)).await?;
    Ok((StatusCode::CREATED, Json(draft)).into_response())
}

/// Accepts an invitation, once. The token's signature is all that is needed: the party need not be registered, and is from
/// then on.
#[utoipa::path(
    post, path = "/v1/invitations/accept", tag = "drafts", request_body = schema::Acceptance,
    responses(
        (status = 200, description = "accepted", body = schema::Draft),
        schema::ManifestRefusals, schema::NotFound
    )
)]
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    Joining(Signed { caller, body, .. }): Joining<LIMIT>,
) -> Answer {
    let acceptance: Acceptance = json(&body)?;
    // Before anything is said about the draft: who has no token learns nothing.
    if !acceptance.is_signed() {
        return Err(ApiError::Forbidden("the invitation's token has not signed this acceptance"));
    }
    if acceptance.party != caller {
        return Err(ApiError::Forbidden("an invitation is accepted by the party that it names"));
    }
    let turn = app.turn().await;
    let now = app.now();
    let draft = app.index.draft(&acceptance.draft).await?;
    let mut draft = draft.ok_or(ApiError::NotFound("invitation"))?;
    let invitation = draft.invitations.iter_mut().find(|i| i.key == acceptance.invitation);
    let invitation = invitation.ok_or(ApiError::NotFound("invitation"))?;
    match &invitation.accepted {
        Some(known) if *known == acceptance => return Ok(Json(draft).into_response()),
        Some(_) => return Err(ApiError::Conflict("this invitation has been used")),
        None => {}
    }
    if invitation.expires <= now {
        return Err(ApiError::Refused(
            "the invitation has expired; ask the coordinator for another".to_owned(),
        ));
    }
    let sealing = acceptance.sealing_key.as_deref();
    let receives = matches!(invitation.role, Role::KeyHolder | Role::Analyst);
    if sealing.is_none_or(|key| !SealingKey::is_plausible(key)) && (receives || sealing.is_some()) {
        return Err(ApiError::Refused(
            "key holders and analysts give an age recipient of at most 4096 characters".to_owned(),
        ));
    }
    let key = acceptance.invitation;
    invitation.accepted = Some(acceptance);
    let draft = keep(&app, turn, draft, caller, Event::Joined, name_of(&key)).await?;
    Ok(Json(draft).into_response())
}

/// What the log calls an invitation.
fn name_of(key: &Did) -> Digest {
    Digest::of(key.public_key())
}

/// Stores a draft, new or changed, and writes down why.
async fn keep(
    app: &Arc<App>,
    turn: OwnedMutexGuard<()>,
    draft: Draft,
    party: Did,
    event: Event,
    digest: Digest,
) -> Result<Draft, ApiError> {
    let app = Arc::clone(app);
    uninterrupted(async move {
        let _turn = turn;
        let (store, record) = (Arc::clone(&app.store), Record::Draft(draft.clone()));
        blocking(move || Ok(record.write(store.as_ref())?)).await?;
        app.index.put_draft(&draft).await?;
        app.note_in(&draft.id, &party, event, vec![digest]).await?;
        Ok(draft)
    })
    .await
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|e| ApiError::Json(e.to_string()))
}
