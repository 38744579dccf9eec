//! tfhe-rs `core_crypto`: variants in the coefficients of GLWE ciphertexts, each person's phenotype a GGSW ciphertext, and an
//! external product for each.

use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;
use tfhe::shortint::parameters::PARAM_MESSAGE_2_CARRY_2_KS_PBS as SET;

use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent};
use crate::workload::{Answer, Shape, Workload};
use crate::{Error, Result};

/// Base and digits of the phenotype's ciphertexts: 44 of 64 bits, which leaves what is cut off below the sums' noise.
const BASE: DecompositionBaseLog = DecompositionBaseLog(11);
const LEVELS: DecompositionLevelCount = DecompositionLevelCount(4);

/// The ring and noise of tfhe-rs's usual set: N = 2048, k = 1, q = 2^64.
pub(super) struct Glwe;

/// The client's key.
pub(super) struct Secret {
    key: GlweSecretKeyOwned<u64>,
    /// Bits below the counts.
    shift: u32,
}

/// Sums of each block: everybody's and the cases', and the number of cases.
pub(super) struct Sums {
    all: Vec<GlweCiphertextOwned<u64>>,
    cases: Vec<GlweCiphertextOwned<u64>>,
    count: GlweCiphertextOwned<u64>,
}

fn size() -> GlweSize {
    SET.glwe_dimension.to_glwe_size()
}

fn zero() -> GlweCiphertextOwned<u64> {
    GlweCiphertext::new(0, size(), SET.polynomial_size, SET.ciphertext_modulus)
}

/// What one thread needs for external products.
struct Scratch {
    fft: Fft,
    buffers: ComputationBuffers,
}

impl Scratch {
    fn new() -> Self {
        let fft = Fft::new(SET.polynomial_size);
        let mut buffers = ComputationBuffers::new();
        let product = add_external_product_assign_mem_optimized_requirement::<u64>(
            size(),
            SET.polynomial_size,
            fft.as_view(),
        );
        let convert =
            convert_standard_ggsw_ciphertext_to_fourier_mem_optimized_requirement(fft.as_view());
        buffers.resize(product.unaligned_bytes_required().max(convert.unaligned_bytes_required()));
        Self { fft, buffers }
    }

    /// Adds one person to the sums.
    fn add(
        &mut self,
        sums: &mut Sums,
        one: &GlweCiphertextOwned<u64>,
        genotypes: &SeededGlweCiphertextListOwned<u64>,
        phenotype: &SeededGgswCiphertextOwned<u64>,
    ) {
        let fft = self.fft.as_view();
        let standard = phenotype.clone().decompress_into_ggsw_ciphertext();
        let mut ggsw = FourierGgswCiphertext::new(size(), SET.polynomial_size, BASE, LEVELS);
        let stack = self.buffers.stack();
        convert_standard_ggsw_ciphertext_to_fourier_mem_optimized(&standard, &mut ggsw, fft, stack);
        let stack = self.buffers.stack();
        add_external_product_assign_mem_optimized(&mut sums.count, &ggsw, one, fft, stack);
        let list = genotypes.clone().decompress_into_glwe_ciphertext_list();
        for ((block, all), cases) in list.iter().zip(&mut sums.all).zip(&mut sums.cases) {
            glwe_ciphertext_add_assign(all, &block);
            let stack = self.buffers.stack();
            add_external_product_assign_mem_optimized(cases, &ggsw, &block, fft, stack);
        }
    }
}

impl Sums {
    fn new(blocks: usize) -> Self {
        Self { all: vec![zero(); blocks], cases: vec![zero(); blocks], count: zero() }
    }

    fn every(&self) -> impl Iterator<Item = &GlweCiphertextOwned<u64>> {
        self.all.iter().chain(&self.cases).chain([&self.count])
    }

    fn plus(mut self, other: &Self) -> Self {
        let add = |a: &mut [GlweCiphertextOwned<u64>], b: &[GlweCiphertextOwned<u64>]| {
            a.iter_mut().zip(b).for_each(|(a, b)| glwe_ciphertext_add_assign(a, b));
        };
        add(&mut self.all, &other.all);
        add(&mut self.cases, &other.cases);
        glwe_ciphertext_add_assign(&mut self.count, &other.count);
        self
    }
}

/// The values of a ciphertext with the scale still on them.
fn phase(secret: &Secret, ciphertext: &GlweCiphertextOwned<u64>) -> Vec<u64> {
    let mut plaintext = PlaintextList::new(0, PlaintextCount(SET.polynomial_size.0));
    decrypt_glwe_ciphertext(&secret.key, ciphertext, &mut plaintext);
    plaintext.into_container()
}

impl Scheme for Glwe {
    type Secret = Secret;
    /// Bits below the counts: public, and all that the server needs besides ciphertexts.
    type Server = u32;
    type Genotypes = Vec<SeededGlweCiphertextListOwned<u64>>;
    type Phenotype = Vec<SeededGgswCiphertextOwned<u64>>;
    type Sums = Sums;

    fn about(&self) -> About {
        About {
            name: "tfhe-ggsw".to_owned(),
            title: "TFHE, GLWE sums with GGSW products".to_owned(),
            library: "tfhe-rs 1.8.2, core_crypto".to_owned(),
            regime: Regime::ServerMultiplies,
            security: "at least 128 bits classical (tfhe-rs: ring and noise of PARAM_MESSAGE_2_CARRY_2_KS_PBS, binary secret)"
                .to_owned(),
            readers: "the one holder of the secret key".to_owned(),
            evaluation_keys: "none: the phenotype's ciphertexts are what a product needs".to_owned(),
            layout: "2,048 variants of a person in a GLWE ciphertext, sent as its body and a seed; a GGSW ciphertext of four \
                     digits for each person's phenotype"
                .to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        SET.polynomial_size.0 as u32
    }

    fn held_bytes(&self) -> u64 {
        (SET.polynomial_size.0 * 8) as u64
    }

    fn setup(&self, shape: Shape) -> Result<Keys<Secret, u32>> {
        let mut seeder = new_seeder();
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        let key = allocate_and_generate_new_binary_glwe_secret_key(
            SET.glwe_dimension,
            SET.polynomial_size,
            &mut generator,
        );
        // Plans of transforms are made once in a process and kept by the library: that is setup too.
        let _ = Fft::new(SET.polynomial_size);
        // Counts are at most twice the people, and one bit stays free above them.
        let shift = (2 * u64::from(shape.people)).leading_zeros() - 1;
        let bytes = KeyBytes { secret: key.as_ref().len() as u64 * 8, public: 0, evaluation: 0 };
        Ok(Keys { secret: Secret { key, shift }, server: shift, bytes })
    }

    fn encrypt(&self, secret: &Secret, work: &Workload) -> Result<Sent<Self::Genotypes>> {
        let degree = SET.polynomial_size.0;
        let blocks = work.shape.variants.div_ceil(self.slots()) as usize;
        let rows: Vec<&[u8]> = work.rows().collect();
        let person = |row: &&[u8]| {
            let mut values = vec![0u64; blocks * degree];
            values.iter_mut().zip(*row).for_each(|(v, &g)| *v = u64::from(g) << secret.shift);
            let mut seeder = new_seeder();
            let mut list = SeededGlweCiphertextList::new(
                0,
                size(),
                SET.polynomial_size,
                GlweCiphertextCount(blocks),
                seeder.seed().into(),
                SET.ciphertext_modulus,
            );
            encrypt_seeded_glwe_ciphertext_list(
                &secret.key,
                &mut list,
                &PlaintextList::from_container(values),
                SET.glwe_noise_distribution,
                seeder.as_mut(),
            );
            list
        };
        let value: Vec<_> = rows.par_iter().map(person).collect();
        let bytes = (value.len() * (blocks * degree * 8 + 16)) as u64;
        Ok(Sent { value, bytes })
    }

    fn encrypt_phenotype(&self, secret: &Secret, work: &Workload) -> Result<Sent<Self::Phenotype>> {
        let person = |&case: &u8| {
            let mut seeder = new_seeder();
            let mut ggsw = SeededGgswCiphertext::new(
                0,
                size(),
                SET.polynomial_size,
                BASE,
                LEVELS,
                seeder.seed().into(),
                SET.ciphertext_modulus,
            );
            encrypt_constant_seeded_ggsw_ciphertext(
                &secret.key,
                &mut ggsw,
                Cleartext(u64::from(case)),
                SET.glwe_noise_distribution,
                seeder.as_mut(),
            );
            ggsw
        };
        let value: Vec<_> = work.cases.par_iter().map(person).collect();
        let bytes = value.iter().map(|ggsw| ggsw.as_ref().len() as u64 * 8 + 16).sum();
        Ok(Sent { value, bytes })
    }

    fn compute(
        &self,
        shift: &u32,
        genotypes: &Self::Genotypes,
        phenotype: &Self::Phenotype,
    ) -> Result<Sent<Sums>> {
        let blocks = genotypes.first().map_or(0, |list| list.glwe_ciphertext_count().0);
        let mut one = zero();
        // The constant of the body, which follows the masks.
        let body = SET.glwe_dimension.0 * SET.polynomial_size.0;
        if let Some(constant) = one.as_mut().get_mut(body) {
            *constant = 1 << shift;
        }
        let people = genotypes.par_iter().zip(phenotype);
        let start = || (Scratch::new(), Sums::new(blocks));
        let sums = people.fold(start, |(mut scratch, mut sums), (list, phenotype)| {
            scratch.add(&mut sums, &one, list, phenotype);
            (scratch, sums)
        });
        let sums = sums.map(|(_, sums)| sums).reduce(|| Sums::new(blocks), |a, b| a.plus(&b));
        let bytes = sums.every().map(|c| c.as_ref().len() as u64 * 8).sum();
        Ok(Sent { value: sums, bytes })
    }

    fn decrypt(&self, secret: &Secret, sums: &Sums, shape: Shape) -> Result<Answer> {
        let half = 1u64 << (secret.shift - 1);
        let open = |c: &GlweCiphertextOwned<u64>| -> Vec<f64> {
            phase(secret, c).iter().map(|v| (v.wrapping_add(half) >> secret.shift) as f64).collect()
        };
        let all = |blocks: &[GlweCiphertextOwned<u64>]| {
            blocks.iter().flat_map(open).take(shape.variants as usize).collect()
        };
        let count = open(&sums.count).first().copied();
        Ok(Answer {
            all: all(&sums.all),
            cases: all(&sums.cases),
            case_count: count.ok_or(Error::Inexact("the number of cases"))?,
        })
    }

    fn bits_left(&self, secret: &Secret, sums: &Sums) -> Result<Option<f64>> {
        let scale = 1u64 << secret.shift;
        let noise = sums.every().flat_map(|c| phase(secret, c)).map(|v| {
            let rest = v % scale;
            rest.min(scale - rest)
        });
        let largest = noise.max().unwrap_or_default().max(1);
        Ok(Some((scale as f64 / 2.0 / largest as f64).log2()))
    }
}
