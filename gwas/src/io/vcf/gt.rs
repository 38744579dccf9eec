//! Genotype calls to 2-bit codes, from the text of VCF and from the integers of BCF.
//!
//! Nearly every call is two known alleles; those take a path without a branch. Everything else is read the slow and
//! careful way, which also decides what is an error.

// Tables of 256 entries are indexed by bytes.
#![allow(clippy::indexing_slicing)]

use crate::io::code::{HET, HOM_ALT, HOM_REF, MISSING};

/// Why a call can't be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// One allele where everyone has two.
    #[error(
        "a call of one allele on a chromosome where everyone has two; give the right ploidy with `bcftools +fixploidy IN -- -f 2`, or leave the chromosome out"
    )]
    Haploid,
    /// Three alleles or more.
    #[error("a call of more than two alleles; only diploid calls can be counted")]
    Polyploid,
    /// An allele that the row doesn't have.
    #[error("the call names an allele that the row does not have")]
    Allele,
    /// No call at all.
    #[error("the GT field is malformed")]
    Malformed,
}

/// What is wrong with the calls of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowError {
    /// The call of one sample (0-based).
    Call(usize, CallError),
    /// Another number of samples than the header has.
    Count,
}

/// A call as it is put together from its alleles.
#[derive(Default)]
struct Call {
    alleles: u32,
    alternates: u32,
    missing: bool,
}

impl Call {
    /// Adds an allele: nothing is a missing one; `highest` is the highest that the row has.
    fn add(&mut self, allele: Option<u32>, highest: u32) -> Result<(), CallError> {
        self.alleles = self.alleles.saturating_add(1);
        match allele {
            None => self.missing = true,
            Some(a) if a > highest => return Err(CallError::Allele),
            Some(0) => {}
            Some(_) => self.alternates = self.alternates.saturating_add(1),
        }
        Ok(())
    }

    fn code(&self) -> Result<u8, CallError> {
        match (self.alleles, self.missing, self.alternates) {
            (0, ..) => Err(CallError::Malformed),
            (1, true, _) | (2, true, _) => Ok(MISSING),
            (1, false, _) => Err(CallError::Haploid),
            (2, false, 0) => Ok(HOM_REF),
            (2, false, 1) => Ok(HET),
            (2, false, _) => Ok(HOM_ALT),
            _ => Err(CallError::Polyploid),
        }
    }
}

/// The code of two alleles that are each 0 (REF) or 1 (ALT): both bits set without an ALT, the high one with one.
#[inline(always)]
fn pair_code(a: u32, b: u32) -> u8 {
    ((1 ^ (a & b)) << 1 | (1 ^ (a | b))) as u8
}

/// Writes `code` for `person` into `out`, which was zero there.
#[inline(always)]
fn put(out: &mut [u8], person: usize, code: u8) {
    if let Some(byte) = out.get_mut(person / 4) {
        *byte |= code << (2 * (person % 4));
    }
}

/// Every call missing.
pub(super) fn pack_missing(out: &mut [u8]) {
    out.fill(MISSING * 0b0101_0101);
}

/// Packs the sample columns of a VCF row. `field` is the place of GT within a sample's column, `highest` the number of
/// ALT alleles of the row (0 or 1).
pub(super) fn pack_text(
    columns: &[u8],
    people: usize,
    field: usize,
    highest: u32,
    out: &mut [u8],
) -> Result<(), RowError> {
    out.fill(0);
    let quick = field == 0 && highest == 1;
    let mut rest = Some(columns);
    let mut person = 0;
    while person < people {
        let columns = rest.ok_or(RowError::Count)?;
        // Rows of GT alone: four people in sixteen bytes make one byte of codes.
        if quick
            && person % 4 == 0
            && let Some((&words, after)) = columns.split_first_chunk::<16>()
            && people - person >= 4
            && let Some(byte) = quick_calls(words)
        {
            if let Some(out) = out.get_mut(person / 4) {
                *out = byte;
            }
            (rest, person) = (Some(after), person + 4);
            continue;
        }
        if quick
            && let Some((&word, after)) = columns.split_first_chunk::<4>()
            && let Some(code) = quick_call(word)
        {
            put(out, person, code);
            rest = if word[3] == b'\t' { Some(after) } else { next_column(after) };
        } else {
            let end = memchr::memchr(b'\t', columns).unwrap_or(columns.len());
            let column = columns.get(..end).unwrap_or_default();
            let code = text_call(column, field, highest).map_err(|e| RowError::Call(person, e))?;
            put(out, person, code);
            rest = columns.get(end + 1..);
        }
        person += 1;
    }
    if rest.is_none() { Ok(()) } else { Err(RowError::Count) }
}

fn next_column(rest: &[u8]) -> Option<&[u8]> {
    memchr::memchr(b'\t', rest).and_then(|at| rest.get(at + 1..))
}

/// `a/b` or `a|b` with alleles 0 and 1, followed by a tab or a colon.
#[inline(always)]
fn quick_call(bytes: [u8; 4]) -> Option<u8> {
    let word = u32::from_le_bytes(bytes);
    let alleles = word & 0x00ff_00ff;
    let (a, b) = (alleles & 1, alleles >> 16 & 1);
    let fine = alleles & 0x00fe_00fe == 0x0030_0030
        && (bytes[1] == b'|' || bytes[1] == b'/')
        && (bytes[3] == b'\t' || bytes[3] == b':');
    fine.then(|| pair_code(a, b))
}

/// Four calls of known alleles 0 and 1, each followed by a tab, to a byte of codes.
#[inline(always)]
fn quick_calls(bytes: [u8; 16]) -> Option<u8> {
    const LANES: u128 = 0x0000_0001_0000_0001_0000_0001_0000_0001;
    let words = u128::from_le_bytes(bytes);
    // Phase is the same for everyone nearly always; rows that mix it take the other path.
    let separators = words & (LANES * 0xff00);
    let separators = separators == LANES * 0x7c00 || separators == LANES * 0x2f00;
    let others = LANES * 0xfffe_00fe;
    let fine = separators && words & others == LANES * 0x0930_0030;
    if !fine {
        return None;
    }
    let (a, b) = (words & LANES, words >> 16 & LANES);
    // Codes in the low bits of each lane: 3, 2, 0 for none, one, two ALT alleles.
    let codes = ((a & b) ^ LANES) << 1 | ((a | b) ^ LANES);
    Some((codes | codes >> 30 | codes >> 60 | codes >> 90) as u8)
}

/// The code of one sample's column.
fn text_call(column: &[u8], field: usize, highest: u32) -> Result<u8, CallError> {
    // Trailing fields may be left out: no GT then.
    let Some(text) = column.split(|&b| b == b':').nth(field) else { return Ok(MISSING) };
    // VCF 4.4 lets a phase stand before the first allele.
    let text = match text {
        [b'/' | b'|', rest @ ..] => rest,
        _ => text,
    };
    let mut call = Call::default();
    for allele in text.split(|&b| b == b'/' || b == b'|') {
        let allele = match allele {
            b"." => None,
            digits => Some(
                std::str::from_utf8(digits)
                    .ok()
                    .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|d| d.parse().ok())
                    .ok_or(CallError::Malformed)?,
            ),
        };
        call.add(allele, highest)?;
    }
    call.code()
}

/// Allele classes of BCF's one-byte values, `(allele + 1) << 1 | phased`: 0 is REF, 1 ALT, 4 missing, 32 anything else.
const CLASS: [u8; 256] = {
    let mut table = [32; 256];
    (table[0], table[1]) = (4, 4);
    (table[2], table[3]) = (0, 0);
    (table[4], table[5]) = (1, 1);
    table
};
/// The code of a sum of two classes; 255 needs a closer look.
const CODE: [u8; 256] = {
    let mut table = [255; 256];
    (table[0], table[1], table[2]) = (HOM_REF, HET, HOM_ALT);
    (table[4], table[5], table[8]) = (MISSING, MISSING, MISSING);
    table
};

/// Packs the GT values of a BCF record: `width` bytes a value (1, 2 or 4), `ploidy` values a sample.
pub(super) fn pack_binary(
    values: &[u8],
    width: usize,
    ploidy: usize,
    people: usize,
    highest: u32,
    out: &mut [u8],
) -> Result<(), RowError> {
    out.fill(0);
    let stride = width * ploidy;
    if stride == 0 {
        pack_missing(out);
        return Ok(());
    }
    if values.len() != stride * people {
        return Err(RowError::Count);
    }
    let quick = width == 1 && ploidy == 2 && highest == 1;
    for ((byte, calls), people) in out.iter_mut().zip(values.chunks(4 * stride)).zip(0..) {
        if quick && let Some(codes) = quick_pairs(calls) {
            *byte = codes;
            continue;
        }
        for (shift, call) in calls.chunks_exact(stride).enumerate() {
            let wrong = |e| RowError::Call(4 * people + shift, e);
            *byte |= binary_call(call, width, highest).map_err(wrong)? << (2 * shift);
        }
    }
    Ok(())
}

/// The codes of up to four diploid calls of one-byte values; nothing if one needs a closer look.
#[inline(always)]
fn quick_pairs(calls: &[u8]) -> Option<u8> {
    let code = |a: u8, b: u8| CODE[usize::from(CLASS[usize::from(a)] + CLASS[usize::from(b)])];
    match *calls {
        [a, b, c, d, e, f, g, h] => {
            let codes = [code(a, b), code(c, d), code(e, f), code(g, h)];
            let [first, second, third, fourth] = codes;
            (!codes.contains(&255)).then_some(first | second << 2 | third << 4 | fourth << 6)
        }
        _ => None,
    }
}

fn binary_call(values: &[u8], width: usize, highest: u32) -> Result<u8, CallError> {
    let mut call = Call::default();
    for bytes in values.chunks_exact(width) {
        // Reserved values are the lowest of each width: first missing, then end of the vector.
        let (value, lowest) = match *bytes {
            [a] => (i32::from(a as i8), i32::from(i8::MIN)),
            [a, b] => (i32::from(i16::from_le_bytes([a, b])), i32::from(i16::MIN)),
            [a, b, c, d] => (i32::from_le_bytes([a, b, c, d]), i32::MIN),
            _ => return Err(CallError::Malformed),
        };
        if value == lowest.wrapping_add(1) {
            break;
        }
        let allele = match value {
            v if v == lowest => None,
            v => match u32::try_from(v).map_err(|_| CallError::Malformed)? >> 1 {
                0 => None,
                one_more => Some(one_more - 1),
            },
        };
        call.add(allele, highest)?;
    }
    call.code()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(columns: &str, people: usize, field: usize, highest: u32) -> Result<Vec<u8>, RowError> {
        let mut out = vec![0xff; people.div_ceil(4)];
        pack_text(columns.as_bytes(), people, field, highest, &mut out)?;
        Ok((0..people).map(|p| out[p / 4] >> (2 * (p % 4)) & 3).collect())
    }

    fn binary(
        values: &[u8],
        width: usize,
        ploidy: usize,
        highest: u32,
    ) -> Result<Vec<u8>, RowError> {
        let people = values.len() / width / ploidy;
        let mut out = vec![0xff; people.div_ceil(4)];
        pack_binary(values, width, ploidy, people, highest, &mut out)?;
        Ok((0..people).map(|p| out[p / 4] >> (2 * (p % 4)) & 3).collect())
    }

    #[test]
    fn text_calls() {
        let calls = "0/0\t0|1\t1/0\t1|1\t./.\t.\t0/.\t./1\t.|.:9\t1|0:3:4\t|0|1\t/1/1";
        let codes = [3, 2, 2, 0, 1, 1, 1, 1, 1, 2, 2, 0];
        assert_eq!(text(calls, 12, 0, 1).unwrap(), codes);
        assert_eq!(text("9:0/1\t9\t.:1/1\t:0/0", 4, 1, 1).unwrap(), [2, 1, 0, 3]);
        assert_eq!(text("0/0\t./.", 2, 0, 0).unwrap(), [3, 1]);
        assert_eq!(text("00/01", 1, 0, 1).unwrap(), [2]);
    }

    #[test]
    fn text_refusals() {
        use CallError::{Allele, Haploid, Malformed, Polyploid};
        for (call, highest, error) in [
            ("0", 1, Haploid),
            ("1:3", 1, Haploid),
            ("|1", 1, Haploid),
            ("0/1/1", 1, Polyploid),
            ("././.", 1, Polyploid),
            ("0/2", 1, Allele),
            ("0/1", 0, Allele),
            ("9999999999999/0", 1, Malformed),
            ("", 1, Malformed),
            ("0/", 1, Malformed),
            ("0 1", 1, Malformed),
            ("a/b", 1, Malformed),
            ("0/-1", 1, Malformed),
            ("0/+1", 1, Malformed),
            ("\u{e9}", 1, Malformed),
        ] {
            assert_eq!(
                text(&format!("0/1\t{call}"), 2, 0, highest.max(1)).err(),
                if highest == 0 { None } else { Some(RowError::Call(1, error)) },
                "{call}"
            );
            assert_eq!(text(call, 1, 0, highest), Err(RowError::Call(0, error)), "{call}");
        }
        for (columns, people) in [("0/0", 2), ("0/0\t0/0", 1), ("0/0\t", 1)] {
            assert_eq!(text(columns, people, 0, 1), Err(RowError::Count));
        }
        assert_eq!(text("0/0:5", 2, 0, 1), Err(RowError::Count));
    }

    #[test]
    fn binary_calls_of_every_width() {
        // 0/0, 0|1, 1/1, ./., 0/., ".", missing value.
        let calls: [(i32, i32); 7] =
            [(2, 2), (2, 5), (4, 4), (0, 0), (2, 1), (0, i32::MIN + 1), (i32::MIN, i32::MIN + 1)];
        let codes = [3, 2, 0, 1, 1, 1, 1];
        let narrow =
            |v: i32, min: i32| if v < 0 { v.wrapping_sub(i32::MIN).wrapping_add(min) } else { v };
        let flat = || calls.iter().flat_map(|&(a, b)| [a, b]);
        let one: Vec<u8> = flat().map(|v| narrow(v, -128) as u8).collect();
        let two: Vec<u8> = flat().flat_map(|v| (narrow(v, -32768) as i16).to_le_bytes()).collect();
        let four: Vec<u8> = flat().flat_map(i32::to_le_bytes).collect();
        for (bytes, width) in [(one, 1), (two, 2), (four, 4)] {
            assert_eq!(binary(&bytes, width, 2, 1).unwrap(), codes);
        }
        assert_eq!(binary(&[2, 4, 0x81], 1, 3, 1).unwrap(), [2]);
        assert_eq!(binary(&[0, 1], 1, 1, 1).unwrap(), [1, 1]);
        assert_eq!(binary(&[2, 2], 1, 2, 0).unwrap(), [3]);
    }

    #[test]
    fn binary_refusals() {
        use CallError::{Allele, Haploid, Malformed, Polyploid};
        for (values, ploidy, highest, error) in [
            (&[2u8, 0x81][..], 2, 1, Haploid),
            (&[4], 1, 1, Haploid),
            (&[2, 2, 2], 3, 1, Polyploid),
            (&[2, 6], 2, 1, Allele),
            (&[2, 4], 2, 0, Allele),
            (&[0x81, 0x81], 2, 1, Malformed),
            (&[2, 0x90], 2, 1, Malformed),
        ] {
            assert_eq!(
                binary(values, 1, ploidy, highest),
                Err(RowError::Call(0, error)),
                "{values:?}"
            );
        }
        assert_eq!(pack_binary(&[2, 2, 2], 1, 2, 2, 1, &mut [0]), Err(RowError::Count));
    }

    proptest! {
        #[test]
        fn the_quick_path_agrees_with_the_careful_one(a in any::<[u8; 4]>(), b in prop::array::uniform4(prop_oneof![Just(b'0'), Just(b'1'), Just(b'|'), Just(b'/'), Just(b':'), Just(b'\t'), Just(b'.')])) {
            for word in [a, b] {
                if let Some(code) = quick_call(word) {
                    let end = word.iter().position(|&c| c == b'\t').unwrap_or(4);
                    prop_assert_eq!(text_call(&word[..end], 0, 1), Ok(code));
                }
            }
        }

        #[test]
        fn four_at_once_are_four_single_ones(
            calls in prop::array::uniform4("[01][|/][01][\t\t\t:]"), phased in any::<bool>(), even in any::<bool>(),
            pairs in prop::array::uniform8(prop_oneof![4 => 0u8..6, 1 => any::<u8>()]),
        ) {
            let mut text = calls.concat();
            if even {
                text = text.replace(['|', '/'], if phased { "|" } else { "/" });
            }
            let single: Option<Vec<u8>> = text.as_bytes().chunks(4).map(|c| quick_call(c.try_into().unwrap()).filter(|_| c[3] == b'\t')).collect();
            let together = |codes: &[u8]| codes.iter().rev().fold(0, |byte, code| byte << 2 | code);
            match quick_calls(text.as_bytes().try_into().unwrap()) {
                Some(byte) => prop_assert_eq!(Some(byte), single.map(|s| together(&s))),
                None => prop_assert!(!even || single.is_none()),
            }
            let single: Result<Vec<u8>, _> = pairs.chunks(2).map(|c| binary_call(c, 1, 1)).collect();
            if let Some(byte) = quick_pairs(&pairs) {
                prop_assert_eq!(Ok(byte), single.map(|s| together(&s)));
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[01/|.:\\t]{0,60}", people in 0usize..12, field in 0usize..3, width in 0usize..6, ploidy in 0usize..4) {
            let mut out = [0; 3];
            let _ = pack_text(&bytes, people, field, 1, &mut out);
            let _ = pack_text(text.as_bytes(), people, field, 1, &mut out);
            let _ = pack_binary(&bytes, width, ploidy, people, 1, &mut out);
        }
    }
}
