//! VCF text: the header, then a line per variant.

use std::io::BufRead;

use super::gt::{self, RowError};
use super::{Bytes, Place, Rows, VcfErrorKind, VcfOptions, Wanted};
use crate::io::exclusions::RawSite;
use crate::lines::Lines;

/// The longest line: 500,000 samples with 500 bytes each.
const MAX_LINE: usize = 256 << 20;
const COLUMNS: &str = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t";

/// Reads a whole file.
pub(super) fn read<'a>(
    input: Bytes<'_>,
    options: &'a VcfOptions,
) -> Result<Rows<'a>, VcfErrorKind> {
    let mut lines = Lines::new(input, MAX_LINE);
    let names = read_header(&mut lines, |_| {})?;
    let mut rows = Rows::new(names, options)?;
    loop {
        let place = Place::Line(lines.number() + 1);
        match lines.next_bytes()? {
            None => return Ok(rows),
            Some([]) => {}
            Some(line) => read_row(&mut rows, line, place)?,
        }
    }
}

/// Reads up to and including the `#CHROM` line, showing the lines before it to `visit`; gives the samples' names.
pub(super) fn read_header<R: BufRead>(
    lines: &mut Lines<R>,
    mut visit: impl FnMut(&str),
) -> Result<Vec<Box<str>>, VcfErrorKind> {
    loop {
        let line = lines.number() + 1;
        let wrong = |what| VcfErrorKind::Header { place: Place::Line(line), what };
        let text = lines.next_str()?.ok_or(wrong("the header ends before its #CHROM line"))?;
        if line == 1 && !text.starts_with("##fileformat=VCFv4.") {
            return Err(wrong("expected ##fileformat=VCFv4.x; older VCF is not supported"));
        }
        if let Some(names) = text.strip_prefix(COLUMNS) {
            return Ok(names.split('\t').map(Into::into).collect());
        }
        if text.starts_with("#CHROM") {
            return Err(wrong(
                "the #CHROM line must name the nine columns up to FORMAT and at least one sample, separated by tabs",
            ));
        }
        if !text.starts_with("##") {
            return Err(wrong("expected a header line (## or #CHROM)"));
        }
        visit(text);
    }
}

fn read_row(rows: &mut Rows<'_>, line: &[u8], place: Place) -> Result<(), VcfErrorKind> {
    let wrong = |what| VcfErrorKind::Record { place, what };
    let mut rest = Some(line);
    let mut next = || {
        let text = rest?;
        let end = memchr::memchr(b'\t', text).unwrap_or(text.len());
        rest = text.get(end + 1..);
        text.get(..end)
    };
    let [chrom, pos, id, reference, alternate] = [(); 5].map(|()| next());
    let [_qual, _filter, _info, format] = [(); 4].map(|()| next());
    let (Some(format), Some(columns)) = (format, rest) else {
        return Err(wrong("fewer columns than the header has"));
    };
    let (Some(chrom), Some(pos), Some(id), Some(reference), Some(alternate)) =
        (text(chrom), text(pos), text(id), text(reference), text(alternate))
    else {
        return Err(wrong("the first five columns are not UTF-8 text"));
    };
    let pos = pos.parse::<u32>().map_err(|_| wrong("POS is not a position"))?.into();
    let alternates = if alternate == "." { 0 } else { alternate.split(',').count() };
    let site = RawSite { chrom, pos, id, reference, alternate };
    match rows.site(site, alternates, place)? {
        Wanted::No => return Ok(()),
        Wanted::Yes => {}
    }
    let people = rows.samples.len();
    match format.split(|&b| b == b':').position(|key| key == b"GT") {
        None => gt::pack_missing(&mut rows.codes),
        Some(field) => gt::pack_text(columns, people, field, alternates as u32, &mut rows.codes)
            .map_err(|e| row_error(e, place))?,
    }
    rows.commit()
}

pub(super) fn row_error(error: RowError, place: Place) -> VcfErrorKind {
    match error {
        RowError::Call(sample, source) => VcfErrorKind::Call { place, sample: sample + 1, source },
        RowError::Count => VcfErrorKind::Record {
            place,
            what: "another number of samples than the header has; the file may be cut off",
        },
    }
}

fn text(field: Option<&[u8]>) -> Option<&str> {
    field.and_then(|bytes| std::str::from_utf8(bytes).ok())
}
