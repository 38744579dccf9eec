//! A panel as text: what is written is what is read, byte for byte.
//!
//! ```text
//! ##hegwas-panel=1
//! ##build=GRCh37            (left out when unknown)
//! ##reference=provisional   (or given)
//! ##variants=2
//! #CHROM  POS  ID  REF  ALT (tab-separated)
//! 22  16051249  22_16051249  T  C
//! 22  16052080  22_16052080  G  A
//! ```
//!
//! Lines end in one newline, the last one too. The declared count makes a truncated file an error. The reader accepts
//! nothing that the writer would write otherwise (leading zeros, `\r`, a byte order mark), so the text is canonical.

use std::io::{self, BufRead, Write};

use he_core::Digest;

use super::digest::PanelHasher;
use super::{
    MAX_TEXT_LEN, MAX_VARIANTS, Panel, PanelError, ReferenceStatus, Variant, check_variant,
};
use crate::lines::LineError;
use crate::lines::Lines;

const VERSION: &str = "##hegwas-panel=1";
const COLUMNS: &str = "#CHROM\tPOS\tID\tREF\tALT";
/// Three long texts, a chromosome, a position, tabs.
const MAX_LINE: usize = 3 * MAX_TEXT_LEN + 1024;

/// Why a panel file can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PanelTextError {
    /// A line can't be read.
    #[error("panel {0}")]
    Line(#[from] LineError),
    /// The first line isn't this format's.
    #[error("not a panel file: the first line must be `{VERSION}`; make one with `hegwas panel`")]
    NotAPanel,
    /// A version that this program doesn't know.
    #[error(
        "the panel file has another format version than `{VERSION}`; use the hegwas version that wrote it or newer"
    )]
    Version,
    /// A line isn't what it must be.
    #[error("panel line {line}: expected {expected}")]
    Expected {
        /// 1-based line number.
        line: u64,
        /// What must stand there.
        expected: &'static str,
    },
    /// A line is well-formed, but its content isn't allowed.
    #[error("panel line {line}: {source}")]
    Content {
        /// 1-based line number.
        line: u64,
        /// What is wrong with it.
        source: PanelError,
    },
    /// The number of variants isn't the declared one.
    #[error("the panel declares {declared} variants but holds {found}{}; the file is damaged, fetch it again", if found > declared { " or more" } else { "" })]
    Count {
        /// From the header.
        declared: u32,
        /// Found in the body, up to one too many.
        found: u32,
    },
}

impl Panel {
    /// Writes the panel as text (see the module's description).
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "{VERSION}")?;
        if let Some(build) = self.build() {
            writeln!(out, "##build={build}")?;
        }
        let reference = match self.reference_status() {
            ReferenceStatus::Provisional => "provisional",
            ReferenceStatus::Given => "given",
        };
        writeln!(out, "##reference={reference}")?;
        writeln!(out, "##variants={}", self.len())?;
        writeln!(out, "{COLUMNS}")?;
        for v in self.iter() {
            writeln!(out, "{}\t{}\t{}\t{}\t{}", v.chrom, v.pos, v.id, v.reference, v.alternate)?;
        }
        out.flush()
    }

    /// Reads a panel from text.
    ///
    /// # Errors
    /// When a byte is not what [`Panel::write_text`] would have written, or a limit is exceeded.
    pub fn read_text(input: impl BufRead) -> Result<Self, PanelTextError> {
        let mut lines = Lines::new(input, MAX_LINE);
        let (mut panel, declared) = read_header(&mut lines)?;
        read_variants(&mut lines, declared, |variant| panel.push(variant))?;
        Ok(panel)
    }

    /// Reads a panel's text without keeping the variants: accepts exactly what [`Panel::read_text`] accepts, in memory that
    /// does not grow with the number of variants.
    ///
    /// # Errors
    /// As [`Panel::read_text`].
    pub fn scan_text(input: impl BufRead) -> Result<PanelSummary, PanelTextError> {
        let mut lines = Lines::new(input, MAX_LINE);
        let (mut header, variants) = read_header(&mut lines)?;
        let mut hasher = PanelHasher::new(header.build(), variants);
        read_variants(&mut lines, variants, |variant| {
            check_variant(&variant)?;
            header.intern(variant.chrom)?;
            hasher.push(&variant);
            Ok(())
        })?;
        Ok(PanelSummary { digest: hasher.finish(), variants })
    }
}

/// Name and size of a panel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PanelSummary {
    /// Its digest ([`Panel::digest`]).
    pub digest: Digest,
    /// Number of its variants.
    pub variants: u32,
}

/// Gives every variant after the header to `each`, and checks that there are as many as declared.
fn read_variants<R: BufRead>(
    lines: &mut Lines<R>,
    declared: u32,
    mut each: impl FnMut(Variant<'_>) -> Result<(), PanelError>,
) -> Result<(), PanelTextError> {
    let mut found = 0u32;
    loop {
        let line = lines.number() + 1;
        let Some(text) = next_line(lines)? else {
            break;
        };
        let variant = parse_variant(text).ok_or(PanelTextError::Expected {
            line,
            expected: "CHROM POS ID REF ALT, tab-separated",
        })?;
        if found >= declared {
            return Err(PanelTextError::Count { declared, found: declared.saturating_add(1) });
        }
        each(variant).map_err(|source| PanelTextError::Content { line, source })?;
        found += 1;
    }
    if found == declared { Ok(()) } else { Err(PanelTextError::Count { declared, found }) }
}

/// Reads up to and including the column line; gives the empty panel and the declared number of variants.
fn read_header<R: BufRead>(lines: &mut Lines<R>) -> Result<(Panel, u32), PanelTextError> {
    match next_line(lines)? {
        Some(VERSION) => {}
        Some(other) if other.starts_with("##hegwas-panel=") => return Err(PanelTextError::Version),
        _ => return Err(PanelTextError::NotAPanel),
    }
    let mut text = header_line(lines)?;
    let build = text.strip_prefix("##build=").map(str::to_owned);
    let build_line = lines.number();
    if build.is_some() {
        text = header_line(lines)?;
    }
    let reference = match text.as_str() {
        "##reference=provisional" => ReferenceStatus::Provisional,
        "##reference=given" => ReferenceStatus::Given,
        _ => {
            return Err(expected(lines, "##reference=provisional or ##reference=given"));
        }
    };
    let text = header_line(lines)?;
    let declared = text
        .strip_prefix("##variants=")
        .and_then(canonical_number)
        .filter(|&n| n <= MAX_VARIANTS)
        .ok_or_else(|| expected(lines, "##variants= and a number of at most 2^27"))?;
    if header_line(lines)? != COLUMNS {
        return Err(expected(lines, "the column names #CHROM POS ID REF ALT, tab-separated"));
    }
    let mut panel = Panel::new(reference);
    panel
        .set_build(build.as_deref())
        .map_err(|source| PanelTextError::Content { line: build_line, source })?;
    Ok((panel, declared))
}

fn header_line<R: BufRead>(lines: &mut Lines<R>) -> Result<String, PanelTextError> {
    match next_line(lines)? {
        Some(text) => Ok(text.to_owned()),
        None => Err(expected(lines, "more header lines; the file is cut off")),
    }
}

fn expected<R: BufRead>(lines: &Lines<R>, expected: &'static str) -> PanelTextError {
    PanelTextError::Expected { line: lines.number(), expected }
}

/// The next line; a last line without its newline is a truncated file.
fn next_line<R: BufRead>(lines: &mut Lines<R>) -> Result<Option<&str>, PanelTextError> {
    let line = lines.number() + 1;
    // Asked for in two steps: the borrow of the text must not outlive the check.
    if lines.next_bytes()?.is_some() && !lines.was_ended() {
        return Err(PanelTextError::Expected {
            line,
            expected: "a newline at the end of the line; the file is cut off",
        });
    }
    let text = std::str::from_utf8(lines.raw()).map_err(|_| LineError::NotText { line })?;
    match text.strip_suffix('\n') {
        Some(text) if text.contains('\r') || text.starts_with('\u{feff}') => {
            Err(PanelTextError::Expected {
                line,
                expected: "no carriage returns and no byte order mark",
            })
        }
        other => Ok(other),
    }
}

fn parse_variant(line: &str) -> Option<Variant<'_>> {
    let mut fields = line.split('\t');
    let variant = Variant {
        chrom: fields.next()?,
        pos: canonical_number(fields.next()?)?,
        id: fields.next()?,
        reference: fields.next()?,
        alternate: fields.next()?,
    };
    fields.next().is_none().then_some(variant)
}

/// A decimal number in its only canonical spelling.
fn canonical_number(text: &str) -> Option<u32> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::tests::v;
    use super::*;

    const GOOD: &str = "##hegwas-panel=1\n##build=b36\n##reference=given\n##variants=2\n#CHROM\tPOS\tID\tREF\tALT\n\
                        22\t5\tx\tA\tC\nchrX\t0\t.\t0\t<DEL>\n";

    /// Reads in both ways, which must agree.
    fn read(text: &str) -> Result<Panel, PanelTextError> {
        let (panel, scanned) =
            (Panel::read_text(text.as_bytes()), Panel::scan_text(text.as_bytes()));
        match (&panel, &scanned) {
            (Ok(panel), Ok(scanned)) => {
                let read = PanelSummary { digest: panel.digest(), variants: panel.len() };
                assert_eq!(*scanned, read);
            }
            (Err(read), Err(scanned)) => assert_eq!(read.to_string(), scanned.to_string()),
            _ => panic!("reading and scanning disagree: {panel:?}, {scanned:?}"),
        }
        panel
    }

    #[test]
    fn text_is_canonical() {
        let panel = read(GOOD).unwrap();
        assert_eq!(panel.build(), Some("b36"));
        assert_eq!(panel.reference_status(), ReferenceStatus::Given);
        assert_eq!(
            panel.iter().collect::<Vec<_>>(),
            [v("22", 5, "x", "A", "C"), v("chrX", 0, ".", "0", "<DEL>")]
        );
        let mut out = Vec::new();
        panel.write_text(&mut out).unwrap();
        assert_eq!(out, GOOD.as_bytes());
    }

    #[test]
    fn every_deviation_is_refused_with_its_line() {
        for (from, to, message) in [
            ("##hegwas-panel=1", "##hegwas-panel=2", "another format version"),
            ("##hegwas-panel=1", "##fileformat=VCFv4.2", "not a panel file"),
            ("##build=b36", "##build=", "line 2: the genome build is empty"),
            ("##build=b36", "##build=b 36", "line 2"),
            ("=given", "=unknown", "line 3: expected ##reference="),
            ("##variants=2", "##variants=02", "line 4"),
            ("##variants=2", "##variants=134217729", "line 4"),
            ("##variants=2", "##variants=1", "declares 1 variants but holds 2 or more"),
            ("##variants=2", "##variants=3", "declares 3 variants but holds 2;"),
            ("\tALT", "\tALT\tX", "line 5"),
            ("\t5\t", "\t05\t", "line 6"),
            ("\t5\t", "\t4294967296\t", "line 6"),
            ("\t5\t", "\t-5\t", "line 6"),
            ("\tC\n", "\tC\r\n", "line 6: expected no carriage"),
            ("\tC\n", "\tC\tD\n", "line 6"),
            ("\tC\n", "\t\n", "line 6: ALT is empty"),
            ("\tC\n", "\n", "line 6"),
            ("\tC\n", "\tC\n\n", "line 7"),
            ("<DEL>\n", "<DEL>", "line 7: expected a newline"),
        ] {
            assert!(GOOD.contains(from));
            let error = read(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(message), "{from:?} -> {to:?}: {error}");
        }
        assert!(Panel::read_text(&b"##hegwas-panel=1\n\xff\n"[..]).is_err());
        assert!(read(&format!("\u{feff}{GOOD}")).is_err());
        for cut in 0..GOOD.len() {
            assert!(read(&GOOD[..cut]).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_accepts_only_canonical_text(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..GOOD.len(), keep in any::<bool>()) {
            let mut text = GOOD.as_bytes()[..at].to_vec();
            if keep { text.extend_from_slice(&bytes) } else { text = bytes }
            if let Ok(panel) = Panel::read_text(text.as_slice()) {
                let mut out = Vec::new();
                panel.write_text(&mut out).unwrap();
                prop_assert_eq!(out, text);
            }
        }

        #[test]
        fn round_trips(rows in prop::collection::vec(("[0-9A-Za-z_.]{1,8}", any::<u32>(), "\\PC{1,10}", "[ACGTN0*]{1,20}", "[<>A-Z]{1,9}"), 0..40)) {
            let mut panel = Panel::default();
            for (c, p, i, r, a) in &rows {
                let _ = panel.push(v(c, *p, i, r, a));
            }
            let mut out = Vec::new();
            panel.write_text(&mut out).unwrap();
            prop_assert_eq!(Panel::read_text(out.as_slice()).unwrap(), panel);
        }
    }
}
