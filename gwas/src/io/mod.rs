//! Readers of users' files. Nothing else in the project parses them.
//!
//! Every reader streams, checks every size before it allocates, and says what is wrong, where and what to do about it.
//! No error, `Debug` output or panic ever holds a sample id, a genotype or a phenotype value.

mod bed;
mod bim;
mod cohort;
mod exclusions;
mod fam;
mod lists;
mod people;
mod pheno;
mod positioned;
mod provided;
mod sites;
mod source;
mod store;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod vcf;

pub use crate::lines::LineError;
pub use bed::{BedError, BedOptions, FamPhenotypes, GenotypeFile, open_bfile};
pub use bim::{BimError, RefAllele};
pub use cohort::{Cohort, SelectionError};
pub use exclusions::{Exclusions, Reason, SiteError, StrictError};
pub use fam::{FamError, MAX_ID_LEN};
pub use lists::{Chosen, ListError, ListErrorKind, read_extract, read_extract_ranges, read_keep};
pub use people::MatchError;
pub use pheno::{CaseControl, PhenoError, PhenoErrorKind};
pub use sites::{SiteList, SiteListError, SiteListErrorKind, SiteListOptions, read_sites};
pub use source::{GenotypeSource, MAX_PEOPLE, Sample, Sex, SourceError, code, code_bytes};
pub use store::PackedGenotypes;
pub use table::{ContentError, MAX_TABLE, Table, TableError};
pub use vcf::{Place, VcfCallError, VcfError, VcfErrorKind, VcfOptions, open_vcf, read_vcf};
