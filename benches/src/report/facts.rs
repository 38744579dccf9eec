//! The records of one report, sorted by what they measured.

use he_core::Params;

use super::comparison::Recorded;
use crate::consortium::Consortium;
use crate::finish::costs::{Finish, Finished};
use crate::job::Job;
use crate::kernel::Kernel;
use crate::machine::Stamp;
use crate::path::Stages;
use crate::plink::Plink;
use crate::record::{Measured, Record};
use crate::run::Run;
use crate::suite::{ENCRYPTED_PEOPLE, GROWTH};

/// Measurements of optimised builds.
#[derive(Default)]
pub(super) struct Facts {
    /// Where and when, each once.
    pub(super) stamps: Vec<Stamp>,
    /// Weighted sums.
    pub(super) kernels: Vec<Kernel>,
    /// Encryption and sums in one process.
    pub(super) paths: Vec<Stages>,
    /// Jobs.
    pub(super) jobs: Vec<Job>,
    /// Whole runs, smallest first.
    pub(super) runs: Vec<Run>,
    /// PLINK.
    pub(super) plinks: Vec<Plink>,
    /// Studies of several parties.
    pub(super) consortia: Vec<Consortium>,
    /// Statistics finished under encryption.
    pub(super) finishes: Vec<Finish>,
    /// The comparison of schemes.
    pub(super) trials: Vec<Recorded>,
}

impl Facts {
    /// Sorts records, each with the line it stands on; those of builds that are not optimised are left out.
    #[must_use]
    pub(super) fn new(records: Vec<(usize, Record)>) -> Self {
        let mut facts = Self::default();
        let optimised = records.into_iter().filter(|(_, r)| r.machine.optimised);
        for (line, Record { machine, measured }) in optimised {
            if let Measured::Trial(trial) = measured {
                facts.trials.push(Recorded { line, stamp: machine, trial: *trial });
                continue;
            }
            let same = |s: &Stamp| {
                (&s.commit, s.dirty, &s.cpu) == (&machine.commit, machine.dirty, &machine.cpu)
            };
            if !facts.stamps.iter().any(same) {
                facts.stamps.push(machine);
            }
            match measured {
                Measured::Kernel(kernel) => facts.kernels.push(kernel),
                Measured::Path(path) => facts.paths.push(path),
                Measured::Job(job) => facts.jobs.push(job),
                Measured::Run(run) => facts.runs.push(run),
                Measured::Plink(plink) => facts.plinks.push(plink),
                Measured::Consortium(consortium) => facts.consortia.push(consortium),
                Measured::Finish(finish) => facts.finishes.push(finish),
                Measured::Trial(_) => {} // taken above
            }
        }
        facts.runs.sort_by(|a, b| a.genotypes().total_cmp(&b.genotypes()));
        facts.paths.sort_by(|a, b| a.genotypes().total_cmp(&b.genotypes()));
        facts
    }

    /// The sum on the machine's fastest engine.
    #[must_use]
    pub(super) fn kernel(&self, params: Params, vectors: u8, threads: usize) -> Option<&Kernel> {
        let fits = |k: &&Kernel| (k.params, k.vectors, k.threads) == (params, vectors, threads);
        let found = self.kernels.iter().filter(fits);
        found.min_by(|a, b| a.ns_per_genotype.total_cmp(&b.ns_per_genotype))
    }

    /// Encryption of one full group on one thread: the shape of `record encrypt`.
    #[must_use]
    pub(super) fn encryption(&self, params: Params) -> Option<&Stages> {
        let group = (he_core::layout::BODIES * params.degree()) as u32;
        let shape = (ENCRYPTED_PEOPLE, group);
        let fits =
            |p: &&Stages| (p.params, p.threads, (p.people, p.variants)) == (params, 1, shape);
        self.paths.iter().find(fits)
    }

    /// The shapes of the growth clause, smallest first.
    #[must_use]
    pub(super) fn growth(&self) -> Vec<&Stages> {
        let fits = |p: &&Stages| {
            (p.params, p.threads) == (Params::N2048Q50, 1)
                && GROWTH.contains(&(p.people, p.variants))
        };
        self.paths.iter().filter(fits).collect()
    }

    /// The run of that shape on two threads.
    #[must_use]
    pub(super) fn run(&self, people: u32, variants: u32) -> Option<&Run> {
        self.runs.iter().find(|r| (r.people, r.variants, r.threads) == (people, variants, 2))
    }

    /// A circuit on one thread, once for each kind of machine.
    pub(super) fn finish(&self, circuit: Finished) -> impl Iterator<Item = &Finish> {
        self.finishes.iter().filter(move |f| (f.circuit, f.threads) == (circuit, 1))
    }

    /// The job of that many people.
    #[must_use]
    pub(super) fn job(&self, people: u32, threads: usize) -> Option<&Job> {
        self.jobs.iter().find(|j| (j.people, j.threads) == (people, threads))
    }
}

/// CPU nanoseconds per genotype of encryption (packing included) and sums.
#[must_use]
pub(super) fn growth_ns(path: &Stages) -> f64 {
    (path.encryption().cpu_s + path.sum.cpu_s) * 1e9 / path.genotypes()
}
