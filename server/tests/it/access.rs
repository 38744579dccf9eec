//! Manifests: what is refused, and what erasing does.

use axum::body::Bytes;
use gwas::wire::status::{Erased, JobState};
use gwas::wire::{
    ChunkRef, Dataset, GrantTerms, Job, JobInput, Phenotype, PlaneKind, RowSet, Study,
};
use he_core::mask::MaskSeed;
use he_core::{Digest, Plan, PlanRequest};
use hegwas_server::store::Class;

use crate::common::objects::{ceremony, chunks, commit, envelope, named};
use crate::common::{Party, Running, World, config, now};
use crate::flow::run;
use crate::uploads::{files, raw};

#[tokio::test(flavor = "multi_thread")]
async fn data_must_fit_together() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 20));
    let owner = &world.owner;
    let put = async |dataset: &Dataset| {
        World::put_message(&url, owner, "datasets", dataset, &[owner]).await
    };
    put(&world.dataset).await.refused(409, "missing"); // no panel yet
    world.push_data(&url).await;
    let stored = files(folder.path());
    let good = &world.dataset;
    let swapped = Dataset { chunks: good.chunks.iter().rev().copied().collect(), ..good.clone() };
    put(&swapped).await.refused(422, "inconsistent");
    put(&Dataset { nonce: [9; 16], ..good.clone() }).await.refused(400, "malformed");
    put(&Dataset { variants: 11, ..good.clone() }).await.refused(422, "inconsistent");
    put(&Dataset { panel: Digest::of(b"x"), ..good.clone() }).await.refused(409, "missing");
    let foreign =
        Plan::new(PlanRequest { weight_max: 1023, ..PlanRequest::sole_holder(500_000) }).unwrap();
    assert_ne!(foreign.params(), good.plan.params());
    let mut other = Dataset { plan: foreign, ..good.clone() };
    let bulk = chunks(he_core::codec::Kind::GenotypeChunk, other.shape(), other.nonce, 1);
    other.chunks = bulk.iter().map(|c| named(c)).collect();
    put(&other).await.refused(409, "missing");
    // Right places, wrong parameters.
    let mut lying = other.clone();
    for (chunk, bytes) in lying.chunks.iter_mut().zip(&bulk) {
        let mut bytes = bytes.to_vec();
        bytes[16..32].copy_from_slice(&good.plan.params().digest().short());
        bytes[60..64].fill(0);
        for group in bytes[64..].chunks_exact_mut(50) {
            group.fill(0); // below every prime
        }
        let bytes = Bytes::from(bytes);
        *chunk = named(&bytes);
        world.put_chunk(&url, &bytes).await;
    }
    put(&lying).await.refused(400, "malformed");

    let phenotype =
        async |p: &Phenotype| World::put_message(&url, owner, "phenotypes", p, &[owner]).await;
    let good = &world.phenotype;
    let participating = RowSet::new(4, |_| true);
    let more = Phenotype { participating, ..good.clone() };
    phenotype(&more).await.ok(201);
    phenotype(&Phenotype { dataset: Digest::of(b"x"), ..good.clone() })
        .await
        .refused(409, "missing");
    phenotype(&Phenotype { nonce: [1; 16], ..good.clone() }).await.refused(422, "inconsistent");
    let reused = Phenotype { mask_seed: MaskSeed([20; 16]), ..good.clone() };
    phenotype(&reused).await.refused(422, "inconsistent");
    assert!(files(folder.path()) > stored);
    // Somebody else's chunks and dataset can't be named.
    let thief = Party::new();
    world.put_panel(&url, &thief).await.ok(201);
    let stolen = World::put_message(&url, &thief, "datasets", &world.dataset, &[&thief]).await;
    stolen.refused(409, "missing");
    let stolen = World::put_message(&url, &thief, "phenotypes", &more, &[&thief]).await;
    stolen.refused(409, "missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_are_signed_by_the_right_parties() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 21));
    world.push_data(&url).await;
    let (owner, other) = (&world.owner, &Party::new());
    let study = async |study: &Study, signers: &[&Party]| {
        World::put_message(&url, owner, "studies", study, signers).await
    };
    study(&world.study, &[]).await.refused(403, "forbidden");
    study(&world.study, &[other]).await.refused(403, "forbidden");
    study(&Study { panel: Digest::of(b"x"), ..world.study.clone() }, &[owner])
        .await
        .refused(409, "missing");
    study(&Study { variants: 11, ..world.study.clone() }, &[owner])
        .await
        .refused(422, "inconsistent");
    study(&world.study, &[owner, other]).await.refused(403, "forbidden"); // no party of it
    study(&world.study, &[owner]).await.ok(201);
    // A dataset has one owner.
    let both = [owner, other];
    let dataset = World::put_message(&url, owner, "datasets", &world.dataset, &both).await;
    dataset.refused(403, "forbidden");
    World::put_message(&url, owner, "datasets", &world.dataset, &[])
        .await
        .refused(403, "forbidden");
    // Bytes that are no envelope, an altered one, one under another name, one of another kind.
    let (id, bytes) = envelope(&world.study, &[owner]);
    let path = format!("/v1/studies/{id}");
    let put = async |path: &str, bytes: Vec<u8>| owner.put(&url, path, bytes).await;
    put(&path, b"not an envelope".to_vec()).await.refused(400, "envelope");
    let mut altered = bytes.to_vec();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    put(&path, altered).await.refused(400, "envelope");
    put(&format!("/v1/studies/{}", Digest::of(b"x")), bytes.to_vec()).await.refused(400, "digest");
    put(&format!("/v1/grants/{id}"), bytes.to_vec()).await.refused(400, "envelope");
    // Refused by its declared length, before a byte of it is read: a client that is still writing may not see the answer.
    let head = owner.draft(&url, "PUT", &path, vec![0; 3 << 20]).head(3 << 20);
    let large = raw(&url, &head, b"").await;
    assert!(large.starts_with("HTTP/1.1 413") && large.contains("too-large"), "{large}");
    // A key contribution that belongs elsewhere, then the right one, then another.
    let keys = format!("/v1/studies/{id}/keys");
    put(&keys, world.share.to_vec()).await.refused(409, "waiting"); // not committed to
    commit(&url, &world.study, id, owner).await.ok(201);
    let mut foreign = world.share.to_vec();
    foreign[33] ^= 1;
    put(&keys, foreign).await.refused(422, "inconsistent");
    put(&keys, world.share.to_vec()).await.ok(201);
    let mut second = world.share.to_vec();
    second[64] ^= 1;
    put(&keys, second).await.refused(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_and_jobs_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 22));
    let owner = &world.owner;
    world.push_data(&url).await;
    world.push_study(&url, owner).await;
    let grant =
        async |terms: &GrantTerms| World::put_message(&url, owner, "grants", terms, &[owner]).await;
    grant(&world.grant).await.refused(409, "missing"); // no switching key yet
    world.put_chunk(&url, &world.switching_key).await.ok(201);
    let good = world.grant;
    grant(&GrantTerms { expires: now() - 1, issued: now() - 2, ..good })
        .await
        .refused(422, "inconsistent");
    grant(&GrantTerms { study: Digest::of(b"x"), ..good }).await.refused(409, "missing");
    grant(&GrantTerms { dataset: Digest::of(b"x"), ..good }).await.refused(409, "missing");
    let chunk = named(&world.genotypes[0]);
    grant(&GrantTerms { switching_key: chunk, ..good }).await.refused(400, "malformed");
    let short = ChunkRef { length: 7, ..good.switching_key };
    grant(&GrantTerms { switching_key: short, ..good }).await.refused(422, "inconsistent");
    // A study that sums a plane which the dataset lacks.
    let planes = vec![PlaneKind::Dosage, PlaneKind::HomAlt];
    let wider = Study { planes, ..world.study.clone() };
    World::put_message(&url, owner, "studies", &wider, &[owner]).await.ok(201);
    let (terms, wider) = (wider.clone(), envelope(&wider, &[]).0);
    grant(&GrantTerms { study: wider, ..good }).await.refused(409, "waiting"); // without a key
    commit(&url, &terms, wider, owner).await.ok(201);
    let revealed = ceremony(&terms, wider, &[owner]).remove(0);
    owner.put(&url, &format!("/v1/studies/{wider}/keys"), revealed).await.ok(201);
    grant(&GrantTerms { study: wider, ..good }).await.refused(422, "inconsistent");
    let thief = Party::new();
    let stolen = World::put_message(&url, &thief, "grants", &good, &[&thief]).await;
    stolen.refused(409, "missing");
    grant(&good).await.ok(201);

    let job = async |job: &Job| World::put_message(&url, owner, "jobs", job, &[owner]).await;
    let input = world.job.inputs[0];
    let JobInput::Rows { dataset, phenotype, grant: granted } = input else { panic!() };
    let with = |dataset, phenotype, grant| {
        let inputs = vec![JobInput::Rows { dataset, phenotype, grant }];
        Job { inputs, ..world.job.clone() }
    };
    let nothing = Digest::of(b"x");
    job(&with(dataset, phenotype, nothing)).await.refused(409, "missing");
    job(&with(dataset, nothing, granted)).await.refused(409, "missing");
    job(&with(nothing, phenotype, granted)).await.refused(422, "inconsistent");
    job(&Job { study: nothing, ..world.job.clone() }).await.refused(409, "missing");
    job(&Job { study: wider, ..world.job.clone() }).await.refused(422, "inconsistent");
    World::put_message(&url, &thief, "jobs", &world.job, &[&thief]).await.refused(409, "missing");
    // Too few people.
    let few = Phenotype { participating: RowSet::new(4, |r| r == 0), ..world.phenotype.clone() };
    World::put_message(&url, owner, "phenotypes", &few, &[owner]).await.ok(201);
    let few = envelope(&few, &[]).0;
    job(&with(dataset, few, granted)).await.refused(422, "inconsistent");
    let early = owner.get(&url, &format!("/v1/jobs/{}/result", world.job_id)).await;
    early.refused(404, "not-found");
    // After its end a grant is worth nothing.
    server.offset.store(3000, std::sync::atomic::Ordering::Relaxed);
    let later = Party { ..owner.clone() };
    let window = gwas::wire::httpsig::Window { created: now() + 4000, expires: now() + 4100 };
    server.offset.store(4000, std::sync::atomic::Ordering::Relaxed);
    let (id, bytes) = envelope(&world.job, &[owner]);
    let late = later.draft_in(&url, "PUT", &format!("/v1/jobs/{id}"), bytes, window);
    late.send().await.refused(422, "inconsistent");
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_leaves_nothing_but_results() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 23));
    let owner = &world.owner;
    world.push(&url).await;
    let before = server.server.app.index.usage(&owner.did).await.unwrap();
    let (result, _) = run(&url, &world).await;
    let dataset = format!("/v1/datasets/{}", world.dataset_id);
    let erased: Erased = owner.delete(&url, &dataset).await.ok(200).json();
    let names = [world.grant_id, world.phenotype_id, world.dataset_id];
    assert_eq!(erased.manifests, names);
    assert!(erased.bytes > 0 && erased.objects > 3);
    for path in [&dataset, &format!("/v1/grants/{}", world.grant_id)] {
        owner.get(&url, path).await.refused(404, "not-found");
    }
    owner.delete(&url, &dataset).await.refused(404, "not-found");
    let store = &server.server.app.store;
    for chunk in world.genotypes.iter().chain(&world.weights).chain([&world.switching_key]) {
        assert!(store.open(Class::Chunk, &Digest::of(chunk)).is_err());
    }
    // The study's result stays until its job is erased.
    owner.get(&url, &format!("/v1/chunks/{}", result.totals[0].digest)).await.ok(200);
    owner.get(&url, &format!("/v1/panels/{}", world.panel)).await.ok(200);
    owner.delete(&url, &format!("/v1/jobs/{}", world.job_id)).await.ok(200);
    owner
        .get(&url, &format!("/v1/chunks/{}", result.totals[0].digest))
        .await
        .refused(404, "not-found");
    assert!(server.server.app.index.erasing().await.unwrap().is_empty());
    // Panel, study, its key with the commitment to it, and the key's record are left.
    assert_eq!(files(folder.path()), 5);
    let after = server.server.app.index.usage(&owner.did).await.unwrap();
    assert!(after < before, "{after} {before}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_grant_or_a_cancel_ends_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    for (seed, withdraw) in [(24, true), (25, false)] {
        let world = World::new(Party::new(), 200_000, 3, seed);
        let owner = &world.owner;
        world.push(&url).await;
        let before = files(folder.path());
        world.put_job(&url).await.ok(201);
        owner.wait(&url, &world.job_id, |s| s.done > 0).await;
        let result = format!("/v1/jobs/{}/result", world.job_id);
        owner.get(&url, &result).await.refused(409, "conflict");
        let expected = if withdraw {
            owner.delete(&url, &format!("/v1/grants/{}", world.grant_id)).await.ok(200);
            JobState::Revoked
        } else {
            let cancel = format!("/v1/jobs/{}/cancel", world.job_id);
            let status = owner.post(&url, &cancel, "").await.ok(200);
            let status: gwas::wire::status::JobStatus = status.json();
            assert_eq!(status.state, JobState::Cancelled);
            owner.post(&url, &cancel, "").await.ok(200); // once more changes nothing
            JobState::Cancelled
        };
        let status = owner.wait(&url, &world.job_id, |_| true).await;
        assert_eq!((status.state, status.done, status.result), (expected, 0, None));
        world.put_job(&url).await.ok(200); // it does not come back
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(owner.wait(&url, &world.job_id, |_| true).await.state, expected);
        let (added, removed) = if withdraw { (1, 2) } else { (2, 0) };
        assert_eq!(files(folder.path()), before + added - removed, "no result unit is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_grant_revokes_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 200_000, 3, 26));
    world.push(&url).await;
    world.put_job(&url).await.ok(201);
    world.owner.wait(&url, &world.job_id, |s| s.done > 0).await;
    // 4000 s later; requests are signed by the clock of the day, so the index is asked directly.
    server.offset.store(4000, std::sync::atomic::Ordering::Relaxed);
    let mut status = server.server.app.index.job(&world.job_id).await.unwrap().unwrap();
    for _ in 0..1000 {
        // It ends first, and loses its units a moment later.
        if status.state.is_final() && status.done == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        status = server.server.app.index.job(&world.job_id).await.unwrap().unwrap();
    }
    assert_eq!((status.state, status.done), (JobState::Revoked, 0));
    assert!(status.error.unwrap().contains("expired"));
}
