//! tfhe-rs radix integers: every genotype a ciphertext of its own, exact arithmetic on encrypted integers of any width.
//!
//! Used as well as its interface allows: a genotype is one block of two bits, not a wide integer; the product with the phenotype is
//! one look-up; and sums go through the column-wise sum of tfhe-rs, which leaves out blocks that are zero by construction.

use rayon::prelude::*;
use tfhe::integer::{ClientKey, RadixCiphertext, ServerKey};
use tfhe::shortint;
use tfhe::shortint::parameters::PARAM_MESSAGE_2_CARRY_2_KS_PBS;
use tfhe::shortint::{Ciphertext, CompressedCiphertext};

use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent, Units};
use crate::workload::{Answer, Shape, Workload};
use crate::{Error, Result};

/// The one parameter set.
pub(super) struct Radix;

/// Bytes of an object as bincode writes it.
fn bytes<T: serde::Serialize>(value: &T) -> Result<u64> {
    bincode::serialized_size(value).map_err(Error::step("measuring sizes"))
}

/// What the server gets.
pub(super) struct Server {
    shortint: shortint::ServerKey,
    integer: ServerKey,
}

/// Sums of each variant: everybody's and the cases', and the number of cases.
pub(super) struct Sums {
    all: Vec<RadixCiphertext>,
    cases: Vec<RadixCiphertext>,
    count: RadixCiphertext,
}

impl Server {
    /// Sums terms of one block each. Four values fit into a block, so blocks for `2 * people` are added on top, empty.
    fn sum(&self, terms: Vec<Ciphertext>) -> Result<RadixCiphertext> {
        let largest = 3 * terms.len() as u64;
        let blocks = (u64::BITS - largest.leading_zeros()).div_ceil(2);
        let wide = |term| {
            let zeros = (1..blocks).map(|_| self.shortint.create_trivial(0));
            RadixCiphertext::from([term].into_iter().chain(zeros).collect::<Vec<_>>())
        };
        let sum = self
            .integer
            .unchecked_sum_ciphertexts_vec_parallelized(terms.into_iter().map(wide).collect());
        sum.ok_or(Error::Inexact("the number of people"))
    }
}

impl Scheme for Radix {
    type Secret = ClientKey;
    type Server = Server;
    /// `[person][variant]`.
    type Genotypes = Vec<Vec<CompressedCiphertext>>;
    type Phenotype = Vec<CompressedCiphertext>;
    type Sums = Sums;

    fn about(&self) -> About {
        About {
            name: "tfhe-radix".to_owned(),
            title: "TFHE radix integers".to_owned(),
            library: "tfhe-rs 1.8.2".to_owned(),
            regime: Regime::ServerMultiplies,
            security: "at least 128 bits classical, failure 2^-128 an operation (tfhe-rs, PARAM_MESSAGE_2_CARRY_2_KS_PBS)"
                .to_owned(),
            readers: "the one holder of the secret key".to_owned(),
            evaluation_keys: "every product and sum: key switching and bootstrapping".to_owned(),
            layout: "a block of two bits for each genotype, sent as its body and a seed; a look-up for each product, column-wise \
                     sums"
                .to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        1
    }

    fn held_bytes(&self) -> u64 {
        // A body, a seed and what tfhe-rs keeps beside them.
        128
    }

    fn setup(&self, _: Shape) -> Result<Keys<ClientKey, Server>> {
        let (client, shortint) = shortint::gen_keys(PARAM_MESSAGE_2_CARRY_2_KS_PBS);
        let sizes = KeyBytes { secret: bytes(&client)?, public: 0, evaluation: bytes(&shortint)? };
        let integer = ServerKey::new_radix_server_key_from_shortint(shortint.clone());
        Ok(Keys { secret: client.into(), server: Server { shortint, integer }, bytes: sizes })
    }

    fn encrypt(&self, client: &ClientKey, work: &Workload) -> Result<Sent<Self::Genotypes>> {
        let key: shortint::ClientKey = client.clone().into();
        let rows: Vec<&[u8]> = work.rows().collect();
        let person =
            |row: &&[u8]| row.iter().map(|&g| key.encrypt_compressed(g.into())).collect::<Vec<_>>();
        let value: Vec<_> = rows.par_iter().map(person).collect();
        Ok(Sent { bytes: bytes(&value)?, value })
    }

    fn encrypt_phenotype(
        &self,
        client: &ClientKey,
        work: &Workload,
    ) -> Result<Sent<Self::Phenotype>> {
        let key: shortint::ClientKey = client.clone().into();
        let value: Vec<_> =
            work.cases.par_iter().map(|&case| key.encrypt_compressed(case.into())).collect();
        Ok(Sent { bytes: bytes(&value)?, value })
    }

    fn compute(
        &self,
        server: &Server,
        genotypes: &Self::Genotypes,
        phenotype: &Self::Phenotype,
    ) -> Result<Sent<Sums>> {
        let phenotype: Vec<Ciphertext> =
            phenotype.par_iter().map(CompressedCiphertext::decompress).collect();
        let (mut all, mut cases) = (Vec::new(), Vec::new());
        for variant in 0..genotypes.first().map_or(0, Vec::len) {
            let column: Vec<Ciphertext> = genotypes
                .par_iter()
                .filter_map(|row| row.get(variant))
                .map(CompressedCiphertext::decompress)
                .collect();
            let products = column
                .par_iter()
                .zip(&phenotype)
                .map(|(g, y)| server.shortint.unchecked_mul_lsb(g, y))
                .collect();
            all.push(server.sum(column)?);
            cases.push(server.sum(products)?);
        }
        let sums = Sums { all, cases, count: server.sum(phenotype)? };
        let bytes = bytes(&sums.all)? + bytes(&sums.cases)? + bytes(&sums.count)?;
        Ok(Sent { value: sums, bytes })
    }

    fn decrypt(&self, client: &ClientKey, sums: &Sums, _: Shape) -> Result<Answer> {
        let open = |sum: &RadixCiphertext| client.decrypt_radix::<u64>(sum) as f64;
        Ok(Answer {
            all: sums.all.iter().map(open).collect(),
            cases: sums.cases.iter().map(open).collect(),
            case_count: open(&sums.count),
        })
    }

    /// Every operation bootstraps: no budget is used up.
    fn bits_left(&self, _: &ClientKey, _: &Sums) -> Result<Option<f64>> {
        Ok(None)
    }
}
