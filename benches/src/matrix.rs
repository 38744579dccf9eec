//! An encrypted matrix of one group in memory, with weights, and the sums that it has to give.

use std::io;

use he_core::Params;
use he_core::kernel::Engine;
use he_core::layout::{BODIES, Shape, TILE_BYTES, Unit};
use he_core::sum::{
    ChunkSource, TotalSums, UnitInput, UnitSums, WeightInput, sum_totals, sum_unit,
};
use he_core_secret::{MatrixEncryptor, WeightEncryptor};

use crate::keys::{Keys, plan};
use crate::source::Memory;
use crate::{Error, Result};

/// The one group.
pub const UNIT: Unit = Unit { plane: 0, group: 0 };

/// Eight blocks of variants of `rows` people, drawn evenly from -1, 0 and 1, and binary weights.
pub struct Matrix {
    /// Keys.
    pub keys: Keys,
    /// Shape of the genotypes.
    pub shape: Shape,
    /// Genotype chunks.
    pub genotypes: Memory,
    /// Chunks of all weight vectors.
    pub weights: Memory,
    rows: Vec<u32>,
    /// `[channel][variant]`: plain sums, then the sums for each weight vector.
    sums: Vec<Vec<i64>>,
    /// Sum of each weight vector.
    totals: Vec<i64>,
}

impl Matrix {
    /// Encrypts a matrix of `rows` people and weights of `vectors` phenotypes, on the current rayon pool.
    ///
    /// # Errors
    /// When encryption fails.
    pub fn new(params: Params, rows: u32, vectors: u8) -> Result<Self> {
        let keys = Keys::new(plan(params, rows)?)?;
        let shape = Shape { params, rows, planes: 1, blocks: BODIES as u32 };
        let width = BODIES * params.degree();
        let mut draw = Draw(1);
        let weights: Vec<Vec<i64>> =
            (0..vectors).map(|_| (0..rows).map(|_| (draw.next() & 1) as i64).collect()).collect();
        let mut sums = vec![vec![0; width]; 1 + weights.len()];

        let failed = Error::step("encrypting");
        let encryptor =
            MatrixEncryptor::new(&keys.ring, keys.plan, shape, &keys.dataset, &keys.genotype_seeds);
        let encryptor = encryptor.map_err(failed)?;
        let mut genotypes = Memory::default();
        for chunk in 0..shape.row_chunks() {
            let range = shape.chunk_rows(chunk);
            let values = draw.genotypes(range.len() * width);
            for (row, values) in range.zip(values.chunks_exact(width)) {
                add(&mut sums, values, |vector| weight(&weights, vector, row));
            }
            let slab = encryptor.encrypt_slab(UNIT, chunk, &values, &Vec::new);
            let slab = slab.map_err(Error::step("encrypting"))?;
            genotypes.extend(slab.into_iter().map(|(_, bytes)| bytes));
        }
        let totals = weights.iter().map(|w| w.iter().sum()).collect();
        let weights = encrypt_weights(&keys, rows, &weights)?;
        Ok(Self { keys, shape, genotypes, weights, rows: (0..rows).collect(), sums, totals })
    }

    /// Genotypes.
    #[must_use]
    pub fn genotype_count(&self) -> u64 {
        u64::from(self.shape.rows) * self.variants() as u64
    }

    /// Variants.
    #[must_use]
    pub fn variants(&self) -> usize {
        BODIES * self.shape.params.degree()
    }

    /// Bytes that sums for `vectors` weight vectors have to read: packed bodies and packed weights, each once.
    #[must_use]
    pub fn bytes_moved(&self, vectors: u8) -> u64 {
        let tiles = u64::from(self.shape.rows) * u64::from(self.shape.tiles()) * TILE_BYTES as u64;
        tiles * (BODIES as u64 + u64::from(vectors))
    }

    fn weight_input<'a>(&self, vectors: u8, source: &'a dyn ChunkSource) -> WeightInput<'a> {
        // Vectors are planes, planes are stored one after the other: the first ones can be used alone.
        let shape = Shape::weights(self.shape.params, self.shape.rows, vectors);
        WeightInput { shape, mask_seed: self.keys.weight_seeds.mask_seed(), source }
    }

    /// The sums for the first `vectors` weight vectors, from `genotypes` and `weights`.
    ///
    /// # Errors
    /// Those of the sources.
    pub fn sum(
        &self,
        engine: Engine,
        vectors: u8,
        genotypes: &dyn ChunkSource,
        weights: &dyn ChunkSource,
    ) -> io::Result<UnitSums> {
        let input = UnitInput {
            shape: self.shape,
            mask_seed: self.keys.genotype_seeds.mask_seed(),
            source: genotypes,
            unit: UNIT,
            weights: self.weight_input(vectors, weights),
            rows: &self.rows,
        };
        sum_unit(engine, &input)
    }

    /// The sums of the first `vectors` weight vectors themselves.
    ///
    /// # Errors
    /// Those of the source.
    pub fn sum_weights(&self, vectors: u8, weights: &dyn ChunkSource) -> io::Result<TotalSums> {
        sum_totals(Engine::detect(), &self.weight_input(vectors, weights), &self.rows)
    }

    /// Switches sums to the study key, decrypts them and compares them with the sums in the clear.
    ///
    /// # Errors
    /// When they differ.
    pub fn check(&self, engine: Engine, sums: &UnitSums) -> Result<()> {
        let Keys { grant, ring, plan, .. } = &self.keys;
        let values = self.keys.open(&grant.switch_unit(engine, ring, plan, sums))?;
        for (channel, expected) in self.sums.iter().take(1 + sums.weights()).enumerate() {
            for (body, expected) in expected.chunks_exact(self.shape.params.degree()).enumerate() {
                if values.get(body, channel) != expected {
                    return Err(Error::Inexact("a decrypted sum"));
                }
            }
        }
        Ok(())
    }

    /// The same for the sums of the weights.
    ///
    /// # Errors
    /// When they differ.
    pub fn check_totals(&self, engine: Engine, sums: &TotalSums) -> Result<()> {
        let Keys { grant, ring, plan, .. } = &self.keys;
        let values = self.keys.open(&grant.switch_totals(engine, ring, plan, sums))?;
        for (vector, total) in self.totals.iter().take(sums.weights()).enumerate() {
            if values.get(0, vector).first() != Some(total) {
                return Err(Error::Inexact("a decrypted total"));
            }
        }
        Ok(())
    }
}

/// Whether two sums are the same, bit for bit.
#[must_use]
pub fn same_bits(a: &UnitSums, b: &UnitSums) -> bool {
    let columns = a.bodies() + 1;
    (a.bodies(), a.weights()) == (b.bodies(), b.weights())
        && (0..columns).all(|c| a.plain(c) == b.plain(c))
        && (0..a.weights()).all(|w| {
            (0..columns).all(|c| (0..2).all(|part| a.product(w, c, part) == b.product(w, c, part)))
        })
}

/// Encrypts weight vectors, whole.
///
/// # Errors
/// When encryption fails.
pub fn encrypt_weights(keys: &Keys, rows: u32, weights: &[Vec<i64>]) -> Result<Memory> {
    let failed = Error::step("encrypting weights");
    let mut memory = Memory::default();
    if weights.is_empty() {
        return Ok(memory);
    }
    let vectors = weights.len() as u8;
    let encryptor = WeightEncryptor::new(
        &keys.ring,
        keys.plan,
        rows,
        vectors,
        &keys.dataset,
        &keys.weight_seeds,
    );
    let encryptor = encryptor.map_err(failed)?;
    for (vector, weights) in (0..).zip(weights) {
        for chunk in 0..encryptor.shape().row_chunks() {
            let range = encryptor.shape().chunk_rows(chunk);
            let part = weights.get(range.start as usize..range.end as usize).unwrap_or_default();
            let slab = encryptor.encrypt_slab(vector, chunk, part);
            let slab = slab.map_err(Error::step("encrypting weights"))?;
            memory.extend(slab.into_iter().map(|(_, bytes)| bytes));
        }
    }
    Ok(memory)
}

fn weight(weights: &[Vec<i64>], vector: usize, row: u32) -> i64 {
    weights.get(vector).and_then(|w| w.get(row as usize)).copied().unwrap_or_default()
}

/// Adds one row to the sums: channel 0 as it is, the others with their weights.
fn add(sums: &mut [Vec<i64>], values: &[i8], weight: impl Fn(usize) -> i64) {
    for (channel, sums) in sums.iter_mut().enumerate() {
        let factor = channel.checked_sub(1).map_or(1, &weight);
        if factor != 0 {
            sums.iter_mut().zip(values).for_each(|(s, &v)| *s += factor * i64::from(v));
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): which genotypes are drawn does not matter, that they differ does.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn genotypes(&mut self, count: usize) -> Vec<i8> {
        let mut values = vec![0; count];
        for eight in values.chunks_mut(8) {
            for (value, byte) in eight.iter_mut().zip(self.next().to_le_bytes()) {
                *value = (byte % 3) as i8 - 1;
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_checked_and_a_wrong_one_is_found() {
        let mut matrix = Matrix::new(Params::N2048Q50, 5, 2).unwrap();
        let sum = |m: &Matrix, vectors| {
            m.sum(Engine::detect(), vectors, &m.genotypes, &m.weights).unwrap()
        };
        for vectors in [0, 1, 2] {
            matrix.check(Engine::detect(), &sum(&matrix, vectors)).unwrap();
        }
        let totals = matrix.sum_weights(2, &matrix.weights).unwrap();
        matrix.check_totals(Engine::detect(), &totals).unwrap();
        let portable = matrix.sum(Engine::Portable, 2, &matrix.genotypes, &matrix.weights).unwrap();
        assert!(same_bits(&portable, &sum(&matrix, 2)) && !same_bits(&portable, &sum(&matrix, 1)));
        assert_eq!(matrix.bytes_moved(0), matrix.genotypes.body_bytes());
        assert_eq!(
            matrix.bytes_moved(2),
            matrix.genotypes.body_bytes() + matrix.weights.body_bytes()
        );

        matrix.sums[1][7] += 1;
        let wrong = matrix.check(Engine::detect(), &sum(&matrix, 2));
        assert!(matches!(wrong, Err(Error::Inexact(_))));
        matrix.totals[1] += 1;
        assert!(matches!(matrix.check_totals(Engine::detect(), &totals), Err(Error::Inexact(_))));
    }
}
