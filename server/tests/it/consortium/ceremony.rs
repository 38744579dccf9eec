//! From the manifest to the key.

use axum::body::Bytes;
use gwas::wire::status::{Action, Committed, KeyContribution, StudyPhase, StudyStatus};
use gwas::wire::{Did, Envelope, Study};
use he_core::ceremony::{key_round, public_key};
use he_core::commit::{Commitments, Reveal};

use crate::common::consortium::few_planes;
use crate::common::objects::{commitment, contribution, envelope};
use crate::common::{Consortium, Party, Running, World, config};

async fn status(url: &str, consortium: &Consortium) -> StudyStatus {
    let path = consortium.path("/status");
    consortium.analyst.get(url, &path).await.ok(200).json()
}

/// Phase, whose turn it is, and to do what.
fn turn(status: &StudyStatus) -> (StudyPhase, Vec<Did>, Vec<Action>) {
    let parties = status.todo.iter().map(|t| t.party).collect();
    let mut actions: Vec<_> = status.todo.iter().map(|t| t.action).collect();
    actions.dedup();
    (status.phase, parties, actions)
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_signs_commits_and_reveals_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::new(2, 10, few_planes));
    let dids = |parties: &[Party]| parties.iter().map(|p| p.did).collect::<Vec<_>>();
    c.push_study(&url).await;
    assert_eq!(
        turn(&status(&url, &c).await),
        (StudyPhase::Signing, dids(&c.holders), vec![Action::Sign])
    );
    // No key object before every holder has signed; the answer names who has not.
    c.sign(&url, &c.holders[0]).await.ok(201);
    c.sign(&url, &c.holders[0]).await.ok(200);
    c.sign(&url, &c.holders[2]).await.ok(201);
    let early = c.commit(&url, &c.holders[0]).await.refused(409, "waiting");
    assert!(early.detail.contains(&c.holders[1].did.to_string()), "{early:?}");
    c.reveal(&url, 0).await.refused(409, "waiting");
    c.sign(&url, &c.holders[1]).await.ok(201);
    // Everybody's signature is in the stored study.
    let bytes = c.analyst.get(&url, &c.path("")).await.ok(200).body;
    let opened = Envelope::open::<Study>(&bytes).unwrap();
    assert_eq!(opened.signers, c.study.signatories());

    assert_eq!(
        turn(&status(&url, &c).await),
        (StudyPhase::Committing, dids(&c.holders), vec![Action::Commit])
    );
    c.commit(&url, &c.holders[0]).await.ok(201);
    c.commit(&url, &c.holders[0]).await.ok(200);
    c.commit(&url, &c.holders[1]).await.ok(201);
    // The last holder can't choose after having seen the others': there is nothing to see.
    let early = c.reveal(&url, 0).await.refused(409, "waiting");
    assert!(early.detail.contains(&c.holders[2].did.to_string()), "{early:?}");
    let keys: Vec<KeyContribution> = c.analyst.get(&url, &c.path("/keys")).await.ok(200).json();
    assert!(keys.is_empty());
    c.commit(&url, &c.holders[2]).await.ok(201);
    assert_eq!(turn(&status(&url, &c).await).0, StudyPhase::Revealing);
    for number in [1, 2, 0] {
        c.reveal(&url, number).await.ok(201);
        c.reveal(&url, number).await.ok(200);
    }
    let ready = status(&url, &c).await;
    assert_eq!(turn(&ready), (StudyPhase::Ready, dids(&c.owners), vec![Action::Contribute]));

    // A data owner makes the public key from what the server hands out, without trusting it.
    let owner = &c.owners[0];
    let mut commitments = Vec::new();
    let list: Vec<Committed> = owner.get(&url, &c.path("/commitments")).await.ok(200).json();
    for Committed { party, manifest } in list {
        let path = format!("/v1/key-commitments/{manifest}");
        let bytes = owner.get(&url, &path).await.ok(200).body;
        let opened = Envelope::open::<gwas::wire::KeyCommitment>(&bytes).unwrap();
        assert_eq!((opened.signers, opened.id), (vec![party], manifest));
        commitments.push((party.to_string(), opened.message.commitment));
    }
    let names: Vec<String> = c.holders.iter().map(|h| h.did.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let received = commitments.iter().map(|(p, b)| (p.as_str(), b.as_slice()));
    let commitments = Commitments::collect(key_round(c.study_id), &names, received).unwrap();
    let mut revealed = Vec::new();
    let keys: Vec<KeyContribution> = owner.get(&url, &c.path("/keys")).await.ok(200).json();
    for key in keys {
        let path = format!("/v1/chunks/{}", key.chunk);
        revealed.push((key.party.to_string(), owner.get(&url, &path).await.ok(200).body));
    }
    let revealed = revealed.iter().map(|(p, b)| (p.as_str(), &b[..]));
    public_key(c.study.plan.params(), &commitments, revealed).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commitments_and_reveals_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::new(1, 10, few_planes));
    let stranger = Party::new();
    c.push_study(&url).await;
    // Signatures: of a stranger, of a data owner, of somebody else than who sends it, on another study.
    c.sign(&url, &stranger).await.refused(404, "not-found");
    c.sign(&url, &c.owners[0]).await.refused(403, "forbidden");
    let foreign = envelope(&c.study, &[&c.holders[0]]).1;
    c.holders[1].put(&url, &c.path("/signatures"), foreign).await.refused(403, "forbidden");
    let other = Study { name: "other".into(), ..c.study.clone() };
    let other = envelope(&other, &[&c.holders[0]]).1;
    c.holders[0].put(&url, &c.path("/signatures"), other).await.refused(400, "digest");
    for holder in &c.holders {
        c.sign(&url, holder).await.ok(201);
    }
    // Commitments: of a stranger, of a data owner, to another study's key, a second one.
    c.commit(&url, &stranger).await.refused(404, "not-found");
    c.commit(&url, &c.owners[0]).await.refused(403, "forbidden");
    let put = async |party: &Party, id, object: &[u8]| {
        let message = commitment(id, party, object);
        let bytes = envelope(&message, &[party]).1;
        party.put(&url, &c.path("/commitments"), bytes).await
    };
    let elsewhere = he_core::Digest::of(b"elsewhere");
    put(&c.holders[0], elsewhere, b"x").await.refused(422, "inconsistent");
    let mut damaged = commitment(c.study_id, &c.holders[0], b"x");
    damaged.commitment[7] ^= 1;
    assert!(Envelope::new(&damaged).is_err(), "not even its author can write it");
    for (number, holder) in c.holders.iter().enumerate() {
        // The second holder copies the contribution of the first, as far as it can: it knows it from elsewhere.
        let of = if number == 1 { &c.holders[0] } else { holder };
        let object = contribution(&c.study, c.study_id, of);
        put(holder, c.study_id, &object).await.ok(201);
        put(holder, c.study_id, b"another").await.refused(409, "conflict");
    }
    // Reveals: other bytes than committed to, to other commitments, another holder's, a copy, a second one.
    let names: Vec<String> = c.holders.iter().map(|h| h.did.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let object = |of: usize| contribution(&c.study, c.study_id, &c.holders[of]);
    let committed = |objects: [Vec<u8>; 3]| {
        let commitments: Vec<Vec<u8>> = c
            .holders
            .iter()
            .zip(&objects)
            .map(|(h, o)| commitment(c.study_id, h, o).commitment)
            .collect();
        let received = names.iter().copied().zip(commitments.iter().map(Vec::as_slice));
        Commitments::collect(key_round(c.study_id), &names, received).unwrap()
    };
    let shown = committed([object(0), object(0), object(2)]);
    let signed = |number: usize, to: &Commitments, object: Vec<u8>| {
        let reveal = Reveal::new(to, [7; 32], object);
        Bytes::from(reveal.signed(|text| c.holders[number].sign_bytes(text)).to_bytes())
    };
    let put = async |number: usize, bytes: Bytes| {
        c.holders[number].put(&url, &c.path("/keys"), bytes).await
    };
    let refused = async |number: usize, bytes: Bytes, why: &str| {
        let problem = put(number, bytes).await.refused(422, "inconsistent");
        let culprit = c.holders[number].did.to_string();
        assert!(problem.detail.contains(&culprit) && problem.detail.contains(why), "{problem:?}");
    };
    refused(0, signed(0, &shown, object(2)), "committed to").await;
    let forked = committed([object(0), object(0), object(0)]);
    refused(0, signed(0, &forked, object(0)), "other commitments").await;
    refused(0, Bytes::from(object(0)), "unusable").await;
    // Unsigned, or signed by another holder.
    let unsigned = Reveal::new(&shown, [7; 32], object(0)).to_bytes();
    refused(0, Bytes::from(unsigned), "is not signed by").await;
    refused(0, signed(1, &shown, object(0)), "is not signed by").await;
    put(0, signed(0, &shown, object(0))).await.ok(201);
    put(0, signed(0, &shown, object(2))).await.refused(409, "conflict");
    refused(1, signed(1, &shown, object(0)), "revealed the contribution of").await;
    let last = signed(2, &shown, object(2));
    stranger.put(&url, &c.path("/keys"), last.clone()).await.refused(404, "not-found");
    c.owners[0].put(&url, &c.path("/keys"), last).await.refused(403, "forbidden");
    // Without its key the study takes no data.
    let site = c.site(&c.owners[0], 2, 9, None);
    site.push_data(&url, &c).await;
    site.put_grant(&url).await.refused(409, "waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_studies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    let bad: [fn(&mut Study); 12] = [
        |s| {
            let rule = gwas::wire::HitRule { threshold: 0, band: 0, smallest_frequency: 0 };
            s.release = gwas::wire::Release::Hits(rule);
        },
        |s| s.statistics = vec![gwas::wire::Statistic::Trend],
        |s| s.statistics.clear(),
        |s| s.key_holders.reverse(),
        |s| s.key_holders.truncate(2),
        |s| s.data_owners.clear(),
        |s| s.analysts.clear(),
        |s| drop(s.sealing_keys.pop()),
        |s| s.sealing_keys[0].key = "two words".into(),
        |s| s.limits.max_jobs = 0,
        |s| s.limits.min_sites = 9,
        |s| s.limits.min_cases = 101,
    ];
    for change in bad {
        let c = Consortium::new(2, 10, |_| {});
        let mut study = c.study.clone();
        change(&mut study);
        assert!(Envelope::new(&study).is_err(), "{study:?}");
    }
    // Sent by another than its coordinator; signed by somebody who has no part in it.
    let c = Consortium::new(2, 10, |_| {});
    let path = format!("/v1/panels/{}", c.study.panel);
    c.coordinator.put(&url, &path, c.panel_text.clone()).await.ok(201);
    let holder = &c.holders[0];
    let both = [&c.coordinator, holder];
    World::put_message(&url, holder, "studies", &c.study, &both).await.refused(403, "forbidden");
    let stranger = [&c.coordinator, &Party::new()];
    World::put_message(&url, &c.coordinator, "studies", &c.study, &stranger)
        .await
        .refused(403, "forbidden");
    World::put_message(&url, &c.coordinator, "studies", &c.study, &both).await.ok(201);
    // Everybody with a role may read it, nobody else.
    for party in c.holders.iter().chain(&c.owners).chain([&c.analyst, &c.coordinator]) {
        party.get(&url, &c.path("")).await.ok(200);
        party.get(&url, &c.path("/status")).await.ok(200);
        party.get(&url, &c.path("/log")).await.ok(200);
    }
    for path in ["", "/status", "/log", "/keys", "/commitments"] {
        Party::new().get(&url, &c.path(path)).await.refused(404, "not-found");
    }
}
