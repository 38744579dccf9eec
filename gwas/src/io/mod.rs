//! Readers of users' files. Nothing else in the project parses them.
//!
//! Every reader streams, checks every size before it allocates, and says what is wrong, where and what to do about it.
//! No error, `Debug` output or panic ever holds a sample id, a genotype or a phenotype value.

pub(crate) mod lines;

pub use lines::LineError;
