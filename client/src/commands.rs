//! Commands that are not part of the encrypted computation itself.

mod completions;
mod help;
mod inspect;
mod key;
mod plot;
mod push;
mod serve;

pub use completions::completions;
pub use help::help;
pub use inspect::inspect;
pub use key::key;
pub use plot::plot;
pub use push::{Pushed, push, push_folder};
pub use serve::serve;
