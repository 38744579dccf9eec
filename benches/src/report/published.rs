//! What others have published, for comparison: their figures, on their machines.

/// A whole computation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    /// Who.
    pub(super) name: &'static str,
    /// On what machine, or what differs.
    pub(super) note: &'static str,
    /// People.
    pub(super) people: u32,
    /// Variants.
    pub(super) variants: u32,
    /// Seconds.
    pub(super) seconds: f64,
}

/// Encrypted association studies with published times; those of the first two are of the server's part alone.
///
/// Blatt, Gusev, Polyakov, Goldwasser, PNAS 117 (2020), allelic chi-square with encrypted phenotypes in CKKS; the Blind Machine
/// (2026), BFV sums where the client has multiplied; Kim, Song, Li, Micciancio, BMC Medical Genomics 13 (2020), iDASH 2018.
pub(super) const ANCHORS: [Anchor; 4] = [
    Anchor {
        name: "Blatt 2020",
        note: "28 cores",
        people: 15_000,
        variants: 16_384,
        seconds: 98.0,
    },
    Anchor {
        name: "Blatt 2020",
        note: "28 cores",
        people: 25_000,
        variants: 49_152,
        seconds: 480.0,
    },
    Anchor {
        name: "Blind Machine 2026",
        note: "1 thread",
        people: 200,
        variants: 16_384,
        seconds: 0.147,
    },
    Anchor {
        name: "Kim 2020",
        note: "logistic, 3 covariates",
        people: 245,
        variants: 10_643,
        seconds: 43.0,
    },
];
