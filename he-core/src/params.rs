//! The table of parameter sets. A [`Params`] can only come from it, so it can never be insecure.
//!
//! Security, lattice-estimator (commit 27a581b), uniform ternary secrets, centred binomial errors of
//! sigma 3.24, MATZOV classical cost model: 137, 137, 189 and 138 bits for the four sets, in table order.
//! Protocol section 1.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arith::Modulus;
use crate::digest::Digest;

/// Bits of one stored residue: every prime is just below 2^50.
pub const WORD_BITS: u32 = 50;

/// The primes, largest first: `= 1 mod 2^17`, so that they serve every ring degree up to 2^16.
pub const PRIMES: [u64; 4] =
    [1_125_899_903_827_969, 1_125_899_902_124_033, 1_125_899_887_312_897, 1_125_899_886_395_393];

/// Parameter of the centred binomial error distribution: the difference of two sums of 21 bits.
pub const ERROR_ETA: u32 = 21;

/// Standard deviation of the error distribution, `sqrt(ERROR_ETA / 2)`.
pub const ERROR_SIGMA: f64 = 3.240_370_349_203_93;

/// One allowed combination of ring degree and modulus.
///
/// `R_Q = Z_Q[X]/(X^N + 1)` with `N = degree()` and `Q` the product of the first `limbs()` primes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Params {
    /// N = 2048, Q of 50 bits: sole holder, up to about 29,000 people and a binary phenotype.
    N2048Q50,
    /// N = 4096, Q of 100 bits: sole holder, bigger cohorts or wider weights.
    N4096Q100,
    /// N = 8192, Q of 150 bits: several holders.
    N8192Q150,
    /// N = 8192, Q of 200 bits: several holders and wide smudging or refresh shares.
    N8192Q200,
}

impl Params {
    /// Every allowed set, smallest first.
    pub const ALL: [Self; 4] = [Self::N2048Q50, Self::N4096Q100, Self::N8192Q150, Self::N8192Q200];

    /// Ring degree N.
    pub const fn degree(self) -> usize {
        match self {
            Self::N2048Q50 => 2048,
            Self::N4096Q100 => 4096,
            Self::N8192Q150 | Self::N8192Q200 => 8192,
        }
    }

    /// Number of primes in Q.
    pub const fn limbs(self) -> usize {
        match self {
            Self::N2048Q50 => 1,
            Self::N4096Q100 => 2,
            Self::N8192Q150 => 3,
            Self::N8192Q200 => 4,
        }
    }

    /// Bits of one signed digit of a switching key (protocol section 6).
    pub const fn gadget_bits(self) -> u32 {
        match self {
            Self::N2048Q50 => 10,
            Self::N4096Q100 => 17,
            Self::N8192Q150 | Self::N8192Q200 => 25,
        }
    }

    /// Digits of one residue: `ceil(50 / gadget_bits)`.
    pub const fn gadget_digits(self) -> usize {
        WORD_BITS.div_ceil(self.gadget_bits()) as usize
    }

    /// Classical security in bits (see the module documentation for the model).
    pub const fn security_bits(self) -> u32 {
        match self {
            Self::N2048Q50 | Self::N4096Q100 => 137,
            Self::N8192Q150 => 189,
            Self::N8192Q200 => 138,
        }
    }

    /// Words of one ring element: `limbs * degree`.
    pub const fn words(self) -> usize {
        self.limbs() * self.degree()
    }

    /// The primes of Q, as moduli.
    pub fn moduli(self) -> impl ExactSizeIterator<Item = Modulus> + Clone {
        PRIMES.into_iter().map(Modulus::new).take(self.limbs())
    }

    /// log2 of Q.
    pub fn log2_q(self) -> f64 {
        PRIMES.iter().take(self.limbs()).map(|&p| (p as f64).log2()).sum()
    }

    /// Name as printed and stored: `n2048-q50`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::N2048Q50 => "n2048-q50",
            Self::N4096Q100 => "n4096-q100",
            Self::N8192Q150 => "n8192-q150",
            Self::N8192Q200 => "n8192-q200",
        }
    }

    /// The set with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Digest of everything that defines the set: name, degree, primes, gadget, error distribution.
    pub fn digest(self) -> Digest {
        let mut text = format!(
            "{} N={} eta={ERROR_ETA} gadget=2^{}",
            self.name(),
            self.degree(),
            self.gadget_bits()
        );
        for p in self.moduli() {
            text.push_str(&format!(" p={}", p.value()));
        }
        Digest::derive("hegwas v1 parameter set", text.as_bytes())
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom("no parameter set has that name"))
    }
}
