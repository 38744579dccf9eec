//! Where 2-bit codes lie: records of equal length, one per variant, in memory or in a file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::positioned::PositionedFile;
use super::source::{GenotypeSource, MAX_PEOPLE, Sample, SourceError, code_bytes};
use crate::panel::Panel;

/// Bytes between two wanted pieces that are cheaper to read through than to skip with another system call.
const READ_THROUGH: u64 = 2048;
/// The largest piece read at once.
const LARGEST_READ: u64 = 4 << 20;

enum Bytes {
    Memory(Vec<u8>),
    File(PositionedFile),
}

/// Records of `stride` bytes.
pub(crate) struct CodeStore {
    bytes: Bytes,
    name: PathBuf,
    /// Bytes before the first record.
    start: u64,
    stride: usize,
    records: u32,
    /// Whether the file counts REF, so that codes 00 and 11 trade places.
    swap: bool,
}

impl CodeStore {
    /// Records in memory; what `bytes` holds past the last whole record is never read.
    pub(crate) fn memory(bytes: Vec<u8>, stride: usize, records: u32) -> Self {
        Self {
            bytes: Bytes::Memory(bytes),
            name: PathBuf::from("memory"),
            start: 0,
            stride,
            records,
            swap: false,
        }
    }

    /// Records in a file; `name` is for errors.
    pub(crate) fn file(
        file: PositionedFile,
        name: &Path,
        start: u64,
        stride: usize,
        records: u32,
    ) -> Self {
        Self {
            bytes: Bytes::File(file),
            name: name.to_owned(),
            start,
            stride,
            records,
            swap: false,
        }
    }

    /// Exchanges homozygotes on every read.
    pub(crate) fn swapped(mut self, swap: bool) -> Self {
        self.swap = swap;
        self
    }

    /// Reads bytes `part` of each record into `out`, one piece after the other.
    fn read(
        &self,
        records: &[u32],
        part: Range<usize>,
        mut out: &mut [u8],
    ) -> Result<(), SourceError> {
        if part.end > self.stride || part.start > part.end {
            return Err(SourceError::Request("rows past the last person"));
        }
        if records.iter().any(|&r| r >= self.records) {
            return Err(SourceError::Request("a variant past the last one"));
        }
        if records.len().checked_mul(part.len()) != Some(out.len()) {
            return Err(SourceError::Request("an output of another size than the rectangle"));
        }
        if part.is_empty() {
            return Ok(());
        }
        let mut scratch = Vec::new();
        let mut records = records;
        while let Some(&first) = records.first() {
            let (run, later) = records.split_at(self.run_length(records, part.len()));
            let (target, rest) = out.split_at_mut(run.len() * part.len());
            self.read_run(first, run, &part, target, &mut scratch)?;
            if self.swap {
                swap_homozygotes(target);
            }
            (records, out) = (later, rest);
        }
        Ok(())
    }

    /// How many of the first records are best read in one go: ascending, close together, not too much at once. In memory
    /// there is nothing to gain from reading what isn't wanted.
    fn run_length(&self, records: &[u32], piece: usize) -> usize {
        let Some(&first) = records.first() else { return 0 };
        let stride = self.stride as u64;
        let apart = matches!(self.bytes, Bytes::Memory(_)) && piece < self.stride;
        let near = |last: u32, next: u32| {
            !apart
                && last < next
                && u64::from(next - last) * stride <= READ_THROUGH + piece as u64
                && u64::from(next - first) * stride + piece as u64 <= LARGEST_READ
        };
        1 + records.windows(2).take_while(|w| matches!(w, [a, b] if near(*a, *b))).count()
    }

    /// Reads one run of ascending records.
    fn read_run(
        &self,
        first: u32,
        run: &[u32],
        part: &Range<usize>,
        target: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(), SourceError> {
        let piece = part.len();
        let offset = self.start + u64::from(first) * self.stride as u64 + part.start as u64;
        let span = match run.last() {
            Some(&last) => (last - first) as usize * self.stride + piece,
            None => return Ok(()),
        };
        if span == target.len() {
            return self.read_at(target, offset);
        }
        scratch.resize(span, 0);
        self.read_at(scratch, offset)?;
        for (record, out) in run.iter().zip(target.chunks_exact_mut(piece)) {
            let at = (record - first) as usize * self.stride;
            let from =
                scratch.get(at..at + piece).ok_or(SourceError::Request("a run out of order"))?;
            out.copy_from_slice(from);
        }
        Ok(())
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> Result<(), SourceError> {
        let source = match &self.bytes {
            Bytes::File(file) => match file.read_exact_at(out, offset) {
                Ok(()) => return Ok(()),
                Err(source) => source,
            },
            Bytes::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(out.len());
                match bytes.get(start..end) {
                    Some(from) => {
                        out.copy_from_slice(from);
                        return Ok(());
                    }
                    None => std::io::ErrorKind::UnexpectedEof.into(),
                }
            }
        };
        Err(SourceError::Io { path: self.name.clone(), source })
    }
}

/// Exchanges codes 00 and 11 in every byte: where both bits of a code are equal, both are flipped.
pub(super) fn swap_homozygotes(codes: &mut [u8]) {
    for byte in codes {
        let equal = !(*byte ^ (*byte >> 1)) & 0x55;
        *byte ^= equal | (equal << 1);
    }
}

/// The genotypes of an open file (or of memory), whatever its format was.
pub struct PackedGenotypes {
    samples: Vec<Sample>,
    panel: Panel,
    /// The record of each variant of the panel; empty when they are the same.
    records: Vec<u32>,
    store: CodeStore,
}

impl PackedGenotypes {
    pub(crate) fn new(
        samples: Vec<Sample>,
        panel: Panel,
        records: Vec<u32>,
        store: CodeStore,
    ) -> Self {
        let identity = records.iter().zip(0u32..).all(|(&a, b)| a == b);
        let records = if identity { Vec::new() } else { records };
        Self { samples, panel, records, store }
    }

    /// Genotypes that are already in memory: for each variant of `panel` the [codes](super::code) of all `samples`,
    /// [`code_bytes`] bytes a variant.
    ///
    /// # Errors
    /// When there are too many people, or `codes` has another length.
    pub fn from_memory(
        samples: Vec<Sample>,
        panel: Panel,
        codes: Vec<u8>,
    ) -> Result<Self, SourceError> {
        let people = u32::try_from(samples.len()).ok().filter(|&n| n <= MAX_PEOPLE);
        let people = people.ok_or(SourceError::Request("more people than a source can hold"))?;
        let stride = code_bytes(people);
        if stride.checked_mul(panel.len() as usize) != Some(codes.len()) {
            return Err(SourceError::Request("codes of another size than people and variants"));
        }
        let store = CodeStore::memory(codes, stride, panel.len());
        Ok(Self::new(samples, panel, Vec::new(), store))
    }
}

impl GenotypeSource for PackedGenotypes {
    fn samples(&self) -> &[Sample] {
        &self.samples
    }

    fn panel(&self) -> &Panel {
        &self.panel
    }

    fn read_codes(
        &self,
        variants: &[u32],
        rows: Range<u32>,
        out: &mut [u8],
    ) -> Result<(), SourceError> {
        let people = self.samples.len();
        if !rows.start.is_multiple_of(4) || rows.end as usize > people || rows.start > rows.end {
            return Err(SourceError::Request(
                "rows that do not start at a multiple of four within the file",
            ));
        }
        let part = (rows.start / 4) as usize..code_bytes(rows.end);
        if self.records.is_empty() {
            return self.store.read(variants, part, out);
        }
        let records: Option<Vec<u32>> =
            variants.iter().map(|&v| self.records.get(v as usize).copied()).collect();
        self.store.read(
            &records.ok_or(SourceError::Request("a variant past the last one"))?,
            part,
            out,
        )
    }
}

/// Sizes only.
impl std::fmt::Debug for PackedGenotypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedGenotypes")
            .field("people", &self.samples.len())
            .field("panel", &self.panel)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::Sex;
    use crate::panel::{ReferenceStatus, Variant};

    /// The plain definition: byte `b` of record `r` is whatever `bytes` holds there.
    fn store(stride: usize, records: u32, in_file: bool) -> (CodeStore, Vec<u8>) {
        let bytes: Vec<u8> =
            (0..stride * records as usize).map(|i| (i * 31 + i / 256 * 7) as u8).collect();
        let store = if in_file {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, b"abc").unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            CodeStore::file(PositionedFile::new(file), Path::new("x"), 3, stride, records)
        } else {
            CodeStore::memory(bytes.clone(), stride, records)
        };
        (store, bytes)
    }

    proptest! {
        #[test]
        fn any_rectangle_is_what_indexing_gives(
            stride in prop_oneof![1usize..40, 900usize..1100, Just(5000usize)],
            picks in prop::collection::vec(0u32..50, 0..60),
            sorted in any::<bool>(), in_file in any::<bool>(), cut in (0.0..1.0f64, 0.0..1.0f64),
        ) {
            let (store, bytes) = store(stride, 50, in_file);
            let mut picks = picks;
            if sorted { picks.sort_unstable(); picks.dedup(); }
            let (a, b) = ((cut.0 * stride as f64) as usize, (cut.1 * stride as f64) as usize);
            let part = a.min(b)..a.max(b) + 1;
            let mut out = vec![0; picks.len() * part.len()];
            store.read(&picks, part.clone(), &mut out).unwrap();
            let expected: Vec<u8> = picks.iter()
                .flat_map(|&r| &bytes[r as usize * stride..][part.clone()]).copied().collect();
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn swapping_exchanges_homozygotes_only() {
        for byte in 0..=255u8 {
            let mut out = [byte];
            swap_homozygotes(&mut out);
            for shift in [0, 2, 4, 6] {
                let expected = [3, 1, 2, 0][usize::from(byte >> shift & 3)];
                assert_eq!(out[0] >> shift & 3, expected);
            }
        }
    }

    #[test]
    fn impossible_requests_are_errors() {
        let sample = Sample { fid: None, iid: "x".into(), sex: Sex::Unknown, founder: true };
        let mut panel = Panel::new(ReferenceStatus::Given);
        panel
            .push(Variant { chrom: "1", pos: 1, id: ".", reference: "A", alternate: "C" })
            .unwrap();
        assert!(
            PackedGenotypes::from_memory(vec![sample.clone(); 5], panel.clone(), vec![0; 3])
                .is_err()
        );
        let source = PackedGenotypes::from_memory(vec![sample; 5], panel, vec![0xe4, 3]).unwrap();
        let mut out = [0; 2];
        assert!(source.read_codes(&[0], 0..5, &mut out).is_ok());
        assert_eq!(out, [0xe4, 3]);
        assert!(source.read_codes(&[0], 4..5, &mut out[..1]).is_ok());
        assert_eq!(out[0], 3);
        assert!(source.read_codes(&[0], 1..5, &mut out).is_err());
        assert!(source.read_codes(&[0], 0..6, &mut out).is_err());
        assert!(source.read_codes(&[1], 0..5, &mut out).is_err());
        assert!(source.read_codes(&[0], 0..5, &mut out[..1]).is_err());
        assert!(!format!("{:?}", source.samples()).contains("\"x\""));
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        let store = CodeStore::file(PositionedFile::new(file), Path::new("gone"), 3, 4, 10);
        let error = store.read(&[1], 0..4, &mut [0; 4]).unwrap_err();
        assert!(error.to_string().contains("gone"));
    }
}
