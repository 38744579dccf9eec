//! `hegwas panel`, and what the commands that take a panel do with it.

use std::fs::File;
use std::io::BufReader;
use std::num::NonZeroUsize;
use std::path::Path;

use gwas::harmonise::{
    AlignmentReport, Frequencies, MergeOptions, Mode, Palindromic, Status, align, merge,
};
use gwas::io::{Cohort, Exclusions, GenotypeFile, RefAllele, SiteListOptions, read_sites};
use gwas::panel::Panel;

use super::prepare::{Files, open, prepare};
use super::publish::{with_suffix, write_exclusions};
use super::use_threads;
use crate::cli::common::{PalindromicArgs, PalindromicRule, ReadingArgs};
use crate::cli::panel::{ModeName, PanelArgs};
use crate::console::Console;
use crate::{Error, Result};

/// `hegwas panel`.
///
/// # Errors
/// When files can't be read or merged, or nothing is left.
pub fn panel(args: &PanelArgs, console: &Console) -> Result<()> {
    use_threads(args.threads.count());
    let Lists { names, panels, mut exclusions } = lists(args, console)?;
    let reference = match &args.merging.reference {
        Some(path) => Some(list(path, args, console)?.panel),
        None => None,
    };
    let frequencies = frequencies(&args.palindromic)?;
    let options = MergeOptions {
        mode: match args.merging.mode {
            ModeName::Intersect => Mode::Intersection,
            ModeName::Union => Mode::Union,
        },
        reference: reference.as_ref(),
        palindromic: rule(&args.palindromic, &frequencies),
    };
    let panels: Vec<&Panel> = panels.iter().collect();
    let merged = merge(&panels, &options).map_err(Error::input)?;
    for line in merged.report.summary(&names) {
        console.note(line);
    }
    if let Some(summary) = merged.exclusions.summary() {
        console.note(summary);
    }
    if merged.report.multiallelic() > 0 {
        console.note(format_args!(
            "{} positions have several variants in the panel",
            merged.report.multiallelic()
        ));
    }
    exclusions.append(merged.exclusions);
    save(&args.out, |out| merged.panel.write_text(out))?;
    save(&with_suffix(&args.out, ".report.tsv"), |out| merged.report.write_tsv(&names, out))?;
    write_exclusions(&args.out, &exclusions)?;
    console.note(format_args!("{} variants", merged.panel.len()));
    console.print(merged.panel.digest())
}

/// The variant lists of the sites.
struct Lists {
    /// Files, as the user named them.
    names: Vec<String>,
    panels: Vec<Panel>,
    exclusions: Exclusions,
}

fn lists(args: &PanelArgs, console: &Console) -> Result<Lists> {
    let input = &args.input;
    let mut out =
        Lists { names: Vec::new(), panels: Vec::new(), exclusions: Exclusions::default() };
    let mut add = |path: &Path, panel, exclusions| {
        out.names.push(path.display().to_string());
        out.panels.push(panel);
        out.exclusions.append(exclusions);
    };
    let plink = input.bfile.iter().map(|p| (p, Files::Plink(p)));
    let vcf = input.vcf.iter().map(|p| (p, Files::Vcf(p)));
    let alone = input.bfile.len() + input.vcf.len() + input.list.len() == 1;
    if !alone || !input.list.is_empty() {
        refuse_filters(args)?;
    }
    for (path, files) in plink.chain(vcf) {
        let file = open(&files, &args.reading, args.threads.count(), console)?;
        if alone {
            let phenotype = args.phenotype.pheno.is_some().then_some(&args.phenotype);
            let prepared = prepare(file, &args.filters, phenotype, None, console)?;
            add(path, prepared.cohort.panel().clone(), prepared.exclusions);
        } else {
            let GenotypeFile { genotypes, exclusions, .. } = file;
            add(path, genotypes.panel().clone(), exclusions);
        }
    }
    for path in &input.list {
        let found = list(path, args, console)?;
        add(path, found.panel, found.exclusions);
    }
    Ok(out)
}

/// Filters need the genotypes of everybody, and a merged panel is not about one file's people.
fn refuse_filters(args: &PanelArgs) -> Result<()> {
    let filters = &args.filters;
    let any = filters.keep.is_some() || filters.extract.is_some() || args.phenotype.pheno.is_some();
    if any || filters.maf.is_some() || filters.geno.is_some() || filters.hwe.is_some() {
        return Err(Error::usage(
            "filters apply to one genotype file, not to lists that are merged",
            "make each site's panel with its filters first and merge those with --list; in a study, --maf, --geno and \
             --hwe act on the pooled released statistics (`hegwas result`)",
        ));
    }
    Ok(())
}

/// Reads a variant list without genotypes.
fn list(path: &Path, args: &PanelArgs, console: &Console) -> Result<gwas::io::SiteList> {
    let ReadingArgs { ref_first, build, skip_multiallelic, strict, .. } = &args.reading;
    let options = SiteListOptions {
        ref_allele: if *ref_first { RefAllele::First } else { RefAllele::Last },
        build: build.clone(),
        strict: *strict,
        skip_multiallelic: *skip_multiallelic,
        threads: NonZeroUsize::new(args.threads.count()).unwrap_or(NonZeroUsize::MIN),
    };
    let list = read_sites(path, &options).map_err(Error::input)?;
    if let Some(summary) = list.exclusions.summary() {
        console.note(format_args!("{}: {summary}", path.display()));
    }
    Ok(list)
}

/// Reads the table of `--freq`, if it is needed.
fn frequencies(args: &PalindromicArgs) -> Result<Frequencies> {
    match &args.freq {
        Some(path) if args.palindromic == PalindromicRule::ByFrequency => {
            let file = File::open(path).map_err(Error::file("read", path))?;
            Frequencies::read(BufReader::with_capacity(1 << 18, file))
                .map_err(|e| Error::input(format_args!("{}: {e}", path.display())))
        }
        _ => Ok(Frequencies::default()),
    }
}

fn rule<'a>(args: &PalindromicArgs, reference: &'a Frequencies) -> Palindromic<'a> {
    match args.palindromic {
        PalindromicRule::Drop => Palindromic::Drop,
        PalindromicRule::Keep => Palindromic::Keep,
        PalindromicRule::ByFrequency => {
            Palindromic::ByFrequency { reference, max_maf: args.palindromic_maf }
        }
    }
}

/// Where a panel is.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// In a file.
    File(&'a Path),
    /// Read before: a study's.
    Read(&'a Panel),
}

/// A panel that genotypes are aligned to.
pub(super) struct Target<'a> {
    /// Where it is.
    pub panel: Source<'a>,
    /// What becomes of palindromic variants.
    pub palindromic: &'a PalindromicArgs,
}

/// Genotypes in a panel's order.
pub(super) struct OnPanel {
    /// The same people at the panel's variants.
    pub cohort: Cohort,
    /// What became of each variant.
    pub report: AlignmentReport,
    /// The table of variants that are no plain match.
    table: Vec<u8>,
}

impl OnPanel {
    /// Writes the table of variants that are no plain match.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        gwas::report::save(path, &self.table).map_err(Error::file("write", path))
    }
}

/// Reads a panel's file.
pub(super) fn read_panel(path: &Path) -> Result<Panel> {
    let file = File::open(path).map_err(Error::file("read", path))?;
    Panel::read_text(BufReader::with_capacity(1 << 18, file))
        .map_err(|e| Error::input(format_args!("{}: {e}", path.display())))
}

/// Aligns a cohort to a panel and says what became of the variants.
pub(super) fn on_panel(cohort: &Cohort, target: &Target<'_>, console: &Console) -> Result<OnPanel> {
    let (name, panel) = match target.panel {
        Source::File(path) => (path.display().to_string(), read_panel(path)?),
        Source::Read(panel) => ("the study's panel".to_owned(), panel.clone()),
    };
    let wrong = |e: &dyn std::fmt::Display| Error::input(format_args!("{name}: {e}"));
    let frequencies = frequencies(target.palindromic)?;
    let rule = rule(target.palindromic, &frequencies);
    let aligned = align(cohort, panel, &rule).map_err(|e| wrong(&e))?;
    let (view, report) = (aligned.cohort, aligned.report);
    console.note(format_args!("of {} variants of the panel:", view.variant_count()));
    for line in report.summary() {
        console.note(line);
    }
    if report.count(Status::Absent) > view.variant_count() / 2 {
        console.warn(
            "the files lack more than half of the panel's variants; are both of the same genome build?",
        );
    }
    let mut table = Vec::new();
    report
        .write_tsv(view.panel(), cohort.panel(), &mut table)
        .map_err(|e| Error::Internal(e.to_string()))?;
    Ok(OnPanel { cohort: view, report, table })
}

fn save(path: &Path, write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Result<()> {
    let mut text = Vec::new();
    write(&mut text).map_err(Error::file("write", path))?;
    gwas::report::save(path, &text).map_err(Error::file("write", path))
}
