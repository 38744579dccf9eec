//! tfhe-rs compact public-key lists, each with a zero-knowledge proof that it holds small messages: what additive aggregation costs when
//! the server need not trust whoever encrypts.
//!
//! A compact list is a mask and bodies, so lists of the same length add up word by word.

use rayon::prelude::*;
use tfhe::core_crypto::commons::math::random::RandomGenerator;
use tfhe::core_crypto::prelude::*;
use tfhe::shortint::parameters::PARAM_MESSAGE_2_CARRY_2_KS_PBS as SET;
use tfhe::zk::{CompactPkeCrs, CompactPkeProof, ZkComputeLoad, ZkMSBZeroPaddingBitCount};

use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent};
use crate::workload::{Answer, Shape, Workload};
use crate::{Error, Result};

/// Dimension of the keys: that of the usual set's ring.
const DIMENSION: LweDimension = LweDimension(2048);
/// Messages in a list.
const MESSAGES: usize = 1024;
/// What a message must be below, in bits: genotypes are 0, 1 or 2.
const MESSAGE_BITS: u32 = 2;
/// What proofs are bound to.
const METADATA: &[u8] = b"hegwas-bench";

/// The one parameter set.
pub(super) struct Proven;

type List = LweCompactCiphertextListOwned<u64>;

/// The client's keys. Sites have the public one alone.
pub(super) struct Secret {
    key: LweSecretKeyOwned<u64>,
    public: LweCompactPublicKeyOwned<u64>,
    crs: CompactPkeCrs,
    /// Bits below the counts.
    shift: u32,
}

/// What verifies proofs.
pub(super) struct Server {
    public: LweCompactPublicKeyOwned<u64>,
    crs: CompactPkeCrs,
}

/// A list with its proof.
pub(super) struct Checked {
    list: List,
    proof: CompactPkeProof,
}

/// Sums of each block.
pub(super) struct Sums {
    all: Vec<List>,
    cases: Vec<List>,
    count: List,
}

fn empty() -> List {
    List::new(
        0,
        DIMENSION.to_lwe_size(),
        LweCiphertextCount(MESSAGES),
        CiphertextModulus::new_native(),
    )
}

impl Secret {
    fn encrypt(&self, values: impl Iterator<Item = u8>) -> Result<Checked> {
        let mut messages = vec![0u64; MESSAGES];
        messages.iter_mut().zip(values).for_each(|(m, v)| *m = v.into());
        let mut seeder = new_seeder();
        let seed = seeder.seed();
        let mut generator =
            EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seed, seeder.as_mut());
        let mut list = empty();
        let proof = encrypt_and_prove_lwe_compact_ciphertext_list_with_compact_public_key(
            &self.public,
            &mut list,
            &messages,
            1u64 << self.shift,
            SET.glwe_noise_distribution,
            SET.glwe_noise_distribution,
            generator.noise_generator_mut(),
            &self.crs,
            METADATA,
            ZkComputeLoad::Proof,
        );
        Ok(Checked { list, proof: proof.map_err(Error::step("proving"))? })
    }

    /// The values of a list with the scale still on them.
    fn phase(&self, list: &List) -> Vec<u64> {
        let mut plaintext = PlaintextList::new(0, PlaintextCount(MESSAGES));
        let list = list.clone().expand_into_lwe_ciphertext_list();
        decrypt_lwe_ciphertext_list(&self.key, &list, &mut plaintext);
        plaintext.into_container()
    }

    fn open(&self, list: &List) -> Vec<f64> {
        let half = 1u64 << (self.shift - 1);
        self.phase(list).iter().map(|v| (v.wrapping_add(half) >> self.shift) as f64).collect()
    }
}

impl Server {
    /// Adds a list to a sum, if its proof holds.
    fn add(&self, sum: &mut List, item: &Checked) -> Result<()> {
        let outcome = verify_lwe_compact_ciphertext_list(
            &item.list,
            &self.public,
            &item.proof,
            &self.crs,
            METADATA,
        );
        if outcome.is_invalid() {
            return Err(Error::Inexact("a proof"));
        }
        sum.as_mut().iter_mut().zip(item.list.as_ref()).for_each(|(s, w)| *s = s.wrapping_add(*w));
        Ok(())
    }

    /// The sum of what `items` gives.
    fn sum<'a>(&self, mut items: impl Iterator<Item = &'a Checked>) -> Result<List> {
        items.try_fold(empty(), |mut sum, item| self.add(&mut sum, item).map(|()| sum))
    }
}

/// Lists are one mask and their bodies.
fn bytes<'a>(items: impl Iterator<Item = &'a Checked>) -> Result<u64> {
    let of = |item: &Checked| {
        let proof = bincode::serialized_size(&item.proof);
        Ok(proof.map_err(Error::step("measuring sizes"))? + item.list.as_ref().len() as u64 * 8)
    };
    items.map(of).sum()
}

impl Scheme for Proven {
    type Secret = Secret;
    type Server = Server;
    /// `[person][block]`: genotypes, and genotypes times phenotype.
    type Genotypes = Vec<Vec<[Checked; 2]>>;
    type Phenotype = Vec<Checked>;
    type Sums = Sums;

    fn about(&self) -> About {
        About {
            name: "tfhe-proven".to_owned(),
            title: "TFHE compact lists with proofs, sums only".to_owned(),
            library: "tfhe-rs 1.8.2, zk-pok".to_owned(),
            regime: Regime::ClientMultiplies,
            security: "at least 128 bits classical (tfhe-rs: ring and noise of PARAM_MESSAGE_2_CARRY_2_KS_PBS, binary secret); \
                       proofs over BLS12-446"
                .to_owned(),
            readers: "the one holder of the secret key; anybody can encrypt".to_owned(),
            evaluation_keys: "none to add; the common reference string to verify proofs".to_owned(),
            layout: "1,024 variants of a person in a list, one of genotypes and one of products, each proven to be below four: the \
                     only one here in which a site can't add more than its share (that products are products is not proven)"
                .to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        MESSAGES as u32
    }

    fn held_bytes(&self) -> u64 {
        2 * ((DIMENSION.0 + MESSAGES) as u64 * 8 + 4096)
    }

    fn setup(&self, shape: Shape) -> Result<Keys<Secret, Server>> {
        let mut seeder = new_seeder();
        let mut secrets = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        let mut random = RandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        let seed = seeder.seed();
        let mut generator =
            EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seed, seeder.as_mut());
        let key = allocate_and_generate_new_binary_lwe_secret_key(DIMENSION, &mut secrets);
        let modulus = CiphertextModulus::new_native();
        let public = allocate_and_generate_new_lwe_compact_public_key(
            &key,
            SET.glwe_noise_distribution,
            modulus,
            &mut generator,
        );
        // Counts are at most twice the people, and one bit stays free above them: all of it must be zero in a single message.
        let shift = (2 * u64::from(shape.people)).leading_zeros() - 1;
        let bits = u64::BITS - shift;
        let crs = CompactPkeCrs::new(
            DIMENSION,
            LweCiphertextCount(MESSAGES),
            SET.glwe_noise_distribution,
            modulus,
            1u64 << bits,
            ZkMSBZeroPaddingBitCount(u64::from(bits - MESSAGE_BITS)),
            &mut random,
        );
        let crs = crs.map_err(Error::step("making the common reference string"))?;
        let crs_bytes = bincode::serialized_size(&crs).map_err(Error::step("measuring sizes"))?;
        let bytes = KeyBytes {
            secret: key.as_ref().len() as u64 * 8,
            public: public.as_ref().len() as u64 * 8 + crs_bytes,
            evaluation: 0,
        };
        let server = Server { public: public.clone(), crs: crs.clone() };
        Ok(Keys { secret: Secret { key, public, crs, shift }, server, bytes })
    }

    fn encrypt(&self, secret: &Secret, work: &Workload) -> Result<Sent<Self::Genotypes>> {
        let rows: Vec<(&[u8], u8)> = work.rows().zip(work.cases.iter().copied()).collect();
        let person = |&(row, case): &(&[u8], u8)| {
            let block = |block: &[u8]| {
                let genotypes = secret.encrypt(block.iter().copied())?;
                Ok([genotypes, secret.encrypt(block.iter().map(|g| g * case))?])
            };
            row.chunks(MESSAGES).map(block).collect::<Result<Vec<_>>>()
        };
        let value: Vec<_> = rows.par_iter().map(person).collect::<Result<_>>()?;
        let bytes = bytes(value.iter().flatten().flatten())?;
        Ok(Sent { value, bytes })
    }

    /// One list holds up to 1,024 people's: what it proves is that each is small.
    fn encrypt_phenotype(&self, secret: &Secret, work: &Workload) -> Result<Sent<Self::Phenotype>> {
        let list = |cases: &[u8]| secret.encrypt(cases.iter().copied());
        let value = work.cases.chunks(MESSAGES).map(list).collect::<Result<Vec<_>>>()?;
        let bytes = bytes(value.iter())?;
        Ok(Sent { value, bytes })
    }

    fn compute(
        &self,
        server: &Server,
        genotypes: &Self::Genotypes,
        phenotype: &Self::Phenotype,
    ) -> Result<Sent<Sums>> {
        let blocks = genotypes.first().map_or(0, Vec::len);
        let sum = |number: usize, which: usize| {
            server.sum(genotypes.iter().filter_map(|row| row.get(number)?.get(which)))
        };
        let all = (0..blocks).into_par_iter().map(|b| sum(b, 0)).collect::<Result<Vec<_>>>()?;
        let cases = (0..blocks).into_par_iter().map(|b| sum(b, 1)).collect::<Result<Vec<_>>>()?;
        let count = server.sum(phenotype.iter())?;
        let lists = (all.len() + cases.len() + 1) as u64;
        let bytes = lists * (count.as_ref().len() as u64) * 8;
        Ok(Sent { value: Sums { all, cases, count }, bytes })
    }

    fn decrypt(&self, secret: &Secret, sums: &Sums, shape: Shape) -> Result<Answer> {
        let all = |lists: &[List]| {
            let values = lists.iter().flat_map(|list| secret.open(list));
            values.take(shape.variants as usize).collect()
        };
        let case_count = secret.open(&sums.count).iter().sum();
        Ok(Answer { all: all(&sums.all), cases: all(&sums.cases), case_count })
    }

    fn bits_left(&self, secret: &Secret, sums: &Sums) -> Result<Option<f64>> {
        let scale = 1u64 << secret.shift;
        let lists = sums.all.iter().chain(&sums.cases).chain([&sums.count]);
        let noise = lists.flat_map(|list| secret.phase(list)).map(|v| {
            let rest = v % scale;
            rest.min(scale - rest)
        });
        let largest = noise.max().unwrap_or_default().max(1);
        Ok(Some((scale as f64 / 2.0 / largest as f64).log2()))
    }
}
