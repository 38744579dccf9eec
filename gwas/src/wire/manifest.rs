//! The manifests: what a dataset, phenotype, study, grant, job and result consist of.
//!
//! Times are seconds since 1970-01-01 UTC. Names are free text for people; nothing is decided by them.

use he_core::codec::{CodecError, Kind, Message};
use he_core::layout::Shape;
use he_core::mask::MaskSeed;
use he_core::{Digest, Plan};
use serde::{Deserialize, Serialize};

use super::Did;
use crate::bitmap::Bitmap;

/// Longest name or purpose in bytes.
pub const MAX_NAME: usize = 1024;

/// A stored object: its digest and length, header included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChunkRef {
    /// BLAKE3 of the whole object.
    pub digest: Digest,
    /// Bytes of the whole object.
    pub length: u64,
}

/// What a plane of a genotype matrix holds. See `packing` for the integers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PlaneKind {
    /// `g - 1`, 0 where missing.
    Dosage,
    /// `[g = 2]`.
    HomAlt,
    /// `c - 1`: 0 where called, -1 where missing.
    Called,
}

/// An encrypted genotype matrix: people x panel, under a key that only its owner can derive.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Dataset {
    /// Free text for people.
    pub name: String,
    /// Parameters and scales.
    pub plan: Plan,
    /// Digest of the variant panel (`Panel::digest`) and number of its variants.
    pub panel: Digest,
    /// Variants of the panel.
    pub variants: u32,
    /// People.
    pub rows: u32,
    /// Planes, in the order in which the chunks store them; ascending, each once, `Dosage` present.
    pub planes: Vec<PlaneKind>,
    /// Names the dataset's keys, fresh for every encryption; chunk headers repeat it.
    pub nonce: [u8; 16],
    /// Seed of the masks.
    pub mask_seed: MaskSeed,
    /// Every chunk, in the order of `Shape::chunks`.
    pub chunks: Vec<ChunkRef>,
}

impl Dataset {
    /// Shape of the encrypted matrix.
    pub fn shape(&self) -> Shape {
        Shape {
            params: self.plan.params(),
            rows: self.rows,
            planes: self.planes.len() as u8,
            blocks: self.variants.div_ceil(self.plan.params().degree() as u32),
        }
    }
}

impl Message for Dataset {
    const KIND: Kind = Kind::Dataset;

    fn check(&self) -> Result<(), CodecError> {
        check_name(&self.name)?;
        require(self.planes.is_sorted_by(|a, b| a < b), "planes are in order, each once")?;
        require(self.planes.first() == Some(&PlaneKind::Dosage), "a dataset has a dosage plane")?;
        require(
            self.rows <= self.plan.request().people,
            "the plan is made for fewer people than the dataset has rows",
        )?;
        check_chunks(self.shape(), &self.chunks)
    }
}

/// Encrypted weights (one phenotype) for the rows of a dataset, under the dataset owner's weight key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Phenotype {
    /// Free text for people.
    pub name: String,
    /// The dataset whose rows these weights belong to.
    pub dataset: Digest,
    /// Parameters and scales; equal to the dataset's.
    pub plan: Plan,
    /// Rows of the dataset.
    pub rows: u32,
    /// Rows that take part in sums: the others' weights are encryptions of zero and they are left out. Public.
    pub participating: RowSet,
    /// Encrypted weight vectors (1 for case-control).
    pub vectors: u8,
    /// Nonce of the dataset (its keys) that chunk headers repeat.
    pub nonce: [u8; 16],
    /// Seed of the masks.
    pub mask_seed: MaskSeed,
    /// Every chunk, in the order of `Shape::weights(..).chunks()`.
    pub chunks: Vec<ChunkRef>,
}

impl Phenotype {
    /// Shape of the encrypted weights.
    pub fn shape(&self) -> Shape {
        Shape::weights(self.plan.params(), self.rows, self.vectors)
    }
}

impl Message for Phenotype {
    const KIND: Kind = Kind::Phenotype;

    fn check(&self) -> Result<(), CodecError> {
        check_name(&self.name)?;
        require(
            self.participating.fits(self.rows),
            "the set of participating rows does not fit the number of rows",
        )?;
        require(self.participating.count() > 0, "no row takes part")?;
        check_chunks(self.shape(), &self.chunks)
    }
}

/// Rows of a dataset.
pub type RowSet = Bitmap;

/// A study: purpose, panel, statistics, key holders. Signed by its coordinator and key holders; its digest names it and
/// seeds its public key's mask.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Study {
    /// Free text for people.
    pub name: String,
    /// What the study is for: what data owners consent to.
    pub purpose: String,
    /// Parameters and scales; equal to those of every dataset.
    pub plan: Plan,
    /// Digest of the variant panel.
    pub panel: Digest,
    /// Variants of the panel.
    pub variants: u32,
    /// Planes whose sums are computed.
    pub planes: Vec<PlaneKind>,
    /// Who created the study.
    pub coordinator: Did,
    /// Who holds a share of the study's secret key: all are needed to decrypt. Ascending, each once.
    pub key_holders: Vec<Did>,
    /// Fewest people in a job.
    pub min_people: u32,
    /// When it was created.
    pub created: u64,
    /// Fresh random bytes: two studies are never the same.
    pub nonce: [u8; 16],
}

impl Message for Study {
    const KIND: Kind = Kind::Study;

    fn check(&self) -> Result<(), CodecError> {
        check_name(&self.name)?;
        check_name(&self.purpose)?;
        require(self.planes.is_sorted_by(|a, b| a < b), "planes are in order, each once")?;
        require(self.planes.first() == Some(&PlaneKind::Dosage), "a study sums the dosage plane")?;
        require(
            self.key_holders.is_sorted_by(|a, b| a < b),
            "key holders are in order, each once",
        )?;
        require(
            self.key_holders.len() as u32 == self.plan.request().holders,
            "the plan is for another number of key holders",
        )?;
        require(self.variants > 0, "a study has a variant")
    }
}

/// What a dataset's owner grants to a study, and until when. Signed by the owner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GrantTerms {
    /// The dataset.
    pub dataset: Digest,
    /// The study.
    pub study: Digest,
    /// The switching key, a stored object of kind `SwitchingKey`.
    pub switching_key: ChunkRef,
    /// When it was given.
    pub issued: u64,
    /// When it ends.
    pub expires: u64,
}

impl Message for GrantTerms {
    const KIND: Kind = Kind::Grant;

    fn check(&self) -> Result<(), CodecError> {
        require(self.issued < self.expires, "a grant ends after it begins")
    }
}

/// One dataset's part in a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobInput {
    /// The dataset.
    pub dataset: Digest,
    /// The weights.
    pub phenotype: Digest,
    /// The grant.
    pub grant: Digest,
}

/// A job: which inputs a study sums. Signed by who asks for it; its digest names it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The study.
    pub study: Digest,
    /// The inputs; exactly one until studies of several datasets exist.
    pub inputs: Vec<JobInput>,
    /// When it was asked for.
    pub created: u64,
}

impl Message for Job {
    const KIND: Kind = Kind::Job;

    fn check(&self) -> Result<(), CodecError> {
        require(
            self.inputs.len() == 1,
            "a job has one input: a dataset with its phenotype and grant",
        )
    }
}

/// The result of one unit: which sums, and the stored object (kind `ResultUnit`) that holds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnitResult {
    /// Index into the study's planes; the object's header repeats it.
    pub plane: u8,
    /// Group of blocks.
    pub group: u32,
    /// The object.
    pub chunk: ChunkRef,
}

/// What a job computed: every unit's object, and the object with the totals of the weights. Written by the server,
/// deterministic: a job always has the same result bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobResult {
    /// The job.
    pub job: Digest,
    /// Rows that took part.
    pub people: u32,
    /// One for each unit, planes outermost.
    pub units: Vec<UnitResult>,
    /// Sums of the weights themselves (number of cases), an object of plane [`JobResult::TOTALS_PLANE`] and group 0.
    pub totals: ChunkRef,
}

impl JobResult {
    /// The plane number in the header of the totals' object, which no plane has.
    pub const TOTALS_PLANE: u8 = u8::MAX;
}

impl Message for JobResult {
    const KIND: Kind = Kind::JobResult;

    fn check(&self) -> Result<(), CodecError> {
        require(
            self.units.is_sorted_by(|a, b| (a.plane, a.group) < (b.plane, b.group)),
            "units are in order, each once",
        )
    }
}

fn require(fine: bool, otherwise: &str) -> Result<(), CodecError> {
    if fine { Ok(()) } else { Err(CodecError::Conformance(otherwise.to_owned())) }
}

fn check_name(name: &str) -> Result<(), CodecError> {
    let fine = name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    require(fine, "names and purposes are at most 1024 bytes without control characters")
}

/// The chunk list must be exactly what the shape demands.
fn check_chunks(shape: Shape, chunks: &[ChunkRef]) -> Result<(), CodecError> {
    let shape = shape.check().map_err(|e| CodecError::Conformance(e.to_string()))?;
    let lengths = shape.chunks().map(|spec| (spec.body_len() + he_core::codec::HEADER_LEN) as u64);
    let fine = shape.chunks().take(chunks.len() + 1).count() == chunks.len()
        && lengths.zip(chunks).all(|(length, chunk)| length == chunk.length);
    require(fine, "the chunk list does not fit the shape")
}
