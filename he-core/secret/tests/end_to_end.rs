//! The whole circuit, from integers to integers, against sums in the clear; measured against predicted noise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::io;

use he_core::arith::Ring;
use he_core::codec::HEADER_LEN;
use he_core::grant::SwitchingKey;
use he_core::kernel::Engine;
use he_core::layout::{Shape, Unit};
use he_core::noise::{SumNoise, tail};
use he_core::params::Params;
use he_core::places::Places;
use he_core::public_key::{PublicKey, PublicShare};
use he_core::result::SwitchedUnit;
use he_core::share::{CombineError, UnitValues, combine, measure_noise};
use he_core::sum::{ChunkSource, UnitInput, WeightInput, sum_totals, sum_unit};
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::{
    DatasetKey, EncryptionSeeds, Entropy, HolderKey, MasterKey, MatrixEncryptor, WeightEncryptor,
    decryption_share, make_switching_key,
};

/// Chunks in memory.
struct Memory(Vec<Vec<u8>>);

impl ChunkSource for Memory {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = HEADER_LEN + offset as usize;
        buffer.copy_from_slice(&self.0[chunk][start..start + buffer.len()]);
        Ok(())
    }
}

/// A reproducible stream of small integers.
fn digits(seed: u64, modulus: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % modulus
    })
}

struct Case {
    plan: Plan,
    ring: Ring,
    shape: Shape,
    values: Vec<i8>,
    weights: Vec<Vec<i64>>,
    rows: Vec<u32>,
    genotypes: Memory,
    genotype_mask: he_core::mask::MaskSeed,
    phenotypes: Memory,
    phenotype_mask: he_core::mask::MaskSeed,
    dataset_key: DatasetKey,
    holder: HolderKey,
    grant: SwitchingKey,
}

fn value_index(shape: Shape, plane: u8, row: u32, block: u32) -> usize {
    let n = shape.params.degree();
    ((usize::from(plane) * shape.rows as usize + row as usize) * shape.blocks as usize
        + block as usize)
        * n
}

fn build(request: PlanRequest, params: Params, planes: u8, blocks: u32, vectors: u8) -> Case {
    let plan = Plan::new(request).unwrap();
    assert_eq!(plan.params(), params);
    let ring = Ring::new(params);
    let shape = Shape { params, rows: request.people, planes, blocks };
    let n = params.degree();
    let master = MasterKey::generate(&Entropy::insecure_deterministic(1));
    let seeds =
        EncryptionSeeds::new(&Entropy::insecure_deterministic(2), &Digest::of(b"genotypes"));
    let dataset_key = DatasetKey::derive(&master, &ring, seeds.nonce());

    let largest = request.dosage_max as i8;
    let count = usize::from(planes) * request.people as usize * blocks as usize * n;
    let values: Vec<i8> = digits(3, 2 * u64::from(request.dosage_max) + 1)
        .map(|d| d as i8 - largest)
        .take(count)
        .collect();
    let mut genotypes = Vec::new();
    let encryptor = MatrixEncryptor::new(&ring, plan, shape, &dataset_key, &seeds).unwrap();
    for unit in shape.units() {
        for chunk in 0..shape.row_chunks() {
            let mut slab = Vec::new();
            for row in shape.chunk_rows(chunk) {
                for body in 0..shape.bodies(unit.group) {
                    let start = value_index(shape, unit.plane, row, 8 * unit.group + body);
                    slab.extend_from_slice(&values[start..start + n]);
                }
            }
            genotypes.extend(
                encryptor
                    .encrypt_slab(unit, chunk, &slab, &|| vec![0x55; 70])
                    .unwrap()
                    .into_iter()
                    .map(|(_, bytes)| bytes),
            );
        }
    }

    let weight_max = u64::from(request.weight_max);
    let weights: Vec<Vec<i64>> = (0..vectors)
        .map(|v| {
            digits(5 + u64::from(v), weight_max + 1)
                .map(|d| d as i64)
                .take(request.people as usize)
                .collect()
        })
        .collect();
    let weight_seeds =
        EncryptionSeeds::new(&Entropy::insecure_deterministic(4), &Digest::of(b"weights"));
    let encryptor =
        WeightEncryptor::new(&ring, plan, request.people, vectors, &dataset_key, &weight_seeds)
            .unwrap();
    let mut phenotypes = Vec::new();
    for vector in 0..vectors {
        for chunk in 0..encryptor.shape().row_chunks() {
            let range = encryptor.shape().chunk_rows(chunk);
            let slice = &weights[usize::from(vector)][range.start as usize..range.end as usize];
            phenotypes.extend(
                encryptor.encrypt_slab(vector, chunk, slice).unwrap().into_iter().map(|(_, b)| b),
            );
        }
    }

    let study = Digest::of(b"a study");
    let holder = HolderKey::derive(&master, &ring, study);
    let share =
        PublicShare::from_bytes(&holder.public_share(&ring).to_bytes(), params, study).unwrap();
    let public = PublicKey::combine(params, study, 1, &[share]).unwrap();
    let grant =
        make_switching_key(&ring, &dataset_key, &public, &Entropy::insecure_deterministic(6))
            .unwrap();
    let grant = SwitchingKey::from_bytes(&grant.to_bytes(study), params, study).unwrap();
    let rows = (0..request.people).filter(|r| r % 7 != 3).collect();
    Case {
        plan,
        ring,
        shape,
        values,
        weights,
        rows,
        genotypes: Memory(genotypes),
        genotype_mask: seeds.mask_seed(),
        phenotypes: Memory(phenotypes),
        phenotype_mask: weight_seeds.mask_seed(),
        dataset_key,
        holder,
        grant,
    }
}

impl Case {
    fn weight_input(&self) -> WeightInput<'_> {
        let shape = Shape::weights(self.shape.params, self.shape.rows, self.weights.len() as u8);
        WeightInput { shape, mask_seed: self.phenotype_mask, source: &self.phenotypes }
    }

    fn switched(&self, unit: Unit, engine: Engine) -> SwitchedUnit {
        let input = UnitInput {
            shape: self.shape,
            mask_seed: self.genotype_mask,
            source: &self.genotypes,
            unit,
            weights: self.weight_input(),
            rows: &self.rows,
        };
        let sums = sum_unit(engine, &input).unwrap();
        self.grant.switch_unit(engine, &self.ring, &self.plan, &sums)
    }

    fn open(&self, unit: &SwitchedUnit) -> Result<UnitValues, CombineError> {
        let share = decryption_share(&self.plan, &self.holder, unit).unwrap();
        combine(&self.ring, &self.plan, unit, &[share])
    }

    /// The same sums in the clear.
    fn expected(&self, unit: Unit, body: u32, channel: usize) -> Vec<i64> {
        let n = self.shape.params.degree();
        let mut sums = vec![0; n];
        for &row in &self.rows {
            let weight = if channel == 0 { 1 } else { self.weights[channel - 1][row as usize] };
            let start = value_index(self.shape, unit.plane, row, 8 * unit.group + body);
            for (s, &v) in sums.iter_mut().zip(&self.values[start..start + n]) {
                *s += weight * i64::from(v);
            }
        }
        sums
    }

    fn check_everything(&self) {
        let params = self.shape.params;
        for unit in self.shape.units() {
            let switched = self.switched(unit, Engine::detect());
            let bytes = switched.to_bytes([1; 16], unit.plane, unit.group);
            let switched =
                SwitchedUnit::from_bytes(&bytes, params, [1; 16], unit.plane, unit.group).unwrap();
            let values = self.open(&switched).unwrap();
            for body in 0..self.shape.bodies(unit.group) {
                for channel in 0..=self.weights.len() {
                    assert!(
                        values.get(body as usize, channel) == self.expected(unit, body, channel)
                    );
                }
            }
        }
        let totals = sum_totals(Engine::detect(), &self.weight_input(), &self.rows).unwrap();
        let totals = self.grant.switch_totals(Engine::detect(), &self.ring, &self.plan, &totals);
        let values = self.open(&totals).unwrap();
        for (vector, weights) in self.weights.iter().enumerate() {
            let expected: i64 = self.rows.iter().map(|&r| weights[r as usize]).sum();
            let got = values.get(0, vector);
            assert_eq!(got[0], expected);
            assert!(got[1..].iter().all(|&v| v == 0));
        }
    }
}

const UNIT: Unit = Unit { plane: 0, group: 0 };

#[test]
fn weighted_switching_gives_the_same_sums_without_the_plain_one() {
    let case = build(PlanRequest::sole_holder(100), Params::N2048Q50, 1, 2, 2);
    let input = UnitInput {
        shape: case.shape,
        mask_seed: case.genotype_mask,
        source: &case.genotypes,
        unit: UNIT,
        weights: case.weight_input(),
        rows: &case.rows,
    };
    let sums = sum_unit(Engine::detect(), &input).unwrap();
    let unit = case.grant.switch_weighted(Engine::detect(), &case.ring, &sums);
    assert_eq!((unit.bodies(), unit.channels()), (2, 2));
    let values = case.open(&unit).unwrap();
    for body in 0..2 {
        for channel in 0..2 {
            let expected = case.expected(UNIT, body, channel + 1);
            assert!(values.get(body as usize, channel) == expected);
        }
    }
    // The very ciphertexts that stand beside the plain sum otherwise.
    let with_plain = case.switched(UNIT, Engine::detect());
    assert!(
        unit.ciphertexts()
            .eq(with_plain.ciphertexts().enumerate().filter_map(|(i, c)| (i % 3 > 0).then_some(c)))
    );
}

#[test]
fn totals_stand_at_their_places_within_the_predicted_noise() {
    for (people, params) in [(600, Params::N2048Q50), (300, Params::N4096Q100)] {
        let weight_max = if params == Params::N2048Q50 { 1 } else { 1000 };
        let request = PlanRequest { weight_max, ..PlanRequest::sole_holder(people) };
        let case = build(request, params, 1, 1, 2);
        let n = params.degree();
        let sums = sum_totals(Engine::detect(), &case.weight_input(), &case.rows).unwrap();
        for places in [vec![0], vec![1, 5, n - 1], (0..n).collect::<Vec<_>>()] {
            let placed = sums.placed(&Places::new(&case.ring, places.iter().copied()));
            let (engine, plan) = (Engine::detect(), &case.plan);
            let unit = case.grant.switch_totals(engine, &case.ring, plan, &placed);
            let values = case.open(&unit).unwrap();
            for (vector, weights) in case.weights.iter().enumerate() {
                let total: i64 = case.rows.iter().map(|&r| weights[r as usize]).sum();
                for (place, &value) in values.get(0, vector).iter().enumerate() {
                    let there = places.binary_search(&place).is_ok();
                    assert_eq!(value, if there { total } else { 0 }, "{place}");
                }
            }
            let share = decryption_share(plan, &case.holder, &unit).unwrap();
            let (rms, largest) = measure_noise(&case.ring, plan, &unit, &[share]).unwrap();
            let predicted = plan.deviation();
            assert!(rms <= predicted && largest <= plan.noise_bound(), "{rms} {predicted}");
            // As many places as there can be are what the prediction is made for.
            assert!(places.len() < n || 4.0 * rms >= predicted, "{rms} {predicted}");
        }
    }
}

#[test]
fn smallest_set_two_planes_ragged_groups_and_row_chunks() {
    build(PlanRequest::sole_holder(600), Params::N2048Q50, 2, 10, 1).check_everything();
}

#[test]
fn wide_weights_and_several_vectors_on_two_limbs() {
    let request = PlanRequest { weight_max: 1000, dosage_max: 2, ..PlanRequest::sole_holder(150) };
    build(request, Params::N4096Q100, 1, 3, 3).check_everything();
}

#[test]
fn engines_give_the_same_result_bytes() {
    let case = build(PlanRequest::sole_holder(70), Params::N2048Q50, 1, 2, 1);
    assert!(case.switched(UNIT, Engine::Portable) == case.switched(UNIT, Engine::detect()));
}

#[test]
fn another_key_or_a_damaged_result_is_out_of_range_not_plausible() {
    let mut case = build(PlanRequest::sole_holder(40), Params::N2048Q50, 1, 1, 1);
    let switched = case.switched(UNIT, Engine::detect());
    assert!(case.open(&switched).is_ok());
    let mut bytes = switched.to_bytes([1; 16], 0, 0);
    bytes[70] ^= 1; // the highest bits of a word
    let damaged = SwitchedUnit::from_bytes(&bytes, case.shape.params, [1; 16], 0, 0).unwrap();
    assert_eq!(case.open(&damaged), Err(CombineError::OutOfRange));
    let master = MasterKey::generate(&Entropy::insecure_deterministic(99));
    case.holder = HolderKey::derive(&master, &case.ring, case.holder.study());
    assert_eq!(case.open(&switched), Err(CombineError::OutOfRange));
    assert!(matches!(
        combine(&case.ring, &case.plan, &switched, &[]),
        Err(CombineError::Shares { .. })
    ));
}

#[test]
fn measured_noise_stays_within_two_bits_of_the_prediction() {
    let two_limbs = PlanRequest { weight_max: 1000, ..PlanRequest::sole_holder(300) };
    for (request, params) in
        [(PlanRequest::sole_holder(1000), Params::N2048Q50), (two_limbs, Params::N4096Q100)]
    {
        let case = build(request, params, 1, 2, 1);
        let switched = case.switched(UNIT, Engine::detect());
        let share = decryption_share(&case.plan, &case.holder, &switched).unwrap();
        let (rms, largest) = measure_noise(&case.ring, &case.plan, &switched, &[share]).unwrap();
        // Predicted for full magnitudes; the data have |x| <= 1 and y uniform, hence the factors of the mean square.
        let predicted = case.plan.deviation();
        assert!(
            rms <= predicted,
            "measured 2^{:.1}, predicted 2^{:.1}",
            rms.log2(),
            predicted.log2()
        );
        assert!(
            rms >= predicted / 4.0,
            "measured 2^{:.1}, predicted 2^{:.1}",
            rms.log2(),
            predicted.log2()
        );
        assert!(largest <= tail(request.values) * predicted);
    }
}

#[test]
fn switching_noise_alone_agrees_with_its_prediction() {
    // One person: what the sum itself adds is small, so the switch shows.
    let case = build(PlanRequest::sole_holder(1000), Params::N2048Q50, 1, 1, 1);
    let one = Case { rows: vec![0], ..case };
    let switched = one.switched(UNIT, Engine::detect());
    let share = decryption_share(&one.plan, &one.holder, &switched).unwrap();
    let (rms, _) = measure_noise(&one.ring, &one.plan, &switched, &[share]).unwrap();
    let noise = SumNoise {
        params: one.shape.params,
        people: 1.0,
        dosage_max: 1.0,
        weight_max: 1.0,
        delta_g: one.plan.delta_g() as f64,
        delta_y: one.plan.delta_y() as f64,
        holders: 1.0,
        datasets: 1.0,
    };
    let predicted = noise.output_deviation();
    assert!(
        rms <= predicted && rms >= predicted / 4.0,
        "2^{:.1} and 2^{:.1}",
        rms.log2(),
        predicted.log2()
    );
}

#[test]
fn secrets_print_as_nothing() {
    let case = build(PlanRequest::sole_holder(1), Params::N2048Q50, 1, 1, 1);
    let master = MasterKey::generate(&Entropy::insecure_deterministic(1));
    assert_eq!(format!("{master:?}"), "MasterKey(..)");
    assert_eq!(format!("{:?}", case.dataset_key), "DatasetKey(..)");
    assert_eq!(format!("{:?}", case.holder), format!("HolderKey({}, ..)", case.holder.study()));
}

#[test]
fn encryptions_are_fresh_and_known() {
    let a = build(PlanRequest::sole_holder(3), Params::N2048Q50, 1, 1, 1);
    let digest = |m: &Memory| Digest::of(&m.0.concat()).to_string();
    // Known answers: any change of these bytes is a change of the format.
    assert_eq!(
        digest(&a.genotypes),
        "6546cf3c2134e359ce1dbb35ae0cbe704dec26250d574f63428bdfee2ad5e4b0"
    );
    assert_eq!(
        digest(&a.phenotypes),
        "a74e97bb08f56db060f9f9e842755e8a8c49cb092c72827b8892ba6c0a80eb56"
    );
    let seeds = EncryptionSeeds::new(&Entropy::fresh().unwrap(), &Digest::of(b"genotypes"));
    let again = EncryptionSeeds::new(&Entropy::fresh().unwrap(), &Digest::of(b"genotypes"));
    assert!(seeds.nonce() != again.nonce() && seeds.mask_seed() != again.mask_seed());
    let other =
        EncryptionSeeds::new(&Entropy::insecure_deterministic(2), &Digest::of(b"other genotypes"));
    assert!(
        other.mask_seed() != a.genotype_mask,
        "other data under the same randomness have another mask"
    );
}

#[test]
fn what_does_not_fit_is_not_encrypted() {
    use he_core_secret::EncryptError;
    let case = build(PlanRequest::sole_holder(3), Params::N2048Q50, 1, 1, 1);
    let seeds = EncryptionSeeds::new(&Entropy::insecure_deterministic(2), &Digest::of(b"x"));
    let new = |shape| MatrixEncryptor::new(&case.ring, case.plan, shape, &case.dataset_key, &seeds);
    let encryptor = new(case.shape).unwrap();
    assert!(matches!(
        encryptor.encrypt_slab(UNIT, 0, &[0; 5], &Vec::new),
        Err(EncryptError::Length)
    ));
    let mut values = vec![0; 3 * 2048];
    values[7] = 2;
    assert!(matches!(
        encryptor.encrypt_slab(UNIT, 0, &values, &Vec::new),
        Err(EncryptError::Magnitude)
    ));
    assert!(matches!(
        new(Shape { rows: 4, ..case.shape }).err(),
        Some(EncryptError::People { planned: 3, rows: 4 })
    ));
    assert!(matches!(
        new(Shape { params: Params::N4096Q100, ..case.shape }).err(),
        Some(EncryptError::Params)
    ));
    assert!(matches!(new(Shape { rows: 0, ..case.shape }).err(), Some(EncryptError::Shape(_))));
    let weights =
        WeightEncryptor::new(&case.ring, case.plan, 3, 1, &case.dataset_key, &seeds).unwrap();
    assert!(matches!(weights.encrypt_slab(0, 0, &[0, 1, 2]), Err(EncryptError::Magnitude)));
    assert!(matches!(weights.encrypt_slab(1, 0, &[0, 1, 1]), Err(EncryptError::Length)));
}
