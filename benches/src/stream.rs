//! The floor: how fast this machine reads memory it has not just read.

use std::time::Instant;

use rayon::prelude::*;

/// Bytes that one task reads.
const PIECE: usize = 1 << 20;

/// Reads every byte of `buffers` once, on all threads of the current rayon pool: gigabytes (10^9) per second.
#[must_use]
pub fn read(buffers: &[&[u8]]) -> f64 {
    let pieces: Vec<&[u8]> = buffers.iter().flat_map(|b| b.chunks(PIECE)).collect();
    let bytes: usize = pieces.iter().map(|p| p.len()).sum();
    let start = Instant::now();
    let sum = pieces.into_par_iter().map(sum).reduce(|| 0, u64::wrapping_add);
    std::hint::black_box(sum);
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

/// The sum of the words, so that no read can be left out.
fn sum(bytes: &[u8]) -> u64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            // 32 words at a time: four vectors of the widest kind, so that additions don't wait for each other.
            let mut lanes = [0u64; 32];
            let (groups, rest) = bytes.as_chunks::<256>();
            for group in groups {
                for (lane, word) in lanes.iter_mut().zip(group.as_chunks::<8>().0) {
                    *lane = lane.wrapping_add(u64::from_le_bytes(*word));
                }
            }
            let rest = rest.iter().fold(0, |sum: u64, &b| sum.wrapping_add(u64::from(b)));
            lanes.iter().fold(rest, |sum, &lane| sum.wrapping_add(lane))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let words: u64 = bytes[..768]
            .chunks(8)
            .fold(0, |sum: u64, w| sum.wrapping_add(u64::from_le_bytes(w.try_into().unwrap())));
        let rest: u64 = bytes[768..].iter().map(|&b| u64::from(b)).sum();
        assert_eq!(sum(&bytes), words.wrapping_add(rest));
        assert!(read(&[&bytes, &bytes]) > 0.0);
    }
}
