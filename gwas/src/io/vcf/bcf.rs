//! BCF: the header of a VCF file, then binary records. Only what packing needs is taken apart.
//!
//! The dictionaries are ours, too: a header that numbers an entry 4,000,000,000 must not make anyone allocate a table of
//! that size.

use std::collections::HashMap;
use std::io::Read;

use super::text::{read_header, row_error};
use super::{Bytes, Place, Rows, VcfErrorKind, VcfOptions, Wanted, gt};
use crate::io::exclusions::RawSite;
use crate::lines::Lines;

const MAX_HEADER: u32 = 64 << 20;
/// The longest of each half of a record.
const MAX_PART: u32 = 256 << 20;

const KIND_CHARS: u8 = 7;

/// Reads a whole file.
pub(super) fn read<'a>(
    input: Bytes<'_>,
    options: &'a VcfOptions,
) -> Result<Rows<'a>, VcfErrorKind> {
    let mut magic = [0; 5];
    input.read_exact(&mut magic)?;
    let header = |what| VcfErrorKind::Header { place: Place::Line(1), what };
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(header("the header is longer than 64 MiB"));
    }
    let mut text = Vec::new();
    read_part(input, length, &mut text).map_err(|_| header("the header is cut off"))?;
    let end = text.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    text.truncate(end);

    let mut names = Dictionaries::default();
    let mut lines = Lines::new(text.as_slice(), MAX_HEADER as usize);
    let samples = read_header(&mut lines, |line| names.read_line(line))?;
    let names = names;
    let mut rows = Rows::new(samples, options)?;
    let (mut shared, mut individual) = (Vec::new(), Vec::new());
    for number in 1u64.. {
        let place = Place::Record(number);
        if !read_record(input, place, &mut shared, &mut individual)? {
            break;
        }
        read_row(&mut rows, &names, &shared, &individual, place)?;
    }
    Ok(rows)
}

/// Reads the two halves of a record; false at the end of the file.
fn read_record(
    input: Bytes<'_>,
    place: Place,
    shared: &mut Vec<u8>,
    individual: &mut Vec<u8>,
) -> Result<bool, VcfErrorKind> {
    let wrong = |what| VcfErrorKind::Record { place, what };
    let mut head = Vec::with_capacity(8);
    input.take(8).read_to_end(&mut head)?;
    let lengths = match head.as_slice() {
        [] => return Ok(false),
        &[a, b, c, d, e, f, g, h] => [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes),
        _ => return Err(wrong("the file is cut off")),
    };
    for (length, part) in lengths.into_iter().zip([shared, individual]) {
        if length > MAX_PART {
            return Err(wrong("a record of more than 256 MiB"));
        }
        read_part(input, length, part).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => wrong("the file is cut off"),
            _ => e.into(),
        })?;
    }
    Ok(true)
}

/// Reads exactly `length` bytes; memory grows only as bytes arrive, whatever the length claims.
fn read_part(input: Bytes<'_>, length: u32, out: &mut Vec<u8>) -> std::io::Result<()> {
    out.clear();
    let read = input.take(length.into()).read_to_end(out)?;
    if read == length as usize { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

fn read_row(
    rows: &mut Rows<'_>,
    names: &Dictionaries,
    shared: &[u8],
    individual: &[u8],
    place: Place,
) -> Result<(), VcfErrorKind> {
    let wrong = |what| VcfErrorKind::Record { place, what };
    let record = Shared::read(shared).ok_or(wrong("the site part of the record is malformed"))?;
    let chrom = u32::try_from(record.chrom).ok().and_then(|i| names.contigs.get(&i));
    let chrom = chrom.ok_or(wrong("the chromosome's number is not in the header"))?;
    let alternate = match record.alternates.as_slice() {
        [] => ".".to_owned(),
        several => several.join(","),
    };
    let site = RawSite {
        chrom,
        pos: i64::from(record.pos) + 1,
        id: record.id,
        reference: record.reference,
        alternate: &alternate,
    };
    if site.pos < 0 {
        return Err(wrong("POS is not a position"));
    }
    let alternates = record.alternates.iter().filter(|&&a| a != ".").count();
    match rows.site(site, alternates, place)? {
        Wanted::No => return Ok(()),
        Wanted::Yes => {}
    }
    let people = rows.samples.len();
    if record.formats > 0 && record.samples as usize != people {
        return Err(wrong("another number of samples than the header has"));
    }
    let calls = find_calls(individual, &record, names.gt)
        .ok_or(wrong("the genotype part of the record is malformed"))?;
    match calls {
        None => gt::pack_missing(&mut rows.codes),
        Some(v) => {
            gt::pack_binary(v.bytes, v.width, v.count, people, alternates as u32, &mut rows.codes)
                .map_err(|e| row_error(e, place))?;
        }
    }
    rows.commit()
}

/// The first half of a record, up to its alleles.
struct Shared<'a> {
    chrom: i32,
    pos: i32,
    formats: u32,
    samples: u32,
    id: &'a str,
    reference: &'a str,
    alternates: Vec<&'a str>,
}

impl<'a> Shared<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Cursor(bytes);
        let chrom = rest.int32()?;
        let pos = rest.int32()?;
        let (_length, _quality) = (rest.int32()?, rest.int32()?);
        // The low half counts INFO entries.
        let alleles = rest.int32()?.cast_unsigned() >> 16;
        let counts = rest.int32()?.cast_unsigned();
        let id = match rest.text()? {
            "" => ".",
            id => id,
        };
        let mut allele = || rest.text().filter(|text| !text.is_empty());
        let reference = if alleles > 0 { allele()? } else { return None };
        let alternates: Vec<&str> = (1..alleles).map(|_| allele()).collect::<Option<_>>()?;
        let (formats, samples) = (counts >> 24, counts & 0x00ff_ffff);
        Some(Self { chrom, pos, formats, samples, id, reference, alternates })
    }
}

/// The values of one FORMAT field.
struct Values<'a> {
    bytes: &'a [u8],
    /// Bytes per value.
    width: usize,
    /// Values per sample.
    count: usize,
}

/// Walks the FORMAT fields to GT: nothing where there is none, an outer nothing where they are malformed.
fn find_calls<'a>(
    bytes: &'a [u8],
    record: &Shared<'_>,
    gt: Option<u32>,
) -> Option<Option<Values<'a>>> {
    let mut rest = Cursor(bytes);
    for _ in 0..record.formats {
        let key = rest.integer()?;
        let (kind, count) = rest.descriptor()?;
        let width = width_of(kind)?;
        let length = count.checked_mul(width)?.checked_mul(record.samples as usize)?;
        let bytes = rest.take(length)?;
        if gt.is_some_and(|gt| i64::from(gt) == i64::from(key)) {
            // Integers only.
            return (1..=3).contains(&kind).then_some(Some(Values { bytes, width, count }));
        }
    }
    Some(None)
}

/// Bytes per value of a type; type 0 has no values.
fn width_of(kind: u8) -> Option<usize> {
    match kind {
        0 => Some(0),
        1 | KIND_CHARS => Some(1),
        2 => Some(2),
        3 | 5 => Some(4),
        _ => None,
    }
}

/// Bytes not yet taken apart.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn int32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_le_bytes)
    }

    /// Type and number of values. A number of 15 stands for one that follows.
    fn descriptor(&mut self) -> Option<(u8, usize)> {
        let byte = self.byte()?;
        let (kind, count) = (byte & 0x0f, byte >> 4);
        match count {
            15 => Some((kind, usize::try_from(self.integer()?).ok()?)),
            _ => Some((kind, count.into())),
        }
    }

    /// One integer with its descriptor.
    fn integer(&mut self) -> Option<i32> {
        match self.byte()? {
            0x11 => Some((self.byte()? as i8).into()),
            0x12 => Some(i16::from_le_bytes(self.take(2)?.try_into().ok()?).into()),
            0x13 => self.int32(),
            _ => None,
        }
    }

    /// A text with its descriptor; padding is cut off.
    fn text(&mut self) -> Option<&'a str> {
        let (kind, count) = self.descriptor()?;
        if kind != KIND_CHARS && !(kind == 0 && count == 0) {
            return None;
        }
        let bytes = self.take(count)?;
        let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        std::str::from_utf8(bytes.get(..end)?).ok()
    }
}

/// The numbers that records use instead of names.
#[derive(Default)]
struct Dictionaries {
    contigs: HashMap<u32, String>,
    /// FILTER, INFO and FORMAT share one; PASS is 0 whether it is listed or not.
    strings: HashMap<String, u32>,
    gt: Option<u32>,
}

impl Dictionaries {
    /// Takes what a header line defines, if anything. Entries count up in order of appearance unless `IDX` says otherwise.
    fn read_line(&mut self, line: &str) {
        let Some((kind, fields)) = line.strip_prefix("##").and_then(|l| l.split_once("=<")) else {
            return;
        };
        let fields = fields.strip_suffix('>').unwrap_or(fields);
        let Some(id) = field_value(fields, "ID") else { return };
        let given = field_value(fields, "IDX").and_then(|i| i.parse().ok());
        match kind {
            "contig" => {
                let index = given.unwrap_or(self.contigs.len() as u32);
                self.contigs.entry(index).or_insert_with(|| id.to_owned());
            }
            "FILTER" | "INFO" | "FORMAT" => {
                let pass = self.strings.is_empty() && id != "PASS";
                if pass {
                    self.strings.insert("PASS".to_owned(), 0);
                }
                let next = self.strings.len() as u32;
                let index = *self.strings.entry(id.to_owned()).or_insert(given.unwrap_or(next));
                if id == "GT" {
                    self.gt = Some(index);
                }
            }
            _ => {}
        }
    }
}

/// The value of `key` in `A=1,B="x, y",C=2`.
fn field_value<'a>(fields: &'a str, key: &str) -> Option<&'a str> {
    let mut quoted = false;
    let parts = fields.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.filter_map(|part| part.split_once('=')).find(|(k, _)| *k == key).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_number_entries_as_the_format_says() {
        let mut d = Dictionaries::default();
        for line in [
            "##fileformat=VCFv4.3",
            "##contig=<ID=1,length=5>",
            "##INFO=<ID=DP,Description=\"Depth, ID=GT, of <all>\">",
            "##contig=<ID=chrX>",
            "##FILTER=<ID=PASS,Description=\"ok\">",
            "##FORMAT=<ID=DP,Number=1>",
            "##FORMAT=<ID=GT,Number=1>",
        ] {
            d.read_line(line);
        }
        assert_eq!(d.contigs, HashMap::from([(0, "1".to_owned()), (1, "chrX".to_owned())]));
        assert_eq!(d.gt, Some(2));
        let mut d = Dictionaries::default();
        d.read_line("##FORMAT=<ID=GT,Number=1,IDX=4000000000>");
        d.read_line("##contig=<ID=7,IDX=4294967295>");
        assert_eq!((d.gt, d.contigs.len()), (Some(4_000_000_000), 1));
    }

    #[test]
    fn typed_values() {
        let mut c =
            Cursor(&[0x37, b'a', b'b', 0, 0xf7, 0x11, 2, b'x', b'y', 0x12, 0xff, 0xff, 0x00, 0x21]);
        assert_eq!(c.text(), Some("ab"));
        assert_eq!(c.text(), Some("xy"));
        assert_eq!(c.integer(), Some(-1));
        assert_eq!(c.text(), Some(""));
        assert_eq!(c.text(), None);
        assert_eq!(Cursor(&[0xf7, 0x11, 0xff]).descriptor(), None);
        assert_eq!(Cursor(&[0xf7, 0x13, 0xff, 0xff, 0xff, 0x7f]).text(), None);
    }
}
