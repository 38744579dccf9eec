//! A study with its objects: one owner who is coordinator and key holder too, unless a test says otherwise.

use axum::body::Bytes;
use gwas::finish::FinishPlan;
use gwas::panel::{Panel, ReferenceStatus, Variant};
use gwas::wire::{
    ChunkRef, Dataset, Envelope, GrantTerms, Job, JobInput, KeyCommitment, Participation,
    Phenotype, PlaneKind, Release, RowSet, Statistic, Study, StudyLimits,
};
use he_core::arith::pack::{pack, packed_len};
use he_core::ceremony::key_round;
use he_core::ckks::CkksPublicShare;
use he_core::codec::{Header, Kind, Message};
use he_core::commit::{Commitment, Commitments, Reveal};
use he_core::grant::{COMPONENTS, SwitchingKey};
use he_core::layout::Shape;
use he_core::mask::{MaskExpander, MaskIndex, MaskSeed};
use he_core::public_key::{PublicShare, study_mask};
use he_core::{Digest, Params, Plan, PlanRequest};

use super::{Answer, Party, now};

/// Uniform words below the primes: `count` polynomials.
pub fn words(params: Params, seed: u8, count: usize) -> Vec<u64> {
    let expander = MaskExpander::new(MaskSeed([seed; 16]));
    let mut words = vec![0; count * params.words()];
    for (row, polynomial) in (0..).zip(words.chunks_exact_mut(params.words())) {
        let limbs = polynomial.chunks_exact_mut(params.degree());
        for ((limb, modulus), part) in (0..).zip(params.moduli()).zip(limbs) {
            expander.expand(modulus, MaskIndex { plane: 0, limb, group: 0, row }, 0, part);
        }
    }
    words
}

/// The chunks of a matrix of random ciphertexts.
pub fn chunks(kind: Kind, shape: Shape, nonce: [u8; 16], seed: u8) -> Vec<Bytes> {
    let expander = MaskExpander::new(MaskSeed([seed; 16]));
    let per_limb = shape.params.degree() as u32 / 128;
    (0..)
        .zip(shape.chunks())
        .map(|(number, spec)| {
            let mut body = Vec::with_capacity(spec.body_len());
            for tile in spec.first_tile..spec.first_tile + spec.tiles {
                let limb = (tile / per_limb) as u8;
                let modulus = shape.params.moduli().nth(limb.into()).unwrap();
                let mut words = vec![0; (spec.rows * spec.bodies) as usize * 128];
                let index = MaskIndex { plane: spec.unit.plane, limb, group: number, row: tile };
                expander.expand(modulus, index, 0, &mut words);
                let start = body.len();
                body.resize(start + packed_len(words.len()), 0);
                pack(&words, &mut body[start..]);
            }
            let plane = u32::from(spec.unit.plane);
            let header = Header {
                kind,
                length: body.len() as u64,
                params: shape.params.digest().short(),
                context: nonce,
                counts: [plane, spec.unit.group, spec.row_chunk, spec.first_tile],
            };
            Bytes::from([&header.to_bytes()[..], &body].concat())
        })
        .collect()
}

pub fn named(bytes: &[u8]) -> ChunkRef {
    ChunkRef { digest: Digest::of(bytes), length: bytes.len() as u64 }
}

/// Name and bytes of an envelope that these parties signed.
pub fn envelope<T: Message>(message: &T, signers: &[&Party]) -> (Digest, Bytes) {
    let mut envelope = Envelope::new(message).unwrap();
    for party in signers {
        envelope.sign(party.did, |input| party.sign_bytes(input));
    }
    (envelope.id(), envelope.to_bytes().unwrap().into())
}

/// A party's contribution to a study's keys: any words below the primes are one.
pub fn contribution(study: &Study, id: Digest, party: &Party) -> Vec<u8> {
    let params = study.plan.params();
    let words = study_mask(params, Digest::of(party.did.public_key()));
    let mut bytes = PublicShare::new(params, id, words).to_bytes();
    if let Ok(plan) = FinishPlan::new(study) {
        let words = vec![0; plan.params().words()];
        bytes.extend(CkksPublicShare::new(plan.params(), id, words).to_bytes());
    }
    bytes
}

/// A party's commitment to an object of its choice.
pub fn commitment(id: Digest, party: &Party, object: &[u8]) -> KeyCommitment {
    let name = party.did.to_string();
    let commitment = Commitment::new(key_round(id), &name, &[7; 32], object).to_bytes();
    KeyCommitment { study: id, commitment }
}

/// Sends a party's commitment to its contribution.
pub async fn commit(url: &str, study: &Study, id: Digest, party: &Party) -> Answer {
    let message = commitment(id, party, &contribution(study, id, party));
    let path = format!("/v1/studies/{id}/commitments");
    party.put(url, &path, envelope(&message, &[party]).1).await
}

/// What each of a study's key holders, in the study's order, reveals once all have committed.
pub fn ceremony(study: &Study, id: Digest, holders: &[&Party]) -> Vec<Bytes> {
    let names: Vec<String> = holders.iter().map(|h| h.did.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let objects: Vec<Vec<u8>> = holders.iter().map(|h| contribution(study, id, h)).collect();
    let commitments: Vec<Vec<u8>> =
        holders.iter().zip(&objects).map(|(h, o)| commitment(id, h, o).commitment).collect();
    let received = names.iter().copied().zip(commitments.iter().map(Vec::as_slice));
    let commitments = Commitments::collect(key_round(id), &names, received).unwrap();
    let reveal = |(object, holder): (Vec<u8>, &&Party)| {
        let reveal = Reveal::new(&commitments, [7; 32], object);
        Bytes::from(reveal.signed(|text| holder.sign_bytes(text)).to_bytes())
    };
    objects.into_iter().zip(holders).map(reveal).collect()
}

/// Everything of a small study.
pub struct World {
    pub owner: Party,
    pub panel_text: Bytes,
    pub panel: Digest,
    pub genotypes: Vec<Bytes>,
    pub dataset: Dataset,
    pub dataset_id: Digest,
    pub weights: Vec<Bytes>,
    pub phenotype: Phenotype,
    pub phenotype_id: Digest,
    pub study: Study,
    pub study_id: Digest,
    pub share: Bytes,
    pub switching_key: Bytes,
    pub grant: GrantTerms,
    pub grant_id: Digest,
    pub job: Job,
    pub job_id: Digest,
}

impl World {
    /// `variants` variants and `rows` people; `seed` tells worlds apart.
    pub fn new(owner: Party, variants: u32, rows: u32, seed: u8) -> Self {
        let organiser = owner.clone();
        Self::with_organiser(owner, &organiser, PlanRequest::sole_holder(100), variants, rows, seed)
    }

    /// A study whose coordinator and key holder is `organiser`.
    pub fn with_organiser(
        owner: Party,
        organiser: &Party,
        request: PlanRequest,
        variants: u32,
        rows: u32,
        seed: u8,
    ) -> Self {
        let plan = Plan::new(request).unwrap();
        let params = plan.params();
        let mut panel = Panel::new(ReferenceStatus::Given);
        for i in 0..variants {
            let variant =
                Variant { chrom: "1", pos: i + 1, id: ".", reference: "A", alternate: "C" };
            panel.push(variant).unwrap();
        }
        let mut panel_text = Vec::new();
        panel.write_text(&mut panel_text).unwrap();
        let nonce = [seed; 16];
        let mut dataset = Dataset {
            name: format!("cohort {seed}"),
            plan,
            panel: panel.digest(),
            variants,
            rows,
            planes: vec![PlaneKind::Dosage, PlaneKind::Called],
            absent: None,
            nonce,
            mask_seed: MaskSeed([seed; 16]),
            chunks: Vec::new(),
        };
        let genotypes = chunks(Kind::GenotypeChunk, dataset.shape(), nonce, seed);
        dataset.chunks = genotypes.iter().map(|c| named(c)).collect();
        let dataset_id = envelope(&dataset, &[&owner]).0;
        let mut phenotype = Phenotype {
            name: "cases".into(),
            dataset: dataset_id,
            plan,
            rows,
            participating: RowSet::new(rows, |row| row != 1),
            vectors: 1,
            nonce,
            mask_seed: MaskSeed([seed ^ 0x80; 16]),
            chunks: Vec::new(),
        };
        let weights = chunks(Kind::WeightChunk, phenotype.shape(), nonce, seed ^ 0x80);
        phenotype.chunks = weights.iter().map(|c| named(c)).collect();
        let study = Study {
            name: format!("study {seed}"),
            purpose: "a test".into(),
            draft: None,
            plan,
            build: String::new(),
            panel: panel.digest(),
            variants,
            planes: vec![PlaneKind::Dosage, PlaneKind::Called],
            statistics: vec![Statistic::Allelic],
            release: Release::Counts,
            participation: Participation::Public,
            coordinator: organiser.did,
            key_holders: vec![organiser.did],
            data_owners: vec![owner.did],
            analysts: Vec::new(),
            sealing_keys: Vec::new(),
            limits: StudyLimits::open(2),
            created: now(),
            nonce: [seed; 16],
        };
        let study_id = envelope(&study, &[organiser]).0;
        let share = ceremony(&study, study_id, &[organiser]).remove(0);
        let ciphertexts = COMPONENTS * params.limbs() * params.gadget_digits() * 2;
        let key = SwitchingKey::new(params, words(params, seed ^ 0x55, ciphertexts));
        let switching_key = Bytes::from(key.to_bytes(study_id));
        let grant = GrantTerms {
            dataset: dataset_id,
            study: study_id,
            switching_key: named(&switching_key),
            issued: now() - 1,
            expires: now() + 3600,
        };
        let mut world = Self {
            owner,
            panel_text: panel_text.into(),
            panel: panel.digest(),
            genotypes,
            dataset,
            dataset_id,
            weights,
            phenotype,
            phenotype_id: Digest::default(),
            study,
            study_id,
            share,
            switching_key,
            grant,
            grant_id: Digest::default(),
            job: Job { study: study_id, inputs: Vec::new(), created: now() },
            job_id: Digest::default(),
        };
        world.rename();
        world
    }

    /// Computes the names that depend on changed messages.
    pub fn rename(&mut self) {
        self.phenotype_id = envelope(&self.phenotype, &[]).0;
        self.grant_id = envelope(&self.grant, &[]).0;
        let input = JobInput::Rows {
            dataset: self.dataset_id,
            phenotype: self.phenotype_id,
            grant: self.grant_id,
        };
        self.job.inputs = vec![input];
        self.job_id = envelope(&self.job, &[]).0;
    }

    pub async fn put_chunk(&self, url: &str, bytes: &Bytes) -> Answer {
        self.owner.put(url, &format!("/v1/chunks/{}", Digest::of(bytes)), bytes.clone()).await
    }

    pub async fn put_message<T: Message>(
        url: &str,
        sender: &Party,
        kind: &str,
        message: &T,
        signers: &[&Party],
    ) -> Answer {
        let (id, bytes) = envelope(message, signers);
        sender.put(url, &format!("/v1/{kind}/{id}"), bytes).await
    }

    pub async fn put_panel(&self, url: &str, party: &Party) -> Answer {
        party.put(url, &format!("/v1/panels/{}", self.panel), self.panel_text.clone()).await
    }

    /// Panel, chunks, dataset and phenotype.
    pub async fn push_data(&self, url: &str) {
        self.put_panel(url, &self.owner).await.ok(201);
        for chunk in self.genotypes.iter().chain(&self.weights) {
            self.put_chunk(url, chunk).await.ok(201);
        }
        let owner = &self.owner;
        Self::put_message(url, owner, "datasets", &self.dataset, &[owner]).await.ok(201);
        Self::put_message(url, owner, "phenotypes", &self.phenotype, &[owner]).await.ok(201);
    }

    /// Study and key; `organiser` is its coordinator and key holder.
    pub async fn push_study(&self, url: &str, organiser: &Party) {
        if organiser.did != self.owner.did {
            self.put_panel(url, organiser).await.ok(201);
        }
        Self::put_message(url, organiser, "studies", &self.study, &[organiser]).await.ok(201);
        let keys = format!("/v1/studies/{}/keys", self.study_id);
        commit(url, &self.study, self.study_id, organiser).await.ok(201);
        organiser.put(url, &keys, self.share.clone()).await.ok(201);
    }

    pub async fn push_grant(&self, url: &str) {
        self.put_chunk(url, &self.switching_key).await.ok(201);
        let owner = &self.owner;
        Self::put_message(url, owner, "grants", &self.grant, &[owner]).await.ok(201);
    }

    /// Everything but the job.
    pub async fn push(&self, url: &str) {
        self.push_data(url).await;
        self.push_study(url, &self.owner).await;
        self.push_grant(url).await;
    }

    pub async fn put_job(&self, url: &str) -> Answer {
        let owner = &self.owner;
        Self::put_message(url, owner, "jobs", &self.job, &[owner]).await
    }
}
