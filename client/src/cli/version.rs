//! `--version`.

use std::sync::LazyLock;

use he_core::kernel::Engine;

/// The version alone.
pub(super) fn short() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The version, the formats it speaks, and what this machine computes with.
pub(super) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let engine = Engine::detect().name();
        format!("{}\nprotocol 1, object format 1\nengine {engine}", short())
    });
    &TEXT
}
