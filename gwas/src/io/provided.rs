//! Where a cohort's variants come from: a variant of the file, the same with its alleles exchanged, or nowhere.

use std::ops::Range;

use super::source::{GenotypeSource, SourceError, code_bytes};
use super::store::swap_homozygotes;
use crate::panel::MAX_VARIANTS;

/// Four missing calls.
const NO_CALLS: u8 = 0b01_01_01_01;

/// The origin of one variant, in four bytes: twice the number of the file's variant, plus one if its alleles are exchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Provided(u32);

// Twice the number of any variant is below `Provided::ABSENT`.
const _: () = assert!(MAX_VARIANTS < 1 << 31);

impl Provided {
    /// The file does not have the variant.
    pub(super) const ABSENT: Self = Self(u32::MAX);

    /// A variant of the file.
    pub(super) fn new(variant: u32, exchanged: bool) -> Self {
        Self(variant << 1 | u32::from(exchanged))
    }

    /// The same with its alleles exchanged once more.
    pub(super) fn exchanged_if(self, exchange: bool) -> Self {
        if self.is_absent() { self } else { Self(self.0 ^ u32::from(exchange)) }
    }

    pub(super) fn is_absent(self) -> bool {
        self == Self::ABSENT
    }

    fn variant(self) -> u32 {
        self.0 >> 1
    }

    fn is_exchanged(self) -> bool {
        !self.is_absent() && self.0 & 1 == 1
    }
}

/// Reads codes as [`GenotypeSource::read_codes`] does. Exchanging alleles turns g into 2 - g; nobody is called where the
/// file does not have a variant.
///
/// The file is read in its own order, in pieces as large as it allows, whatever the order of `chosen`.
pub(super) fn read_provided(
    source: &dyn GenotypeSource,
    chosen: &[Provided],
    rows: Range<u32>,
    out: &mut [u8],
) -> Result<(), SourceError> {
    let stride = code_bytes(rows.end.saturating_sub(rows.start));
    if chosen.len().checked_mul(stride) != Some(out.len()) {
        return Err(SourceError::Request("an output of another size than the rectangle"));
    }
    let mut present: Vec<(u32, usize)> = (0usize..)
        .zip(chosen)
        .filter(|(_, p)| !p.is_absent())
        .map(|(at, p)| (p.variant(), at))
        .collect();
    if present.len() == chosen.len() && present.is_sorted() {
        let variants: Vec<u32> = present.iter().map(|&(variant, _)| variant).collect();
        source.read_codes(&variants, rows, out)?;
    } else {
        out.fill(NO_CALLS);
        present.sort_unstable();
        let variants: Vec<u32> = present.iter().map(|&(variant, _)| variant).collect();
        let mut codes = vec![0; variants.len() * stride];
        source.read_codes(&variants, rows, &mut codes)?;
        for ((_, at), codes) in present.iter().zip(codes.chunks_exact(stride.max(1))) {
            if let Some(out) = out.get_mut(at * stride..(at + 1) * stride) {
                out.copy_from_slice(codes);
            }
        }
    }
    for (provided, codes) in chosen.iter().zip(out.chunks_exact_mut(stride.max(1))) {
        if provided.is_exchanged() {
            swap_homozygotes(codes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::testing::{small_code, small_source};

    proptest! {
        #[test]
        fn any_origin_reads_as_if_the_file_had_been_rewritten(
            people in 1u32..50,
            picks in prop::collection::vec(prop::option::weighted(0.8, (0u32..30, any::<bool>())), 0..60),
            sorted in any::<bool>(),
        ) {
            let mut picks = picks;
            if sorted { picks.sort_unstable(); }
            let chosen: Vec<Provided> =
                picks.iter().map(|p| p.map_or(Provided::ABSENT, |(v, x)| Provided::new(v, x))).collect();
            let stride = code_bytes(people);
            let mut out = vec![0xff; chosen.len() * stride];
            read_provided(small_source(people, 30).as_ref(), &chosen, 0..people, &mut out).unwrap();
            for (pick, codes) in picks.iter().zip(out.chunks_exact(stride)) {
                for person in 0..people {
                    let expected = match *pick {
                        None => 0b01,
                        Some((v, false)) => small_code(person, v),
                        Some((v, true)) => [3, 1, 2, 0][usize::from(small_code(person, v))],
                    };
                    prop_assert_eq!(codes[person as usize / 4] >> (2 * (person % 4)) & 3, expected);
                }
            }
        }
    }

    #[test]
    fn impossible_requests_are_errors() {
        let source = small_source(5, 3);
        let read = |chosen: &[Provided], rows, out: &mut [u8]| {
            read_provided(source.as_ref(), chosen, rows, out)
        };
        let good = [Provided::new(2, false), Provided::ABSENT, Provided::new(0, true)];
        assert!(read(&good, 0..5, &mut [0; 6]).is_ok());
        assert!(read(&good, 0..5, &mut [0; 5]).is_err());
        assert!(read(&good, 0..6, &mut [0; 6]).is_err());
        assert!(read(&good, 1..5, &mut [0; 3]).is_err());
        assert!(read(&[Provided::new(3, false)], 0..5, &mut [0; 2]).is_err());
        assert!(read(&[Provided::ABSENT.exchanged_if(true)], 0..5, &mut [0; 2]).is_ok());
        assert!(read(&[], 0..5, &mut []).is_ok());
    }
}
