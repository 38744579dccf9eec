//! Synthetic cohorts on disk, made once for each shape.

use std::fs;
use std::path::{Path, PathBuf};

use gwas::io::{BedOptions, Cohort, open_bfile};
use hegwas_fixtures::Spec;

use crate::{Error, Result, say};

/// Planted hits: their strength shows in no time, they make the table worth comparing.
const HITS: usize = 6;

/// Where cohorts and everything else are written.
pub struct Workplace {
    folder: PathBuf,
    /// Removes the folder, unless the user named it.
    _temporary: Option<tempfile::TempDir>,
}

/// Files of one cohort.
pub struct Files {
    /// Prefix of .bed, .bim and .fam.
    pub prefix: PathBuf,
    /// Phenotype table.
    pub phenotype: PathBuf,
    /// People.
    pub people: u32,
    /// Variants.
    pub variants: u32,
}

impl Workplace {
    /// In `folder`, where cohorts stay for the next time; or in a temporary folder that goes away.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new(folder: Option<&Path>) -> Result<Self> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(Error::file(folder))?;
            return Ok(Self { folder: folder.to_owned(), _temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("hegwas-bench-").tempdir();
        let temporary = temporary.map_err(Error::file(&std::env::temp_dir()))?;
        Ok(Self { folder: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cohort of that shape, without missing calls, half of it cases; written unless it is there.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn cohort(&self, people: u32, variants: u32) -> Result<Files> {
        let prefix = self.folder.join(format!("cohort-{people}x{variants}"));
        let phenotype = prefix.with_extension("pheno.tsv");
        // Written last: if it is there, all is.
        if !phenotype.is_file() {
            say::progress(format_args!("making a cohort of {people} x {variants}"));
            let spec = Spec::new(1, people as usize, variants as usize).with_hits(HITS);
            let made = hegwas_fixtures::Cohort::generate(spec).and_then(|cohort| {
                cohort.write_plink(&prefix)?;
                cohort.write_phenotype(&phenotype)
            });
            made.map_err(Error::step("making a cohort"))?;
        }
        Ok(Files { prefix, phenotype, people, variants })
    }
}

impl Files {
    /// Opens the genotypes.
    ///
    /// # Errors
    /// When they can't be read, or a variant was excluded.
    pub fn open(&self) -> Result<Cohort> {
        let file = open_bfile(&self.prefix, &BedOptions::default());
        let cohort = Cohort::whole(file.map_err(Error::step("opening a cohort"))?.genotypes);
        if (cohort.people(), cohort.variant_count()) == (self.people, self.variants) {
            Ok(cohort)
        } else {
            Err(Error::Inexact("the shape of a cohort"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cohort_is_made_once_and_removed_at_the_end() {
        let workplace = Workplace::new(None).unwrap();
        let files = workplace.cohort(20, 50).unwrap();
        let cohort = files.open().unwrap();
        assert_eq!((cohort.people(), cohort.variant_count()), (20, 50));
        let modified = |files: &Files| fs::metadata(&files.phenotype).unwrap().modified().unwrap();
        assert_eq!(modified(&files), modified(&workplace.cohort(20, 50).unwrap()));
        let folder = workplace.folder().to_owned();
        drop(workplace);
        assert!(!folder.exists());
    }
}
