//! Refreshed results: the masked sums that a server may see. Protocol section 6.

use super::{CombineError, DecryptionShare, ShareKind, phases};
use crate::arith::{Crt, Ring};
use crate::planner::Plan;
use crate::result::SwitchedUnit;

/// Combines refresh shares of all holders: `round((C0 + sum w_k) / Delta) = m + sum mu_k` for every body, channel and
/// coefficient, exactly. Without the masks these integers say nothing (to `2^-mask_bits`) about the values.
///
/// The unrounded phases must go no further: their noise is linear in the keys.
///
/// # Errors
///
/// As [`super::combine`]; also if the plan has no masks.
pub fn combine_refreshed(
    ring: &Ring,
    plan: &Plan,
    unit: &SwitchedUnit,
    shares: &[DecryptionShare],
) -> Result<Vec<i128>, CombineError> {
    let bits = plan.mask_bits().ok_or(CombineError::Masks)?;
    let masks = i128::from(plan.request().holders) << bits;
    let largest = i128::from(plan.largest_result()) + masks;
    let (crt, noise_bound) = (Crt::new(unit.params()), plan.noise_bound());
    phases(ring, plan, unit, shares, ShareKind::Refresh)?
        .map(|residues| match crt.decode_wide(residues.iter().copied(), plan.scale()) {
            Some((value, noise)) if value.abs() <= largest && noise.abs() <= noise_bound => {
                Ok(value)
            }
            _ => Err(CombineError::OutOfRange),
        })
        .collect()
}
