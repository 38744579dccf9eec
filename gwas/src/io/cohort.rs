//! The people and variants that a study works with: a selection from a genotype file.

use std::ops::Range;
use std::sync::Arc;

use super::provided::{Provided, read_provided};
use super::source::{GenotypeSource, Sample, SourceError};
use crate::panel::{Panel, PanelError};

/// A genotype source with the rows (people) and variants that `--keep`, `--extract` and the filters left, or that a study's
/// panel asks for.
///
/// Rows and variants of a cohort are numbered from 0 without gaps; rows are in file order, and so are variants unless the
/// cohort was [aligned](crate::harmonise::align()) to a panel. Nothing is copied but the panel.
#[derive(Clone, Debug)]
pub struct Cohort {
    source: Arc<dyn GenotypeSource>,
    /// File row of each row, ascending.
    rows: Arc<[u32]>,
    /// Where each variant comes from; nothing means all of the source's.
    variants: Option<Arc<Selection>>,
}

#[derive(Debug)]
struct Selection {
    provided: Vec<Provided>,
    panel: Panel,
}

/// Why a selection isn't one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SelectionError {
    /// Not ascending, past the end, or of another length than its panel: a bug of the caller.
    #[error("a selection must be ascending, fit its panel and lie within the cohort")]
    Order,
    /// The selected panel breaks a rule.
    #[error(transparent)]
    Panel(#[from] PanelError),
}

impl Cohort {
    /// Everyone and every variant.
    #[must_use]
    pub fn whole(source: Arc<dyn GenotypeSource>) -> Self {
        let people = u32::try_from(source.samples().len()).unwrap_or(u32::MAX);
        Self { source, rows: (0..people).collect(), variants: None }
    }

    /// The cohort of some of this one's rows (ascending, numbered as in this cohort).
    ///
    /// # Errors
    /// When the rows aren't ascending or one is past the end.
    pub fn with_rows(&self, rows: &[u32]) -> Result<Self, SelectionError> {
        let rows = select(&self.rows, rows)?;
        Ok(Self { rows: rows.into(), ..self.clone() })
    }

    /// The cohort of some of this one's variants (ascending, numbered as in this cohort).
    ///
    /// # Errors
    /// When the variants aren't ascending or one is past the end.
    pub fn with_variants(&self, variants: &[u32]) -> Result<Self, SelectionError> {
        let chosen = match &self.variants {
            Some(selection) => select(&selection.provided, variants)?,
            None => {
                check_ascending(variants, self.variant_count() as usize)?;
                variants.iter().map(|&v| Provided::new(v, false)).collect()
            }
        };
        let panel = self.panel().select(variants)?;
        Ok(self.providing(chosen, panel))
    }

    /// The cohort of the variants of `panel`, each from one of this one's variants, with its alleles exchanged where the
    /// flag says so, or from none.
    ///
    /// # Errors
    /// When there are not as many as the panel has variants, or one is past the end.
    pub(crate) fn rearranged(
        &self,
        panel: Panel,
        from: impl Iterator<Item = Option<(u32, bool)>>,
    ) -> Result<Self, SelectionError> {
        let provided: Option<Vec<Provided>> = from
            .map(|from| match from {
                None => Some(Provided::ABSENT),
                Some((variant, exchanged)) => Some(self.provided(variant)?.exchanged_if(exchanged)),
            })
            .collect();
        let provided = provided.filter(|p| p.len() == panel.len() as usize);
        Ok(self.providing(provided.ok_or(SelectionError::Order)?, panel))
    }

    fn providing(&self, provided: Vec<Provided>, panel: Panel) -> Self {
        Self { variants: Some(Arc::new(Selection { provided, panel })), ..self.clone() }
    }

    /// Where a variant comes from, if it is one of the cohort's.
    fn provided(&self, variant: u32) -> Option<Provided> {
        match &self.variants {
            Some(selection) => selection.provided.get(variant as usize).copied(),
            None => (variant < self.variant_count()).then(|| Provided::new(variant, false)),
        }
    }

    /// Whether the file does not have a variant of the cohort (which then was aligned to a panel): nobody has a call.
    #[must_use]
    pub fn is_absent(&self, variant: u32) -> bool {
        self.provided(variant).is_some_and(Provided::is_absent)
    }

    /// Number of people.
    #[must_use]
    pub fn people(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// Number of variants.
    #[must_use]
    pub fn variant_count(&self) -> u32 {
        self.panel().len()
    }

    /// The variants, in order.
    #[must_use]
    pub fn panel(&self) -> &Panel {
        match &self.variants {
            Some(selection) => &selection.panel,
            None => self.source.panel(),
        }
    }

    /// The people, in order.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> + '_ {
        let all = self.source.samples();
        self.rows.iter().filter_map(move |&row| all.get(row as usize))
    }

    /// The file row of each row of the cohort, ascending.
    #[must_use]
    pub fn file_rows(&self) -> &[u32] {
        &self.rows
    }

    /// Reads the codes of **file** rows `rows` (see [`GenotypeSource::read_codes`]) at a range of the cohort's variants.
    ///
    /// # Errors
    /// As the source does.
    pub fn read_codes(
        &self,
        variants: Range<u32>,
        rows: Range<u32>,
        out: &mut [u8],
    ) -> Result<(), SourceError> {
        match &self.variants {
            Some(selection) => {
                let range = variants.start as usize..variants.end as usize;
                let chosen = selection.provided.get(range);
                let chosen = chosen.ok_or(SourceError::Request("a variant past the last one"))?;
                read_provided(self.source.as_ref(), chosen, rows, out)
            }
            None => self.source.read_codes(&variants.collect::<Vec<u32>>(), rows, out),
        }
    }
}

fn select<T: Copy>(from: &[T], chosen: &[u32]) -> Result<Vec<T>, SelectionError> {
    check_ascending(chosen, from.len())?;
    Ok(chosen.iter().filter_map(|&i| from.get(i as usize).copied()).collect())
}

fn check_ascending(chosen: &[u32], len: usize) -> Result<(), SelectionError> {
    let ascending = chosen.is_sorted_by(|a, b| a < b);
    let within = chosen.last().is_none_or(|&last| (last as usize) < len);
    if ascending && within { Ok(()) } else { Err(SelectionError::Order) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::testing::small_source;

    #[test]
    fn selections_compose() {
        // 9 people, 7 variants.
        let all = Cohort::whole(small_source(9, 7));
        let some = all.with_rows(&[1, 3, 4, 8]).unwrap().with_rows(&[0, 3]).unwrap();
        assert_eq!(some.file_rows(), [1, 8]);
        assert_eq!(some.samples().map(|s| &*s.iid).collect::<Vec<_>>(), ["p1", "p8"]);
        let some = some.with_variants(&[0, 2, 5, 6]).unwrap().with_variants(&[1, 3]).unwrap();
        assert_eq!(some.panel().iter().map(|v| v.pos).collect::<Vec<_>>(), [3, 7]);
        let mut out = [0; 6];
        some.read_codes(0..2, 0..9, &mut out).unwrap();
        let mut expected = [0; 6];
        all.read_codes(2..3, 0..9, &mut expected[..3]).unwrap();
        all.read_codes(6..7, 0..9, &mut expected[3..]).unwrap();
        assert_eq!(out, expected);
        assert!(some.read_codes(1..3, 0..9, &mut out).is_err());
    }

    #[test]
    fn selections_must_ascend_within_the_cohort() {
        let all = Cohort::whole(small_source(3, 3));
        for bad in [&[1, 1][..], &[2, 1], &[3]] {
            assert_eq!(all.with_rows(bad).err(), Some(SelectionError::Order));
            assert_eq!(all.with_variants(bad).err(), Some(SelectionError::Order));
        }
        assert_eq!(all.with_rows(&[]).unwrap().people(), 0);
    }
}
