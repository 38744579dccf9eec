//! The sites of a VCF file, with or without samples.

use std::io::{BufRead, Read};
use std::num::NonZeroUsize;

use super::input::{self, Format};
use super::{Place, VcfErrorKind};
use crate::io::exclusions::{RawSite, Reason, SiteSorter};
use crate::lines::Lines;
use crate::panel::Contig;

/// The longest line: 500,000 samples with 500 bytes each.
const MAX_LINE: usize = 256 << 20;

/// Offers every row's site to `sorter`. BCF is refused.
pub(in crate::io) fn read_sites(
    input: impl Read + Send + 'static,
    mut sorter: SiteSorter,
    skip_multiallelic: bool,
    threads: NonZeroUsize,
) -> Result<SiteSorter, VcfErrorKind> {
    let mut opened = input::open(input, threads)?;
    if opened.format == Format::Binary {
        return Err(VcfErrorKind::BcfSites);
    }
    let mut lines = Lines::new(&mut opened.reader, MAX_LINE);
    read_header(&mut lines)?;
    loop {
        let line = lines.number() + 1;
        match lines.next_bytes()? {
            None => break,
            Some([]) => {}
            Some(text) => read_row(text, Place::Line(line), skip_multiallelic, &mut sorter)?,
        }
    }
    if !opened.tail.is_complete() {
        return Err(VcfErrorKind::Truncated);
    }
    if sorter.row_count() == 0 { Err(VcfErrorKind::Empty) } else { Ok(sorter) }
}

fn read_header<R: BufRead>(lines: &mut Lines<R>) -> Result<(), VcfErrorKind> {
    loop {
        let line = lines.number() + 1;
        let wrong = |what| VcfErrorKind::Header { place: Place::Line(line), what };
        let text = lines.next_str()?.ok_or(wrong("the header ends before its #CHROM line"))?;
        if line == 1 && !text.starts_with("##fileformat=VCFv4.") {
            return Err(wrong("expected ##fileformat=VCFv4.x; older VCF is not supported"));
        }
        if let Some(columns) = text.strip_prefix("#CHROM") {
            return match columns.strip_prefix("\tPOS\tID\tREF\tALT") {
                Some(rest) if rest.is_empty() || rest.starts_with('\t') => Ok(()),
                _ => Err(wrong(
                    "the #CHROM line must begin with the columns CHROM to ALT, separated by tabs",
                )),
            };
        }
        if !text.starts_with("##") {
            return Err(wrong("expected a header line (## or #CHROM)"));
        }
    }
}

fn read_row(
    line: &[u8],
    place: Place,
    skip_multiallelic: bool,
    sorter: &mut SiteSorter,
) -> Result<(), VcfErrorKind> {
    let wrong = |what| VcfErrorKind::Record { place, what };
    let mut fields = line.split(|&b| b == b'\t').map(std::str::from_utf8);
    let row = [(); 5].map(|()| fields.next());
    let [Some(chrom), Some(pos), Some(id), Some(reference), Some(alternate)] = row else {
        return Err(wrong("fewer columns than the header has"));
    };
    let (Ok(chrom), Ok(pos), Ok(id), Ok(reference), Ok(alternate)) =
        (chrom, pos, id, reference, alternate)
    else {
        return Err(wrong("the first five columns are not UTF-8 text"));
    };
    let pos = pos.parse::<u32>().map_err(|_| wrong("POS is not a position"))?.into();
    let site = RawSite { chrom, pos, id, reference, alternate };
    let not_acceptable = |source| VcfErrorKind::Site { place, source };
    if alternate.contains(',') && Contig::parse(chrom).is_diploid() {
        if !skip_multiallelic {
            return Err(VcfErrorKind::Multiallelic { place, chrom: chrom.to_owned(), pos });
        }
        return sorter.exclude(site, Reason::Multiallelic).map_err(not_acceptable);
    }
    sorter.offer(site).map(drop).map_err(not_acceptable)
}
