//! What is public of a variant, and whether a site may keep it.

use crate::ckks::inverse::ProductInverse;

/// What is public of a variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// Reference frequency of the counted allele, between 0 and 1; 1/2 if none is known.
    pub reference: f64,
    /// People with calls, n.
    pub people: f64,
}

/// Why a variant is not in the circuit: one value outside the interval would destroy its whole ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excluded {
    /// Nobody has a call.
    #[error("nobody has a call")]
    NoCalls,
    /// No usable reference frequency.
    #[error("the reference frequency is not between 0 and 1")]
    Reference,
    /// The site's genotypes lie too far from the reference frequency.
    #[error(
        "the allele is more frequent here, or more spread, than the reference frequency allows"
    )]
    TooSpread,
    /// The site's genotypes vary too little for the reference frequency.
    #[error("the allele is rarer here than the reference frequency allows")]
    TooUniform,
    /// Everybody is a case or everybody a control.
    #[error("a statistic needs cases and controls")]
    OneGroup,
}

impl Variant {
    pub(crate) fn check(&self) -> Result<(), Excluded> {
        if !(self.people.is_finite() && self.people > 0.0) {
            return Err(Excluded::NoCalls);
        }
        if self.reference > 0.0 && self.reference < 1.0 { Ok(()) } else { Err(Excluded::Reference) }
    }

    /// Whether a site's own sums keep the variant inside the interval of the allelic test: `alternate` alleles among its
    /// `people` with calls.
    ///
    /// The condition holds for pooled sites if it holds for each: the mean squared distance from the reference is linear in the
    /// site's mean, and the variance of a mixture is at least the mean of the variances.
    pub fn check_allelic_site(
        &self,
        inverse: &ProductInverse,
        alternate: f64,
    ) -> Result<(), Excluded> {
        self.check()?;
        let frequency = alternate / (2.0 * self.people);
        self.check_site(inverse, 1.0, frequency, frequency)
    }

    /// The same for the trend test, with `homozygous` people for the counted allele.
    pub fn check_trend_site(
        &self,
        inverse: &ProductInverse,
        alternate: f64,
        homozygous: f64,
    ) -> Result<(), Excluded> {
        self.check()?;
        let (mean, square) =
            (alternate / self.people, (alternate + 2.0 * homozygous) / self.people);
        self.check_site(inverse, 2.0, mean, square)
    }

    fn check_site(
        &self,
        inverse: &ProductInverse,
        copies: f64,
        mean: f64,
        square: f64,
    ) -> Result<(), Excluded> {
        let centre = copies * self.reference;
        let unit = centre * (1.0 - self.reference);
        let distance = square - 2.0 * centre * mean + centre * centre;
        if distance.is_nan() || distance > inverse.hi() * unit {
            Err(Excluded::TooSpread)
        } else if square - mean * mean < inverse.lo() * unit {
            Err(Excluded::TooUniform)
        } else {
            Ok(())
        }
    }
}
