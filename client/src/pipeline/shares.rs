//! Sharing a result among several key holders. Protocol sections 6, 10 and 11.
//!
//! | module | what it does |
//! |---|---|
//! | `inputs` | a job with everything that it names, checked against the study |
//! | `replay` | recomputes the result from the inputs and compares |
//! | `store` | what a holder remembers: every share, every job |
//! | `promises` | what a holder said while the study's key was made |
//! | `policy`, `policy_file` | which jobs a holder shares, and the file that says it |
//! | `differences` | by how many people groups differ of which sums are shared |
//! | `budget` | how much is shared in all |
//! | `in_words` | a job for a person who is asked |
//! | `give` | one step of a holder: commit, then share; first the totals, then the sums |
//! | `finish` | what a holder does where a statistic is finished on ciphertexts: refresh, replay, share values |
//! | `receive` | a recipient opens and checks what the holders shared |

mod budget;
mod differences;
mod finish;
mod give;
mod in_words;
mod inputs;
mod policy;
mod policy_file;
mod promises;
mod receive;
mod replay;
mod source;
mod store;

pub(super) use finish::{Finisher, Replay, finished_of};
pub(super) use give::Holder;
pub(super) use inputs::{Inputs, result_of};
pub(super) use policy::Policy;
pub(super) use policy_file::{EXAMPLE, PolicyFile};
pub(super) use promises::Promises;
pub(super) use receive::{Received, Subject};
pub(super) use replay::replay;
pub(super) use store::{Store, state_folder, sync_folder};

#[cfg(test)]
mod tests;
