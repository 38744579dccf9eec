//! The negacyclic transform in doubles, for x86-64 machines with AVX2 and FMA and without AVX-512 IFMA; in safe code.
//!
//! Words are integers held by doubles while they are transformed, and not kept below p: a product with a root `w` is
//! `b w - q p` for `q` the integer nearest to `b fl(w/p)`, exactly, by two fused multiply-adds (the formulas of [`super::lanes`]). With
//! `|b| < 2^53`, `q` misses `b w / p` by at most `1/2 + |b| 2^-52`; for p below 2^50 and `|b| <= B p` a product is therefore at most
//! `(1/2 + B/4) p`. What is only added is reduced once in two layers, where it says so; the bounds are beside each step.
//!
//! Two layers are done at a time, over blocks that fit into the first-level cache; the last two of a forward transform, within
//! vectors, after transposing four of them. Roots are in bit-reversed order: a block with root t has halves with roots 2t and 2t + 1.
#![allow(clippy::indexing_slicing)] // blocks are powers of two, cut in four

use core::arch::x86_64::__m256d;

use pulp::x86::V3;

use super::Modulus;
use super::lanes::{SHIFT, vector_to_float};

/// Words in a vector.
const LANES: usize = 4;
/// Most words of a block that is transformed layer after layer: it stays in the first-level cache with its roots. Larger ones are cut in four
/// first.
const BLOCK: usize = 1024;
/// To the nearest integer, without an exception.
const NEAREST: i32 = 8;

/// A transform of one size modulo one prime below 2^50.
pub(super) struct FloatNtt {
    simd: V3,
    p: f64,
    inverse: f64,
    forward: Roots,
    backward: Roots,
}

/// Powers of a root in bit-reversed order, each with what it is of p.
struct Roots {
    /// All but the innermost layer's.
    outer: Powers,
    /// The innermost layer's, of the first and of the second half of each block of the layer before.
    even: Powers,
    odd: Powers,
}

struct Powers {
    w: Vec<f64>,
    quotients: Vec<f64>,
}

impl Roots {
    fn new(modulus: Modulus, powers: &[u64]) -> Self {
        let p = modulus.value() as f64;
        let table = |powers: &mut dyn Iterator<Item = &u64>| {
            let w: Vec<f64> = powers.map(|&w| w as f64).collect();
            Powers { quotients: w.iter().map(|w| w / p).collect(), w }
        };
        let (outer, innermost) = powers.split_at(powers.len() / 2);
        Self {
            outer: table(&mut outer.iter()),
            even: table(&mut innermost.iter().step_by(2)),
            odd: table(&mut innermost.iter().skip(1).step_by(2)),
        }
    }
}

impl FloatNtt {
    /// For tables of powers in bit-reversed order, of a root and of its inverse; none where the machine lacks the instructions.
    pub(super) fn new(modulus: Modulus, powers: &[u64], inverse_powers: &[u64]) -> Option<Self> {
        let p = modulus.value() as f64;
        (powers.len() >= LANES * LANES).then_some(Self {
            simd: V3::try_new()?,
            p,
            inverse: 1.0 / p,
            forward: Roots::new(modulus, powers),
            backward: Roots::new(modulus, inverse_powers),
        })
    }

    /// Transforms words below p.
    pub(super) fn forward(&self, values: &mut [u64]) {
        self.run(values, Step::ToFloats);
        let size = values.len();
        if size.trailing_zeros().is_multiple_of(2) {
            self.descend(values, 1);
        } else {
            self.run(values, Step::Halves);
            for (half, root) in values.chunks_exact_mut(size / 2).zip(2..) {
                self.descend(half, root);
            }
        }
    }

    /// Size times the inverse of [`FloatNtt::forward`].
    pub(super) fn inverse_unscaled(&self, values: &mut [u64]) {
        self.run(values, Step::ToFloats);
        let size = values.len();
        if size.trailing_zeros().is_multiple_of(2) {
            self.ascend(values, 1);
        } else {
            for (half, root) in values.chunks_exact_mut(size / 2).zip(2..) {
                self.ascend(half, root);
            }
            self.run(values, Step::JoinHalves);
        }
        self.run(values, Step::ToWords);
    }

    /// Transforms a block whose size is a power of four.
    fn descend(&self, block: &mut [u64], root: usize) {
        if block.len() <= BLOCK {
            return self.run(block, Step::Forward(root));
        }
        self.run(block, Step::Quarters(root));
        for (quarter, root) in block.chunks_exact_mut(block.len() / 4).zip(4 * root..) {
            self.descend(quarter, root);
        }
    }

    /// Undoes [`FloatNtt::descend`].
    fn ascend(&self, block: &mut [u64], root: usize) {
        if block.len() <= BLOCK {
            return self.run(block, Step::Inverse(root));
        }
        for (quarter, root) in block.chunks_exact_mut(block.len() / 4).zip(4 * root..) {
            self.ascend(quarter, root);
        }
        self.run(block, Step::JoinQuarters(root));
    }

    fn run(&self, values: &mut [u64], step: Step) {
        self.simd.vectorize(Run { ntt: self, values, step });
    }
}

/// What is compiled for the instructions: a call of it.
struct Run<'a> {
    ntt: &'a FloatNtt,
    values: &'a mut [u64],
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    /// Words become floats.
    ToFloats,
    /// The first layer, with root 1.
    Halves,
    /// Two layers of a block with this root.
    Quarters(usize),
    /// All layers of a block with this root, to words.
    Forward(usize),
    /// The same steps backward.
    ToWords,
    JoinHalves,
    JoinQuarters(usize),
    Inverse(usize),
}

impl pulp::NullaryFnOnce for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { ntt, values, step } = self;
        let m = Mod::new(ntt);
        match step {
            Step::ToFloats => m.to_floats(values),
            Step::ToWords => m.to_words(values),
            Step::Halves => m.halves::<true>(values, &ntt.forward),
            Step::JoinHalves => m.halves::<false>(values, &ntt.backward),
            Step::Quarters(root) => m.quarters::<true>(values, &ntt.forward, root),
            Step::JoinQuarters(root) => m.quarters::<false>(values, &ntt.backward, root),
            Step::Forward(root) => {
                let (mut size, mut first) = (values.len(), root);
                while size > LANES {
                    for (block, root) in values.chunks_exact_mut(size).zip(first..) {
                        m.quarters::<true>(block, &ntt.forward, root);
                    }
                    (size, first) = (size / 4, first * 4);
                }
                m.innermost::<true>(values, &ntt.forward, first);
            }
            Step::Inverse(root) => {
                let (mut size, mut first) = (LANES, root * (values.len() / LANES));
                m.innermost::<false>(values, &ntt.backward, first);
                while size < values.len() {
                    (size, first) = (size * 4, first / 4);
                    for (block, root) in values.chunks_exact_mut(size).zip(first..) {
                        m.quarters::<false>(block, &ntt.backward, root);
                    }
                }
            }
        }
    }
}

/// A root and what it is of p, in all lanes or one in each.
#[derive(Clone, Copy)]
struct Root {
    w: __m256d,
    quotient: __m256d,
}

/// Vectors modulo p.
#[derive(Clone, Copy)]
struct Mod {
    simd: V3,
    p: __m256d,
    inverse: __m256d,
}

impl Mod {
    #[inline(always)]
    fn new(ntt: &FloatNtt) -> Self {
        let splat = |x| ntt.simd.avx._mm256_set1_pd(x);
        Self { simd: ntt.simd, p: splat(ntt.p), inverse: splat(ntt.inverse) }
    }

    #[inline(always)]
    fn add(self, a: __m256d, b: __m256d) -> __m256d {
        self.simd.avx._mm256_add_pd(a, b)
    }

    #[inline(always)]
    fn sub(self, a: __m256d, b: __m256d) -> __m256d {
        self.simd.avx._mm256_sub_pd(a, b)
    }

    /// `b w`, at most `(1/2 + B/4) p` for `|b| <= B p`.
    #[inline(always)]
    fn product(self, b: __m256d, root: Root) -> __m256d {
        let (avx, fma) = (self.simd.avx, self.simd.fma);
        let high = avx._mm256_mul_pd(b, root.w);
        let quotient = avx._mm256_round_pd::<NEAREST>(avx._mm256_mul_pd(b, root.quotient));
        let low = fma._mm256_fmsub_pd(b, root.w, high);
        self.add(fma._mm256_fnmadd_pd(quotient, self.p, high), low)
    }

    /// The same residue, of at most half of p and a millionth.
    #[inline(always)]
    fn reduce(self, x: __m256d) -> __m256d {
        let quotient =
            self.simd.avx._mm256_round_pd::<NEAREST>(self.simd.avx._mm256_mul_pd(x, self.inverse));
        self.simd.fma._mm256_fnmadd_pd(quotient, self.p, x)
    }

    /// The word below p of what is at most 4 p.
    #[inline(always)]
    fn to_word(self, x: __m256d) -> __m256d {
        let avx = self.simd.avx;
        let x = self.reduce(x);
        let negative = avx._mm256_cmp_pd::<1>(x, avx._mm256_setzero_pd()); // less than
        let x = self.add(x, avx._mm256_and_pd(negative, self.p));
        let shift = avx._mm256_set1_pd(SHIFT);
        avx._mm256_xor_pd(self.add(x, shift), shift)
    }

    #[inline(always)]
    fn to_floats(self, values: &mut [u64]) {
        for v in values.as_chunks_mut::<LANES>().0 {
            *v = pulp::cast(vector_to_float(self.simd, pulp::cast(*v)));
        }
    }

    #[inline(always)]
    fn to_words(self, values: &mut [u64]) {
        for v in values.as_chunks_mut::<LANES>().0 {
            *v = pulp::cast(self.to_word(pulp::cast(*v)));
        }
    }

    /// Root t in all lanes.
    #[inline(always)]
    fn root(self, Roots { outer, .. }: &Roots, t: usize) -> Root {
        let avx = self.simd.avx;
        Root { w: avx._mm256_set1_pd(outer.w[t]), quotient: avx._mm256_set1_pd(outer.quotients[t]) }
    }

    /// The first layer forward, where words below p become at most 7/4 p, or the last one backward.
    #[inline(always)]
    fn halves<const FORWARD: bool>(self, values: &mut [u64], roots: &Roots) {
        let root = self.root(roots, 1);
        let (low, high) = values.split_at_mut(values.len() / 2);
        let pairs = low.as_chunks_mut::<LANES>().0.iter_mut().zip(high.as_chunks_mut::<LANES>().0);
        for (a, b) in pairs {
            let (x, y) = (pulp::cast(*a), pulp::cast(*b));
            let (x, y) = if FORWARD {
                let y = self.product(y, root);
                (self.add(x, y), self.sub(x, y))
            } else {
                (self.add(x, y), self.product(self.sub(x, y), root))
            };
            (*a, *b) = (pulp::cast(x), pulp::cast(y));
        }
    }

    /// Two layers of a block with root t, of what lies at the same place of all four quarters.
    #[inline(always)]
    fn quarters<const FORWARD: bool>(self, block: &mut [u64], roots: &Roots, t: usize) {
        let three = [self.root(roots, t), self.root(roots, 2 * t), self.root(roots, 2 * t + 1)];
        let (low, high) = block.split_at_mut(block.len() / 2);
        let (a, b) = low.split_at_mut(low.len() / 2);
        let (c, d) = high.split_at_mut(high.len() / 2);
        let left = a.as_chunks_mut::<LANES>().0.iter_mut().zip(b.as_chunks_mut::<LANES>().0);
        let right = c.as_chunks_mut::<LANES>().0.iter_mut().zip(d.as_chunks_mut::<LANES>().0);
        for ((a, b), (c, d)) in left.zip(right) {
            let four = [pulp::cast(*a), pulp::cast(*b), pulp::cast(*c), pulp::cast(*d)];
            let [w, x, y, z] =
                if FORWARD { self.split(four, three) } else { self.join(four, three) };
            (*a, *b, *c, *d) = (pulp::cast(w), pulp::cast(x), pulp::cast(y), pulp::cast(z));
        }
    }

    /// Two layers forward, with the roots of the block and of its halves. In and out at most B p, in between less than 21/4 p < 2^53:
    /// `1/2 + (1/2 + B/4) + (1/2 + (B + 1/2 + B/4)/4) <= B` for B = 15/4.
    #[inline(always)]
    fn split(self, [a, b, c, d]: [__m256d; 4], [outer, left, right]: [Root; 3]) -> [__m256d; 4] {
        let (c, d) = (self.product(c, outer), self.product(d, outer));
        let a = self.reduce(a);
        let (a, c) = (self.add(a, c), self.sub(a, c));
        let (b, d) = (self.add(b, d), self.sub(b, d));
        let (b, d) = (self.product(b, left), self.product(d, right));
        [self.add(a, b), self.sub(a, b), self.add(c, d), self.sub(c, d)]
    }

    /// Two layers backward. In and out at most 9/8 p: the differences of the first layer become at most `(1/2 + 9/16) p`, those of the second `(1/2 + 17/32) p`,
    /// and the rest is reduced.
    #[inline(always)]
    fn join(self, [a, b, c, d]: [__m256d; 4], [outer, left, right]: [Root; 3]) -> [__m256d; 4] {
        let (a, b) = (self.add(a, b), self.product(self.sub(a, b), left));
        let (c, d) = (self.add(c, d), self.product(self.sub(c, d), right));
        let difference = self.reduce(self.sub(a, c));
        [
            self.reduce(self.add(a, c)),
            self.reduce(self.add(b, d)),
            self.product(difference, outer),
            self.product(self.sub(b, d), outer),
        ]
    }

    /// The last two layers forward, to words, or the first two backward: of blocks of four words with roots from `first` on.
    #[inline(always)]
    fn innermost<const FORWARD: bool>(self, values: &mut [u64], roots: &Roots, first: usize) {
        let blocks = values.as_chunks_mut::<{ LANES * LANES }>().0;
        for (four, t) in blocks.iter_mut().zip((first..).step_by(LANES)) {
            let (x, three) = (self.transpose(pulp::cast(*four)), self.inner_roots(roots, t));
            let x = if FORWARD {
                let [a, b, c, d] = self.split(x, three);
                [self.to_word(a), self.to_word(b), self.to_word(c), self.to_word(d)]
            } else {
                self.join(x, three)
            };
            *four = pulp::cast(self.transpose(x));
        }
    }

    /// The roots of four blocks of four words, from t on, and of their halves.
    #[inline(always)]
    fn inner_roots(self, roots: &Roots, t: usize) -> [Root; 3] {
        let i = t - roots.even.w.len();
        [four(&roots.outer, t), four(&roots.even, i), four(&roots.odd, i)]
    }

    /// Rows become columns.
    #[inline(always)]
    fn transpose(self, [a, b, c, d]: [__m256d; 4]) -> [__m256d; 4] {
        let avx = self.simd.avx;
        let (e, f) = (avx._mm256_unpacklo_pd(a, b), avx._mm256_unpackhi_pd(a, b));
        let (g, h) = (avx._mm256_unpacklo_pd(c, d), avx._mm256_unpackhi_pd(c, d));
        [
            avx._mm256_permute2f128_pd::<0x20>(e, g),
            avx._mm256_permute2f128_pd::<0x20>(f, h),
            avx._mm256_permute2f128_pd::<0x31>(e, g),
            avx._mm256_permute2f128_pd::<0x31>(f, h),
        ]
    }
}

/// Four roots from the i-th on.
#[inline(always)]
fn four(powers: &Powers, i: usize) -> Root {
    let w = *powers.w[i..].first_chunk::<LANES>().unwrap_or(&[0.0; LANES]);
    let quotient = *powers.quotients[i..].first_chunk::<LANES>().unwrap_or(&[0.0; LANES]);
    Root { w: pulp::cast(w), quotient: pulp::cast(quotient) }
}
