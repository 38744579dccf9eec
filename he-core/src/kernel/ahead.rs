//! Fetching what comes next into the second-level cache while rows are added.
//!
//! # Audit
//!
//! The one `unsafe` call is a hint on an address inside a slice; it never faults, and every x86-64 processor has it.

use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

use super::LINE_BYTES;

/// Lines of what comes next: row after row of a tile is too far apart for the processor to notice by itself. They are spread
/// evenly, because it stops where it can't take another one.
pub(super) struct Ahead<'a> {
    lines: core::slice::Iter<'a, [u8; LINE_BYTES]>,
    each: usize,
}

impl<'a> Ahead<'a> {
    /// What of `bytes` is due in `step` of `steps`, in so many parts.
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8], step: usize, steps: usize, parts: usize) -> Self {
        let lines = bytes.as_chunks::<LINE_BYTES>().0;
        let per_step = lines.len().div_ceil(steps);
        let start = (step * per_step).min(lines.len());
        let end = (start + per_step).min(lines.len());
        Self { lines: lines[start..end].iter(), each: per_step.div_ceil(parts.max(1)) }
    }

    /// Asks for the next parts.
    #[inline(always)]
    pub(super) fn fetch(&mut self, parts: usize) {
        for _ in 0..parts * self.each {
            let Some(line) = self.lines.next() else { return };
            // SAFETY: a hint on the address of a reference, an instruction of every x86-64 processor.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
        }
    }
}
