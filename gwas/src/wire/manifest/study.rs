//! The study: what everybody agrees to before a key exists.

use he_core::codec::{CodecError, Kind, Message};
use he_core::layout::Shape;
use he_core::{Digest, Plan};
use serde::{Deserialize, Serialize};

use crate::finish::FinishPlan;

use super::{Did, PlaneKind, SharePhase, check_name, check_parties, check_planes, require};

/// Most data owners of a study: the manifest stays below its size limit.
const MAX_OWNERS: usize = 16_384;
/// Most analysts of a study.
const MAX_ANALYSTS: usize = 64;
/// Longest sealing key in bytes: post-quantum recipients have about 2,000.
const MAX_SEALING_KEY: usize = 4096;
/// Longest name of a genome build in bytes.
const MAX_BUILD: usize = 64;

/// A test that a study publishes. Its number is part of the byte format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistic {
    /// Allele counts in cases and controls, 1 df.
    Allelic,
    /// Cochran-Armitage trend.
    Trend,
    /// Genotype counts, 2 df.
    Genotypic,
    /// Carriers against others.
    Dominant,
    /// Homozygotes of the alternative allele against others.
    Recessive,
}

/// What leaves the study.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// The sums of every variant, from which analysts compute every statistic exactly.
    Counts,
    /// The allelic chi-square of every variant, computed under encryption: nobody decrypts a count of a variant.
    Statistic {
        /// Smallest minor allele frequency, in parts per million, at which a released chi-square is exact to the stated
        /// error; of rarer variants it is between zero and the exact one.
        smallest_frequency: u32,
    },
    /// Which variants pass a threshold, and nothing else.
    Hits(HitRule),
    /// Which variants pass a threshold, and their allelic chi-squares.
    #[serde(rename = "hits-with-values")]
    HitsWithValues(HitRule),
}

impl Release {
    /// What kind of release it is.
    pub fn kind(self) -> ReleaseKind {
        match self {
            Self::Counts => ReleaseKind::Counts,
            Self::Statistic { .. } => ReleaseKind::Statistic,
            Self::Hits(_) => ReleaseKind::Hits,
            Self::HitsWithValues(_) => ReleaseKind::HitsWithValues,
        }
    }
}

/// A [`Release`] without its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseKind {
    /// The sums of every variant.
    Counts,
    /// The chi-square of every variant.
    Statistic,
    /// Which variants pass a threshold.
    Hits,
    /// Which variants pass a threshold, and their chi-squares.
    HitsWithValues,
}

impl ReleaseKind {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Statistic => "statistic",
            Self::Hits => "hits",
            Self::HitsWithValues => "hits-with-values",
        }
    }
}

/// A number of a [`Release`], which has them in millionths.
pub fn millionths(number: u32) -> f64 {
    f64::from(number) / 1e6
}

/// Which variants are hits, by the allelic test computed under encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HitRule {
    /// Threshold of `|Z|`, the root of the chi-square, in millionths.
    pub threshold: u32,
    /// Distance from the threshold, in millionths of `|Z|`, within which either answer may come.
    pub band: u32,
    /// Smallest minor allele frequency, in parts per million, at which the band is no wider. What is rarer and no hit is never
    /// called one; its band reaches further up.
    pub smallest_frequency: u32,
}

/// Who knows which rows take part, which is who has a phenotype.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Participation {
    /// Everybody: rows that do not take part are left out of the sums.
    Public,
    /// Nobody: every row is summed with a second encrypted weight m, 1 for those who take part and 0 for the others.
    Encrypted,
}

/// What a study never does. The server checks what it can see, key holders all of it before they share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StudyLimits {
    /// Fewest people in a job.
    pub min_people: u32,
    /// Fewest cases in a job; known once the totals are decrypted.
    pub min_cases: u32,
    /// Fewest controls in a job; known once the totals are decrypted.
    pub min_controls: u32,
    /// Fewest data owners in a job.
    pub min_sites: u32,
    /// A job's rows are those of an earlier job with results, or differ from them by at least this many.
    pub min_changed_rows: u32,
    /// Most jobs with results.
    pub max_jobs: u32,
    /// Most datasets of a single person that are granted to the study: each brings a switching key of megabytes.
    pub max_donors: u32,
}

impl StudyLimits {
    /// Limits of a study of one's own data: at least `min_people` people, everything else open.
    pub fn open(min_people: u32) -> Self {
        Self {
            min_people,
            min_cases: 0,
            min_controls: 0,
            min_sites: 1,
            min_changed_rows: 0,
            max_jobs: u32::MAX,
            max_donors: u32::MAX,
        }
    }
}

/// To whom shares are sealed: an age recipient (`age1...`), opaque to the server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealingKey {
    /// Whose it is.
    pub party: Did,
    /// The recipient as age writes it.
    pub key: String,
}

impl SealingKey {
    /// Whether `key` can be a sealing key: 1 to 4096 printable ASCII characters.
    pub fn is_plausible(key: &str) -> bool {
        (1..=MAX_SEALING_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    }
}

/// A study: purpose, panel, statistics, parties, limits. Signed by its coordinator, then by every key holder; before that no
/// key exists. Its digest names it and seeds its public key's mask.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Study {
    /// Free text for people.
    pub name: String,
    /// What the study is for: what data owners consent to.
    pub purpose: String,
    /// The draft whose members these parties are; its log is the study's.
    pub draft: Option<Digest>,
    /// Parameters and scales of every contribution.
    pub plan: Plan,
    /// Genome build of the panel (`GRCh37`), for people; it may be left empty. The panel's digest covers the panel's own.
    pub build: String,
    /// Digest of the variant panel.
    pub panel: Digest,
    /// Variants of the panel.
    pub variants: u32,
    /// Planes whose sums are computed; ascending, each once, `Dosage` present.
    pub planes: Vec<PlaneKind>,
    /// Tests that are published, ascending, each once. All but the allelic one need the plane `HomAlt`.
    pub statistics: Vec<Statistic>,
    /// What leaves the study.
    pub release: Release,
    /// Who knows which rows take part.
    pub participation: Participation,
    /// Who created the study.
    pub coordinator: Did,
    /// Who holds a share of the study's secret key: all are needed to decrypt. Ascending, each once.
    pub key_holders: Vec<Did>,
    /// Who may contribute data. Ascending, each once.
    pub data_owners: Vec<Did>,
    /// Who receives the results. Ascending, each once. Empty where a sole key holder receives them.
    pub analysts: Vec<Did>,
    /// Sealing keys of the analysts and, where there are several, of the key holders; ascending by party.
    pub sealing_keys: Vec<SealingKey>,
    /// What the study never does.
    pub limits: StudyLimits,
    /// When it was created.
    pub created: u64,
    /// Fresh random bytes: two studies are never the same.
    pub nonce: [u8; 16],
}

impl Study {
    /// Whether several parties hold the key, so that shares travel.
    pub fn is_shared(&self) -> bool {
        self.key_holders.len() > 1
    }

    /// Coordinator and key holders: who runs the study. A party may come twice.
    pub fn organisers(&self) -> impl Iterator<Item = Did> {
        core::iter::once(self.coordinator).chain(self.key_holders.iter().copied())
    }

    /// Who may ask for jobs over other owners' data: organisers and analysts. A party may come several times.
    pub fn askers(&self) -> impl Iterator<Item = Did> {
        self.organisers().chain(self.analysts.iter().copied())
    }

    /// Everybody who has a role. A party may come several times.
    pub fn parties(&self) -> impl Iterator<Item = Did> {
        self.organisers().chain(self.data_owners.iter().chain(&self.analysts).copied())
    }

    /// Who signs the study: its coordinator and every key holder. Ascending, each once.
    pub fn signatories(&self) -> Vec<Did> {
        distinct(self.organisers())
    }

    /// To whom shares of a phase are sealed: the totals to analysts and key holders (who check the minimum numbers before
    /// they share the rest), sums and values to analysts. Ascending, each once; empty for a sole holder, whose shares do not
    /// travel, and for refresh shares, which are masked and not sealed.
    pub fn recipients(&self, phase: SharePhase) -> Vec<Did> {
        let holders = match phase {
            SharePhase::Totals => self.key_holders.as_slice(),
            SharePhase::Sums | SharePhase::Refresh | SharePhase::Values => &[],
        };
        if self.is_shared() && phase != SharePhase::Refresh {
            distinct(self.analysts.iter().chain(holders).copied())
        } else {
            Vec::new()
        }
    }

    /// Shape of the study's result units: that of a dataset of one person.
    pub fn shape(&self) -> Shape {
        Shape {
            params: self.plan.params(),
            rows: 1,
            planes: self.planes.len() as u8,
            blocks: self.variants.div_ceil(self.plan.params().degree() as u32),
        }
    }

    /// Channels of the objects of a phase: people who take part and cases; of totals with public participation, whose number
    /// of people everybody knows, cases alone.
    pub fn channels(&self, phase: SharePhase) -> u32 {
        match (phase, self.participation) {
            (SharePhase::Totals, Participation::Public) => 1,
            _ => 2,
        }
    }

    /// Whether the server finishes a statistic on ciphertexts.
    pub fn is_finished(&self) -> bool {
        self.release != Release::Counts
    }

    /// What key holders send of a job, in this order, each phase after the one before is complete. What a sole holder decrypts
    /// never leaves its process, so of its shares those that refresh travel alone.
    pub fn phases(&self) -> &'static [SharePhase] {
        match (self.is_finished(), self.is_shared()) {
            (false, false) => &[],
            (false, true) => &[SharePhase::Totals, SharePhase::Sums],
            (true, false) => &[SharePhase::Refresh],
            (true, true) => &[SharePhase::Totals, SharePhase::Refresh, SharePhase::Values],
        }
    }

    /// Name of the log in which this study's events stand.
    pub fn log(&self, id: Digest) -> Digest {
        self.draft.unwrap_or(id)
    }
}

fn distinct(parties: impl Iterator<Item = Did>) -> Vec<Did> {
    let mut parties: Vec<Did> = parties.collect();
    parties.sort();
    parties.dedup();
    parties
}

impl Message for Study {
    const KIND: Kind = Kind::Study;

    fn check(&self) -> Result<(), CodecError> {
        check_name(&self.name)?;
        check_name(&self.purpose)?;
        let build =
            self.build.len() <= MAX_BUILD && self.build.bytes().all(|b| b.is_ascii_graphic());
        require(build, "a genome build is a word of at most 64 bytes")?;
        require(self.variants > 0, "a study has a variant")?;
        check_planes(&self.planes)?;
        self.check_statistics()?;
        self.check_parties()?;
        self.check_limits()
    }
}

impl Study {
    fn check_statistics(&self) -> Result<(), CodecError> {
        let ordered = self.statistics.is_sorted_by(|a, b| a < b) && !self.statistics.is_empty();
        require(ordered, "statistics are in order, each once, at least one")?;
        let allelic = self.statistics.iter().all(|s| *s == Statistic::Allelic);
        require(
            allelic || self.planes.contains(&PlaneKind::HomAlt),
            "a statistic other than the allelic test needs the plane of homozygotes",
        )?;
        self.check_release()
    }

    fn check_release(&self) -> Result<(), CodecError> {
        match self.release {
            Release::Counts => Ok(()),
            Release::Statistic { .. } | Release::Hits(_) | Release::HitsWithValues(_) => {
                require(
                    self.planes == [PlaneKind::Dosage] && self.statistics == [Statistic::Allelic],
                    "a statistic is computed under encryption from complete genotypes, by the allelic test alone",
                )?;
                require(
                    self.plan.mask_bits().is_some(),
                    "computing under encryption needs a plan with refresh masks",
                )?;
                let plan = FinishPlan::new(self);
                plan.map(drop).map_err(|e| CodecError::Conformance(e.to_string()))
            }
        }
    }

    fn check_parties(&self) -> Result<(), CodecError> {
        check_parties(&self.key_holders, "key holders")?;
        check_parties(&self.data_owners, "data owners")?;
        check_parties(&self.analysts, "analysts")?;
        require(
            self.key_holders.len() as u32 == self.plan.request().holders,
            "the plan is for another number of key holders",
        )?;
        require(!self.data_owners.is_empty(), "a study has a data owner")?;
        require(self.data_owners.len() <= MAX_OWNERS, "a study has at most 16384 data owners")?;
        require(self.analysts.len() <= MAX_ANALYSTS, "a study has at most 64 analysts")?;
        require(
            !self.is_shared() || !self.analysts.is_empty(),
            "a study of several key holders names an analyst who receives the results",
        )?;
        let needed = if self.is_shared() {
            self.recipients(SharePhase::Totals)
        } else {
            self.analysts.clone()
        };
        require(
            self.sealing_keys.iter().map(|k| k.party).eq(needed),
            "every analyst, and every one of several key holders, has one sealing key, in ascending order",
        )?;
        require(
            self.sealing_keys.iter().all(|k| SealingKey::is_plausible(&k.key)),
            "a sealing key is an age recipient of at most 4096 characters",
        )
    }

    fn check_limits(&self) -> Result<(), CodecError> {
        let limits = &self.limits;
        require(limits.max_jobs > 0, "a study may run at least one job")?;
        require(
            limits.min_sites as usize <= self.data_owners.len(),
            "the study has fewer data owners than a job must have",
        )?;
        let cases_and_controls = u64::from(limits.min_cases) + u64::from(limits.min_controls);
        let least = cases_and_controls.max(u64::from(limits.min_people));
        require(
            least <= u64::from(self.plan.request().people),
            "the plan is for fewer people than a job must have",
        )
    }
}
