//! BFV with fhe.rs: variants in slots, a person's phenotype in every slot of a ciphertext; and BFV that only adds.

use std::sync::Arc;

use fhe::bfv::{BfvParameters, BfvParametersBuilder, Ciphertext, Encoding, Plaintext, SecretKey};
use fhe_traits::{FheDecoder, FheDecrypter, FheEncoder, FheEncrypter, Serialize};
use rand::rng;
use rayon::prelude::*;

use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent};
use crate::trial::Entrant;
use crate::workload::{Answer, Shape, Workload};
use crate::{Error, Result};

/// Parameters of one of them.
pub(super) struct Bfv {
    name: &'static str,
    degree: usize,
    /// Bits of the primes of the modulus.
    moduli: &'static [usize],
    regime: Regime,
    layout: &'static str,
}

/// The parameter sets that are compared.
pub(super) fn all() -> Vec<Box<dyn Entrant>> {
    let multiplies = "a ciphertext for each 4,096 variants of a person, one for the phenotype; products are added before they are \
                      decrypted, without relinearisation; fhe.rs rescales each product by itself";
    let sets = [
        Bfv {
            name: "bfv-n4096-q73",
            degree: 4096,
            moduli: &[36, 37],
            regime: Regime::ServerMultiplies,
            layout: "as BFV with 109 bits, with the smallest modulus that serves 2,000 people",
        },
        Bfv {
            name: "bfv-n4096-q109",
            degree: 4096,
            moduli: &[36, 36, 37],
            regime: Regime::ServerMultiplies,
            layout: multiplies,
        },
        Bfv {
            name: "bfv-n2048-q54-sums",
            degree: 2048,
            moduli: &[54],
            regime: Regime::ClientMultiplies,
            layout: "the regime of the Blind Machine, parameters ours: genotype and product side by side in one slot, so that a \
                     single ciphertext holds both",
        },
        Bfv {
            name: "bfv-n4096-q109-sums",
            degree: 4096,
            moduli: &[36, 36, 37],
            regime: Regime::ClientMultiplies,
            layout: "the same with fhe.rs's own parameters for 4,096 slots",
        },
    ];
    sets.into_iter().map(|set| Box::new(set) as Box<dyn Entrant>).collect()
}

/// Parameters and key.
pub(super) struct Secret {
    parameters: Arc<BfvParameters>,
    key: SecretKey,
    /// What the product of genotype and phenotype is multiplied by where both stand in one slot.
    shift: u64,
}

/// Sums of each block of variants.
pub(super) struct Sums {
    all: Vec<Ciphertext>,
    /// Of the cases; none where both stand in one slot.
    cases: Vec<Ciphertext>,
    case_count: Ciphertext,
}

impl Bfv {
    fn adds(&self) -> bool {
        self.regime == Regime::ClientMultiplies
    }

    fn encrypt_all(
        &self,
        secret: &Secret,
        plaintexts: impl IndexedParallelIterator<Item = Vec<u64>>,
    ) -> Result<(Vec<Ciphertext>, u64)> {
        let encrypt = |values: Vec<u64>| {
            let plaintext = Plaintext::try_encode(&values, Encoding::simd(), &secret.parameters)?;
            secret.key.try_encrypt(&plaintext, &mut rng())
        };
        let ciphertexts: std::result::Result<Vec<Ciphertext>, fhe::Error> =
            plaintexts.map(encrypt).collect();
        let ciphertexts = ciphertexts.map_err(Error::step("encrypting"))?;
        let bytes = ciphertexts.par_iter().map(|c| c.to_bytes().len() as u64).sum();
        Ok((ciphertexts, bytes))
    }
}

impl Scheme for Bfv {
    type Secret = Secret;
    type Server = Arc<BfvParameters>;
    /// `[person][block]`.
    type Genotypes = Vec<Vec<Ciphertext>>;
    type Phenotype = Vec<Ciphertext>;
    type Sums = Sums;

    fn about(&self) -> About {
        let bits: usize = self.moduli.iter().sum();
        let does = if self.adds() { "sums only" } else { "products" };
        About {
            name: self.name.to_owned(),
            title: format!("BFV, N = {}, {bits} bits, {does}", self.degree),
            library: "fhe.rs 0.1.1".to_owned(),
            regime: self.regime,
            security: match (self.degree, bits) {
                (4096, bits) if bits < 109 => {
                    "above 128 bits classical (a smaller modulus than the standard's 109 bits)"
                }
                _ => "128 bits classical (homomorphicencryption.org's tables; fhe.rs's own parameters)",
            }
            .to_owned(),
            readers: "the one holder of the secret key".to_owned(),
            evaluation_keys: "none: products of two are decrypted as they are".to_owned(),
            layout: self.layout.to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        self.degree as u32
    }

    /// With 73 bits, products of more people leave no room for noise: such shapes are scaled from these.
    fn limit(&self, shape: Shape) -> Shape {
        let most = if self.moduli.len() == 2 { 2_000 } else { u32::MAX };
        Shape { people: shape.people.min(most), ..shape }
    }

    fn held_bytes(&self) -> u64 {
        (2 * self.degree * self.moduli.len() * 8) as u64
    }

    fn setup(&self, shape: Shape) -> Result<Keys<Secret, Arc<BfvParameters>>> {
        // Every sum stays below twice the people; two of them side by side need the square.
        let shift = 2 * u64::from(shape.people) + 1;
        let least = if self.adds() { shift * shift } else { shift };
        let parameters = BfvParametersBuilder::new()
            .set_degree(self.degree)
            .set_plaintext_modulus(prime(least, 2 * self.degree as u64))
            .set_moduli_sizes(self.moduli)
            .build_arc()
            .map_err(Error::step("choosing parameters"))?;
        let key = SecretKey::random(&parameters, &mut rng());
        let bytes = KeyBytes { secret: key.to_bytes().len() as u64, public: 0, evaluation: 0 };
        let server = Arc::clone(&parameters);
        Ok(Keys { secret: Secret { parameters, key, shift }, server, bytes })
    }

    fn encrypt(&self, secret: &Secret, work: &Workload) -> Result<Sent<Self::Genotypes>> {
        let rows: Vec<(&[u8], u8)> = work.rows().zip(work.cases.iter().copied()).collect();
        let person = |&(row, case): &(&[u8], u8)| {
            let factor = if self.adds() { 1 + secret.shift * u64::from(case) } else { 1 };
            let blocks: Vec<Vec<u64>> = row
                .chunks(self.degree)
                .map(|block| block.iter().map(|&g| u64::from(g) * factor).collect())
                .collect();
            self.encrypt_all(secret, blocks.into_par_iter())
        };
        let people: Vec<_> = rows.par_iter().map(person).collect::<Result<_>>()?;
        let bytes = people.iter().map(|(_, bytes)| bytes).sum();
        Ok(Sent { value: people.into_iter().map(|(blocks, _)| blocks).collect(), bytes })
    }

    fn encrypt_phenotype(&self, secret: &Secret, work: &Workload) -> Result<Sent<Self::Phenotype>> {
        let everywhere = |&case: &u8| vec![u64::from(case); self.degree];
        let (value, bytes) = self.encrypt_all(secret, work.cases.par_iter().map(everywhere))?;
        Ok(Sent { value, bytes })
    }

    fn compute(
        &self,
        parameters: &Arc<BfvParameters>,
        genotypes: &Self::Genotypes,
        phenotype: &Self::Phenotype,
    ) -> Result<Sent<Sums>> {
        let zero = || Ciphertext::zero(parameters);
        let add = |mut a: Ciphertext, b: &Ciphertext| {
            a += b;
            a
        };
        let blocks = genotypes.first().map_or(0, Vec::len);
        let people = genotypes.par_iter().zip(phenotype);
        let block = |number: usize| {
            let of = move |(row, y): (&'_ Vec<Ciphertext>, &Ciphertext)| {
                let genotypes = row.get(number).cloned().unwrap_or_else(zero);
                let product = if self.adds() { zero() } else { &genotypes * y };
                (genotypes, product)
            };
            let none = || (zero(), zero());
            let both = |a: (Ciphertext, Ciphertext), b: (Ciphertext, Ciphertext)| {
                (add(a.0, &b.0), add(a.1, &b.1))
            };
            people.clone().map(of).reduce(none, both)
        };
        let (all, cases): (Vec<_>, Vec<_>) = (0..blocks).map(block).unzip();
        let case_count = phenotype.iter().fold(zero(), add);
        let cases = if self.adds() { Vec::new() } else { cases };
        let sums = Sums { all, cases, case_count };
        let bytes = every(&sums).map(|c| c.to_bytes().len() as u64).sum();
        Ok(Sent { value: sums, bytes })
    }

    fn decrypt(&self, secret: &Secret, sums: &Sums, shape: Shape) -> Result<Answer> {
        let all = |ciphertexts: &[Ciphertext]| -> Result<Vec<u64>> {
            let blocks = ciphertexts.iter().map(|c| open(secret, c)).collect::<Result<Vec<_>>>()?;
            Ok(blocks.into_iter().flatten().take(shape.variants as usize).collect())
        };
        let count = open(secret, &sums.case_count)?.first().copied().unwrap_or_default() as f64;
        let (first, second) = (all(&sums.all)?, all(&sums.cases)?);
        let numbers = |values: Vec<u64>| values.into_iter().map(|v| v as f64).collect();
        let (all, cases) = if self.adds() {
            first.into_iter().map(|v| (v % secret.shift, v / secret.shift)).unzip()
        } else {
            (first, second)
        };
        Ok(Answer { all: numbers(all), cases: numbers(cases), case_count: count })
    }

    /// How often a ciphertext can be doubled until it decrypts to something else than its double: each doubling takes a bit.
    fn bits_left(&self, secret: &Secret, sums: &Sums) -> Result<Option<f64>> {
        let modulus = secret.parameters.plaintext();
        let mut least = None;
        for ciphertext in every(sums) {
            let (mut ciphertext, mut expected) = (ciphertext.clone(), open(secret, ciphertext)?);
            let mut bits = 0;
            loop {
                let same = ciphertext.clone();
                ciphertext += &same;
                expected.iter_mut().for_each(|v| *v = 2 * *v % modulus);
                if open(secret, &ciphertext)? != expected {
                    break;
                }
                bits += 1;
            }
            least = Some(least.map_or(bits, |least: u32| least.min(bits)));
        }
        Ok(least.map(f64::from))
    }
}

fn every(sums: &Sums) -> impl Iterator<Item = &Ciphertext> {
    sums.all.iter().chain(&sums.cases).chain([&sums.case_count])
}

fn open(secret: &Secret, ciphertext: &Ciphertext) -> Result<Vec<u64>> {
    let opened = secret.key.try_decrypt(ciphertext);
    let opened = opened.and_then(|p| Vec::<u64>::try_decode(&p, Encoding::simd()));
    opened.map_err(Error::step("decrypting"))
}

/// The first prime of the form `k * step + 1` that is larger than `least`.
fn prime(least: u64, step: u64) -> u64 {
    let is_prime = |n: u64| (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
    let mut candidate = (least / step + 1) * step + 1;
    while !is_prime(candidate) {
        candidate += step;
    }
    candidate
}
