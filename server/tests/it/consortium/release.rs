//! Shares: committed to, then revealed, totals first; never twice, never late.

use std::sync::atomic::Ordering;

use axum::body::Bytes;
use gwas::wire::log::{Event, LogEntry, verify};
use gwas::wire::status::{Action, JobState, ShareStatus, StudyStatus};
use gwas::wire::{
    JobInput, JobResult, Phenotype, RowSet, ShareCommitment, SharePhase, Shares, Study,
};
use he_core::Digest;

use crate::common::consortium::{Site, few_planes, put_chunk, share_commitment, shares};
use crate::common::{Answer, Consortium, Party, Running, World, config};

/// A study with a computed job over one site.
struct Computed {
    server: Running,
    _folder: tempfile::TempDir,
    url: String,
    c: Consortium,
    site: Site,
    result: JobResult,
    result_id: Digest,
}

impl Computed {
    async fn new() -> Self {
        Self::with(few_planes).await
    }

    async fn with(change: impl FnOnce(&mut Study)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Running::start(config(folder.path())).await;
        let (url, c) = (server.url(), Consortium::new(1, 10, change));
        c.push_key(&url).await;
        let site = c.site(&c.owners[0], 2, 70, None);
        site.push(&url, &c).await;
        let result = c.run(&url, &c.job(vec![site.input()], 1)).await;
        let result_id = Digest::of(&he_core::codec::encode(&result).unwrap());
        Self { server, _folder: folder, url, c, site, result, result_id }
    }

    fn commitment(&self, holder: &Party, phase: SharePhase) -> ShareCommitment {
        share_commitment(holder, (&self.result, self.result_id), phase)
    }

    async fn put_commitment(&self, holder: &Party, message: &ShareCommitment) -> Answer {
        World::put_message(&self.url, holder, "share-commitments", message, &[holder]).await
    }

    async fn commit(&self, holder: &Party, phase: SharePhase) -> Answer {
        self.put_commitment(holder, &self.commitment(holder, phase)).await
    }

    async fn put_objects(&self, holder: &Party, objects: &[Bytes]) {
        for object in objects {
            put_chunk(&self.url, holder, object).await;
        }
    }

    async fn put_shares(&self, holder: &Party, message: &Shares) -> Answer {
        World::put_message(&self.url, holder, "shares", message, &[holder]).await
    }

    async fn share(&self, holder: &Party, phase: SharePhase) -> Answer {
        let (message, objects) = shares(&self.c.study, holder, &self.result, phase);
        self.put_objects(holder, &objects).await;
        self.put_shares(holder, &message).await
    }

    async fn state(&self) -> JobState {
        self.c.coordinator.wait(&self.url, &self.result.job, |_| true).await.state
    }

    /// What the study's status says that there is to do about the job.
    async fn todo(&self) -> Vec<(gwas::wire::Did, Action)> {
        let path = self.c.path("/status");
        let status: StudyStatus = self.c.analyst.get(&self.url, &path).await.ok(200).json();
        let about = |t: &&gwas::wire::status::Todo| t.job == Some(self.result.job);
        status.todo.iter().filter(about).map(|t| (t.party, t.action)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_sums_nobody_shares_may_be_stopped_and_counts_no_more() {
    use SharePhase::{Sums, Totals};
    let limited = |study: &mut Study| {
        few_planes(study);
        study.limits.min_people = 1;
        (study.limits.max_jobs, study.limits.min_changed_rows) = (1, 2);
    };
    let t = Computed::with(limited).await;
    for holder in &t.c.holders {
        t.commit(holder, Totals).await.ok(201);
    }
    let again = t.c.job(vec![t.site.input()], 2);
    let refused = t.c.put_job(&t.url, &again).await.refused(422, "inconsistent");
    assert!(refused.detail.contains("budget of 1 jobs"), "{refused:?}");
    let cancel = format!("/v1/jobs/{}/cancel", t.result.job);
    t.c.holders[0].post(&t.url, &cancel, "").await.refused(403, "forbidden");
    t.c.coordinator.post(&t.url, &cancel, "").await.ok(200);
    assert_eq!(t.state().await, JobState::Cancelled);
    assert!(t.todo().await.is_empty());
    t.share(&t.c.holders[0], Totals).await.refused(409, "conflict");

    // Its totals may be known: a job that differs from it by one row is refused, though it counts no more.
    let site = &t.site;
    let rows = RowSet::new(2, |row| row == 0);
    let fewer = Phenotype { participating: rows, ..site.phenotype.clone() };
    World::put_message(&t.url, &site.owner, "phenotypes", &fewer, &[&site.owner]).await.ok(201);
    let (dataset, grant) = (site.dataset_id, site.grant_id);
    let phenotype = crate::common::objects::envelope(&fewer, &[]).0;
    let fewer = t.c.job(vec![JobInput::Rows { dataset, phenotype, grant }], 3);
    let refused = t.c.put_job(&t.url, &fewer).await.refused(422, "inconsistent");
    assert!(refused.detail.contains("by 1;"), "{refused:?}");

    // The next one can be stopped until somebody commits to its sums.
    let result = t.c.run(&t.url, &again).await;
    let result_id = Digest::of(&he_core::codec::encode(&result).unwrap());
    let t = Computed { result, result_id, ..t };
    for holder in &t.c.holders {
        t.commit(holder, Totals).await.ok(201);
    }
    for holder in &t.c.holders {
        t.share(holder, Totals).await.ok(201);
    }
    t.commit(&t.c.holders[1], Sums).await.ok(201);
    let cancel = format!("/v1/jobs/{}/cancel", t.result.job);
    t.c.coordinator.post(&t.url, &cancel, "").await.refused(409, "conflict");
    assert_eq!(t.state().await, JobState::Releasing);
    // A rebuilt index knows both.
    let (folder, c) = (t._folder, t.c);
    t.server.server.stop().await.unwrap();
    std::fs::remove_file(folder.path().join("index.sqlite")).unwrap();
    hegwas_server::maintain::reindex(folder.path(), true).await.unwrap();
    let server = Running::start(config(folder.path())).await;
    let status: StudyStatus = c.analyst.get(&server.url(), &c.path("/status")).await.ok(200).json();
    let mut states: Vec<JobState> = status.jobs.iter().map(|job| job.state).collect();
    states.sort_by_key(|state| *state == JobState::Releasing);
    assert_eq!(states, [JobState::Cancelled, JobState::Releasing]);
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_come_first_and_nobody_shares_before_all_have_committed() {
    use SharePhase::{Sums, Totals};
    let t = Computed::new().await;
    let holders = &t.c.holders;
    assert_eq!(t.state().await, JobState::Computed);
    assert_eq!(t.todo().await, [0, 1, 2].map(|n| (holders[n].did, Action::CommitTotals)));
    t.commit(&holders[0], Sums).await.refused(409, "waiting");
    t.commit(&holders[0], Totals).await.ok(201);
    t.commit(&holders[0], Totals).await.ok(200);
    assert_eq!(t.state().await, JobState::Releasing);
    t.commit(&holders[1], Totals).await.ok(201);
    let early = t.share(&holders[0], Totals).await.refused(409, "waiting");
    assert!(early.detail.contains(&holders[2].did.to_string()), "{early:?}");
    t.commit(&holders[2], Totals).await.ok(201);
    assert_eq!(t.todo().await.first().unwrap().1, Action::ShareTotals);
    for holder in holders {
        t.commit(holder, Sums).await.refused(409, "waiting");
        t.share(holder, Totals).await.ok(201);
        t.share(holder, Totals).await.ok(200);
    }
    assert_eq!(t.todo().await, [0, 1, 2].map(|n| (holders[n].did, Action::CommitSums)));
    for holder in holders {
        t.commit(holder, Sums).await.ok(201);
    }
    for (number, holder) in holders.iter().enumerate() {
        assert_eq!(t.state().await, JobState::Releasing, "one share is missing");
        assert_eq!(t.todo().await.len(), 3 - number);
        t.share(holder, Sums).await.ok(201);
    }
    assert_eq!(t.state().await, JobState::Released);
    assert!(t.todo().await.is_empty());

    // The analyst finds everything; the server had sealed bytes alone.
    let path = format!("/v1/jobs/{}/shares", t.result.job);
    let list: Vec<ShareStatus> = t.c.analyst.get(&t.url, &path).await.ok(200).json();
    assert_eq!(list.len(), 6);
    for status in list {
        let commitment = format!("/v1/share-commitments/{}", status.commitment.unwrap());
        t.c.analyst.get(&t.url, &commitment).await.ok(200);
        let shares = format!("/v1/shares/{}", status.shares.unwrap());
        let bytes = t.c.analyst.get(&t.url, &shares).await.ok(200).body;
        let opened = gwas::wire::Envelope::open::<Shares>(&bytes).unwrap();
        assert_eq!(opened.signers, [status.party]);
        let own = opened.message.sealed.iter().find(|s| s.recipient == t.c.analyst.did).unwrap();
        for chunk in &own.chunks {
            let chunk = format!("/v1/chunks/{}", chunk.digest);
            t.c.analyst.get(&t.url, &chunk).await.ok(200);
            Party::new().get(&t.url, &chunk).await.refused(404, "not-found");
        }
        Party::new().get(&t.url, &shares).await.refused(404, "not-found");
        Party::new().get(&t.url, &commitment).await.refused(404, "not-found");
    }
    // After the end nothing is added, and it is in the log.
    let other = ShareCommitment { commitments: vec![], ..t.commitment(&holders[0], Sums) };
    assert!(gwas::wire::Envelope::new(&other).is_err());
    let log: Vec<LogEntry> = t.c.analyst.get(&t.url, &t.c.path("/log")).await.ok(200).json();
    verify(&t.c.study_id, None, &log).unwrap();
    let count = |event| log.iter().filter(|e| e.event == event).count();
    let events = [Event::ShareCommitted, Event::Shared, Event::Computed, Event::Released];
    assert_eq!(events.map(count), [6, 6, 1, 1]);
    assert_eq!(log.last().unwrap().event, Event::Released);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commitments_and_shares_are_refused() {
    use SharePhase::{Sums, Totals};
    let t = Computed::new().await;
    let (holder, analyst, stranger) = (&t.c.holders[0], &t.c.analyst, Party::new());
    t.commit(&stranger, Totals).await.refused(409, "missing");
    t.commit(analyst, Totals).await.refused(403, "forbidden");
    let good = t.commitment(holder, Totals);
    let put = async |m: &ShareCommitment| t.put_commitment(holder, m).await;
    put(&ShareCommitment { result: Digest::of(b"x"), ..good.clone() })
        .await
        .refused(422, "inconsistent");
    put(&ShareCommitment { job: Digest::of(b"x"), ..good.clone() }).await.refused(409, "missing");
    let twice = vec![good.commitments[0].clone(); 2];
    put(&ShareCommitment { commitments: twice, ..good.clone() }).await.refused(422, "inconsistent");
    // The commitment to a share of another object.
    let elsewhere = t.commitment(holder, Sums).commitments;
    put(&ShareCommitment { commitments: elsewhere, ..good.clone() })
        .await
        .refused(400, "malformed");
    put(&good).await.ok(201);
    // A second one: what is committed to is final.
    let mut second = good.clone();
    second.commitments[0][70] ^= 1;
    put(&second).await.refused(409, "conflict");
    for other in &t.c.holders[1..] {
        t.commit(other, Totals).await.ok(201);
    }

    let (good, objects) = shares(&t.c.study, holder, &t.result, Totals);
    let put = async |m: &Shares| t.put_shares(holder, m).await;
    put(&good).await.refused(409, "missing"); // no objects yet
    t.put_objects(holder, &objects).await;
    let with = |change: fn(&mut Vec<gwas::wire::SealedShares>)| {
        let mut sealed = good.sealed.clone();
        change(&mut sealed);
        Shares { sealed, ..good.clone() }
    };
    put(&with(|sealed| drop(sealed.pop()))).await.refused(422, "inconsistent");
    put(&with(|sealed| sealed[0].chunks = sealed[1].chunks.clone()))
        .await
        .refused(422, "inconsistent");
    put(&with(|sealed| {
        for one in sealed {
            one.chunks = vec![one.chunks[0]; 2];
        }
    }))
    .await
    .refused(422, "inconsistent");
    put(&Shares { phase: Sums, ..good.clone() }).await.refused(422, "inconsistent");
    let mut foreign = good.clone();
    foreign.sealed[0].recipient = stranger.did;
    foreign.sealed.sort_by_key(|s| s.recipient);
    put(&foreign).await.refused(422, "inconsistent");
    t.put_shares(analyst, &good).await.refused(403, "forbidden");
    t.put_shares(&stranger, &good).await.refused(409, "missing");
    put(&good).await.ok(201);
    // Another set of sealed bytes of the same holder: a share is given once.
    let body = b"other bytes";
    let header = he_core::codec::Header {
        kind: he_core::codec::Kind::SealedShare,
        length: body.len() as u64,
        params: [0; 16],
        context: t.result.job.short(),
        counts: [0, 0, 0, 0],
    };
    let bytes = Bytes::from([&header.to_bytes()[..], body].concat());
    t.put_objects(holder, std::slice::from_ref(&bytes)).await;
    let mut second = good.clone();
    second.sealed[0].chunks[0] = crate::common::objects::named(&bytes);
    put(&second).await.refused(409, "conflict");
    // Sealed shares that can't be any.
    let header = he_core::codec::Header { counts: [2, 0, 0, 0], ..header };
    let bytes = Bytes::from([&header.to_bytes()[..], body].concat());
    put_chunk(&t.url, holder, &bytes).await.refused(400, "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_or_expired_grant_ends_the_sharing() {
    for withdraw in [true, false] {
        let t = Computed::new().await;
        let holder = &t.c.holders[0];
        t.commit(holder, SharePhase::Totals).await.ok(201);
        if withdraw {
            let grant = format!("/v1/grants/{}", t.site.grant_id);
            t.site.owner.delete(&t.url, &grant).await.ok(200);
        } else {
            t.server.offset.store(4000, Ordering::Relaxed);
            hegwas_server::resume::end_grants(&t.server.server.app).await.unwrap();
            t.server.offset.store(0, Ordering::Relaxed);
        }
        // The switching key is gone, no job and no share comes of it, and everybody can see that.
        let key = format!("/v1/chunks/{}", Digest::of(&t.site.key));
        t.c.holders[1].get(&t.url, &key).await.refused(404, "not-found");
        let stored = t
            .server
            .server
            .app
            .store
            .open(hegwas_server::store::Class::Chunk, &Digest::of(&t.site.key));
        assert!(stored.is_err());
        let refused =
            t.commit(&t.c.holders[1], SharePhase::Totals).await.refused(422, "inconsistent");
        assert!(refused.detail.contains(&t.site.grant_id.to_string()), "{refused:?}");
        let job = t.c.job(vec![t.site.input()], 2);
        t.c.put_job(&t.url, &job).await.refused(409, "missing");
        for party in [&t.c.analyst, &t.c.owners[0], &t.c.holders[2]] {
            let log: Vec<LogEntry> = party.get(&t.url, &t.c.path("/log")).await.ok(200).json();
            let last = log.last().unwrap();
            assert_eq!((last.event, last.party), (Event::Withdrawn, t.site.owner.did));
            assert_eq!(last.digests, [t.site.grant_id, t.site.dataset_id]);
            let status = party.get(&t.url, &t.c.path("/status")).await.ok(200);
            assert!(status.json::<StudyStatus>().grants.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sole_holder_shares_with_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 80));
    world.push(&url).await;
    let (result, _) = crate::flow::run(&url, &world).await;
    let id = Digest::of(&he_core::codec::encode(&result).unwrap());
    let commitment = share_commitment(&world.owner, (&result, id), SharePhase::Totals);
    let owner = &world.owner;
    let put = World::put_message(&url, owner, "share-commitments", &commitment, &[owner]).await;
    let refused = put.refused(422, "inconsistent");
    assert!(refused.detail.contains("never leaves"), "{refused:?}");
}
