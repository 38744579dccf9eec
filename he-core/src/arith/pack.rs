//! Bit packing: residues are stored and sent as consecutive little-endian 50-bit words, 6.25 bytes each.
//!
//! Word `i` occupies bits `50 i .. 50 i + 50` of the byte string, least significant bit first. Eight words fill 50
//! bytes, so every multiple of eight words starts on a byte. Protocol section 3.
#![allow(clippy::indexing_slicing)] // fixed 8-word / 50-byte groups

use super::Modulus;

/// Words in one packed group.
pub const GROUP_WORDS: usize = 8;
/// Bytes of one packed group.
pub const GROUP_BYTES: usize = 50;
const MASK: u64 = (1 << 50) - 1;

/// Bytes of `words` packed words; `words` is a multiple of eight.
pub const fn packed_len(words: usize) -> usize {
    words / GROUP_WORDS * GROUP_BYTES
}

/// Packs reduced words. Panics unless `bytes` has exactly the packed length of `words`.
pub fn pack(words: &[u64], bytes: &mut [u8]) {
    assert_eq!(bytes.len(), packed_len(words.len()));
    let (groups, rest) = words.as_chunks();
    assert!(rest.is_empty(), "whole groups");
    pack_groups(groups.iter(), bytes);
}

/// Packs group after group into `bytes`, as many as there are of both.
pub(crate) fn pack_groups<'a>(
    groups: impl Iterator<Item = &'a [u64; GROUP_WORDS]>,
    bytes: &mut [u8],
) {
    for (w, out) in groups.zip(bytes.as_chunks_mut::<GROUP_BYTES>().0) {
        // Seven 64-bit stores, the last one cut to two bytes.
        let parts = [
            w[0] | w[1] << 50,
            w[1] >> 14 | w[2] << 36,
            w[2] >> 28 | w[3] << 22,
            w[3] >> 42 | w[4] << 8 | w[5] << 58,
            w[5] >> 6 | w[6] << 44,
            w[6] >> 20 | w[7] << 30,
            w[7] >> 34,
        ];
        for (o, part) in out.chunks_mut(8).zip(parts) {
            o.copy_from_slice(&part.to_le_bytes()[..o.len()]);
        }
    }
}

/// Unpacks words; they are below 2^50 but not necessarily below the modulus (see [`all_reduced`]).
pub fn unpack(bytes: &[u8], words: &mut [u64]) {
    assert_eq!(bytes.len(), packed_len(words.len()));
    let groups = words.as_chunks_mut::<GROUP_WORDS>().0;
    groups.iter_mut().zip(bytes.as_chunks().0).for_each(|(out, group)| *out = unpack_group(group));
}

/// Unpacks eight words.
#[inline(always)]
pub(crate) fn unpack_group(group: &[u8; GROUP_BYTES]) -> [u64; GROUP_WORDS] {
    let mut padded = [0; 56];
    padded[..GROUP_BYTES].copy_from_slice(group);
    let (q, _) = padded.as_chunks::<8>();
    let [a, b, c, d, e, f, g] = core::array::from_fn(|i| u64::from_le_bytes(q[i]));
    [
        a,
        a >> 50 | b << 14,
        b >> 36 | c << 28,
        c >> 22 | d << 42,
        d >> 8,
        d >> 58 | e << 6,
        e >> 44 | f << 20,
        f >> 30 | g << 34,
    ]
    .map(|w| w & MASK)
}

/// Whether every packed word is below the modulus: the conformance check of foreign ciphertexts.
pub fn all_reduced(bytes: &[u8], modulus: Modulus) -> bool {
    let mut words = [0; GROUP_WORDS];
    let mut fine = true;
    for group in bytes.as_chunks::<GROUP_BYTES>().0 {
        unpack(group, &mut words);
        fine &= words.iter().all(|&w| w < modulus.value());
    }
    fine && bytes.len().is_multiple_of(GROUP_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::params::PRIMES;

    proptest! {
        #[test]
        fn round_trips(words in prop::collection::vec(0u64..1 << 50, 0..9).prop_map(|v| [v, vec![1; 8]].concat()[..8].to_vec())) {
            let mut bytes = [0; GROUP_BYTES];
            pack(&words, &mut bytes);
            let mut back = [0; 8];
            unpack(&bytes, &mut back);
            prop_assert_eq!(&back[..], &words[..]);
        }
    }

    #[test]
    fn known_layout() {
        // Word i alone sets exactly its own fifty bits.
        for i in 0..8 {
            let mut words = [0; 8];
            words[i] = MASK;
            let mut bytes = [0; GROUP_BYTES];
            pack(&words, &mut bytes);
            for bit in 0..400 {
                assert_eq!(
                    bytes[bit / 8] >> (bit % 8) & 1 == 1,
                    bit / 50 == i,
                    "word {i}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn words_at_or_above_the_modulus_are_found() {
        let m = Modulus::new(PRIMES[0]);
        for (word, fine) in [(0, true), (m.value() - 1, true), (m.value(), false), (MASK, false)] {
            let mut bytes = [0; 100];
            let mut words = [0; 16];
            words[13] = word;
            pack(&words, &mut bytes);
            assert_eq!(all_reduced(&bytes, m), fine);
        }
    }
}
