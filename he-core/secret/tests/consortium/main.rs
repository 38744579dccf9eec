//! Several key holders, several datasets: the ceremony, shares and what they must not say.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod ceremony;
mod masked;
mod refresh;
mod results;
mod shares;
mod totals;
mod world;

use he_core::PlanRequest;

/// Three holders, a binary phenotype, 40 bits over 2^21 values: n8192-q150.
fn three_holders() -> PlanRequest {
    PlanRequest {
        holders: 3,
        smudging_bits: 40,
        values: 1 << 21,
        datasets: 4,
        ..PlanRequest::sole_holder(200)
    }
}

/// Ten holders, wide weights and dosages: n8192-q200.
fn ten_holders() -> PlanRequest {
    PlanRequest { holders: 10, weight_max: 1023, dosage_max: 2, ..three_holders() }
}
