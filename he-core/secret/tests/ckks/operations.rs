//! Single operations: values, noise, refusals, known answers.

use he_core::Digest;
use he_core::ckks::{
    Ciphertext, CkksError, CkksParams, CkksRing, EvaluatedResult, Evaluator, Flood, LinearMap,
    NoiseModel, Plaintext, Precision, Predict, Scheme,
};
use he_core_secret::ckks::release_share;

use crate::study::{HOLDERS, PARAMS, Study, assert_predicted, rms, study, wave};

#[test]
fn operations_are_right_and_as_noisy_as_predicted() {
    let s = study(PARAMS, HOLDERS);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let scale = 2f64.powi(100);
    let (x, y) = (wave(0.37, 3.0), wave(0.11, 5.0));
    let model = NoiseModel::new(PARAMS, HOLDERS);
    let predict = Predict::new(model);
    let [px, py] = [&x, &y].map(|v| predict.input(v, scale, model.encryption()));
    let inputs = [[1, 2], [3, 4]].map(|[i, j]| (s.encrypt(&x, scale, i), s.encrypt(&y, scale, j)));

    fn circuit<S: Scheme>(
        s: &S,
        number: usize,
        x: &S::Value,
        y: &S::Value,
        public: &[f64],
    ) -> Result<S::Value, CkksError> {
        let product = |precision| s.multiply(x, y, precision);
        match number {
            0 => s.add(x, y),
            1 => product(Precision::Double),
            2 => s.square(x, Precision::Double),
            3 => s.add_vector(&s.add_constant(&product(Precision::Double)?, 0.25)?, public),
            // x^2 (x^2 y): three levels, errors that come twice.
            _ => {
                let square = s.square(x, Precision::Double)?;
                s.multiply(&square, &s.multiply(&square, y, Precision::Double)?, Precision::Double)
            }
        }
    }
    for number in 0..5 {
        let runs =
            [0, 1].map(|i| circuit(&evaluator, number, &inputs[i].0, &inputs[i].1, &y).unwrap());
        let predicted = circuit(&predict, number, &px, &py, &y).unwrap();
        assert_eq!(runs[0].limbs(), predicted.limbs().min(runs[0].limbs()));
        assert!((runs[0].scale() / predicted.scale() - 1.0).abs() < 1e-12);
        let clear = circuit(&he_core::ckks::Clear, number, &x, &y, &y).unwrap();
        let values = s.release(&runs[0], Flood::new(0, 1, 0.0).unwrap());
        for (a, b) in values.iter().zip(&clear) {
            assert!((a - b).abs() < 1e-12, "{number}: {a} {b}");
        }
        assert_predicted(
            &format!("circuit {number}"),
            s.noise([&runs[0], &runs[1]]),
            rms(&predicted),
        );
    }

    // Public factors, and rescaling by one prime at a time.
    let a = &inputs[0].0;
    let plain = Plaintext::encode(&s.ring, &y, 2f64.powi(50), PARAMS.limbs()).unwrap();
    let by_plain = evaluator.rescale(&evaluator.multiply_plain(a, &plain).unwrap(), 1).unwrap();
    let by_constant = evaluator
        .rescale(&evaluator.multiply_constant(a, -0.3, 2f64.powi(50)).unwrap(), 1)
        .unwrap();
    let sum = evaluator.subtract(&by_plain, &by_constant).unwrap();
    assert_eq!(sum.limbs(), 12);
    for (i, value) in s.release(&sum, Flood::new(0, 1, 0.0).unwrap()).iter().enumerate() {
        assert!((value - x[i] * y[i] - 0.3 * x[i]).abs() < 1e-12);
    }
}

/// The bits of keys and of a product, on whatever engine this runs: a change here is a change of the format.
#[test]
fn known_answers() {
    let s = study(PARAMS, 1);
    let share = s.holders[0].public_share(&s.ring);
    assert_eq!(Digest::of(&share.to_bytes()).to_string(), KNOWN_PUBLIC_SHARE);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let a = s.encrypt(&wave(0.5, 1.0), 2f64.powi(100), 1);
    let product = EvaluatedResult::new(evaluator.multiply(&a, &a, 2).unwrap()).unwrap();
    assert_eq!(Digest::of(&product.to_bytes(&Digest::of(b"job"), 0)).to_string(), KNOWN_PRODUCT);
    let relin = |s: &Study| s.holders[0].relin_shares(&s.ring, &s.public).nth(2).unwrap();
    assert!(relin(&s) == relin(&s), "one joint key, one contribution");
    assert!(relin(&s) != relin(&study(PARAMS, 2)), "bound to the joint key");
}

/// The rest of what travels: relinearisation contribution, mask ciphertext, release share.
#[test]
fn known_answers_of_what_holders_send() {
    let s = study(PARAMS, 1);
    let (holder, job) = (&s.holders[0], Digest::of(b"job"));
    let relin = holder.relin_shares(&s.ring, &s.public).nth(1).unwrap();
    let masks: Vec<i128> = (0..100).map(|i| (i - 50) << 57).collect();
    let map = LinearMap::new(&[vec![0.75; 100]], &[], 2f64.powi(100)).unwrap();
    let mask = holder.mask_ciphertext(&s.ring, &job, 6, &map, &[&masks]);
    let words = |seed: u64| (0..3 * PARAMS.degree() as u64).map(|i| (i * i) ^ seed).collect();
    let ciphertext = Ciphertext::new(PARAMS, 2f64.powi(100), words(1), words(2));
    let result = EvaluatedResult::new(ciphertext).unwrap();
    let share = release_share(&s.ring, holder, &result, &job, Flood::new(40, 1, 1e4).unwrap());
    let found = [relin.to_bytes(), mask.to_bytes(), share.to_bytes(&job)];
    assert_eq!(found.map(|bytes| Digest::of(&bytes).to_string()), KNOWN_SENT);
}

const KNOWN_SENT: [&str; 3] = [
    "24de10328a038c5354ff962a18ba00a1c62453696484d0b2615aefb102112cae",
    "c3c64a77f4fab686eb0ac6baa984ae42074aeeeaade8d8784ccab94a3e60196a",
    "94e49bb5a3bad843e396a7e258f7969870f6ce4a4053545c2e0b962f5ea6cb08",
];

const KNOWN_PUBLIC_SHARE: &str = "9c8cc5e4f441172d956a043a45e13971b0c738d2ddaf0175a2c7b93cf462806a";
const KNOWN_PRODUCT: &str = "b75d3a8a7acd125bf1a606ac39a12f876c96bacacfe05f95caa98ae8cf6f37c1";

#[test]
fn bad_operations_are_refused() {
    let s = study(PARAMS, HOLDERS);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let scale = 2f64.powi(100);
    let a = s.encrypt(&[1.0], scale, 1);
    let other = s.encrypt(&[1.0], scale * 1.001, 2);
    assert!(matches!(evaluator.add(&a, &other), Err(CkksError::Scale(..))));
    let short = a.clone().truncate(2).unwrap();
    assert!(matches!(
        evaluator.multiply(&a, &short, 2),
        Err(CkksError::Depth { needed: 3, left: 2 })
    ));
    assert!(matches!(evaluator.rescale(&short, 2), Err(CkksError::Depth { .. })));
    assert!(short.clone().truncate(3).is_err());
    let plain = Plaintext::encode(&s.ring, &[1.0], scale, 2).unwrap();
    assert!(matches!(
        evaluator.add_plain(&a, &plain),
        Err(CkksError::Depth { needed: 13, left: 2 })
    ));
    assert!(evaluator.add_plain(&short, &plain).is_ok());
    assert!(matches!(evaluator.add_constant(&a, f64::NAN), Err(CkksError::Range(_))));
    assert!(matches!(evaluator.add_constant(&a, 1e50), Err(CkksError::Range(_))));
    let too_many = vec![0.0; PARAMS.slots() + 1];
    assert!(matches!(
        Plaintext::encode(&s.ring, &too_many, scale, 1),
        Err(CkksError::Slots { .. })
    ));
    let foreign =
        Ciphertext::new(CkksParams::N32768Q850, scale, a.parts().0.to_vec(), a.parts().1.to_vec());
    assert!(matches!(evaluator.add(&a, &foreign), Err(CkksError::Params { .. })));
    let wrong = CkksRing::new(CkksParams::N32768Q850);
    assert!(matches!(Evaluator::new(&wrong, &s.relin).err(), Some(CkksError::Params { .. })));
}
