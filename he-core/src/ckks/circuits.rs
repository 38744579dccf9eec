//! The statistics as circuits, generic over the scheme. Finishing section 8.
//!
//! A statistic is `numerator / spread`, and the spread of a variant relative to its public reference, x, lies in the interval of
//! a [`ProductInverse`]. What every variant needs of public factors comes from [`Scaling`]; the refresh (section 5)
//! applies them, so that a circuit starts from an *effect* D, a *spread root* E and an *offset* with `sigma_0 = E^2 + offset`.

mod scaling;
#[cfg(test)]
mod tests;
mod variant;

pub use scaling::Scaling;
pub(crate) use scaling::{cases, spread_unit};
pub use variant::{Excluded, Variant};

use super::ciphertext::CkksError;
use super::inverse::ProductInverse;
use super::scheme::{Precision, Scheme};

/// Where `sigma_0 - E^2` comes from.
pub enum Offset<'a, V> {
    /// Public: the allelic test.
    Public(&'a [f64]),
    /// Another refreshed ciphertext, at the scale of `E^2`: the trend test.
    Encrypted(&'a V),
}

/// `chi2 = D^2 prod (s_i + sigma_i)`: depth k + 1, 2k + 1 products for an inverse of k factors.
pub fn chi_square<S: Scheme>(
    scheme: &S,
    inverse: &ProductInverse,
    effect: &S::Value,
    spread_root: &S::Value,
    offset: &Offset<'_, S::Value>,
) -> Result<S::Value, CkksError> {
    let numerator = scheme.square(effect, Precision::Double)?;
    times_inverse(scheme, inverse, numerator, spread_root, offset)
}

/// `D prod (s_i + sigma_i)`: with the factors of [`Scaling::effect_size`] the score estimate of the log odds ratio, whose sign is the
/// direction of the effect.
pub fn effect_size<S: Scheme>(
    scheme: &S,
    inverse: &ProductInverse,
    effect: &S::Value,
    spread_root: &S::Value,
    offset: &Offset<'_, S::Value>,
) -> Result<S::Value, CkksError> {
    times_inverse(scheme, inverse, effect.clone(), spread_root, offset)
}

/// `numerator prod (s_i + sigma_i)`, from the left.
fn times_inverse<S: Scheme>(
    scheme: &S,
    inverse: &ProductInverse,
    numerator: S::Value,
    spread_root: &S::Value,
    offset: &Offset<'_, S::Value>,
) -> Result<S::Value, CkksError> {
    let square = scheme.square(spread_root, Precision::Double)?;
    let mut sigma = match offset {
        Offset::Public(x) => scheme.add_vector(&square, x)?,
        Offset::Encrypted(x) => scheme.add(&square, x)?,
    };
    let mut product = numerator;
    let mut steps = inverse.steps().iter();
    for &s in inverse.offsets() {
        let factor = scheme.add_constant(&sigma, s)?;
        product = scheme.multiply(&product, &factor, Precision::Double)?;
        if let Some(beta) = steps.next() {
            sigma = scheme.add_constant(&scheme.square(&sigma, Precision::Double)?, -beta)?;
        }
    }
    Ok(product)
}
