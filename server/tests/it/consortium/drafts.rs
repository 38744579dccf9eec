//! Drafts and invitations.

use std::collections::HashSet;

use ed25519_dalek::Signer as _;
use gwas::wire::draft::{Acceptance, Draft, NewDraft, NewInvitation, Role};
use gwas::wire::{SealingKey, Study};
use he_core::Digest;
use hegwas_server::config::Config;
use hegwas_server::policy::Policy;

use crate::common::objects::envelope;
use crate::common::{Answer, Consortium, Party, Running, World, config, now};

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

async fn draft(url: &str, coordinator: &Party) -> Draft {
    let nonce = Digest::of(b"draft");
    let new = NewDraft { name: "a draft".into(), purpose: "a test".into(), nonce };
    let made: Draft = coordinator.post(url, "/v1/drafts", json(&new)).await.ok(201).json();
    assert_eq!((made.id, made.coordinator), (new.id(&coordinator.did), coordinator.did));
    coordinator.post(url, "/v1/drafts", json(&new)).await.ok(200);
    made
}

async fn invite(
    url: &str,
    coordinator: &Party,
    draft: &Draft,
    token: &Party,
    role: Role,
) -> Answer {
    let new = NewInvitation { key: token.did, role, expires: now() + 600 };
    coordinator.post(url, &format!("/v1/drafts/{}/invitations", draft.id), json(&new)).await
}

fn acceptance(draft: &Draft, token: &Party, party: &Party) -> Acceptance {
    let key = Some(format!("age1{}", &party.did.to_string()[20..40]));
    Acceptance::new(draft.id, token.did, party.did, key, |m| token.key.sign(m).to_bytes())
}

async fn accept(url: &str, party: &Party, acceptance: &Acceptance) -> Answer {
    party.post(url, "/v1/invitations/accept", json(acceptance)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_used_once_and_admits_its_party() {
    let folder = tempfile::tempdir().unwrap();
    let coordinator = Party::new();
    let policy = Policy::Allow(HashSet::from([coordinator.did]));
    let server = Running::start(Config { policy, ..config(folder.path()) }).await;
    let url = server.url();
    let (joiner, other, token) = (Party::new(), Party::new(), Party::new());
    joiner.get(&url, "/v1/drafts").await.refused(403, "not-registered");
    let draft = draft(&url, &coordinator).await;
    invite(&url, &coordinator, &draft, &token, Role::KeyHolder).await.ok(201);
    let path = format!("/v1/drafts/{}", draft.id);

    // Not signed by the token, for another draft, for another party, by an unknown token.
    let good = acceptance(&draft, &token, &joiner);
    let forged = acceptance(&draft, &joiner, &joiner);
    let forged = Acceptance { invitation: token.did, ..forged };
    accept(&url, &joiner, &forged).await.refused(403, "forbidden");
    accept(&url, &other, &good).await.refused(403, "forbidden");
    accept(&url, &joiner, &Acceptance { party: other.did, ..good.clone() })
        .await
        .refused(403, "forbidden");
    let elsewhere = Draft { id: Digest::of(b"x"), ..draft.clone() };
    accept(&url, &joiner, &acceptance(&elsewhere, &token, &joiner)).await.refused(404, "not-found");
    accept(&url, &joiner, &acceptance(&draft, &other, &joiner)).await.refused(404, "not-found");
    let keyless =
        Acceptance::new(draft.id, token.did, joiner.did, None, |m| token.key.sign(m).to_bytes());
    accept(&url, &joiner, &keyless).await.refused(422, "inconsistent");
    accept(&url, &joiner, &Acceptance { sealing_key: Some("age1x".into()), ..good.clone() })
        .await
        .refused(403, "forbidden");
    joiner.get(&url, &path).await.refused(403, "not-registered");

    let joined: Draft = accept(&url, &joiner, &good).await.ok(200).json();
    assert!(joined.admits(&joiner.did, Role::KeyHolder));
    accept(&url, &joiner, &good).await.ok(200); // an answer that got lost
    // The token is worth nothing any more, also to who has it.
    accept(&url, &other, &acceptance(&draft, &token, &other)).await.refused(409, "conflict");
    assert_eq!(joiner.get(&url, &path).await.ok(200).json::<Draft>(), joined);
    let drafts: Vec<Draft> = joiner.get(&url, "/v1/drafts").await.ok(200).json();
    assert_eq!(drafts, std::slice::from_ref(&joined));
    other.get(&url, &path).await.refused(403, "not-registered");
    // Members do not invite; the same token does not invite to something else; time passes.
    let another = Party::new();
    invite(&url, &joiner, &draft, &another, Role::Analyst).await.refused(403, "forbidden");
    invite(&url, &coordinator, &draft, &token, Role::Analyst).await.refused(409, "conflict");
    let past = NewInvitation { key: another.did, role: Role::Analyst, expires: now() - 1 };
    let invitations = format!("{path}/invitations");
    coordinator.post(&url, &invitations, json(&past)).await.refused(422, "inconsistent");
    coordinator.post(&url, &invitations, "{\"role\":\"operator\"}").await.refused(400, "json");
    invite(&url, &coordinator, &draft, &another, Role::Analyst).await.ok(201);
    server.offset.store(700, std::sync::atomic::Ordering::Relaxed);
    let window = gwas::wire::httpsig::Window { created: now() + 700, expires: now() + 800 };
    let body = json(&acceptance(&draft, &another, &other));
    let late = other.draft_in(&url, "POST", "/v1/invitations/accept", body, window);
    let refused = late.send().await.refused(422, "inconsistent");
    assert!(refused.detail.contains("expired"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_is_of_the_parties_that_joined_its_draft() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, mut c) = (server.url(), Consortium::new(2, 10, |_| {}));
    let draft = draft(&url, &c.coordinator).await;
    c.study.draft = Some(draft.id);
    let roles = c
        .holders
        .iter()
        .map(|p| (p, Role::KeyHolder))
        .chain(c.owners.iter().map(|p| (p, Role::DataOwner)))
        .chain([(&c.analyst, Role::Analyst)]);
    let members: Vec<(Party, Role)> = roles.map(|(p, r)| (p.clone(), r)).collect();
    let put = async |study: &Study| {
        let signer = [&c.coordinator];
        World::put_message(&url, &c.coordinator, "studies", study, &signer).await
    };
    let path = format!("/v1/panels/{}", c.study.panel);
    c.coordinator.put(&url, &path, c.panel_text.clone()).await.ok(201);
    for (number, (party, role)) in members.iter().enumerate() {
        let refused = put(&c.study).await.refused(422, "inconsistent");
        assert!(refused.detail.contains("did not join"), "{refused:?}");
        let token = Party::new();
        invite(&url, &c.coordinator, &draft, &token, *role).await.ok(201);
        let accepted = accept(&url, party, &acceptance(&draft, &token, party)).await.ok(200);
        assert_eq!(accepted.json::<Draft>().acceptances().count(), number + 1);
    }
    // The sealing keys have to be those that the parties gave.
    let refused = put(&c.study).await.refused(422, "inconsistent");
    assert!(refused.detail.contains("sealing key"), "{refused:?}");
    let mut study = c.study.clone();
    for SealingKey { party, key } in &mut study.sealing_keys {
        let (member, _) = members.iter().find(|(p, _)| p.did == *party).unwrap();
        *key = acceptance(&draft, member, member).sealing_key.unwrap();
    }
    put(&study).await.ok(201);
    put(&Study { draft: Some(Digest::of(b"x")), ..study.clone() }).await.refused(409, "missing");
    // Of two manifests of a draft one becomes the study.
    let second = Study { name: "second".into(), ..study.clone() };
    put(&second).await.ok(201);
    let sign = async |study: &Study, party: &Party| {
        let (id, bytes) = envelope(study, &[party]);
        party.put(&url, &format!("/v1/studies/{id}/signatures"), bytes).await
    };
    for holder in &c.holders {
        sign(&second, holder).await.ok(201);
    }
    sign(&study, &c.holders[0]).await.refused(409, "conflict");
    // The log is one, from the draft on.
    let entries = async |path: String| {
        let answer = c.analyst.get(&url, &path).await.ok(200);
        answer.json::<Vec<gwas::wire::log::LogEntry>>()
    };
    let log = entries(format!("/v1/drafts/{}/log", draft.id)).await;
    assert_eq!(log.len(), 1 + 2 * members.len() + 1 + 1 + c.holders.len());
    assert_eq!(log, entries(format!("/v1/studies/{}/log", envelope(&second, &[]).0)).await);
    gwas::wire::log::verify(&draft.id, None, &log).unwrap();
    let stranger = Party::new();
    stranger.get(&url, &format!("/v1/drafts/{}/log", draft.id)).await.refused(404, "not-found");
    stranger.get(&url, &format!("/v1/drafts/{}", draft.id)).await.refused(404, "not-found");
}
