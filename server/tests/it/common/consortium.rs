//! A study of several key holders and sites, of random ciphertexts.

use axum::body::Bytes;
use gwas::wire::{
    Bitmap, ChunkRef, Dataset, GrantTerms, Job, JobInput, JobResult, Participation, Phenotype,
    PlaneKind, RowSet, SealedShares, SealingKey, ShareCommitment, SharePhase, Shares, Study,
    Totals, UnitResult,
};
use he_core::ceremony::share_round;
use he_core::codec::{Header, Kind};
use he_core::commit::Commitment;
use he_core::grant::{COMPONENTS, SwitchingKey};
use he_core::mask::MaskSeed;
use he_core::totals::EncryptedTotals;
use he_core::{Digest, PlanRequest};

use super::objects::{ceremony, chunks, commit, envelope, named, words};
use super::{Answer, Party, World, now};

/// Data of one owner, encrypted for the study.
pub struct Site {
    pub owner: Party,
    pub dataset: Dataset,
    pub dataset_id: Digest,
    pub genotypes: Vec<Bytes>,
    pub phenotype: Phenotype,
    pub phenotype_id: Digest,
    pub weights: Vec<Bytes>,
    pub key: Bytes,
    pub grant: GrantTerms,
    pub grant_id: Digest,
}

/// The parties and their study.
pub struct Consortium {
    pub coordinator: Party,
    pub holders: Vec<Party>,
    pub owners: Vec<Party>,
    pub analyst: Party,
    pub panel_text: Bytes,
    pub study: Study,
    pub study_id: Digest,
}

impl Consortium {
    /// Three key holders, an analyst and that many data owners; `change` has the last word on the study.
    pub fn new(owners: usize, variants: u32, change: impl FnOnce(&mut Study)) -> Self {
        Self::with_holders(3, owners, variants, change)
    }

    /// The same with that many key holders.
    pub fn with_holders(
        holders: usize,
        owners: usize,
        variants: u32,
        change: impl FnOnce(&mut Study),
    ) -> Self {
        let coordinator = Party::new();
        let sorted = |count: usize| {
            let mut parties: Vec<Party> = (0..count).map(|_| Party::new()).collect();
            parties.sort_by_key(|p| p.did);
            parties
        };
        let (holders, owners, analyst) = (sorted(holders), sorted(owners), Party::new());
        let request = PlanRequest {
            holders: holders.len() as u32,
            smudging_bits: 40,
            values: 1 << 10,
            datasets: owners.len().max(6) as u32,
            ..PlanRequest::sole_holder(100)
        };
        let template = World::with_organiser(
            coordinator.clone(),
            &coordinator,
            PlanRequest::sole_holder(2),
            variants,
            1,
            200,
        );
        let mut recipients: Vec<_> = holders.iter().chain([&analyst]).map(|p| p.did).collect();
        recipients.sort();
        let sealing = |party| SealingKey { party, key: "age1test".into() };
        let dids = |parties: &[Party]| parties.iter().map(|p| p.did).collect();
        let mut study = Study {
            plan: he_core::Plan::new(request).unwrap(),
            key_holders: dids(&holders),
            data_owners: dids(&owners),
            analysts: vec![analyst.did],
            sealing_keys: recipients.into_iter().map(sealing).collect(),
            ..template.study
        };
        change(&mut study);
        let study_id = envelope(&study, &[]).0;
        let panel_text = template.panel_text;
        Self { coordinator, holders, owners, analyst, panel_text, study, study_id }
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/v1/studies/{}{rest}", self.study_id)
    }

    /// Panel and study, signed by its coordinator.
    pub async fn push_study(&self, url: &str) {
        let path = format!("/v1/panels/{}", self.study.panel);
        self.coordinator.put(url, &path, self.panel_text.clone()).await;
        let signer = [&self.coordinator];
        let put = World::put_message(url, &self.coordinator, "studies", &self.study, &signer);
        put.await.ok(201);
    }

    pub async fn sign(&self, url: &str, party: &Party) -> Answer {
        party.put(url, &self.path("/signatures"), envelope(&self.study, &[party]).1).await
    }

    pub async fn commit(&self, url: &str, party: &Party) -> Answer {
        commit(url, &self.study, self.study_id, party).await
    }

    /// What each holder reveals.
    pub fn reveals(&self) -> Vec<Bytes> {
        let holders: Vec<&Party> = self.holders.iter().collect();
        ceremony(&self.study, self.study_id, &holders)
    }

    pub async fn reveal(&self, url: &str, number: usize) -> Answer {
        self.holders[number].put(url, &self.path("/keys"), self.reveals()[number].clone()).await
    }

    /// Everything until the key is complete.
    pub async fn push_key(&self, url: &str) {
        self.push_study(url).await;
        for holder in &self.holders {
            self.sign(url, holder).await.ok(201);
        }
        for holder in &self.holders {
            self.commit(url, holder).await.ok(201);
        }
        for number in 0..self.holders.len() {
            self.reveal(url, number).await.ok(201);
        }
    }

    /// Data of `owner`; `seed` tells sites apart.
    pub fn site(&self, owner: &Party, rows: u32, seed: u8, absent: Option<Bitmap>) -> Site {
        let (plan, nonce) = (self.study.plan, [seed; 16]);
        let mut dataset = Dataset {
            name: format!("site {seed}"),
            plan,
            panel: self.study.panel,
            variants: self.study.variants,
            rows,
            planes: self.study.planes.clone(),
            absent,
            nonce,
            mask_seed: MaskSeed(nonce),
            chunks: Vec::new(),
        };
        let genotypes = chunks(Kind::GenotypeChunk, dataset.shape(), nonce, seed);
        dataset.chunks = genotypes.iter().map(|c| named(c)).collect();
        let dataset_id = envelope(&dataset, &[]).0;
        let vectors = match self.study.participation {
            Participation::Public => 1,
            Participation::Encrypted => 2,
        };
        let mut phenotype = Phenotype {
            name: "cases".into(),
            dataset: dataset_id,
            plan,
            rows,
            participating: RowSet::new(rows, |_| true),
            vectors,
            nonce,
            mask_seed: MaskSeed([seed ^ 0x80; 16]),
            chunks: Vec::new(),
        };
        let weights = chunks(Kind::WeightChunk, phenotype.shape(), nonce, seed ^ 0x80);
        phenotype.chunks = weights.iter().map(|c| named(c)).collect();
        let params = plan.params();
        let ciphertexts = COMPONENTS * params.limbs() * params.gadget_digits() * 2;
        let key = SwitchingKey::new(params, words(params, seed ^ 0x55, ciphertexts));
        let key = Bytes::from(key.to_bytes(self.study_id));
        let mut site = Site {
            owner: owner.clone(),
            dataset,
            dataset_id,
            genotypes,
            phenotype_id: envelope(&phenotype, &[]).0,
            phenotype,
            weights,
            grant: GrantTerms {
                dataset: dataset_id,
                study: self.study_id,
                switching_key: named(&key),
                issued: now() - 1,
                expires: now() + 3600,
            },
            key,
            grant_id: Digest::default(),
        };
        site.grant_id = envelope(&site.grant, &[]).0;
        site
    }

    /// Sums of `people` people of `owner`, encrypted under the study's key, with their objects.
    pub fn totals(&self, people: u32, seed: u8, absent: Option<Bitmap>) -> (Totals, Vec<Bytes>) {
        let (study, shape) = (&self.study, self.study.shape());
        let mut objects = Vec::new();
        let mut object = |plane: u8, group: u32, bodies: usize, phase| {
            let channels = study.channels(phase) as usize;
            let seed = seed.wrapping_add(objects.len() as u8);
            let words = words(shape.params, seed, bodies * channels * 2);
            let totals = EncryptedTotals::new(shape.params, bodies, channels, words);
            let bytes = Bytes::from(totals.to_bytes(self.study_id, plane, group));
            objects.push(bytes.clone());
            named(&bytes)
        };
        let mut units = Vec::new();
        for plane in 0..shape.planes {
            for group in 0..shape.groups() {
                let bodies = shape.bodies(group) as usize;
                let chunk = object(plane, group, bodies, SharePhase::Sums);
                units.push(UnitResult { plane, group, chunk });
            }
        }
        let totals = object(JobResult::TOTALS_PLANE, 0, 1, SharePhase::Totals);
        let name = "cases".into();
        (Totals { name, study: self.study_id, people, absent, units, totals }, objects)
    }

    pub async fn push_totals(
        &self,
        url: &str,
        owner: &Party,
        (totals, objects): &(Totals, Vec<Bytes>),
    ) -> Digest {
        for object in objects {
            put_chunk(url, owner, object).await.ok(201);
        }
        World::put_message(url, owner, "totals", totals, &[owner]).await.ok(201);
        envelope(totals, &[]).0
    }

    pub fn job(&self, mut inputs: Vec<JobInput>, created: u64) -> Job {
        inputs.sort_by_key(JobInput::subject);
        Job { study: self.study_id, inputs, created }
    }

    pub async fn put_job(&self, url: &str, job: &Job) -> Answer {
        let coordinator = &self.coordinator;
        World::put_message(url, coordinator, "jobs", job, &[coordinator]).await
    }

    /// Asks for a job and waits for its result.
    pub async fn run(&self, url: &str, job: &Job) -> JobResult {
        self.put_job(url, job).await.ok(201);
        let id = envelope(job, &[]).0;
        let computed = |s: &gwas::wire::status::JobStatus| s.state.is_final();
        let status = self.coordinator.wait(url, &id, computed).await;
        assert_eq!(status.error, None);
        let path = format!("/v1/jobs/{id}/result");
        let bytes = self.coordinator.get(url, &path).await.ok(200).body;
        he_core::codec::decode(&bytes).unwrap()
    }
}

impl Site {
    pub fn input(&self) -> JobInput {
        JobInput::Rows {
            dataset: self.dataset_id,
            phenotype: self.phenotype_id,
            grant: self.grant_id,
        }
    }

    /// Panel, data and grant.
    pub async fn push(&self, url: &str, consortium: &Consortium) {
        self.push_data(url, consortium).await;
        self.put_grant(url).await.ok(201);
    }

    pub async fn push_data(&self, url: &str, consortium: &Consortium) {
        let owner = &self.owner;
        let panel = format!("/v1/panels/{}", consortium.study.panel);
        owner.put(url, &panel, consortium.panel_text.clone()).await;
        for chunk in self.genotypes.iter().chain(&self.weights).chain([&self.key]) {
            put_chunk(url, owner, chunk).await.ok(201);
        }
        World::put_message(url, owner, "datasets", &self.dataset, &[owner]).await.ok(201);
        World::put_message(url, owner, "phenotypes", &self.phenotype, &[owner]).await.ok(201);
    }

    pub async fn put_grant(&self, url: &str) -> Answer {
        let owner = &self.owner;
        World::put_message(url, owner, "grants", &self.grant, &[owner]).await
    }
}

pub async fn put_chunk(url: &str, party: &Party, bytes: &Bytes) -> Answer {
    party.put(url, &format!("/v1/chunks/{}", Digest::of(bytes)), bytes.clone()).await
}

/// A holder's commitment to shares of a phase.
pub fn share_commitment(
    holder: &Party,
    result: (&JobResult, Digest),
    phase: SharePhase,
) -> ShareCommitment {
    let (result, id) = result;
    let commitments = result.objects(phase).map(|(object, ..)| {
        let round = share_round(object.digest);
        Commitment::new(round, &holder.did.to_string(), &[3; 32], b"share").to_bytes()
    });
    let commitments = commitments.collect();
    ShareCommitment { job: result.job, result: id, phase, commitments }
}

/// A holder's sealed shares of a phase: opaque bytes, different for every holder and recipient.
pub fn shares(
    study: &Study,
    holder: &Party,
    result: &JobResult,
    phase: SharePhase,
) -> (Shares, Vec<Bytes>) {
    let mut objects = Vec::new();
    let sealed = (0..)
        .zip(study.recipients(phase))
        .map(|(number, recipient)| {
            let chunks: Vec<ChunkRef> = (0..)
                .zip(result.objects(phase))
                .map(|(object, _)| {
                    let body = format!("sealed by {} for {recipient}: {object}", holder.did);
                    let header = Header {
                        kind: Kind::SealedShare,
                        length: body.len() as u64,
                        params: [0; 16],
                        context: result.job.short(),
                        counts: [phase.number(), number, object, 0],
                    };
                    let bytes = Bytes::from([&header.to_bytes()[..], body.as_bytes()].concat());
                    objects.push(bytes.clone());
                    named(&bytes)
                })
                .collect();
            SealedShares { recipient, chunks }
        })
        .collect();
    (Shares { job: result.job, phase, sealed, refresh: Vec::new() }, objects)
}

/// Planes of a study that sums as little as possible.
pub fn few_planes(study: &mut Study) {
    study.planes = vec![PlaneKind::Dosage];
}
