//! Encryption of genotype slabs and weights. Protocol sections 3 and 4.

use he_core::Plan;
use he_core::arith::Ring;
use he_core::codec::{HEADER_LEN, Header, Kind};
use he_core::kernel::Engine;
use he_core::layout::{ABREAST, ChunkSpec, Shape, ShapeError, TILE, TILE_BYTES, Unit};
use he_core::mask::{MaskExpander, MaskIndex};
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::keys::DatasetKey;
use crate::sampling::{ErrorIndex, Errors};
use crate::seeds::EncryptionSeeds;

/// Why something cannot be encrypted. Says nothing about the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// Shape outside the limits.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Parameters of plan, shape and key differ.
    #[error("plan, matrix and key have different parameter sets")]
    Params,
    /// More rows than planned for.
    #[error("the plan is made for {planned} people, the matrix has {rows}; plan again")]
    People {
        /// People of the plan.
        planned: u32,
        /// Rows of the matrix.
        rows: u32,
    },
    /// Plaintext of another size than the slab.
    #[error("the plaintext does not have the size of its slab")]
    Length,
    /// A value above the planned magnitude.
    #[error("a value is larger than the plan's largest magnitude")]
    Magnitude,
}

/// Encrypts a genotype matrix, slab by slab.
pub struct MatrixEncryptor<'a> {
    ring: &'a Ring,
    plan: Plan,
    shape: Shape,
    key: &'a DatasetKey,
    masks: MaskExpander,
    errors: Errors,
}

/// Checks that belong together.
fn check(ring: &Ring, plan: &Plan, shape: Shape, key: &DatasetKey) -> Result<Shape, EncryptError> {
    let shape = shape.check()?;
    if [plan.params(), key.params(), ring.params()].iter().any(|&p| p != shape.params) {
        return Err(EncryptError::Params);
    }
    let planned = plan.request().people;
    if shape.rows > planned {
        return Err(EncryptError::People { planned, rows: shape.rows });
    }
    Ok(shape)
}

impl<'a> MatrixEncryptor<'a> {
    /// An encryptor for a matrix of that shape; `seeds` are used for nothing else.
    pub fn new(
        ring: &'a Ring,
        plan: Plan,
        shape: Shape,
        key: &'a DatasetKey,
        seeds: &EncryptionSeeds,
    ) -> Result<Self, EncryptError> {
        let shape = check(ring, &plan, shape, key)?;
        let (masks, errors) = (MaskExpander::new(seeds.mask_seed()), Errors::new(&seeds.noise));
        Ok(Self { ring, plan, shape, key, masks, errors })
    }

    /// Encrypts the rows of one row chunk of one unit: whole chunk objects, in order, rows in parallel.
    ///
    /// `plaintext` is `[row][body][N]`. Objects are written into what `buffer` gives, whatever that holds: giving used buffers
    /// saves the operating system from handing out, and erasing, new pages.
    pub fn encrypt_slab(
        &self,
        unit: Unit,
        row_chunk: u32,
        plaintext: &[i8],
        buffer: &dyn Fn() -> Vec<u8>,
    ) -> Result<Vec<(ChunkSpec, Vec<u8>)>, EncryptError> {
        let degree = self.shape.params.degree();
        let bodies = self.shape.bodies(unit.group) as usize;
        let rows = self.shape.chunk_rows(row_chunk);
        if plaintext.len() != rows.len() * bodies * degree
            || unit.plane >= self.shape.planes
            || bodies == 0
        {
            return Err(EncryptError::Length);
        }
        let largest = self.plan.request().dosage_max.min(127) as u8;
        let mut slab =
            Slab::new(self.shape, unit, row_chunk, Kind::GenotypeChunk, self.key.nonce(), buffer);
        let work = slab
            .rows()
            .into_par_iter()
            .zip(rows.into_par_iter())
            .zip(plaintext.par_chunks_exact(bodies * degree));
        work.try_for_each_init(
            || Scratch::new(self.ring, bodies.min(ABREAST)),
            |scratch, ((mut tiles, row), values)| {
                if values.iter().fold(0, |max, v| max.max(v.unsigned_abs())) > largest {
                    return Err(EncryptError::Magnitude);
                }
                self.encrypt_row(unit, row, values, &mut tiles, scratch);
                Ok(())
            },
        )?;
        Ok(slab.finish())
    }

    /// Encrypts one row: its bodies share the mask.
    fn encrypt_row(
        &self,
        unit: Unit,
        row: u32,
        values: &[i8],
        tiles: &mut [&mut [u8]],
        scratch: &mut Scratch,
    ) {
        let degree = self.shape.params.degree();
        let Unit { plane, group } = unit;
        let tiles_per_limb = tiles.len() / self.shape.params.limbs();
        scratch.expand_mask(&self.masks, self.shape, unit, row);
        // Bodies that lie side by side are made together, so that each line of a chunk is written once.
        for (first, values) in (0..).step_by(ABREAST).zip(values.chunks(ABREAST * degree)) {
            let bodies = first..first + values.len() / degree;
            for (body, noise) in bodies.clone().zip(scratch.noise.chunks_exact_mut(degree)) {
                let index = ErrorIndex { plane, group, row, body: body as u32 };
                self.errors.noise(index, noise);
            }
            let limbs = self.ring.limbs().iter().enumerate();
            let limbs = limbs.zip(scratch.mask.chunks_exact(degree));
            for (((limb, ntt), mask), tiles) in limbs.zip(tiles.chunks_exact_mut(tiles_per_limb)) {
                let m = ntt.modulus();
                let delta = m.from_u128(self.plan.delta_g());
                let words = scratch.words.chunks_exact_mut(degree);
                let inputs = values.chunks_exact(degree).zip(scratch.noise.chunks_exact(degree));
                for ((body, words), (values, noise)) in bodies.clone().zip(words).zip(inputs) {
                    scratch.engine.encode(m, delta, values, noise, words);
                    ntt.forward(words);
                    let mut secrets = self.key.negated_body(body).chunks_exact(degree);
                    let secret = secrets.nth(limb).unwrap_or_default();
                    scratch.engine.multiply_add(m, mask, secret, words);
                }
                let words = scratch.words.split_at(values.len()).0;
                write_tiles(scratch.engine, words, degree, tiles, first);
            }
        }
    }
}

/// Encrypts weight vectors (phenotypes), each a plane of constant polynomials.
pub struct WeightEncryptor<'a> {
    ring: &'a Ring,
    plan: Plan,
    shape: Shape,
    key: &'a DatasetKey,
    masks: MaskExpander,
    errors: Errors,
}

impl<'a> WeightEncryptor<'a> {
    /// An encryptor for `vectors` weight vectors of `rows` people; `seeds` are used for nothing else.
    pub fn new(
        ring: &'a Ring,
        plan: Plan,
        rows: u32,
        vectors: u8,
        key: &'a DatasetKey,
        seeds: &EncryptionSeeds,
    ) -> Result<Self, EncryptError> {
        let shape = check(ring, &plan, Shape::weights(plan.params(), rows, vectors), key)?;
        let (masks, errors) = (MaskExpander::new(seeds.mask_seed()), Errors::new(&seeds.noise));
        Ok(Self { ring, plan, shape, key, masks, errors })
    }

    /// Shape of the encrypted weights.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Encrypts the weights of one row chunk of one vector: `weights` has one value for each row of the chunk.
    pub fn encrypt_slab(
        &self,
        vector: u8,
        row_chunk: u32,
        weights: &[i64],
    ) -> Result<Vec<(ChunkSpec, Vec<u8>)>, EncryptError> {
        let rows = self.shape.chunk_rows(row_chunk);
        if weights.len() != rows.len() || vector >= self.shape.planes {
            return Err(EncryptError::Length);
        }
        let largest = u64::from(self.plan.request().weight_max);
        if weights.iter().fold(0, |max, w| max.max(w.unsigned_abs())) > largest {
            return Err(EncryptError::Magnitude);
        }
        let unit = Unit { plane: vector, group: 0 };
        let (kind, nonce) = (Kind::WeightChunk, self.key.nonce());
        let mut slab = Slab::new(self.shape, unit, row_chunk, kind, nonce, &Vec::new);
        let work = slab.rows().into_par_iter().zip(rows.into_par_iter()).zip(weights);
        work.for_each_init(
            || Scratch::new(self.ring, 1),
            |scratch, ((mut tiles, row), &weight)| {
                self.encrypt_row(unit, row, weight, &mut tiles, scratch)
            },
        );
        Ok(slab.finish())
    }

    fn encrypt_row(
        &self,
        unit: Unit,
        row: u32,
        weight: i64,
        tiles: &mut [&mut [u8]],
        scratch: &mut Scratch,
    ) {
        let degree = self.shape.params.degree();
        let tiles_per_limb = tiles.len() / self.shape.params.limbs();
        scratch.expand_mask(&self.masks, self.shape, unit, row);
        let index = ErrorIndex { plane: unit.plane, group: unit.group, row, body: 0 };
        self.errors.sample(index, &mut scratch.error);
        let limbs = self.ring.limbs().iter().zip(scratch.mask.chunks_exact(degree));
        let limbs = limbs.zip(self.key.negated_weight().chunks_exact(degree));
        for (((ntt, mask), secret), tiles) in limbs.zip(tiles.chunks_exact_mut(tiles_per_limb)) {
            let m = ntt.modulus();
            for (w, &e) in scratch.words.iter_mut().zip(&scratch.error) {
                *w = m.from_signed(e);
            }
            ntt.forward(&mut scratch.words);
            // A constant polynomial is the same constant in every word of its transform.
            let constant = m.mul(m.from_signed(weight), m.from_u128(self.plan.delta_y()));
            for w in &mut scratch.words {
                *w = m.add(*w, constant);
            }
            scratch.engine.multiply_add(m, mask, secret, &mut scratch.words);
            write_tiles(scratch.engine, &scratch.words, degree, tiles, 0);
        }
    }
}

/// Packs the words of one limb of bodies that lie side by side, `degree` of each, into their place in each tile of a row.
fn write_tiles(
    engine: Engine,
    words: &[u64],
    degree: usize,
    tiles: &mut [&mut [u8]],
    first: usize,
) {
    for (t, tile) in tiles.iter_mut().enumerate() {
        let mut bodies = [&[0; TILE]; ABREAST];
        let own = words.chunks_exact(degree).filter_map(|body| body.as_chunks().0.get(t));
        let count = bodies.iter_mut().zip(own).map(|(body, own)| *body = own).count();
        let place = tile.get_mut(first * TILE_BYTES..(first + count) * TILE_BYTES);
        engine.pack_abreast(bodies.split_at(count).0, place.unwrap_or_default());
    }
}

/// Buffers of one thread.
struct Scratch {
    engine: Engine,
    mask: Vec<u64>,
    noise: Vec<u64>,
    error: Vec<i64>,
    words: Vec<u64>,
}

impl Scratch {
    /// For `bodies` bodies at a time.
    fn new(ring: &Ring, bodies: usize) -> Self {
        let params = ring.params();
        Self {
            engine: Engine::detect(),
            mask: vec![0; params.words()],
            noise: vec![0; bodies * params.degree()],
            error: vec![0; params.degree()],
            words: vec![0; bodies * params.degree()],
        }
    }

    fn expand_mask(&mut self, masks: &MaskExpander, shape: Shape, unit: Unit, row: u32) {
        let Unit { plane, group } = unit;
        let limbs = self.mask.chunks_exact_mut(shape.params.degree()).zip(shape.params.moduli());
        for (limb, (words, m)) in (0..).zip(limbs) {
            masks.expand(m, MaskIndex { plane, limb, group, row }, 0, words);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.noise.zeroize();
        self.error.zeroize();
        self.words.zeroize();
    }
}

/// The chunk objects of one slab while rows are written into them.
struct Slab {
    chunks: Vec<(ChunkSpec, Vec<u8>)>,
}

impl Slab {
    fn new(
        shape: Shape,
        unit: Unit,
        row_chunk: u32,
        kind: Kind,
        nonce: [u8; 16],
        buffer: &dyn Fn() -> Vec<u8>,
    ) -> Self {
        let params = shape.params.digest().short();
        let chunk = |spec: ChunkSpec| {
            let counts =
                [u32::from(spec.unit.plane), spec.unit.group, spec.row_chunk, spec.first_tile];
            let header =
                Header { kind, length: spec.body_len() as u64, params, context: nonce, counts };
            // Every byte is written: the header here, the places of all rows by their encryption.
            let mut bytes = buffer();
            bytes.resize(HEADER_LEN + spec.body_len(), 0);
            bytes.iter_mut().zip(header.to_bytes()).for_each(|(b, h)| *b = h);
            (spec, bytes)
        };
        Self { chunks: shape.slab_chunks(unit, row_chunk).map(chunk).collect() }
    }

    /// For each row its place in every tile: `bodies * 800` bytes each.
    fn rows(&mut self) -> Vec<Vec<&mut [u8]>> {
        let mut rows: Vec<Vec<&mut [u8]>> = Vec::new();
        for (spec, bytes) in &mut self.chunks {
            rows.resize_with(spec.rows as usize, Vec::new);
            let body = bytes.get_mut(HEADER_LEN..).unwrap_or_default();
            for tile in body.chunks_exact_mut(spec.tile_bytes()) {
                for (row, place) in
                    rows.iter_mut().zip(tile.chunks_exact_mut(spec.bodies as usize * TILE_BYTES))
                {
                    row.push(place);
                }
            }
        }
        rows
    }

    fn finish(self) -> Vec<(ChunkSpec, Vec<u8>)> {
        self.chunks
    }
}
