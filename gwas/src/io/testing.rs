//! Small genotypes for this crate's unit tests.

use std::sync::Arc;

use super::source::{GenotypeSource, Sample, Sex, code_bytes};
use super::store::PackedGenotypes;
use crate::panel::{Panel, ReferenceStatus, Variant};

/// The code of a person at a variant in [`small_source`].
pub(crate) fn small_code(person: u32, variant: u32) -> u8 {
    // A mixing step that leaves no pattern aligned to bytes, words or tiles.
    let x = (u64::from(person) << 32 | u64::from(variant)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x >> 61 & 3) as u8
}

/// `people` founders p0, p1, ... at `variants` sites 1:1, 1:2, ..., with [`small_code`] as their genotypes.
pub(crate) fn small_source(people: u32, variants: u32) -> Arc<dyn GenotypeSource> {
    let samples = (0..people)
        .map(|i| Sample {
            fid: Some("0".into()),
            iid: format!("p{i}").into(),
            sex: Sex::Unknown,
            founder: true,
        })
        .collect();
    let mut panel = Panel::new(ReferenceStatus::Given);
    let stride = code_bytes(people);
    let mut codes = vec![0u8; stride * variants as usize];
    for v in 0..variants {
        panel
            .push(Variant { chrom: "1", pos: v + 1, id: ".", reference: "A", alternate: "C" })
            .unwrap();
        for p in 0..people {
            codes[v as usize * stride + p as usize / 4] |= small_code(p, v) << (2 * (p % 4));
        }
        // Bits past the last person must never matter.
        for p in people..(stride * 4) as u32 {
            codes[v as usize * stride + p as usize / 4] |= ((v % 3) as u8 + 1) << (2 * (p % 4));
        }
    }
    Arc::new(PackedGenotypes::from_memory(samples, panel, codes).unwrap())
}
