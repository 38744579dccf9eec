//! Phenotypes and covariates of the people of a genotype file, from a [`Table`].
//!
//! As in PLINK: 1 is control, 2 is case, and 0, -9 and NA are missing; with `--1`, 0 is control and 1 is case. People
//! whom the table doesn't name are missing.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use super::people::{MatchError, match_people};
use super::source::Sample;
use super::table::Table;

/// Why a column can't be used as it was asked for. Never holds an id or a value.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct PhenoError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: PhenoErrorKind,
}

/// What is wrong with a phenotype column.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum PhenoErrorKind {
    /// The people can't be matched.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// No such column.
    #[error("there is no column {name:?}; the columns are: {known}")]
    NoSuchColumn {
        /// The name asked for.
        name: String,
        /// The first names that exist.
        known: String,
    },
    /// Coded 0/1, without `--1`.
    #[error(
        "column {name:?} holds 0 and 1, but without --1 a case is 2, a control is 1 and 0 is missing; add --1 if 0 means control and 1 means case"
    )]
    ZeroOne {
        /// The column.
        name: String,
    },
    /// Coded 1/2, with `--1`.
    #[error(
        "column {name:?} holds a 2 (line {line}), but with --1 a case is 1 and a control is 0; leave --1 out if 1 means control and 2 means case"
    )]
    OneTwo {
        /// The column.
        name: String,
        /// 1-based number of the first line with a 2.
        line: u64,
    },
    /// Not a case-control phenotype.
    #[error(
        "column {name:?} has {distinct}{} different values beside missing ones (the first that is neither {expected} stands in line {line}); case-control tests need exactly two: choose another column with --pheno-name, or recode this one",
        if *capped { " or more" } else { "" }
    )]
    NotBinary {
        /// The column.
        name: String,
        /// How many different values there are.
        distinct: usize,
        /// Whether counting stopped early.
        capped: bool,
        /// The two values that may stand there.
        expected: &'static str,
        /// 1-based number of the first line with another value.
        line: u64,
    },
    /// One of the two groups is empty.
    #[error(
        "column {name:?} has {cases} cases, {controls} controls and {missing} missing among the people of the genotype file; both groups must be there"
    )]
    OneGroup {
        /// The column.
        name: String,
        /// Number of cases.
        cases: u32,
        /// Number of controls.
        controls: u32,
        /// Number of missing values.
        missing: u32,
    },
    /// A value is no finite number.
    #[error("column {name:?}, line {line}: neither a finite number nor a missing value (NA, -9)")]
    NotANumber {
        /// The column.
        name: String,
        /// 1-based line number.
        line: u64,
    },
}

/// A case-control phenotype of the people of a genotype file.
#[derive(Clone)]
pub struct CaseControl {
    /// The column's name.
    pub name: String,
    /// For each person of the genotype file: case (true), control (false) or missing.
    pub status: Vec<Option<bool>>,
    /// People of the table who aren't in the genotype file.
    pub strangers: usize,
}

impl CaseControl {
    /// Number of cases.
    #[must_use]
    pub fn cases(&self) -> u32 {
        self.count(Some(true))
    }

    /// Number of controls.
    #[must_use]
    pub fn controls(&self) -> u32 {
        self.count(Some(false))
    }

    /// Number of people without a status.
    #[must_use]
    pub fn missing(&self) -> u32 {
        self.count(None)
    }

    fn count(&self, status: Option<bool>) -> u32 {
        u32::try_from(self.status.iter().filter(|&&s| s == status).count()).unwrap_or(u32::MAX)
    }
}

/// Phenotypes are private.
impl fmt::Debug for CaseControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaseControl").field("people", &self.status.len()).finish_non_exhaustive()
    }
}

/// One cell, before it is known what the column means.
#[derive(Clone, Copy, PartialEq)]
enum Cell {
    Missing,
    Number(f64),
    Other,
}

impl Table {
    /// A case-control phenotype: the column `name`, or the first one. `one_coded` is PLINK's `--1`.
    ///
    /// # Errors
    /// When people can't be matched, the column doesn't exist or isn't coded as said, or a group is empty.
    pub fn case_control(
        &self,
        name: Option<&str>,
        samples: &[Sample],
        one_coded: bool,
    ) -> Result<CaseControl, PhenoError> {
        let wrong = |kind| PhenoError { path: self.path.clone(), kind };
        let found = self.case_control_part(name, samples, one_coded)?;
        let (cases, controls, missing) = (found.cases(), found.controls(), found.missing());
        if cases == 0 || controls == 0 {
            let name = found.name;
            return Err(wrong(PhenoErrorKind::OneGroup { name, cases, controls, missing }));
        }
        Ok(found)
    }

    /// The part of a case-control phenotype that one site of several has: as [`Self::case_control`], but a group may be empty.
    ///
    /// # Errors
    /// When people can't be matched, or the column doesn't exist or isn't coded as said.
    pub fn case_control_part(
        &self,
        name: Option<&str>,
        samples: &[Sample],
        one_coded: bool,
    ) -> Result<CaseControl, PhenoError> {
        let wrong = |kind| PhenoError { path: self.path.clone(), kind };
        let (name, cells, strangers) = self.joined(name, samples).map_err(wrong)?;
        let status = statuses(&name, &cells, one_coded).map_err(wrong)?;
        Ok(CaseControl { name, status, strangers })
    }

    /// A quantitative phenotype or covariate: for each person its value, or nothing where it is missing (NA or -9, as in
    /// PLINK; 0 is a value).
    ///
    /// # Errors
    /// When people can't be matched, the column doesn't exist, or a cell is neither a number nor missing.
    pub fn quantitative(
        &self,
        name: Option<&str>,
        samples: &[Sample],
    ) -> Result<Vec<Option<f64>>, PhenoError> {
        let wrong = |kind| PhenoError { path: self.path.clone(), kind };
        let (name, cells, _) = self.joined(name, samples).map_err(wrong)?;
        let value =
            |cell: &Option<(&str, u64)>| match cell.map(|(text, line)| (parse_cell(text), line)) {
                None | Some((Cell::Missing, _)) => Ok(None),
                Some((Cell::Number(x), _)) => Ok(Some(x)),
                Some((Cell::Other, line)) => {
                    Err(PhenoErrorKind::NotANumber { name: name.clone(), line })
                }
            };
        cells.iter().map(value).collect::<Result<_, _>>().map_err(wrong)
    }

    /// The cells of a column with their lines, a person of the genotype file each; and how many rows are of nobody.
    #[allow(clippy::type_complexity)]
    fn joined(
        &self,
        name: Option<&str>,
        samples: &[Sample],
    ) -> Result<(String, Vec<Option<(&str, u64)>>, usize), PhenoErrorKind> {
        let index = match name {
            None => Some(0),
            Some(name) => self.names().iter().position(|n| n == name),
        };
        let column = index.and_then(|i| Some((self.names().get(i)?.clone(), self.column(i)?)));
        let Some((name, cells)) = column else {
            let known: Vec<&str> = self.names().iter().take(20).map(String::as_str).collect();
            let more = if self.names().len() > known.len() { ", ..." } else { "" };
            return Err(PhenoErrorKind::NoSuchColumn {
                name: name.unwrap_or_default().to_owned(),
                known: known.join(", ") + more,
            });
        };
        let rows = match_people(samples, &self.ids, &self.lines)?;
        let strangers = self.ids.len() - rows.iter().flatten().count();
        let cell = |row: &Option<u32>| {
            let row = (*row)? as usize;
            Some((*cells.get(row)?, *self.lines.get(row)?))
        };
        Ok((name, rows.iter().map(cell).collect(), strangers))
    }
}

fn statuses(
    name: &str,
    cells: &[Option<(&str, u64)>],
    one_coded: bool,
) -> Result<Vec<Option<bool>>, PhenoErrorKind> {
    let (control, case) = if one_coded { (0.0, 1.0) } else { (1.0, 2.0) };
    let mut unexpected: Option<(u64, bool)> = None;
    let mut zero = false;
    let mut status = Vec::with_capacity(cells.len());
    for &cell in cells {
        let Some((text, line)) = cell else {
            status.push(None);
            continue;
        };
        let read = parse_cell(text);
        zero |= read == Cell::Number(0.0);
        status.push(match read {
            Cell::Number(x) if x == case => Some(true),
            Cell::Number(x) if x == control => Some(false),
            Cell::Missing | Cell::Number(0.0) => None,
            other => {
                let two = other == Cell::Number(2.0);
                unexpected = Some(match unexpected {
                    None => (line, two),
                    Some((first, all_two)) => (first.min(line), all_two && two),
                });
                None
            }
        });
    }
    let name = name.to_owned();
    match unexpected {
        Some((line, true)) if one_coded => return Err(PhenoErrorKind::OneTwo { name, line }),
        Some((line, _)) => {
            let expected = if one_coded { "0 nor 1" } else { "1 nor 2" };
            let (distinct, capped) = count_distinct(cells);
            return Err(PhenoErrorKind::NotBinary { name, distinct, capped, expected, line });
        }
        None => {}
    }
    let cases = status.contains(&Some(true));
    if !one_coded && zero && !cases && status.contains(&Some(false)) {
        return Err(PhenoErrorKind::ZeroOne { name });
    }
    Ok(status)
}

/// How many different values there are, missing ones apart; counting stops at 1000.
fn count_distinct(cells: &[Option<(&str, u64)>]) -> (usize, bool) {
    const CAP: usize = 1000;
    let mut seen = HashSet::new();
    for &(text, _) in cells.iter().flatten() {
        if parse_cell(text) != Cell::Missing {
            seen.insert(text);
        }
        if seen.len() >= CAP {
            return (CAP, true);
        }
    }
    (seen.len(), false)
}

fn parse_cell(text: &str) -> Cell {
    let missing = ["NA", "NaN", "N/A", "."].iter().any(|word| text.eq_ignore_ascii_case(word));
    match text.parse::<f64>() {
        _ if missing => Cell::Missing,
        Ok(-9.0) => Cell::Missing,
        Ok(x) if x.is_finite() => Cell::Number(x),
        _ => Cell::Other,
    }
}

#[cfg(test)]
mod tests;
