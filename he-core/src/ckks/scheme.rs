//! What a circuit needs of a scheme: the same code runs in the clear, encrypted, and to predict noise. Finishing section 3.

use super::ciphertext::{Ciphertext, CkksError, Plaintext};
use super::evaluator::Evaluator;

/// How fine the scale of a product is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precision {
    /// About 2^50, or 2^46 where primes have 46 bits: one prime is dropped.
    Single,
    /// About 2^100: two primes are dropped, or none where the factors' scales were 2^50.
    Double,
}

impl Precision {
    const fn bits(self) -> f64 {
        match self {
            Self::Single => 50.0,
            Self::Double => 100.0,
        }
    }

    /// Primes to drop from a product of that scale: what brings it nearest to this precision.
    pub(crate) fn drop(self, product_scale: f64) -> usize {
        ((product_scale.log2() - self.bits()) / 50.0).round().max(0.0) as usize
    }
}

/// Elementwise arithmetic on vectors.
pub trait Scheme {
    /// A vector.
    type Value: Clone;

    /// `a b`.
    fn multiply(
        &self,
        a: &Self::Value,
        b: &Self::Value,
        precision: Precision,
    ) -> Result<Self::Value, CkksError>;

    /// `a + b`.
    fn add(&self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, CkksError>;

    /// `a + c` in every slot.
    fn add_constant(&self, a: &Self::Value, c: f64) -> Result<Self::Value, CkksError>;

    /// `a + x` for a public vector; slots that it lacks stay as they are.
    fn add_vector(&self, a: &Self::Value, x: &[f64]) -> Result<Self::Value, CkksError>;

    /// `a^2`.
    fn square(&self, a: &Self::Value, precision: Precision) -> Result<Self::Value, CkksError> {
        self.multiply(a, a, precision)
    }
}

/// No encryption: doubles.
#[derive(Clone, Copy, Debug)]
pub struct Clear;

impl Scheme for Clear {
    type Value = Vec<f64>;

    fn multiply(&self, a: &Vec<f64>, b: &Vec<f64>, _: Precision) -> Result<Vec<f64>, CkksError> {
        Ok(a.iter().zip(b).map(|(a, b)| a * b).collect())
    }

    fn add(&self, a: &Vec<f64>, b: &Vec<f64>) -> Result<Vec<f64>, CkksError> {
        Ok(a.iter().zip(b).map(|(a, b)| a + b).collect())
    }

    fn add_constant(&self, a: &Vec<f64>, c: f64) -> Result<Vec<f64>, CkksError> {
        Ok(a.iter().map(|a| a + c).collect())
    }

    fn add_vector(&self, a: &Vec<f64>, x: &[f64]) -> Result<Vec<f64>, CkksError> {
        Ok(a.iter().zip(x.iter().chain(core::iter::repeat(&0.0))).map(|(a, x)| a + x).collect())
    }
}

impl Scheme for Evaluator<'_> {
    type Value = Ciphertext;

    fn multiply(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        precision: Precision,
    ) -> Result<Ciphertext, CkksError> {
        Evaluator::multiply(self, a, b, precision.drop(a.scale() * b.scale()))
    }

    fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, CkksError> {
        Evaluator::add(self, a, b)
    }

    fn add_constant(&self, a: &Ciphertext, c: f64) -> Result<Ciphertext, CkksError> {
        Evaluator::add_constant(self, a, c)
    }

    fn add_vector(&self, a: &Ciphertext, x: &[f64]) -> Result<Ciphertext, CkksError> {
        let plain = Plaintext::encode(self.ring(), x, a.scale(), a.limbs())?;
        self.add_plain(a, &plain)
    }
}
