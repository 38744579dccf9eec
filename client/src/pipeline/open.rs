//! Opening a result: from encrypted sums to sums per variant.

use gwas::packing::{BODIES, Packing};
use gwas::stats::counts::{PlaneSums, VariantSums};
use gwas::wire::{ChunkRef, JobResult, PlaneKind, SharePhase, Study};
use he_core::arith::Ring;
use he_core::result::SwitchedUnit;
use he_core::share::{DecryptionShare, UnitValues, combine};
use he_core_secret::{HolderKey, decryption_share};

use crate::console::Progress;
use crate::{Error, Result};

/// Gives a result's stored object; its bytes have been checked against the digest.
pub(super) type Fetch<'a> = dyn Fn(&ChunkRef) -> Result<Vec<u8>> + Sync + 'a;

/// Who decrypts: the sole holder's key, or shares made before.
pub(super) enum Opener<'a> {
    /// The key; shares are made on the spot and never leave the process.
    Key(&'a HolderKey),
    /// For a result object's digest, one share of each holder, as bytes.
    Shares(&'a (dyn Fn(&ChunkRef) -> Result<Vec<Vec<u8>>> + Sync)),
}

/// What a result says.
pub(super) struct Opened {
    /// People whose rows were summed.
    pub people: u32,
    /// How many of them are cases.
    pub cases: u32,
    /// The sums of every variant of the panel, in its order.
    pub variants: Vec<VariantSums>,
}

/// Decrypts a job's result.
pub(super) fn open(
    ring: &Ring,
    study: &Study,
    result: &JobResult,
    fetch: &Fetch<'_>,
    opener: &Opener<'_>,
    progress: &Progress,
) -> Result<Opened> {
    let packing = Packing::new(study.variants, ring.params().degree()).map_err(Error::corrupt)?;
    check_units(study, result, &packing)?;
    let job = result.job.short();
    let read = |chunk: &ChunkRef, plane, group| -> Result<UnitValues> {
        let bytes = fetch(chunk)?;
        let unit = SwitchedUnit::from_bytes(&bytes, ring.params(), job, plane, group)
            .map_err(Error::corrupt)?;
        let shares = match opener {
            Opener::Key(key) => {
                vec![decryption_share(&study.plan, key, &unit).map_err(Error::input)?]
            }
            Opener::Shares(shares) => shares(chunk)?
                .iter()
                .map(|bytes| DecryptionShare::from_bytes(bytes, &unit, chunk.digest.short()))
                .collect::<Result<_, _>>()
                .map_err(Error::corrupt)?,
        };
        progress.inc(1);
        combine(ring, &study.plan, &unit, &shares).map_err(Error::corrupt)
    };

    let &[totals] = result.totals.as_slice() else {
        return Err(Error::corrupt("a result of one dataset has one object of totals"));
    };
    let totals = read(&totals, JobResult::TOTALS_PLANE, 0)?;
    let cases = match totals.get(0, 0) {
        [cases, rest @ ..] if rest.iter().all(|&v| v == 0) => u32::try_from(*cases).ok(),
        _ => None,
    };
    let cases = cases.filter(|&c| c <= result.people).ok_or_else(|| {
        Error::corrupt("the number of cases does not decrypt to a count; run the job again")
    })?;

    let mut variants = vec![VariantSums::default(); study.variants as usize];
    for unit in &result.units {
        let plane = study.planes.get(usize::from(unit.plane)).copied();
        let plane = plane.ok_or_else(|| Error::Internal("a checked unit has a plane".into()))?;
        let values = read(&unit.chunk, unit.plane, unit.group)?;
        for body in 0..packing.bodies(unit.group) {
            let block = unit.group * BODIES + body;
            for (channel, weighted) in [(0, false), (1, true)] {
                for (variant, value) in
                    packing.unpack_block(block, values.get(body as usize, channel))
                {
                    if let Some(sums) = variants.get_mut(variant as usize) {
                        let sums = if weighted { &mut sums.cases } else { &mut sums.all };
                        set_plane(sums, plane, value);
                    }
                }
            }
        }
    }
    Ok(Opened { people: result.people, cases, variants })
}

/// Writes a plane's sum where the statistics look for it.
pub(super) fn set_plane(sums: &mut PlaneSums, plane: PlaneKind, value: i64) {
    match plane {
        PlaneKind::Dosage => sums.x = value,
        PlaneKind::HomAlt => sums.hom_alt = Some(value),
        PlaneKind::Called => sums.not_called = Some(value),
    }
}

/// A result must have exactly the study's units.
fn check_units(study: &Study, result: &JobResult, packing: &Packing) -> Result<()> {
    let planes = 0..study.planes.len() as u8;
    let expected = planes.flat_map(|plane| (0..packing.groups()).map(move |group| (plane, group)));
    if expected.eq(result.units.iter().map(|u| (u.plane, u.group))) {
        Ok(())
    } else {
        Err(Error::corrupt("the result does not have the study's units; run the job again"))
    }
}

/// The objects of a result, each once: what a share is made of.
pub(super) fn objects(result: &JobResult) -> impl Iterator<Item = (ChunkRef, u8, u32)> + '_ {
    [SharePhase::Sums, SharePhase::Totals].into_iter().flat_map(|phase| result.objects(phase))
}
