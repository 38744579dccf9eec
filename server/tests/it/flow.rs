//! A job from the first upload to its result.

use gwas::wire::status::{JobState, JobStatus, KeyContribution, Listed};
use gwas::wire::{JobResult, Study};
use he_core::codec::decode;
use he_core::result::SwitchedUnit;
use he_core::{Digest, PlanRequest};
use hegwas_server::config::Config;

use crate::common::{Party, Running, World, config};

/// Runs a world's job and returns the result with its objects' bytes.
pub async fn run(url: &str, world: &World) -> (JobResult, Vec<Vec<u8>>) {
    world.put_job(url).await.ok(201);
    let status = world.owner.wait(url, &world.job_id, |s| s.state.is_final()).await;
    assert_eq!((status.state, status.error), (JobState::Computed, None));
    assert_eq!(status.done, status.total);
    let path = format!("/v1/jobs/{}/result", world.job_id);
    let bytes = world.owner.get(url, &path).await.ok(200).body;
    assert_eq!(status.result, Some(Digest::of(&bytes)));
    let result: JobResult = decode(&bytes).unwrap();
    let mut objects = Vec::new();
    let chunks = result.units.iter().map(|u| u.chunk).chain(result.totals.iter().copied());
    for chunk in chunks {
        let path = format!("/v1/chunks/{}", chunk.digest);
        let bytes = world.owner.get(url, &path).await.ok(200).body;
        assert_eq!(Digest::of(&bytes), chunk.digest);
        objects.push(bytes.to_vec());
    }
    (result, objects)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_computed_and_any_server_computes_the_same() {
    // Two and a bit groups; rows of which one does not take part.
    let world = World::new(Party::new(), 2 * 8 * 2048 + 5, 5, 1);
    let mut results = Vec::new();
    for threads in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let server = Running::start(Config { threads, ..config(folder.path()) }).await;
        let url = server.url();
        world.push(&url).await;
        results.push(run(&url, &world).await);
        server.server.stop().await.unwrap();
    }
    let (first, second) = (&results[0], &results[1]);
    assert_eq!(first, second);
    let (result, objects) = first;
    assert_eq!((result.job, result.people), (world.job_id, 4));
    let places: Vec<_> = result.units.iter().map(|u| (u.plane, u.group)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    let (params, short) = (world.study.plan.params(), world.job_id.short());
    for (unit, bytes) in result.units.iter().zip(objects) {
        let sums = SwitchedUnit::from_bytes(bytes, params, short, unit.plane, unit.group).unwrap();
        assert_eq!((sums.bodies(), sums.channels()), (if unit.group == 2 { 1 } else { 8 }, 2));
    }
    let totals = SwitchedUnit::from_bytes(&objects[6], params, short, JobResult::TOTALS_PLANE, 0);
    assert_eq!(totals.unwrap().channels(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_idempotent_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 2));
    world.push(&url).await;
    run(&url, &world).await;
    let owner = &world.owner;
    world.put_panel(&url, owner).await.ok(200);
    world.put_chunk(&url, &world.genotypes[0]).await.ok(200);
    World::put_message(&url, owner, "datasets", &world.dataset, &[owner]).await.ok(200);
    World::put_message(&url, owner, "phenotypes", &world.phenotype, &[owner]).await.ok(200);
    World::put_message(&url, owner, "studies", &world.study, &[owner]).await.ok(200);
    World::put_message(&url, owner, "grants", &world.grant, &[owner]).await.ok(200);
    world.put_job(&url).await.ok(200);
    let keys = format!("/v1/studies/{}/keys", world.study_id);
    owner.put(&url, &keys, world.share.clone()).await.ok(200);
    let contributions: Vec<KeyContribution> = owner.get(&url, &keys).await.ok(200).json();
    let expected = KeyContribution { party: owner.did, chunk: Digest::of(&world.share) };
    assert_eq!(contributions, [expected]);

    for (kind, id, name) in [
        ("datasets", world.dataset_id, "cohort 2"),
        ("phenotypes", world.phenotype_id, "cases"),
        ("studies", world.study_id, "study 2"),
        ("grants", world.grant_id, ""),
    ] {
        let listed: Vec<Listed> = owner.get(&url, &format!("/v1/{kind}")).await.ok(200).json();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].id, listed[0].owner, listed[0].name.as_str()), (id, owner.did, name));
        assert!(listed[0].bytes > 0 && listed[0].created.ends_with('Z'));
        let bytes = owner.get(&url, &format!("/v1/{kind}/{id}")).await.ok(200).body;
        assert!(!bytes.is_empty());
    }
    let jobs: Vec<JobStatus> = owner.get(&url, "/v1/jobs").await.ok(200).json();
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].job, jobs[0].state), (world.job_id, JobState::Computed));
    let panel = owner.get(&url, &format!("/v1/panels/{}", world.panel)).await.ok(200).body;
    assert_eq!(panel, world.panel_text);
    let part = owner.draft(&url, "GET", &format!("/v1/panels/{}", world.panel), "");
    let part = part.set("range", "bytes=2-7").send().await.ok(206);
    assert_eq!(part.body, world.panel_text.slice(2..8));
    assert_eq!(part.headers["content-range"], format!("bytes 2-7/{}", world.panel_text.len()));
    let outside = owner.draft(&url, "GET", &format!("/v1/panels/{}", world.panel), "");
    outside.set("range", "bytes=9999999-").send().await.refused(416, "range");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_the_way_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 30_000, 4, 3));
    world.push(&url).await;
    world.put_job(&url).await.ok(201);
    let path = format!("/v1/jobs/{}/events", world.job_id);
    // The stream ends by itself, so the whole body can be collected.
    let answer = world.owner.get(&url, &path).await.ok(200);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<JobStatus> = data.map(|json| serde_json::from_str(json).unwrap()).collect();
    assert!(text.contains("event: status"));
    assert!(events.windows(2).all(|pair| pair[0].done <= pair[1].done));
    let last = events.last().unwrap();
    assert_eq!((last.state, last.done), (JobState::Computed, last.total));
    // Of a job that has ended there is one event.
    let again = world.owner.get(&url, &path).await.ok(200).body;
    assert_eq!(String::from_utf8(again.to_vec()).unwrap().matches("data: ").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_parties_and_what_each_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    let (owner, organiser, stranger) = (Party::new(), Party::new(), Party::new());
    let request = PlanRequest::sole_holder(100);
    let world = World::with_organiser(owner.clone(), &organiser, request, 10, 4, 4);
    world.push_data(&url).await;
    world.push_study(&url, &organiser).await;
    world.push_grant(&url).await;
    // The organiser asks for the job, without being able to read the data.
    World::put_message(&url, &organiser, "jobs", &world.job, &[&organiser]).await.ok(201);
    organiser.wait(&url, &world.job_id, |s| s.state == JobState::Computed).await;

    let study = format!("/v1/studies/{}", world.study_id);
    let grant = format!("/v1/grants/{}", world.grant_id);
    let job = format!("/v1/jobs/{}", world.job_id);
    let result = format!("{job}/result");
    let key = format!("/v1/chunks/{}", Digest::of(&world.switching_key));
    let shared = [study.clone(), format!("{study}/keys"), grant, job.clone(), result.clone(), key];
    for path in &shared {
        organiser.get(&url, path).await.ok(200);
        owner.get(&url, path).await.ok(200);
        stranger.get(&url, path).await.refused(404, "not-found");
    }
    let bytes = organiser.get(&url, &result).await.ok(200).body;
    let totals = decode::<JobResult>(&bytes).unwrap().totals[0].digest;
    // Who asks for jobs is shown what is granted to the study, but not the ciphertexts.
    let granted = [
        format!("/v1/datasets/{}", world.dataset_id),
        format!("/v1/phenotypes/{}", world.phenotype_id),
    ];
    for path in &granted {
        owner.get(&url, path).await.ok(200);
        organiser.get(&url, path).await.ok(200);
        stranger.get(&url, path).await.refused(404, "not-found");
    }
    let genotypes = format!("/v1/chunks/{}", Digest::of(&world.genotypes[0]));
    owner.get(&url, &genotypes).await.ok(200);
    organiser.get(&url, &genotypes).await.refused(404, "not-found");
    stranger.get(&url, &genotypes).await.refused(404, "not-found");
    organiser.get(&url, &format!("/v1/chunks/{totals}")).await.ok(200);
    stranger.get(&url, &format!("/v1/chunks/{totals}")).await.refused(404, "not-found");
    organiser.delete(&url, &granted[0]).await.refused(403, "forbidden");
    owner.delete(&url, &job).await.refused(403, "forbidden");
    for kind in ["datasets", "phenotypes", "studies", "grants", "jobs"] {
        let listed = stranger.get(&url, &format!("/v1/{kind}")).await.ok(200).body;
        assert_eq!(listed, "[]");
    }
    // Nothing tells a stranger that a chunk is here.
    let digests = vec![Digest::of(&world.genotypes[0])];
    let query = serde_json::to_vec(&gwas::wire::status::ChunkQuery { digests }).unwrap();
    let missing = |party: Party| {
        let (url, query) = (url.clone(), query.clone());
        async move {
            let answer = party.post(&url, "/v1/chunks/missing", query).await.ok(200);
            answer.json::<gwas::wire::status::ChunkQuery>().digests.len()
        }
    };
    assert_eq!((missing(owner).await, missing(stranger.clone()).await), (0, 1));
    // A second key contribution, and one of somebody who holds no key.
    let keys = format!("{study}/keys");
    stranger.put(&url, &keys, world.share.clone()).await.refused(404, "not-found");
    world.owner.put(&url, &keys, world.share.clone()).await.refused(403, "forbidden");
    let terms = Study { name: "other".into(), ..world.study.clone() };
    World::put_message(&url, &stranger, "studies", &terms, &[&stranger])
        .await
        .refused(403, "forbidden");
}
