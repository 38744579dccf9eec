//! Refreshes that are not what a job needs: each is refused when it is revealed, and names what is wrong.

use axum::body::Bytes;
use gwas::finish::FinishPlan;
use gwas::wire::status::JobState;
use gwas::wire::{
    ChunkRef, GroupSize, JobResult, Refresh, Release, ShareCommitment, SharePhase, Shares, Study,
};
use he_core::ceremony::share_round;
use he_core::ckks::{MaskCiphertext, RelinShare};
use he_core::codec::encode;
use he_core::commit::{Commitment, Commitments, Reveal};
use he_core::result::SwitchedUnit;
use he_core::share::{DecryptionShare, ShareKind};
use he_core::{Digest, Plan, PlanRequest};

use crate::common::consortium::{few_planes, put_chunk, share_commitment, shares};
use crate::common::objects::named;
use crate::common::{Answer, Consortium, Party, Running, World, config};

const HOLDERS: usize = 9;

/// A study that releases chi-squares.
fn finishing(study: &mut Study) {
    few_planes(study);
    let request = PlanRequest { mask_bits: 40, ..study.plan.request() };
    study.plan = Plan::new(request).unwrap();
    study.statistics = vec![gwas::wire::Statistic::Allelic];
    study.release = Release::Statistic { smallest_frequency: 100_000 };
    study.limits.max_jobs = 4;
}

/// What a refresh of a job can consist of.
struct Objects {
    honest: Refresh,
    bytes: Vec<Bytes>,
    /// A mask ciphertext that no one uploads, and one with too few primes.
    absent: ChunkRef,
    short: ChunkRef,
}

impl Objects {
    fn new(c: &Consortium, result: &JobResult, result_id: Digest, unit: &SwitchedUnit) -> Self {
        let params = FinishPlan::new(&c.study).unwrap().params();
        let chunk = result.units[0].chunk.digest.short();
        let words = vec![1; unit.bodies() * unit.channels() * unit.params().words()];
        let share = DecryptionShare::new(unit, ShareKind::Refresh, words).to_bytes(chunk);
        let mask = |number| {
            let words = vec![2; params.limbs() * params.degree()];
            MaskCiphertext::new(params, result.job, number, words).to_bytes()
        };
        let relin = |digit| {
            let words = vec![3; 2 * params.words()];
            RelinShare::new(params, c.study_id, digit, words).to_bytes()
        };
        let (masks, relins) = ([mask(0), mask(1)], (0..params.digits()).map(relin));
        let relins: Vec<Vec<u8>> = relins.collect();
        let honest = Refresh {
            job: result.job,
            result: result_id,
            groups: vec![GroupSize { people: 2, cases: 1 }],
            shares: vec![named(&share)],
            masks: masks.iter().map(|bytes| named(bytes)).collect(),
            relinearisation: relins.iter().map(|bytes| named(bytes)).collect(),
        };
        let words = vec![2; (params.limbs() - 1) * params.degree()];
        let short = MaskCiphertext::new(params, result.job, 1, words).to_bytes();
        let short_name = named(&short);
        let all = [share, short].into_iter().chain(masks).chain(relins);
        let bytes = all.map(Bytes::from).collect();
        Self { honest, bytes, absent: named(&mask(2)), short: short_name }
    }

    /// A refresh for each holder, and what is said of it; the first is fine.
    fn offered(&self) -> [(Refresh, &'static str); HOLDERS] {
        let with = |change: &dyn Fn(&mut Refresh)| {
            let mut refresh = self.honest.clone();
            change(&mut refresh);
            refresh
        };
        [
            (with(&|_| {}), ""),
            (
                with(&|r| r.masks.truncate(1)),
                "1 shares, 2 mask ciphertexts and 5 key contributions",
            ),
            (with(&|r| r.masks.swap(0, 1)), "belongs to another place"),
            (with(&|r| r.groups[0].cases = 2), "other numbers of people and cases"),
            (with(&|r| r.result = Digest::of(b"another")), "of another job or result"),
            (with(&|r| r.masks[1] = self.absent), "part of a refresh"),
            (with(&|r| r.relinearisation[0] = self.honest.masks[0]), "not a relinearisation"),
            (with(&|r| r.masks[1] = self.short), "another number of primes"),
            (with(&|_| {}), "not what"),
        ]
    }
}

struct Job {
    url: String,
    c: Consortium,
    result: JobResult,
    id: Digest,
}

impl Job {
    async fn totals(&self) {
        let phase = SharePhase::Totals;
        for holder in &self.c.holders {
            let message = share_commitment(holder, (&self.result, self.id), phase);
            World::put_message(&self.url, holder, "share-commitments", &message, &[holder])
                .await
                .ok(201);
        }
        for holder in &self.c.holders {
            let (message, objects) = shares(&self.c.study, holder, &self.result, phase);
            for object in &objects {
                put_chunk(&self.url, holder, object).await;
            }
            World::put_message(&self.url, holder, "shares", &message, &[holder]).await.ok(201);
        }
    }

    async fn commit(&self, holder: &Party, commitment: Vec<u8>) {
        let (job, phase) = (self.result.job, SharePhase::Refresh);
        let commitments = vec![commitment];
        let message = ShareCommitment { job, result: self.id, phase, commitments };
        World::put_message(&self.url, holder, "share-commitments", &message, &[holder])
            .await
            .ok(201);
    }

    async fn reveal(&self, holder: &Party, refresh: Vec<u8>) -> Answer {
        let (job, phase) = (self.result.job, SharePhase::Refresh);
        let message = Shares { job, phase, sealed: Vec::new(), refresh };
        World::put_message(&self.url, holder, "shares", &message, &[holder]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_what_the_job_needs_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::with_holders(HOLDERS, 1, 10, finishing));
    c.push_key(&url).await;
    let site = c.site(&c.owners[0], 2, 70, None);
    site.push(&url, &c).await;
    let result = c.run(&url, &c.job(vec![site.input()], 1)).await;
    let id = Digest::of(&encode(&result).unwrap());
    let unit = &result.units[0];
    let path = format!("/v1/chunks/{}", unit.chunk.digest);
    let bytes = c.coordinator.get(&url, &path).await.ok(200).body;
    let params = c.study.plan.params();
    let switched =
        SwitchedUnit::from_bytes(&bytes, params, result.job.short(), unit.plane, unit.group);
    let objects = Objects::new(&c, &result, id, &switched.unwrap());
    let job = Job { url, c, result, id };
    job.totals().await;

    let offered = objects.offered();
    let round = share_round(Refresh::subject(&id));
    let names: Vec<String> = job.c.holders.iter().map(|h| h.did.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let encoded: Vec<Vec<u8>> = offered.iter().map(|(r, _)| encode(r).unwrap()).collect();
    let nonce = [5; 32];
    let commitments: Vec<Vec<u8>> = (names.iter().zip(&encoded))
        .map(|(name, object)| Commitment::new(round, name, &nonce, object).to_bytes())
        .collect();
    let received = names.iter().copied().zip(commitments.iter().map(Vec::as_slice));
    let said = Commitments::collect(round, &names, received).unwrap();
    let reveal = |object: &[u8]| Reveal::new(&said, nonce, object.to_vec()).to_bytes();
    for (holder, commitment) in job.c.holders.iter().zip(&commitments) {
        // Nobody reveals before everybody has committed.
        job.reveal(holder, reveal(&encoded[0])).await.refused(409, "waiting");
        job.commit(holder, commitment.clone()).await;
    }
    for (number, holder) in job.c.holders.iter().enumerate() {
        for object in &objects.bytes {
            put_chunk(&job.url, holder, object).await;
        }
        // The last one reveals something else than it committed to.
        let object = if number == HOLDERS - 1 { &encoded[1] } else { &encoded[number] };
        let answer = job.reveal(holder, reveal(object)).await;
        if number == 0 {
            answer.ok(201);
            continue;
        }
        let said = answer.body;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(offered[number].1), "{number}: {said}");
        assert!(said.contains("\"status\":4"), "{number}: {said}");
    }
    // What was not taken finishes nothing.
    let status = job.c.coordinator.wait(&job.url, &job.result.job, |_| true).await;
    assert_eq!((status.state, status.finished), (JobState::Releasing, None));
    server.server.stop().await.unwrap();
}
