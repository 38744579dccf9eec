//! The hot loop: multiply-accumulate of packed genotype ciphertexts with weight ciphertexts, tile by tile.
//!
//! For one tile of 128 coefficients of one limb, over rows `i` with weights `(d0_i, d1_i)`, bodies `b_(i,k)` and the
//! mask `a_i` they share (protocol section 5):
//!
//! ```text
//! B0_k = sum b_(i,k) d0_i     A0 = sum a_i d0_i     S_k = sum b_(i,k)
//! B1_k = sum b_(i,k) d1_i     A1 = sum a_i d1_i     S_A = sum a_i
//! ```
//!
//! Products of 50-bit words are split in two (at bit 52, by the floating-point engine at bit 48) and the halves added in 64-bit
//! lanes, so nothing is reduced inside the loop. Engines, chosen at run time, give identical bits: AVX-512 IFMA, AVX2 with FMA, and portable.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::indexing_slicing)] // audited: see its documentation
mod ahead;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // audited: see its documentation for the invariants
mod avx512;
mod counter;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::indexing_slicing)] // audited: see its documentation for the invariants
mod ctr;
mod encode;
#[cfg(target_arch = "x86_64")]
mod fma;
mod portable;

pub use counter::CounterCipher;
pub use encode::centred_binomial;
pub(crate) use encode::centred_binomial_halves;

use crate::arith::lanes::Lanes;
use crate::arith::{Modulus, pack};
use crate::layout::{BODIES, GROUPS, TILE, TILE_BYTES};

/// Accumulator words of one body and one weight vector: `[group][B0 low, B0 high, B1 low, B1 high][8]`. What the halves are, is
/// the engine's: [`TileSums::reduce`].
const PRODUCT_WORDS: usize = GROUPS * 4 * 8;
/// Words from one of those to the next. As with [`ROW_WORDS`]: at a power of two a group of all bodies would share a few sets of the
/// first-level cache, and stores to one body would seem to be what is loaded of the next.
const BODY_WORDS: usize = PRODUCT_WORDS + LINE_BYTES / 8;
/// Terms after which accumulators must be reduced: of each engine's halves those that grow faster gain less than 2^52 a term,
/// `4095 * 2^52 + 2^50 < 2^64`; a total is below 2^112, which [`Modulus::reduce_wide`] takes.
const TERMS_PER_REDUCTION: u64 = 4095;
/// Most rows in one call: what they bring (102 kB packed, 48 kB of masks and weights) and the accumulators (46 kB) stay in the
/// second-level cache beside the rows that are fetched meanwhile.
pub const ROWS_PER_CALL: usize = 16;
/// Bytes of a cache line.
const LINE_BYTES: usize = 64;
/// Words from one row of masks or weights to the next: a tile and one cache line. At a power of two the vectors of one group
/// of all rows would share a few sets of the first-level cache.
pub const ROW_WORDS: usize = TILE + LINE_BYTES / 8;

/// Which implementation runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// AVX-512 with IFMA and VBMI.
    Avx512,
    /// AVX2 and FMA: sums and products in floating-point registers, the rest in plain Rust.
    Fma,
    /// Plain Rust on any machine.
    Portable,
}

impl Engine {
    /// The fastest engine of this machine.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if avx512::available() {
            return Self::Avx512;
        }
        #[cfg(target_arch = "x86_64")]
        if fma::available() {
            return Self::Fma;
        }
        Self::Portable
    }

    /// Every engine that runs on this machine, the fastest first.
    pub fn all() -> Vec<Self> {
        let mut engines = vec![Self::detect()];
        #[cfg(target_arch = "x86_64")]
        if Self::detect() == Self::Avx512 && fma::available() {
            engines.push(Self::Fma);
        }
        if Self::detect() != Self::Portable {
            engines.push(Self::Portable);
        }
        engines
    }

    /// Name as printed and recorded.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512-ifma",
            Self::Fma => "avx2-fma",
            Self::Portable => "portable",
        }
    }

    /// `acc = a b + acc mod p`, element by element; all slices have the same length, a multiple of eight, and hold words
    /// below p, a prime of [`crate::params::PRIMES`]. Constant time.
    pub fn multiply_add(self, modulus: Modulus, a: &[u64], b: &[u64], acc: &mut [u64]) {
        assert!(a.len() == acc.len() && b.len() == acc.len(), "slices of one length");
        assert!(modulus.is_for_ciphertexts(), "a prime of ciphertexts");
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::multiply_add(modulus, a, b, acc),
            Self::Fma => Lanes::new(modulus).multiply_add(a, b, acc),
            _ => portable::multiply_add(modulus, a, b, acc),
        }
    }
}

/// Bit packing ([`crate::arith::pack`]).
impl Engine {
    /// Packs words below 2^50: [`pack::pack`].
    pub fn pack(self, words: &[u64], bytes: &mut [u8]) {
        let (groups, rest) = words.as_chunks();
        assert!(rest.is_empty(), "whole groups");
        assert_eq!(bytes.len(), pack::packed_len(words.len()));
        self.pack_groups(groups.iter(), bytes);
    }

    /// Packs the words of up to four bodies in one tile, side by side as they lie in a row ([`crate::layout`]):
    /// `bodies.len() * 800` bytes.
    pub fn pack_abreast(self, bodies: &[&[u64; TILE]], bytes: &mut [u8]) {
        assert_eq!(bytes.len(), bodies.len() * TILE_BYTES);
        let groups = (0..GROUPS)
            .flat_map(|g| bodies.iter().filter_map(move |body| body.as_chunks().0.get(g)));
        self.pack_groups(groups, bytes);
    }

    fn pack_groups<'a>(self, groups: impl Iterator<Item = &'a [u64; 8]>, bytes: &mut [u8]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::pack(groups, bytes),
            _ => pack::pack_groups(groups, bytes),
        }
    }

    /// Unpacks words: [`pack::unpack`].
    pub fn unpack(self, bytes: &[u8], words: &mut [u64]) {
        assert_eq!(bytes.len(), pack::packed_len(words.len()));
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::unpack(bytes, words),
            #[cfg(target_arch = "x86_64")]
            Self::Fma => fma::unpack(bytes, words),
            _ => pack::unpack(bytes, words),
        }
    }

    /// Whether every packed word is below the modulus: [`pack::all_reduced`].
    pub fn all_reduced(self, bytes: &[u8], modulus: Modulus) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                bytes.len().is_multiple_of(pack::GROUP_BYTES)
                    && avx512::largest_packed(bytes) < modulus.value()
            }
            _ => pack::all_reduced(bytes, modulus),
        }
    }
}

/// Numbers that begin with a cache line, so that no vector of them lies in two. Not `Clone`: where they begin is the allocation's.
#[derive(Debug)]
pub struct Aligned<T> {
    /// With room for the alignment.
    numbers: Vec<T>,
    length: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `length` zeros.
    pub fn new(length: usize) -> Self {
        Self { numbers: vec![T::default(); length + LINE_BYTES / size_of::<T>()], length }
    }

    fn start(&self) -> usize {
        // Where it can't be known, zero is as right and slower.
        let start = self.numbers.as_ptr().align_offset(LINE_BYTES);
        if start <= LINE_BYTES { start } else { 0 }
    }
}

impl<T: Copy + Default> From<&[T]> for Aligned<T> {
    fn from(numbers: &[T]) -> Self {
        let mut aligned = Self::new(numbers.len());
        aligned.copy_from_slice(numbers);
        aligned
    }
}

impl<T: Copy + Default> core::ops::Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.numbers.get(self.start()..).and_then(|n| n.get(..self.length)).unwrap_or_default()
    }
}

impl<T: Copy + Default> core::ops::DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let (start, length) = (self.start(), self.length);
        self.numbers.get_mut(start..).and_then(|n| n.get_mut(..length)).unwrap_or_default()
    }
}

/// The rows of one tile that are added in one call: at most [`ROWS_PER_CALL`].
pub struct Rows<'a> {
    /// Packed rows of the tile, in the order of [`crate::layout`].
    pub packed: &'a [u8],
    /// Row numbers within `packed` that take part.
    pub selected: &'a [u32],
    /// Expanded masks: `[selected][ROW_WORDS]`, of which 128 are used, below the prime.
    pub masks: &'a [u64],
    /// For each weight vector `d0` and `d1`, each laid out as the masks, words below 2^50.
    pub weights: &'a [(&'a [u64], &'a [u64])],
    /// Bodies that will be needed next, if they lie in memory: fetched into the cache meanwhile, no part of the sums.
    pub ahead: &'a [u8],
    /// The same for the packed weights, vector by vector.
    pub weights_ahead: &'a [&'a [u8]],
}

/// Running sums of one tile of one unit.
pub struct TileSums {
    engine: Engine,
    modulus: Modulus,
    bodies: usize,
    weights: usize,
    /// `[weight][column][BODY_WORDS]`; the columns are the bodies and, last, the mask.
    products: Aligned<u64>,
    /// `[column][128]`
    sums: Aligned<u64>,
    /// Rows and calls since the last reduction.
    rows: u64,
    calls: u64,
}

impl TileSums {
    /// Empty sums for `bodies` bodies and `weights` weight vectors, modulo a prime of [`crate::params::PRIMES`].
    pub fn new(engine: Engine, modulus: Modulus, bodies: usize, weights: usize) -> Self {
        assert!(bodies <= BODIES, "at most {BODIES} bodies share a mask");
        assert!(modulus.is_for_ciphertexts(), "a prime of ciphertexts");
        let columns = bodies + 1;
        let products = Aligned::new(weights * columns * BODY_WORDS);
        let sums = Aligned::new(columns * TILE);
        Self { engine, modulus, bodies, weights, products, sums, rows: 0, calls: 0 }
    }

    /// Adds rows. Panics if a slice does not have the documented shape; shapes come from [`crate::layout`], never from
    /// outside.
    pub fn add(&mut self, rows: &Rows<'_>) {
        let count = rows.selected.len();
        let row_bytes = self.bodies * TILE_BYTES;
        assert!(count <= ROWS_PER_CALL, "at most {ROWS_PER_CALL} rows at a time");
        assert!(
            rows.selected.iter().all(|&r| (r as usize + 1) * row_bytes <= rows.packed.len()),
            "row out of the tile"
        );
        assert!(
            rows.masks.len() == count * ROW_WORDS && rows.weights.len() == self.weights,
            "masks or weights missing"
        );
        assert!(
            rows.weights
                .iter()
                .all(|(d0, d1)| d0.len() == count * ROW_WORDS && d1.len() == count * ROW_WORDS)
        );
        // What the last reduction left counts as one term.
        if 1 + self.rows + count as u64 > TERMS_PER_REDUCTION {
            self.reduce();
        }
        match self.engine {
            #[cfg(target_arch = "x86_64")]
            Engine::Avx512 => avx512::add(self, rows),
            #[cfg(target_arch = "x86_64")]
            Engine::Fma => fma::add(self, rows),
            _ => portable::add(self, rows),
        }
        self.rows += count as u64;
        self.calls += 1;
    }

    /// Reduces every accumulator below p: low halves hold the residue, high halves nothing.
    fn reduce(&mut self) {
        let bodies = self.products.as_chunks_mut::<BODY_WORDS>().0.iter_mut();
        for group in
            bodies.flat_map(|body| body.split_at_mut(PRODUCT_WORDS).0.as_chunks_mut::<16>().0)
        {
            let (low, high) = group.split_at_mut(8);
            for (l, h) in low.iter_mut().zip(high) {
                let total = match self.engine {
                    #[cfg(target_arch = "x86_64")]
                    Engine::Fma => fma::total(*l, *h, self.rows, self.calls),
                    _ => u128::from(*l) + (u128::from(*h) << 52),
                };
                *l = self.modulus.reduce_wide(total);
                *h = 0;
            }
        }
        for s in self.sums.iter_mut() {
            *s = self.modulus.reduce(*s);
        }
        (self.rows, self.calls) = (0, 0);
    }

    /// Words that [`TileSums::finish`] gives: 128 for each polynomial of the unit.
    pub fn finished_words(&self) -> usize {
        (2 * self.weights + 1) * (self.bodies + 1) * TILE
    }

    /// Starts again from nothing, for `modulus`, a prime as in [`TileSums::new`].
    pub fn begin(&mut self, modulus: Modulus) {
        assert!(modulus.is_for_ciphertexts(), "a prime of ciphertexts");
        self.products.fill(0);
        self.sums.fill(0);
        (self.rows, self.calls, self.modulus) = (0, 0, modulus);
    }

    /// Writes the reduced sums to `out`.
    ///
    /// Order: for each weight vector and column (the bodies and, last, the mask) `B0_k` and `B1_k`, or `A0` and `A1`; then
    /// the unweighted sum of each column, `S_k` or `S_A`. 128 words each.
    pub fn finish(&mut self, out: &mut [u64]) {
        assert_eq!(out.len(), self.finished_words(), "room for all sums");
        self.reduce();
        let (products, sums) = out.split_at_mut(self.products.len() / BODY_WORDS * 2 * TILE);
        let accumulators = self.products.as_chunks::<BODY_WORDS>().0;
        for (pair, body) in products.chunks_exact_mut(2 * TILE).zip(accumulators) {
            let (zero, one) = pair.split_at_mut(TILE);
            let words = zero.as_chunks_mut::<8>().0.iter_mut().zip(one.as_chunks_mut::<8>().0);
            for ((zero, one), group) in words.zip(body.as_chunks::<32>().0) {
                let ([low0, _, low1, _], _) = group.as_chunks::<8>() else { continue };
                (*zero, *one) = (*low0, *low1);
            }
        }
        for (o, s) in sums.iter_mut().zip(self.sums.iter()) {
            *o = *s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::pack::pack;
    use crate::layout::{ABREAST, Place};
    use crate::mask::{MaskExpander, MaskIndex, MaskSeed};
    use crate::params::PRIMES;

    fn words(seed: u8, count: usize) -> Vec<u64> {
        let index = MaskIndex { plane: 0, limb: 0, group: 0, row: 0 };
        let mut out = vec![0; count];
        MaskExpander::new(MaskSeed([seed; 16])).expand(Modulus::new(PRIMES[0]), index, 0, &mut out);
        out
    }

    fn run(
        engine: Engine,
        bodies: usize,
        weights: usize,
        selected: &[u32],
        repeats: usize,
        worst: bool,
    ) -> Vec<u64> {
        let modulus = Modulus::new(PRIMES[0]);
        let rows = 70;
        let fill = |seed, n| if worst { vec![modulus.value() - 1; n] } else { words(seed, n) };
        let mut packed = vec![0; rows * bodies * TILE_BYTES];
        pack(&fill(1, rows * bodies * TILE), &mut packed);
        let masks = fill(2, selected.len() * ROW_WORDS);
        let d: Vec<_> = (0..weights)
            .map(|w| (fill(3 + w as u8, masks.len()), fill(103 + w as u8, masks.len())))
            .collect();
        let views: Vec<_> = d.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        let mut sums = TileSums::new(engine, modulus, bodies, weights);
        for _ in 0..repeats {
            sums.add(&Rows {
                packed: &packed,
                selected,
                masks: &masks,
                weights: &views,
                ahead: &packed,
                weights_ahead: &[&packed, &packed],
            });
        }
        let mut out = vec![0; sums.finished_words()];
        sums.finish(&mut out);
        sums.begin(modulus);
        let mut empty = vec![1; out.len()];
        sums.finish(&mut empty);
        assert!(empty.iter().all(|&word| word == 0), "nothing is left of what was summed before");
        out
    }

    #[test]
    fn aligned_numbers_begin_with_a_line() {
        for length in [0, 1, 8, 1000] {
            let mut words = Aligned::<u64>::new(length);
            assert_eq!(&words[..], vec![0; length]);
            assert!(words.as_ptr().addr().is_multiple_of(LINE_BYTES));
            words.iter_mut().zip(1..).for_each(|(word, i)| *word = i);
            let copy = Aligned::from(&words[..]);
            assert_eq!(copy[..], words[..]);
            let bytes = Aligned::from(&vec![7u8; length][..]);
            assert!(bytes.iter().all(|&b| b == 7) && bytes.len() == length);
            assert!(bytes.as_ptr().addr().is_multiple_of(LINE_BYTES));
        }
    }

    #[test]
    fn engines_agree_bit_for_bit() {
        let all: Vec<u32> = (0..ROWS_PER_CALL as u32).collect();
        for (bodies, weights, selected) in [
            (8, 1, &all[..]),
            (8, 3, &[0, 5, 69, 7, 3]),
            (1, 0, &[69]),
            (5, 2, &[1, 2, 3]),
            (8, 1, &[]),
        ] {
            let portable = run(Engine::Portable, bodies, weights, selected, 3, false);
            for engine in Engine::all() {
                assert_eq!(
                    run(engine, bodies, weights, selected, 3, false),
                    portable,
                    "{engine:?}"
                );
            }
        }
    }

    #[test]
    fn no_accumulator_overflows() {
        let all: Vec<u32> = (0..ROWS_PER_CALL as u32).collect();
        let m = Modulus::new(PRIMES[0]);
        for engine in Engine::all() {
            let repeats = 520; // 8,320 rows of the largest words
            let out = run(engine, 2, 1, &all, repeats, true);
            let n = (ROWS_PER_CALL * repeats) as u64;
            let (sum, product) = (m.neg(m.reduce(n)), m.reduce(n)); // (p-1) n and (p-1)^2 n
            let (products, sums) = out.split_at(3 * 2 * TILE);
            assert!(products.iter().all(|&v| v == product));
            assert!(sums.iter().all(|&v| v == sum));
        }
    }

    #[test]
    fn engines_pack_alike() {
        let m = Modulus::new(PRIMES[0]);
        for count in [0, 8, 64, 136] {
            let mut words = words(5, count);
            if let [first, .., last] = &mut words[..] {
                (*first, *last) = (m.value() - 1, (1 << 50) - 1);
            }
            let mut expected = vec![0; pack::packed_len(count)];
            pack::pack(&words, &mut expected);
            for engine in Engine::all() {
                let mut bytes = vec![0xaa; expected.len()];
                engine.pack(&words, &mut bytes);
                assert_eq!(bytes, expected);
                let mut back = vec![1; count];
                engine.unpack(&bytes, &mut back);
                assert_eq!(back, words);
                assert_eq!(engine.all_reduced(&bytes, m), count == 0);
                assert!(!engine.all_reduced(&[bytes, vec![0]].concat(), m));
                if let [.., last] = &mut back[..] {
                    *last = m.value() - 1;
                }
                let mut bytes = vec![0; expected.len()];
                engine.pack(&back, &mut bytes);
                assert!(engine.all_reduced(&bytes, m));
            }
        }
    }

    #[test]
    fn bodies_side_by_side_are_found_where_they_were_packed() {
        for count in 1..=ABREAST {
            let bodies: Vec<[u64; TILE]> =
                (0..count).map(|b| words(b as u8, TILE).try_into().unwrap()).collect();
            let views: Vec<&[u64; TILE]> = bodies.iter().collect();
            for engine in Engine::all() {
                let mut row = vec![0xaa; count * TILE_BYTES];
                engine.pack_abreast(&views, &mut row);
                for (body, words) in bodies.iter().enumerate() {
                    let Place { first, step } = Place::new(body, count);
                    let groups = row.as_chunks().0.iter().skip(first).step_by(step);
                    assert!(groups.map(pack::unpack_group).eq(words.as_chunks().0.iter().copied()));
                }
            }
        }
    }

    #[test]
    fn multiply_add_agrees_with_scalars() {
        let m = Modulus::new(PRIMES[3]);
        let reduce = |v: Vec<u64>| v.into_iter().map(|x| m.reduce(x)).collect::<Vec<_>>();
        let (mut a, mut b, mut c) =
            (reduce(words(1, 256)), reduce(words(2, 256)), reduce(words(3, 256)));
        (a[0], b[0], c[0]) = (m.value() - 1, m.value() - 1, m.value() - 1);
        (a[1], b[1], c[1]) = (0, 0, 0);
        (a[2], b[2], c[2]) = (1, m.value() - 1, 1);
        for engine in Engine::all() {
            let mut out = c.clone();
            engine.multiply_add(m, &a, &b, &mut out);
            for i in 0..256 {
                assert_eq!(out[i], m.add(m.mul(a[i], b[i]), c[i]), "{engine:?} {i}");
            }
        }
    }
}
