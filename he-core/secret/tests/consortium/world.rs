//! A consortium in memory: sites with datasets of their own, key holders with ledgers of their own.

use std::io;

use he_core::arith::Ring;
use he_core::ceremony::{key_round, public_key, share_round, shares};
use he_core::codec::HEADER_LEN;
use he_core::commit::{Commitments, RoundError};
use he_core::grant::SwitchingKey;
use he_core::kernel::Engine;
use he_core::layout::{Shape, Unit};
use he_core::mask::MaskSeed;
use he_core::params::Params;
use he_core::public_key::PublicKey;
use he_core::result::SwitchedUnit;
use he_core::share::{Admitted, DecryptionShare, ShareKind, ShareLedger};
use he_core::sum::{ChunkSource, UnitInput, WeightInput, sum_totals, sum_unit};
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::{
    DatasetKey, EncryptionSeeds, Entropy, HolderKey, MasterKey, MatrixEncryptor, WeightEncryptor,
    make_switching_key, smudged_share,
};

pub const UNIT: Unit = Unit { plane: 0, group: 0 };
/// Plane and group of the totals of the weights.
pub const TOTALS: Unit = Unit { plane: 255, group: 0 };

/// Chunks in memory.
pub struct Memory(Vec<Vec<u8>>);

impl ChunkSource for Memory {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = HEADER_LEN + offset as usize;
        buffer.copy_from_slice(&self.0[chunk][start..start + buffer.len()]);
        Ok(())
    }
}

/// A reproducible stream of small integers.
pub fn digits(seed: u64, modulus: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % modulus
    })
}

/// A site with a dataset of one block, one weight vector, and a grant to the study.
pub struct Site {
    shape: Shape,
    values: Vec<i8>,
    weights: Vec<i64>,
    rows: Vec<u32>,
    genotypes: (MaskSeed, Memory),
    phenotypes: (MaskSeed, Memory),
    grant: SwitchingKey,
}

/// Key holders and what they share.
pub struct Consortium {
    pub plan: Plan,
    pub ring: Ring,
    pub study: Digest,
    pub parties: Vec<String>,
    pub holders: Vec<HolderKey>,
    pub public: PublicKey,
}

pub fn holder_key(ring: &Ring, study: Digest, number: usize) -> HolderKey {
    let master = MasterKey::generate(&Entropy::insecure_deterministic(1000 + number as u64));
    HolderKey::derive(&master, ring, study)
}

/// What `received` by name is, as an iterator over borrowed bytes.
pub fn by_name<'a>(
    parties: &'a [String],
    objects: &'a [Vec<u8>],
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    parties.iter().map(String::as_str).zip(objects.iter().map(Vec::as_slice))
}

pub fn names(parties: &[String]) -> Vec<&str> {
    parties.iter().map(String::as_str).collect()
}

impl Consortium {
    pub fn new(request: PlanRequest, params: Params) -> Self {
        let plan = Plan::new(request).unwrap();
        assert_eq!(plan.params(), params);
        let (ring, study) = (Ring::new(params), Digest::of(b"a study of several"));
        let count = request.holders as usize;
        let parties: Vec<String> = (0..count).map(|k| format!("did:key:holder{k}")).collect();
        let holders: Vec<HolderKey> = (0..count).map(|k| holder_key(&ring, study, k)).collect();
        let commitments: Vec<Vec<u8>> = holders
            .iter()
            .zip(&parties)
            .map(|(key, party)| key.commit_public_share(&ring, party).to_bytes())
            .collect();
        let commitments = Commitments::collect(
            key_round(study),
            &names(&parties),
            by_name(&parties, &commitments),
        )
        .unwrap();
        let reveals: Vec<Vec<u8>> = holders
            .iter()
            .zip(&parties)
            .map(|(key, party)| key.reveal_public_share(&ring, party, &commitments).unwrap())
            .map(|reveal| reveal.to_bytes())
            .collect();
        let public = public_key(params, &commitments, by_name(&parties, &reveals)).unwrap();
        Self { plan, ring, study, parties, holders, public }
    }

    /// A site with `rows` people, of whom every fifth stays out.
    pub fn site(&self, number: u64, rows: u32) -> Site {
        let (params, request) = (self.plan.params(), self.plan.request());
        let shape = Shape { params, rows, planes: 1, blocks: 1 };
        let master = MasterKey::generate(&Entropy::insecure_deterministic(10 + number));
        let seeds = |what: &[u8], n| {
            EncryptionSeeds::new(&Entropy::insecure_deterministic(n + number), &Digest::of(what))
        };
        let genotype_seeds = seeds(b"genotypes", 100);
        let key = DatasetKey::derive(&master, &self.ring, genotype_seeds.nonce());
        let largest = request.dosage_max as i8;
        let values: Vec<i8> = digits(20 + number, 2 * u64::from(request.dosage_max) + 1)
            .map(|d| d as i8 - largest)
            .take(rows as usize * params.degree())
            .collect();
        let weights: Vec<i64> = digits(30 + number, u64::from(request.weight_max) + 1)
            .map(|d| d as i64)
            .take(rows as usize)
            .collect();
        let encryptor =
            MatrixEncryptor::new(&self.ring, self.plan, shape, &key, &genotype_seeds).unwrap();
        let weight_seeds = seeds(b"weights", 200);
        let weight_encryptor =
            WeightEncryptor::new(&self.ring, self.plan, rows, 1, &key, &weight_seeds).unwrap();
        let (mut genotypes, mut phenotypes) = (Vec::new(), Vec::new());
        for chunk in 0..shape.row_chunks() {
            let range = shape.chunk_rows(chunk);
            let (start, end) = (range.start as usize, range.end as usize);
            let slab = &values[start * params.degree()..end * params.degree()];
            let slab = encryptor.encrypt_slab(UNIT, chunk, slab).unwrap();
            genotypes.extend(slab.into_iter().map(|(_, bytes)| bytes));
            let slab = weight_encryptor.encrypt_slab(0, chunk, &weights[start..end]).unwrap();
            phenotypes.extend(slab.into_iter().map(|(_, bytes)| bytes));
        }
        let entropy = Entropy::insecure_deterministic(300 + number);
        let grant = make_switching_key(&self.ring, &key, &self.public, &entropy).unwrap();
        Site {
            shape,
            values,
            weights,
            rows: (0..rows).filter(|r| r % 5 != 4).collect(),
            genotypes: (genotype_seeds.mask_seed(), Memory(genotypes)),
            phenotypes: (weight_seeds.mask_seed(), Memory(phenotypes)),
            grant,
        }
    }

    /// What the server computes for one site: the sums of the block and the totals of the weights.
    pub fn contribution(&self, engine: Engine, site: &Site) -> [SwitchedUnit; 2] {
        let weights = WeightInput {
            shape: Shape::weights(self.plan.params(), site.shape.rows, 1),
            mask_seed: site.phenotypes.0,
            source: &site.phenotypes.1,
        };
        let input = UnitInput {
            shape: site.shape,
            mask_seed: site.genotypes.0,
            source: &site.genotypes.1,
            unit: UNIT,
            weights,
            rows: &site.rows,
        };
        let sums = sum_unit(engine, &input).unwrap();
        let totals = sum_totals(&weights, &site.rows).unwrap();
        [
            site.grant.switch_unit(engine, &self.ring, &self.plan, &sums),
            site.grant.switch_totals(engine, &self.ring, &self.plan, &totals),
        ]
    }

    /// The results of a job over these sites.
    pub fn results(&self, engine: Engine, sites: &[Site]) -> [SwitchedUnit; 2] {
        let all = sites.iter().map(|site| self.contribution(engine, site));
        all.reduce(|mut sum, next| {
            for (sum, next) in sum.iter_mut().zip(&next) {
                sum.add(&self.plan, next).unwrap();
            }
            sum
        })
        .unwrap()
    }

    /// What a holder's own, fresh ledger admits.
    pub fn admit(&self, job: Digest, kind: ShareKind, unit: &SwitchedUnit) -> Admitted {
        let mut ledger = ShareLedger::restore(self.study, self.plan, []).unwrap();
        ledger.admit(job, kind, unit, |_| Ok::<(), io::Error>(())).unwrap()
    }

    /// Every holder's share of `unit`.
    pub fn shares(&self, job: Digest, unit: &SwitchedUnit) -> Vec<DecryptionShare> {
        let admitted = self.admit(job, ShareKind::Open, unit);
        let share = |key| smudged_share(&self.ring, key, &admitted, unit).unwrap();
        self.holders.iter().map(share).collect()
    }

    /// Commitments to these shares, and the reveals.
    pub fn share_round(
        &self,
        unit: Digest,
        shares: &[DecryptionShare],
    ) -> (Commitments, Vec<Vec<u8>>) {
        let of = || self.holders.iter().zip(&self.parties).zip(shares);
        let commitments: Vec<Vec<u8>> = of()
            .map(|((key, party), share)| key.commit_share(party, unit, share).to_bytes())
            .collect();
        let commitments = Commitments::collect(
            share_round(unit),
            &names(&self.parties),
            by_name(&self.parties, &commitments),
        )
        .unwrap();
        let reveals = of()
            .map(|((key, party), share)| {
                key.reveal_share(party, unit, share, &commitments).unwrap()
            })
            .map(|reveal| reveal.to_bytes())
            .collect();
        (commitments, reveals)
    }

    /// The shares that a recipient reads.
    pub fn receive(
        &self,
        unit: &SwitchedUnit,
        commitments: &Commitments,
        reveals: &[Vec<u8>],
    ) -> Result<Vec<DecryptionShare>, RoundError> {
        shares(unit, ShareKind::Open, commitments, by_name(&self.parties, reveals))
    }

    /// Standard deviation of a decryption, smudging of all holders included.
    pub fn predicted(&self) -> f64 {
        let holders = f64::from(self.plan.request().holders);
        self.plan.deviation().hypot(holders.sqrt() * self.plan.smudging())
    }
}

impl Site {
    /// The sums in the clear: all people, then weighted.
    pub fn sums(&self) -> [Vec<i64>; 2] {
        let n = self.shape.params.degree();
        let mut sums = [vec![0; n], vec![0; n]];
        for &row in &self.rows {
            let values = &self.values[row as usize * n..(row as usize + 1) * n];
            for (channel, weight) in sums.iter_mut().zip([1, self.weights[row as usize]]) {
                channel.iter_mut().zip(values).for_each(|(s, &v)| *s += weight * i64::from(v));
            }
        }
        sums
    }

    pub fn weight_total(&self) -> i64 {
        self.rows.iter().map(|&row| self.weights[row as usize]).sum()
    }

    pub fn people(&self) -> u32 {
        self.rows.len() as u32
    }

    /// The site's chunks, one after the other, as they are stored.
    pub fn stored(&self) -> Vec<u8> {
        [self.genotypes.1.0.concat(), self.phenotypes.1.0.concat()].concat()
    }
}
