//! Reading what is needed of a table of our own back in.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use gwas::panel::{Panel, ReferenceStatus, Variant};
use gwas::report::plot::Point;
use gwas::stats::Test;
use gwas::stats::lambda::genomic_control;

use crate::{Error, Result};

/// Longest line in bytes: alleles may be long.
const MAX_LINE: u64 = 1 << 20;

/// The variants of a table and the points of its tests.
pub(super) struct Table {
    pub(super) panel: Panel,
    pub(super) tests: Vec<TestPoints>,
}

/// One test of a table.
pub(super) struct TestPoints {
    /// As in the TEST column.
    pub(super) name: String,
    pub(super) points: Vec<Point>,
    /// Chi-square and degrees of freedom, where defined.
    statistics: Vec<(f64, u8)>,
}

impl TestPoints {
    /// Genomic-control lambda.
    pub(super) fn lambda(&self) -> Option<f64> {
        let test = Test::ALL.into_iter().find(|t| t.name() == self.name)?;
        genomic_control(test, self.statistics.iter().copied())
    }
}

/// Where the columns are.
struct Columns {
    chrom: usize,
    pos: usize,
    id: usize,
    reference: usize,
    alternate: usize,
    test: usize,
    chi_square: usize,
    df: usize,
    neg_log10_p: usize,
}

impl Columns {
    fn find(header: &str) -> Option<Self> {
        let names: Vec<&str> = header.split('\t').collect();
        let at = |name: &str| names.iter().position(|n| *n == name);
        Some(Self {
            chrom: at("#CHROM")?,
            pos: at("POS")?,
            id: at("ID")?,
            reference: at("REF")?,
            alternate: at("ALT")?,
            test: at("TEST")?,
            chi_square: at("CHISQ")?,
            df: at("DF")?,
            neg_log10_p: at("NEG_LOG10_P")?,
        })
    }
}

impl Table {
    /// Reads a table that `hegwas assoc` or `hegwas result` wrote.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::file("open", path))?;
        Self::parse(BufReader::new(file), path)
    }

    fn parse(mut input: impl BufRead, path: &Path) -> Result<Self> {
        let mut table = Self { panel: Panel::new(ReferenceStatus::Provisional), tests: Vec::new() };
        let wrong = |line: u64, what: &str| {
            Error::input(format_args!("{} line {line}: {what}", path.display()))
        };
        let header = line(&mut input, path)?.unwrap_or_default();
        let columns = Columns::find(header.trim_end()).ok_or_else(|| {
            wrong(1, "not the header of a table of hegwas")
                .with_remedy("plot takes tables in the native format")
        })?;
        let mut number = 1;
        while let Some(text) = line(&mut input, path)? {
            number += 1;
            table
                .add(text.trim_end_matches(['\n', '\r']), &columns)
                .map_err(|what| wrong(number, &what))?;
        }
        Ok(table)
    }

    fn add(&mut self, row: &str, columns: &Columns) -> Result<(), String> {
        let fields: Vec<&str> = row.split('\t').collect();
        let field =
            |at: usize| fields.get(at).copied().ok_or_else(|| "a column is missing".to_owned());
        let variant = Variant {
            chrom: field(columns.chrom)?,
            pos: field(columns.pos)?.parse().map_err(|_| "POS is not a position")?,
            id: field(columns.id)?,
            reference: field(columns.reference)?,
            alternate: field(columns.alternate)?,
        };
        let last = self.panel.len().checked_sub(1);
        let index = match last.and_then(|i| Some((i, self.panel.get(i)?))) {
            // A variant's tests stand in consecutive rows.
            Some((i, v)) if v == variant => i,
            _ => {
                self.panel.push(variant).map_err(|e| e.to_string())?;
                self.panel.len().saturating_sub(1)
            }
        };
        let name = field(columns.test)?;
        let number = |at: usize, what: &str| match field(at)? {
            "NA" => Ok(None),
            text => text.parse::<f64>().map(Some).map_err(|_| format!("{what} is not a number")),
        };
        let chi_square = number(columns.chi_square, "CHISQ")?;
        let df = number(columns.df, "DF")?;
        let neg_log10_p = number(columns.neg_log10_p, "NEG_LOG10_P")?;
        let test = self.test(name);
        if let (Some(chi_square), Some(df)) = (chi_square, df) {
            test.statistics.push((chi_square, df as u8));
        }
        if let Some(value) = neg_log10_p {
            test.points.push(Point { variant: index, neg_log10_p: value as f32 });
        }
        Ok(())
    }

    fn test(&mut self, name: &str) -> &mut TestPoints {
        let at = self.tests.iter().position(|t| t.name == name).unwrap_or(self.tests.len());
        if at == self.tests.len() {
            self.tests.push(TestPoints {
                name: name.to_owned(),
                points: Vec::new(),
                statistics: Vec::new(),
            });
        }
        // In range: it was found or just pushed.
        #[allow(clippy::indexing_slicing)]
        &mut self.tests[at]
    }
}

/// The next line, of limited length.
fn line(input: &mut impl BufRead, path: &Path) -> Result<Option<String>> {
    let mut text = String::new();
    let read =
        input.by_ref().take(MAX_LINE).read_line(&mut text).map_err(Error::file("read", path))?;
    if read as u64 == MAX_LINE {
        return Err(Error::input(format_args!("{} has a line longer than 1 MB", path.display())));
    }
    Ok((read > 0).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "#CHROM\tPOS\tID\tREF\tALT\tTEST\tCHISQ\tDF\tNEG_LOG10_P\n";

    fn parse(rows: &str) -> Result<Table> {
        Table::parse(format!("{HEADER}{rows}").as_bytes(), Path::new("t.tsv"))
    }

    #[test]
    fn points_are_read_by_test() {
        let rows = "1\t5\trs1\tA\tG\tALLELIC\t4.5\t1\t1.47\n1\t5\trs1\tA\tG\tTREND\tNA\tNA\tNA\n\
                    2\t7\trs2\tC\tT\tALLELIC\t1\t1\t0.5\n";
        let table = parse(rows).unwrap();
        assert_eq!(table.panel.len(), 2);
        let shape: Vec<_> = table.tests.iter().map(|t| (t.name.as_str(), t.points.len())).collect();
        assert_eq!(shape, [("ALLELIC", 2), ("TREND", 0)]);
        let lambda = table.tests[0].lambda().unwrap();
        assert!((lambda - 2.75 / 0.454_936_423_119_572_8).abs() < 1e-9, "{lambda}");
        assert_eq!(table.tests[1].lambda(), None);
    }

    #[test]
    fn bad_tables_are_refused_with_their_line() {
        for (rows, expected) in [
            ("1\t5\trs1\tA\n", "line 2: a column is missing"),
            ("1\tx\trs1\tA\tG\tALLELIC\t4.5\t1\t1\n", "line 2: POS"),
            ("1\t5\trs1\tA\tG\tALLELIC\tx\t1\t1\n", "line 2: CHISQ"),
        ] {
            let error = parse(rows).map(drop).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let other = Table::parse(&b"CHR\tSNP\n"[..], Path::new("t.assoc")).map(drop).unwrap_err();
        assert_eq!(other.exit(), crate::Exit::Input);
    }
}
