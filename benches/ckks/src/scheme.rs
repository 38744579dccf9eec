//! CKKS with poulpy-ckks: two variants in each complex slot, a person's phenotype in every slot of a ciphertext.

use anyhow::Result;
use poulpy_ckks::api::{CKKSAddManyOps as _, CKKSDotProductOps as _};
use poulpy_ckks::layouts::CKKSCiphertextOwned;
use poulpy_ckks::prelude::*;
use poulpy_core::GLWETensorKeyEncryptSk as _;
use poulpy_core::api::{
    GLWENormalize as _, GLWESecretPreparedFactory as _, GLWESecretSampling as _,
    GLWETensorKeyPreparedFactory as _,
};
use poulpy_core::layouts::prepared::{GLWESecretPrepared, GLWETensorKeyPrepared};
use poulpy_core::layouts::{
    GLWELayout, GLWESecretAlloc as _, GLWETensorKeyAlloc as _, GLWETensorKeyLayout, Rank,
};
use poulpy_cpu_avx::NTT4x30Avx;
use poulpy_hal::api::{ScratchOwnedAlloc as _, ScratchOwnedBorrow as _};
use poulpy_hal::layouts::{Backend, Module, ScratchOwned, WriterTo};
use poulpy_hal::source::Source;
use rayon::prelude::*;

use crate::protocol::Cohort;

pub(crate) type Engine = NTT4x30Avx;
type Ciphertext = CKKSCiphertextOwned<Engine>;
type Scratch = ScratchOwned<Engine>;

/// Degree of the ring.
pub(crate) const DEGREE: usize = 4096;
/// Variants in a ciphertext: real and imaginary part of each slot hold one.
pub(crate) const SLOTS: usize = DEGREE;
/// Bits of a digit: poulpy holds each in a word of 64 bits.
pub(crate) const DIGIT_BITS: usize = 36;
/// Digits of a ciphertext.
const DIGITS: usize = 2;
/// Bits of a ciphertext's modulus.
const BITS: usize = DIGITS * DIGIT_BITS;
/// Bits of the evaluation key's modulus, the largest there is.
pub(crate) const KEY_BITS: usize = BITS + DIGIT_BITS;
/// Bytes of a ciphertext in memory.
pub(crate) const HELD_BYTES: usize = 2 * DEGREE * DIGITS * 8;
/// Bytes of the secret as poulpy holds it: a word for each coefficient.
pub(crate) const SECRET_BYTES: usize = DEGREE * 8;
/// With more people too few bits remain for the fractions.
pub(crate) const MOST_PEOPLE: usize = 100_000;

/// Decrypted counts.
pub(crate) struct Counts {
    pub(crate) all: Vec<f64>,
    pub(crate) cases: Vec<f64>,
    pub(crate) case_count: f64,
}

/// A value and the bytes that it is when it is sent.
pub(crate) struct Sent<T> {
    pub(crate) value: T,
    pub(crate) bytes: usize,
}

/// Sums of each block of variants.
pub(crate) struct Sums {
    all: Vec<Ciphertext>,
    cases: Vec<Ciphertext>,
    case_count: Ciphertext,
}

/// Parameters and keys.
pub(crate) struct Scheme {
    module: Module<Engine>,
    people: usize,
    /// Bits of the fractions: one in a slot is this power of two. A product takes as many bits of the modulus.
    fraction_bits: usize,
    /// Bits that the sums need above the fractions, their sign included.
    sum_bits: usize,
    secret: GLWESecretPrepared<<Engine as Backend>::OwnedBuf, Engine>,
    evaluation_key: GLWETensorKeyPrepared<<Engine as Backend>::OwnedBuf, Engine>,
    evaluation_key_bytes: usize,
}

impl Scheme {
    /// Keys for a number of people: what the sums don't need of the modulus is shared by the fractions of both factors.
    pub(crate) fn new(people: usize) -> Result<Self> {
        // A coefficient stays below the largest absolute value of a slot, sqrt(8) for each person.
        let sum_bits = (3 * people).ilog2() as usize + 2;
        let module = Module::<Engine>::new(DEGREE as u64);
        let mut scratch = scratch(&module, people);
        let mut secret_source = source()?;
        let mut mask_source = source()?;
        let mut error_source = source()?;

        let mut secret = module.glwe_secret_alloc_from_infos(&layout());
        module.glwe_secret_fill_ternary_prob(&mut secret, 2.0 / 3.0, &mut secret_source);
        let mut prepared = module.glwe_secret_prepared_alloc_from_infos(&layout());
        module.glwe_secret_prepare(&mut prepared, &secret);

        let mut key = module.glwe_tensor_key_alloc_from_infos(&key_layout());
        module.glwe_tensor_key_encrypt_sk(
            &mut key,
            &secret,
            &mut mask_source,
            &mut error_source,
            &mut scratch.borrow(),
        );
        let mut evaluation_key = module.glwe_tensor_key_prepared_alloc_from_infos(&key_layout());
        module.glwe_tensor_key_prepare(&mut evaluation_key, &key, &mut scratch.borrow());
        Ok(Self {
            module,
            people,
            fraction_bits: (BITS - sum_bits) / 2,
            sum_bits,
            secret: prepared,
            evaluation_key,
            evaluation_key_bytes: bytes_of(&key)?,
        })
    }

    pub(crate) fn evaluation_key_bytes(&self) -> usize {
        self.evaluation_key_bytes
    }

    /// How often the sums can be doubled at least until they no longer fit.
    pub(crate) fn bits_left(&self) -> usize {
        BITS - 2 * self.fraction_bits - self.sum_bits
    }

    /// Encrypts genotypes: `[block][person]`.
    pub(crate) fn encrypt(&self, cohort: &Cohort) -> Result<Sent<Vec<Vec<Ciphertext>>>> {
        let rows: Vec<&[u8]> = cohort.genotypes.chunks(cohort.variants).collect();
        let block = |first: usize| {
            let part = |row: &&[u8]| {
                let block: Vec<f64> =
                    row.iter().skip(first).take(SLOTS).map(|&g| f64::from(g)).collect();
                let mut real = block;
                real.resize(SLOTS, 0.0);
                let imaginary = real.split_off(SLOTS / 2);
                (real, imaginary)
            };
            self.encrypt_all(rows.par_iter().map(part))
        };
        let value: Vec<_> =
            (0..cohort.variants).step_by(SLOTS).map(block).collect::<Result<_>>()?;
        let bytes = bytes_of_all(value.iter().flatten())?;
        Ok(Sent { value, bytes })
    }

    /// Encrypts the phenotype. It is real, so that a product keeps the two variants of a slot apart.
    pub(crate) fn encrypt_phenotype(&self, cohort: &Cohort) -> Result<Sent<Vec<Ciphertext>>> {
        let everywhere = |&case: &u8| (vec![f64::from(case); SLOTS / 2], vec![0.0; SLOTS / 2]);
        let value = self.encrypt_all(cohort.cases.par_iter().map(everywhere))?;
        let bytes = bytes_of_all(&value)?;
        Ok(Sent { value, bytes })
    }

    /// Encrypts real and imaginary parts.
    fn encrypt_all(
        &self,
        values: impl IndexedParallelIterator<Item = (Vec<f64>, Vec<f64>)>,
    ) -> Result<Vec<Ciphertext>> {
        let start = || anyhow::Ok((self.scratch(2), source()?, source()?));
        let encrypt = |state: &mut Result<(Scratch, Source, Source)>,
                       (real, imaginary): (Vec<f64>, Vec<f64>)| {
            let (scratch, masks, errors) = state.as_mut().map_err(|e| anyhow::anyhow!("{e}"))?;
            let mut plaintext = self.module.ckks_plaintext_alloc_from_slots(
                SLOTS / 2,
                DIGIT_BITS.into(),
                BITS.into(),
            );
            let scale = Scale::Log(self.fraction_bits);
            plaintext.set_meta(GLWEPlaintextMeta {
                scale,
                slots: SlotsKind::Complex,
                log_sparsity: 0,
            });
            self.module.ckks_encode_slots_host_into(
                &mut plaintext,
                &real,
                &imaginary,
                &mut scratch.borrow(),
            )?;
            let mut ciphertext = self.module.ckks_ciphertext_alloc(DIGIT_BITS.into(), BITS.into());
            let scratch = &mut scratch.borrow();
            self.module.ckks_encrypt_sk(
                &mut ciphertext,
                &plaintext,
                &self.secret,
                errors,
                masks,
                scratch,
            )?;
            Ok(ciphertext)
        };
        values.map_init(start, encrypt).collect()
    }

    /// The server's part, which works without the secret: blocks in parallel.
    pub(crate) fn compute(
        &self,
        genotypes: &[Vec<Ciphertext>],
        phenotype: &[Ciphertext],
    ) -> Result<Sent<Sums>> {
        let phenotype: Vec<&Ciphertext> = phenotype.iter().collect();
        let block = |people: &Vec<Ciphertext>| -> Result<(Ciphertext, Ciphertext)> {
            let mut scratch = self.scratch(people.len());
            let people: Vec<&Ciphertext> = people.iter().collect();
            let mut cases = self.module.ckks_ciphertext_alloc(DIGIT_BITS.into(), BITS.into());
            let key = &self.evaluation_key;
            self.module.ckks_dot_product_ct(
                &mut cases,
                &people,
                &phenotype,
                key,
                &mut scratch.borrow(),
            )?;
            self.module.glwe_normalize_assign(&mut cases, &mut scratch.borrow());
            Ok((self.add(&people, &mut scratch)?, cases))
        };
        let blocks: Vec<_> = genotypes.par_iter().map(block).collect::<Result<_>>()?;
        let (all, cases) = blocks.into_iter().unzip();
        let case_count = self.add(&phenotype, &mut self.scratch(2))?;
        let sums = Sums { all, cases, case_count };
        let bytes = bytes_of_all(sums.all.iter().chain(&sums.cases).chain([&sums.case_count]))?;
        Ok(Sent { value: sums, bytes })
    }

    /// Adds ciphertexts; a word of 64 bits holds more digits of 36 bits than there may be people.
    fn add(&self, terms: &[&Ciphertext], scratch: &mut Scratch) -> Result<Ciphertext> {
        let mut sum = self.module.ckks_ciphertext_alloc(DIGIT_BITS.into(), BITS.into());
        self.module.ckks_add_many(usize::MAX, &mut sum, terms, &mut scratch.borrow())?;
        self.module.glwe_normalize_assign(&mut sum, &mut scratch.borrow());
        Ok(sum)
    }

    /// Decrypts the sums. Whoever reads them knows that they count, and takes what is all but none or all but everybody's for
    /// just that: a chi-square is defined of neither.
    pub(crate) fn decrypt(&self, sums: &Sums, variants: usize) -> Result<Counts> {
        let mut scratch = self.scratch(2);
        let mut open = |ciphertext: &Ciphertext| -> Result<Vec<f64>> {
            let mut plaintext = self.module.ckks_plaintext_alloc_from_infos(ciphertext);
            self.module.ckks_decrypt(
                &mut plaintext,
                ciphertext,
                &self.secret,
                &mut scratch.borrow(),
            )?;
            let (mut real, mut imaginary) = (vec![0.0; SLOTS / 2], vec![0.0; SLOTS / 2]);
            self.module.ckks_decode_slots_host_into(
                &plaintext,
                &mut real,
                &mut imaginary,
                &mut scratch.borrow(),
            )?;
            real.append(&mut imaginary);
            Ok(real)
        };
        let mut all = |ciphertexts: &[Ciphertext]| -> Result<Vec<f64>> {
            let mut counts = Vec::new();
            for ciphertext in ciphertexts {
                counts.append(&mut open(ciphertext)?);
            }
            counts.truncate(variants);
            Ok(counts)
        };
        let (mut counts, cases) = (all(&sums.all)?, all(&sums.cases)?);
        let most = 2.0 * self.people as f64;
        for count in &mut counts {
            *count =
                [0.0, most].into_iter().find(|end| (*count - end).abs() < 0.1).unwrap_or(*count);
        }
        let case_count = open(&sums.case_count)?.first().copied().unwrap_or_default();
        Ok(Counts { all: counts, cases, case_count })
    }

    fn scratch(&self, people: usize) -> Scratch {
        scratch(&self.module, people)
    }
}

fn layout() -> GLWELayout {
    GLWELayout { n: DEGREE.into(), base2k: DIGIT_BITS.into(), k: BITS.into(), rank: Rank(1) }
}

pub(crate) fn key_layout() -> GLWETensorKeyLayout {
    GLWETensorKeyLayout {
        n: DEGREE.into(),
        base2k: DIGIT_BITS.into(),
        k_aux: DIGIT_BITS.into(),
        rank: Rank(1),
        k_digit: DIGIT_BITS.into(),
        dnum: DIGITS.into(),
    }
}

/// Memory that every step needs, sums over so many people included.
fn scratch(module: &Module<Engine>, people: usize) -> Scratch {
    let ciphertext = module.ckks_ciphertext_alloc_from_glwe_infos(&layout());
    let key = key_layout();
    let most = module
        .ckks_all_ops_tmp_bytes(&ciphertext, &ciphertext, &key)
        .max(module.ckks_dot_product_ct_tmp_bytes(
            people,
            &ciphertext,
            &ciphertext,
            &ciphertext,
            &key,
        ))
        .max(module.ckks_add_many_tmp_bytes(&ciphertext, &ciphertext))
        .max(module.glwe_normalize_tmp_bytes())
        .max(<Module<Engine> as CKKSEncodingHostOps<Engine, f64>>::ckks_encoding_host_tmp_bytes(
            module,
            SLOTS / 2,
        ));
    Scratch::alloc(most)
}

/// Randomness with a seed of the operating system.
fn source() -> Result<Source> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Source::new(seed))
}

fn bytes_of(value: &impl WriterTo) -> Result<usize> {
    let mut bytes = Vec::new();
    value.write_to(&mut bytes)?;
    Ok(bytes.len())
}

fn bytes_of_all<'a>(ciphertexts: impl IntoIterator<Item = &'a Ciphertext>) -> Result<usize> {
    ciphertexts.into_iter().map(bytes_of).sum()
}
