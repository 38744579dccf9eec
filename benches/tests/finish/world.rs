//! A real cohort's sums under the key of holders, masked for the refresh.

use gwas::wire::PlaneKind;
use he_core::Digest;
use hegwas_bench::finish::holders::{Holders, Masked, request};
use hegwas_bench::finish::sums::{Units, from_rows, from_totals};

use crate::data::Data;

/// All values that are refreshed in one study here: eleven blocks of two planes, two channels, 8,192 coefficients each.
const VALUES: u64 = 11 * 4 * 8192;

/// Encrypted sums and their holders.
pub(crate) struct World {
    pub(crate) data: Data,
    pub(crate) holders: Holders,
    units: Units,
}

impl World {
    pub(crate) fn new(data: Data, holders: u32, planes: &[PlaneKind], rows: bool) -> Self {
        let holders = Holders::new(request(data.cohort.people(), holders, VALUES)).unwrap();
        let sums = if rows { from_rows } else { from_totals };
        let units = sums(&holders, &data.cohort, &data.cases, planes).unwrap();
        Self { data, holders, units }
    }

    pub(crate) fn masked(&self, job: Digest) -> Masked {
        let mut masked = self.holders.refresh(job, &self.units[0]).unwrap();
        for units in &self.units[1..] {
            let plane = self.holders.refresh(job, units).unwrap();
            masked.sums.extend(plane.sums);
            for (all, of_plane) in masked.masks.iter_mut().zip(plane.masks) {
                all.extend(of_plane);
            }
        }
        masked
    }

    /// The refreshed integers, bit for bit, are the sums that opening gives, plus the masks.
    pub(crate) fn check_refreshed(&self, masked: &Masked) {
        let opened = self.holders.open(Digest::of(b"opened"), &self.units[0]).unwrap();
        for (channel, opened) in opened.iter().enumerate() {
            for (i, &sum) in opened.iter().enumerate() {
                let masks: i128 = masked.masks.iter().map(|m| m[channel][i]).sum();
                assert_eq!(masked.sums[channel][i] - masks, i128::from(sum));
            }
        }
        // And what opening gives is what the oracle counted.
        let n = self.data.cases.len() as f64;
        for (truth, &sum) in self.data.truth.iter().zip(&opened[0]) {
            assert_eq!(truth.alleles - n, sum as f64);
        }
    }
}
