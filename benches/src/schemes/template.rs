//! A template. To add a scheme: copy this file, put your library's calls where the comments say so, and add a line to
//! [`super::all`]. The tests of that module then run it on a small cohort and hold its counts against the oracle.
//!
//! As it stands it encrypts nothing: tests run it to show that a right answer is taken and a wrong one refused.

use crate::Result;
use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent};
use crate::workload::{Answer, Shape, Workload};

/// Your scheme; what is chosen once (a parameter set, say) goes in here.
pub(super) struct Template {
    /// Added to a sum, so that tests have a scheme that is wrong.
    pub(super) mistake: u32,
}

/// Variants in a ciphertext.
const SLOTS: usize = 16;

impl Scheme for Template {
    /// The client's keys.
    type Secret = ();
    /// Evaluation keys, parameters: all that the server may know.
    type Server = u32;
    /// A ciphertext for each block of variants of each person.
    type Genotypes = Vec<Vec<[u8; SLOTS]>>;
    /// A ciphertext for each person.
    type Phenotype = Vec<u8>;
    /// A ciphertext for each block of sums: everybody's, the cases'; and the number of cases.
    type Sums = (Vec<[u32; SLOTS]>, Vec<[u32; SLOTS]>, u32);

    fn about(&self) -> About {
        About {
            name: "template".to_owned(),
            title: "the template".to_owned(),
            library: "none".to_owned(),
            regime: Regime::Clear,
            security: "none".to_owned(),
            readers: "everybody".to_owned(),
            evaluation_keys: "none".to_owned(),
            layout: "sixteen variants of a person side by side".to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        SLOTS as u32
    }

    fn held_bytes(&self) -> u64 {
        SLOTS as u64
    }

    fn setup(&self, _shape: Shape) -> Result<Keys<(), u32>> {
        // Choose parameters for so many people, generate keys, and serialise them for their sizes.
        Ok(Keys { secret: (), server: self.mistake, bytes: KeyBytes::default() })
    }

    fn encrypt(&self, (): &(), work: &Workload) -> Result<Sent<Self::Genotypes>> {
        // Encrypt each block of each row, in parallel if the library does not do that by itself.
        let block = |variants: &[u8]| {
            let mut block = [0; SLOTS];
            block.iter_mut().zip(variants).for_each(|(slot, &g)| *slot = g);
            block
        };
        let person = |row: &[u8]| row.chunks(SLOTS).map(block).collect::<Vec<_>>();
        let value: Vec<_> = work.rows().map(person).collect();
        // Bytes are those of the serialised ciphertexts.
        let bytes = value.iter().map(|blocks| (blocks.len() * SLOTS) as u64).sum();
        Ok(Sent { value, bytes })
    }

    fn encrypt_phenotype(&self, (): &(), work: &Workload) -> Result<Sent<Vec<u8>>> {
        Ok(Sent { value: work.cases.clone(), bytes: work.cases.len() as u64 })
    }

    fn compute(
        &self,
        mistake: &u32,
        genotypes: &Self::Genotypes,
        phenotype: &Vec<u8>,
    ) -> Result<Sent<Self::Sums>> {
        // Multiply, add.
        let blocks = genotypes.first().map_or(0, Vec::len);
        let (mut all, mut cases) = (vec![[*mistake; SLOTS]; blocks], vec![[0; SLOTS]; blocks]);
        for (blocks, &case) in genotypes.iter().zip(phenotype) {
            for ((block, all), cases) in blocks.iter().zip(&mut all).zip(&mut cases) {
                all.iter_mut().zip(block).for_each(|(sum, &g)| *sum += u32::from(g));
                cases.iter_mut().zip(block).for_each(|(sum, &g)| *sum += u32::from(g * case));
            }
        }
        let count = phenotype.iter().map(|&c| u32::from(c)).sum();
        let bytes = (2 * blocks * SLOTS * 4 + 4) as u64;
        Ok(Sent { value: (all, cases, count), bytes })
    }

    fn decrypt(&self, (): &(), (all, cases, count): &Self::Sums, shape: Shape) -> Result<Answer> {
        // Decrypt, and leave out the slots past the last variant.
        let flat = |blocks: &[[u32; SLOTS]]| {
            let values = blocks.iter().flatten().map(|&v| f64::from(v));
            values.take(shape.variants as usize).collect()
        };
        Ok(Answer { all: flat(all), cases: flat(cases), case_count: f64::from(*count) })
    }

    fn bits_left(&self, (): &(), _sums: &Self::Sums) -> Result<Option<f64>> {
        // log2 of (what would make a decryption wrong / the largest noise found).
        Ok(None)
    }
}
