//! Phenotype and covariate tables: a header, one person a line.
//!
//! The header starts with `#FID IID` or `#IID` (the `#` may be missing), further names are columns. Fields are separated by
//! tabs where the header has one (an empty field is a missing value then), by white space otherwise; quotes mean nothing.
//! Lines before the header that start with `##`, and blank lines, are skipped.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{
    CsvParseOptions, CsvReadOptions, DataFrame, DataType, Field, Schema, SerReader,
};

use super::bed::FamPhenotypes;
use super::fam::MAX_ID_LEN;
use super::people::PersonId;
use super::source::{MAX_PEOPLE, Sample};
use crate::lines::{LineError, Lines};

/// The largest table, in bytes.
pub const MAX_TABLE: u64 = 1 << 30;
const MAX_LINE: usize = 1 << 24;
const MAX_COLUMNS: usize = 1 << 16;

/// Why a table can't be used. Never holds an id or a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file can't be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is wrong.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ContentError,
    },
}

/// What is wrong inside a table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// A line can't be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The first line names no id columns.
    #[error(
        "line {line} must be a header that starts with #FID IID or #IID, separated by tabs or blanks"
    )]
    Header {
        /// 1-based line number.
        line: u64,
    },
    /// Separated by commas.
    #[error("line {line} is separated by commas; use tabs (`tr , '\\t'`)")]
    Commas {
        /// 1-based line number.
        line: u64,
    },
    /// Two columns of one name.
    #[error("the columns {first} and {second} have the same name; rename one")]
    RepeatedColumn {
        /// 1-based column number.
        first: usize,
        /// 1-based column number.
        second: usize,
    },
    /// Nothing but ids.
    #[error("there is no column beside the ids")]
    NoColumn,
    /// Another number of fields than the header has.
    #[error("line {line} has {found} fields, the header has {expected}")]
    Fields {
        /// 1-based line number.
        line: u64,
        /// Fields found.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// An id is empty or too long.
    #[error("line {line}: an id is empty or longer than {MAX_ID_LEN} bytes")]
    Id {
        /// 1-based line number.
        line: u64,
    },
    /// Nobody.
    #[error("there is no line below the header")]
    Empty,
    /// More than the limits allow.
    #[error("more than {0}")]
    TooMuch(&'static str),
    /// The table reader stumbled over what had been checked before: a bug.
    #[error("the table could not be taken apart; please report this")]
    Frame,
}

/// A table of people, read but not interpreted.
pub struct Table {
    pub(crate) path: PathBuf,
    pub(crate) ids: Vec<PersonId>,
    /// The line of each row.
    pub(crate) lines: Vec<u64>,
    names: Vec<String>,
    /// The columns beside the ids, all of them text.
    frame: DataFrame,
}

/// Ids and values are private.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("path", &self.path)
            .field("people", &self.ids.len())
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Reads a table from a file of at most [`MAX_TABLE`] bytes.
    ///
    /// # Errors
    /// When the file can't be read or isn't such a table.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let file =
            File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
        Self::read(BufReader::new(file), path)
    }

    /// Reads a table; `path` is for errors.
    ///
    /// # Errors
    /// When the input can't be read or isn't such a table.
    pub fn read(input: impl BufRead, path: &Path) -> Result<Self, TableError> {
        parse(input)
            .and_then(|rows| rows.into_table(path))
            .map_err(|source| TableError::Content { path: path.to_owned(), source })
    }

    /// The sixth column of a .fam file as a table with the one column `PHENO1`.
    ///
    /// # Errors
    /// When `phenotypes` and `samples` aren't of the same file.
    pub fn from_fam(phenotypes: &FamPhenotypes, samples: &[Sample]) -> Result<Self, TableError> {
        let wrong = |source| TableError::Content { path: phenotypes.path.clone(), source };
        if samples.len() != phenotypes.tokens.len() {
            return Err(wrong(ContentError::Frame));
        }
        let mut rows = Rows::new(vec!["PHENO1".to_owned()]);
        for (token, line) in phenotypes.tokens.iter().zip(&phenotypes.lines) {
            rows.push_values(std::iter::once(&**token));
            rows.lines.push(*line);
        }
        rows.ids =
            samples.iter().map(|s| PersonId { fid: s.fid.clone(), iid: s.iid.clone() }).collect();
        rows.into_table(&phenotypes.path).map_err(wrong)
    }

    /// Names of the columns beside the ids, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The cells of a column, a row each.
    pub(crate) fn column(&self, index: usize) -> Option<Vec<&str>> {
        let cells = self.frame.select_at_idx(index)?.str().ok()?;
        // A cell that the frame holds as null was an empty field.
        Some(cells.iter().map(Option::unwrap_or_default).collect())
    }
}

/// The rows of a table, rewritten so that every line has the same number of tab-separated cells.
struct Rows {
    ids: Vec<PersonId>,
    lines: Vec<u64>,
    names: Vec<String>,
    cells: Vec<u8>,
}

impl Rows {
    fn new(names: Vec<String>) -> Self {
        // A header of numbers: the reader below takes input that begins like a compressed file ("x^", say) for one.
        let header = (0..names.len()).map(|i| i.to_string()).collect::<Vec<_>>().join("\t");
        let cells = (header + "\n").into_bytes();
        Self { ids: Vec::new(), lines: Vec::new(), names, cells }
    }

    fn push_values<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        for (i, value) in values.enumerate() {
            if i > 0 {
                self.cells.push(b'\t');
            }
            // Never empty, so that a line of one missing value isn't a blank line.
            self.cells.extend_from_slice(if value.is_empty() { b"NA" } else { value.as_bytes() });
        }
        self.cells.push(b'\n');
    }

    fn into_table(self, path: &Path) -> Result<Table, ContentError> {
        let field = |i: usize| Field::new(i.to_string().into(), DataType::String);
        let schema = Schema::from_iter((0..self.names.len()).map(field));
        let parse = CsvParseOptions::default()
            .with_separator(b'\t')
            .with_quote_char(None)
            .with_missing_is_null(false);
        let frame = CsvReadOptions::default()
            .with_has_header(true)
            .with_schema(Some(Arc::new(schema)))
            .with_parse_options(parse)
            .into_reader_with_file_handle(Cursor::new(self.cells))
            .finish()
            .map_err(|_| ContentError::Frame)?;
        if frame.height() != self.ids.len() || frame.width() != self.names.len() {
            return Err(ContentError::Frame);
        }
        let Self { ids, lines, names, .. } = self;
        Ok(Table { path: path.to_owned(), ids, lines, names, frame })
    }
}

fn parse(input: impl BufRead) -> Result<Rows, ContentError> {
    let mut lines = Lines::new(input, MAX_LINE);
    let (mut rows, split, id_columns) = loop {
        let line = lines.number() + 1;
        match lines.next_str()? {
            None => return Err(ContentError::Header { line }),
            Some(text) if text.trim().is_empty() || text.starts_with("##") => {}
            Some(text) => break parse_header(text, line)?,
        }
    };
    let expected = rows.names.len() + id_columns;
    let mut total = 0;
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_str()? else { break };
        total += text.len() as u64;
        if total > MAX_TABLE {
            return Err(ContentError::TooMuch("1 GiB of text"));
        }
        if text.trim().is_empty() {
            continue;
        }
        let found = split.fields(text).count();
        if found != expected {
            return Err(ContentError::Fields { line, found, expected });
        }
        let mut fields = split.fields(text);
        let fid = if id_columns == 2 { fields.next() } else { None };
        let iid = fields.next().unwrap_or_default();
        if [fid, Some(iid)].into_iter().flatten().any(|id| id.is_empty() || id.len() > MAX_ID_LEN) {
            return Err(ContentError::Id { line });
        }
        if rows.ids.len() >= MAX_PEOPLE as usize {
            return Err(ContentError::TooMuch("16 million people"));
        }
        rows.ids.push(PersonId { fid: fid.map(Into::into), iid: iid.into() });
        rows.lines.push(line);
        rows.push_values(fields);
    }
    if rows.ids.is_empty() { Err(ContentError::Empty) } else { Ok(rows) }
}

/// Reads the header; gives how fields are separated and how many columns are ids, too.
fn parse_header(text: &str, line: u64) -> Result<(Rows, Separator, usize), ContentError> {
    let split = if text.contains('\t') { Separator::Tab } else { Separator::Blank };
    let columns: Vec<&str> = split.fields(text).take(MAX_COLUMNS + 1).collect();
    if columns.len() > MAX_COLUMNS {
        return Err(ContentError::TooMuch("65,536 columns"));
    }
    let bare = |c: Option<&&str>| c.map(|c| c.strip_prefix('#').unwrap_or(c).to_ascii_uppercase());
    let id_columns = match (bare(columns.first()).as_deref(), bare(columns.get(1)).as_deref()) {
        (Some("FID"), Some("IID")) => 2,
        (Some("IID"), _) => 1,
        _ if columns.len() == 1 && text.contains(',') => return Err(ContentError::Commas { line }),
        _ => return Err(ContentError::Header { line }),
    };
    let names: Vec<String> = columns.iter().skip(id_columns).map(|&c| c.to_owned()).collect();
    if names.is_empty() {
        return Err(ContentError::NoColumn);
    }
    let mut seen = HashSet::new();
    for (second, name) in names.iter().enumerate() {
        if !seen.insert(name)
            && let Some(first) = names.iter().position(|n| n == name)
        {
            let number = |i| i + id_columns + 1;
            return Err(ContentError::RepeatedColumn {
                first: number(first),
                second: number(second),
            });
        }
    }
    Ok((Rows::new(names), split, id_columns))
}

#[derive(Clone, Copy)]
enum Separator {
    Tab,
    Blank,
}

impl Separator {
    fn fields<'a>(self, text: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let (tab, blank) = match self {
            Self::Tab => (Some(text.split('\t').map(str::trim)), None),
            Self::Blank => (None, Some(text.split_ascii_whitespace())),
        };
        tab.into_iter().flatten().chain(blank.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn table(text: &str) -> Result<Table, TableError> {
        Table::read(text.as_bytes(), Path::new("p.tsv"))
    }

    fn cells(table: &Table, column: usize) -> Vec<String> {
        table.column(column).unwrap().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn both_separators_and_both_id_forms() {
        for text in [
            "#FID IID A  B\nf x 1 \"q\nf y  2 NA\n",
            "FID\tIID\tA\tB\r\nf\tx\t1\t\"q\r\n\r\nf\ty\t 2 \t\r\n",
            "##made by hand\n#FID\tIID\tA\tB\nf\tx\t1\t\"q\nf\ty\t2\t",
            "#iid\tA\tB\nx\t1\t\"q\ny\t2\tNA",
        ] {
            let t = table(text).unwrap();
            assert_eq!(t.names(), ["A", "B"]);
            assert_eq!(t.ids.iter().map(|p| &*p.iid).collect::<String>(), "xy");
            assert_eq!(
                t.ids.iter().all(|p| p.fid.as_deref() == Some("f")),
                !text.starts_with("#iid")
            );
            assert_eq!(
                (cells(&t, 0), cells(&t, 1)),
                (vec!["1".into(), "2".into()], vec!["\"q".into(), "NA".into()])
            );
            assert_eq!(t.column(2), None);
        }
        assert_eq!(table("IID A\n\nx 1\n").unwrap().lines, [3]);
    }

    /// Found by mutation: these begin as zlib streams do.
    #[test]
    fn cells_that_look_compressed_are_cells() {
        for cell in ["x^", "x\u{1}", "0", "PK"] {
            let t = table(&format!("#IID A B\nx {cell} 1\ny 2 2\n")).unwrap();
            assert_eq!(
                (cells(&t, 0), cells(&t, 1)),
                (vec![cell.to_owned(), "2".into()], vec!["1".into(), "2".into()])
            );
        }
    }

    #[test]
    fn refusals_name_lines_and_columns_and_nothing_private() {
        let long = format!("#IID\tA\n{}\tSECRET\n", "x".repeat(MAX_ID_LEN + 1));
        let wide = "#IID".to_owned() + &" c".repeat(MAX_COLUMNS);
        for (text, message) in [
            ("f SECRET 1\n", "line 1 must be a header"),
            ("", "line 1 must be a header"),
            ("##x\n", "line 2 must be a header"),
            ("FID,IID,A\nf,SECRET,1", "separated by commas"),
            ("#FID IID\nf SECRET", "no column beside the ids"),
            ("#FID IID A B A\n", "columns 3 and 5"),
            ("#FID IID A\n", "no line below"),
            ("#FID IID A\nf SECRET 1\nf SECRET\n", "line 3 has 2 fields, the header has 3"),
            ("#FID\tIID\tA\nf\t\tSECRET\n", "line 2: an id"),
            (&long, "line 2: an id"),
            (&wide, "more than 65,536 columns"),
        ] {
            let error = table(text).unwrap_err().to_string();
            assert!(error.starts_with("p.tsv: ") && error.contains(message), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
        assert!(!format!("{:?}", table("#IID A\nSECRET SECRET\n")).contains("SECRET"));
        assert!(Table::read(&b"#IID A\n\xff 1\n"[..], Path::new("p")).is_err());
        assert!(
            Table::open(Path::new("/no/such/file"))
                .unwrap_err()
                .to_string()
                .contains("/no/such/file")
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(#FID IID|IID)[\\t ]A[\\t ]B\\n[ab#\"',\\\\ \\t\\r\\n]{0,200}") {
            let _ = Table::read(bytes.as_slice(), Path::new("p"));
            let _ = table(&text);
        }

        #[test]
        fn cells_come_back_as_they_are(rows in prop::collection::vec(("[!-~]{1,9}", "[!-~é]{1,9}"), 1..30)) {
            let mut text = "#IID\tA\tB\n".to_owned();
            for (i, (a, b)) in rows.iter().enumerate() {
                text += &format!("{i}\t{a}\t{b}\n");
            }
            let t = table(&text).unwrap();
            let (a, b): (Vec<String>, Vec<String>) = rows.into_iter().unzip();
            prop_assert_eq!(cells(&t, 0), a);
            prop_assert_eq!(cells(&t, 1), b);
        }
    }
}
