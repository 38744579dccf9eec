//! What a user reads: plots of association results.

pub mod plot;
