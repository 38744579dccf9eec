//! Encrypted matrices: genotypes and weights.

use he_core::codec::{CodecError, Kind, Message};
use he_core::layout::Shape;
use he_core::mask::MaskSeed;
use he_core::{Digest, Plan};
use serde::{Deserialize, Serialize};

use super::{
    Bitmap, ChunkRef, Participation, PlaneKind, RowSet, check_absent, check_chunks, check_name,
    check_planes, require,
};

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
    /// Variants of the panel that the owner's files do not have: their values are those of missing calls, and their sums
    /// are of the other contributions' people alone. `None` where all are there. Public.
    pub absent: Option<Bitmap>,
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
        check_planes(&self.planes)?;
        check_absent(self.absent.as_ref(), self.variants)?;
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
    /// Encrypted weight vectors. One, y, where participation is public; two, first the participation m and then y, where it
    /// is encrypted ([`Phenotype::serves`]). y is 0 for who has no phenotype.
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

    /// Whether a study with that mode of participation can sum these weights.
    pub fn serves(&self, participation: Participation) -> bool {
        match participation {
            Participation::Public => self.vectors == 1,
            Participation::Encrypted => {
                self.vectors == 2 && self.participating.count() == self.rows
            }
        }
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
