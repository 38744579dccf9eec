//! What 100,000 people x 500,000 variants would cost: arithmetic from records, every factor shown.

use he_core::layout::{BODIES, Shape};
use he_core::{Plan, PlanRequest};

use super::facts::Facts;
use super::tables::gigabytes;
use super::text::{number, shape, thousands};

const PEOPLE: u32 = 100_000;
const VARIANTS: u32 = 500_000;
/// Cores on either side.
const CORES: f64 = 16.0;
/// Gigabits per second of the network, an assumption.
const NETWORK: f64 = 1.0;

/// The projection.
pub(super) fn projection(facts: &Facts) -> String {
    let Ok(plan) = Plan::new(PlanRequest::sole_holder(PEOPLE)) else {
        return "The planner has no parameter set for this shape.".to_owned();
    };
    let params = plan.params();
    let (Some(path), Some(kernel)) = (facts.encryption(params), facts.kernel(params, 1, 1)) else {
        return format!("No record yet of {} on one thread.", params.name());
    };
    let blocks = VARIANTS.div_ceil(params.degree() as u32);
    let padded = blocks * params.degree() as u32;
    let coefficients = f64::from(PEOPLE) * f64::from(padded);
    let bytes = Shape { params, rows: PEOPLE, planes: 1, blocks }.body_bytes() as f64;
    let per_genotype = |seconds: f64| seconds * 1e9 / path.genotypes();
    let encrypt = per_genotype(path.encryption().wall_s + path.hash.wall_s);
    let minutes = |ns: f64| coefficients * ns * 1e-9 / 60.0;
    let (encrypt_minutes, sum_minutes) = (minutes(encrypt), minutes(kernel.ns_per_genotype));
    let groups = f64::from(blocks) / BODIES as f64;
    let switch = path.switch.wall_s * groups.ceil();
    let network = bytes * 8.0 / (NETWORK * 1e9) / 3600.0;
    let lines = [
        format!(
            "The planner gives {} people the set {} (N = {}, {} limbs), so {} variants are {} blocks, {} coefficients per person.",
            thousands(PEOPLE.into()),
            params.name(),
            params.degree(),
            params.limbs(),
            thousands(VARIANTS.into()),
            blocks,
            thousands(padded.into())
        ),
        format!(
            "- **Coefficients**: {} = {} x 10^9.",
            shape(PEOPLE, padded),
            number(coefficients / 1e9)
        ),
        format!(
            "- **Ciphertexts**: {} x 10^9 x 6.25 bytes x {} limbs = {}; {} hours at {NETWORK} Gbit/s.",
            number(coefficients / 1e9),
            params.limbs(),
            gigabytes(bytes),
            number(network)
        ),
        format!(
            "- **Encryption** (packing and hashing included): {} x 10^9 x {} ns = {} minutes of one core, {} on {CORES} cores.",
            number(coefficients / 1e9),
            number(encrypt),
            number(encrypt_minutes),
            number(encrypt_minutes / CORES)
        ),
        format!(
            "- **Weighted sums**: {} x 10^9 x {} ns = {} minutes of one core, {} on {CORES} cores that stream as fast as this one does; \
             reading {} from disks sets the pace otherwise.",
            number(coefficients / 1e9),
            number(kernel.ns_per_genotype),
            number(sum_minutes),
            number(sum_minutes / CORES),
            gigabytes(bytes)
        ),
        format!(
            "- **Grant switch**: {} groups x {} s = {} s of one core, whatever the number of people.",
            number(groups.ceil()),
            number(path.switch.wall_s),
            number(switch)
        ),
    ];
    lines.join("\n").replacen('\n', "\n\n", 1)
}
