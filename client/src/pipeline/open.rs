//! Opening a result: from encrypted sums to sums per variant.

use gwas::packing::{BODIES, Packing};
use gwas::presence::Presence;
use gwas::stats::counts::{PlaneSums, VariantSums};
use gwas::stats::denominators::{Denominators, Group};
use gwas::wire::{ChunkRef, JobResult, Participation, PlaneKind, SharePhase, Study};
use he_core::Params;
use he_core::arith::Ring;
use he_core::result::SwitchedUnit;
use he_core::share::{DecryptionShare, Readable, UnitValues, combine, combine_readable};
use he_core_secret::{HolderKey, decryption_share};

use crate::console::Progress;
use crate::{Error, Result};

/// Gives a result's stored object; its bytes have been checked against the digest.
pub(super) type Fetch<'a> = dyn Fn(&ChunkRef) -> Result<Vec<u8>> + Sync + 'a;

/// Who decrypts: the sole holder's key, or shares made before.
pub(super) enum Opener<'a> {
    /// The key; shares are made on the spot and never leave the process.
    Key(&'a HolderKey),
    /// For a result object and its unit, one share of each holder.
    Shares(&'a (dyn Fn(&ChunkRef, &SwitchedUnit) -> Result<Vec<DecryptionShare>> + Sync)),
}

/// What a job's inputs say openly.
pub(super) struct Inputs {
    /// For each input its rows that are summed, or the people whom its totals attest.
    pub people: Vec<u32>,
    /// Which inputs have which variants.
    pub presence: Presence,
}

impl Inputs {
    /// People of the inputs that have the variants of a pattern.
    fn people_of(&self, pattern: u32) -> u32 {
        u32::try_from(self.presence.people(pattern, &self.people)).unwrap_or(u32::MAX)
    }
}

/// What a result says.
pub(super) struct Opened {
    /// People who take part.
    pub people: u32,
    /// How many of them are cases.
    pub cases: u32,
    /// The sums of every variant of the panel, in its order; people whose input lacks it are not called.
    pub variants: Vec<VariantSums>,
}

/// Decrypts a job's result; `inputs` are the job's, in its order.
pub(super) fn open(
    ring: &Ring,
    (study, inputs): (&Study, &Inputs),
    result: &JobResult,
    fetch: &Fetch<'_>,
    opener: &Opener<'_>,
    progress: &Progress,
) -> Result<Opened> {
    let packing = Packing::new(study.variants, ring.params().degree()).map_err(Error::corrupt)?;
    check_units(study, result, &packing)?;
    let read = reader(ring, (study, inputs), result, (fetch, opener), progress);
    let denominators = denominators(ring, (study, inputs), result, &read)?;
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
    denominators.complete(&mut variants);
    let Group { people, cases } = denominators.all();
    Ok(Opened { people, cases, variants })
}

/// Decrypts the object of a unit. Of totals that several holders shared only the presence patterns can be read.
fn reader<'a>(
    ring: &'a Ring,
    (study, inputs): (&'a Study, &'a Inputs),
    result: &JobResult,
    (fetch, opener): (&'a Fetch<'_>, &'a Opener<'_>),
    progress: &'a Progress,
) -> impl Fn(&ChunkRef, u8, u32) -> Result<UnitValues> + 'a {
    let job = result.job.short();
    move |chunk, plane, group| {
        let bytes = fetch(chunk)?;
        let unit = SwitchedUnit::from_bytes(&bytes, ring.params(), job, plane, group)
            .map_err(Error::corrupt)?;
        let shares = match opener {
            Opener::Key(key) => {
                vec![decryption_share(&study.plan, key, &unit).map_err(Error::input)?]
            }
            Opener::Shares(shares) => shares(chunk, &unit)?,
        };
        progress.inc(1);
        let values = if plane == JobResult::TOTALS_PLANE && study.is_shared() {
            let readable = Readable::of_patterns(ring.params(), inputs.presence.patterns(), group);
            combine_readable(ring, &study.plan, &unit, &shares, readable)
        } else {
            combine(ring, &study.plan, &unit, &shares)
        };
        values.map_err(Error::corrupt)
    }
}

/// Decrypts the totals of a job, and nothing else.
pub(super) fn open_totals(
    ring: &Ring,
    about: (&Study, &Inputs),
    result: &JobResult,
    fetch: &Fetch<'_>,
    opener: &Opener<'_>,
    progress: &Progress,
) -> Result<Denominators> {
    let read = reader(ring, about, result, (fetch, opener), progress);
    denominators(ring, about, result, &read)
}

/// The numbers of people and cases, from the totals.
fn denominators(
    ring: &Ring,
    (study, inputs): (&Study, &Inputs),
    result: &JobResult,
    read: &dyn Fn(&ChunkRef, u8, u32) -> Result<UnitValues>,
) -> Result<Denominators> {
    check_inputs(inputs, result, ring.params())?;
    let mut of_pattern = Vec::with_capacity(inputs.presence.patterns() as usize);
    let degree = ring.params().degree();
    for (chunk, plane, group) in result.objects(SharePhase::Totals) {
        let values = read(&chunk, plane, group)?;
        read_totals(study, inputs, &values, group, degree, &mut of_pattern)?;
    }
    let calls = study.planes.contains(&PlaneKind::Called);
    Denominators::new(inputs.presence.clone(), of_pattern, calls).map_err(Error::corrupt)
}

/// Appends the numbers of people and cases of the presence patterns that stand in one object of totals.
fn read_totals(
    study: &Study,
    inputs: &Inputs,
    values: &UnitValues,
    group: u32,
    degree: usize,
    of_pattern: &mut Vec<Group>,
) -> Result<()> {
    let no_count = || {
        Error::corrupt("the numbers of people and cases do not decrypt to counts; an input was not honestly encrypted")
            .with_remedy("run the job without that input")
    };
    let encrypted = study.participation == Participation::Encrypted;
    let patterns = inputs.presence.patterns();
    let first = group * BODIES * degree as u32;
    let bodies = patterns.saturating_sub(first).div_ceil(degree as u32).min(BODIES) as usize;
    for body in 0..bodies {
        let cases = values.get(body, usize::from(encrypted));
        let people = if encrypted { values.get(body, 0) } else { &[] };
        for (at, &cases) in cases.iter().enumerate() {
            let pattern = first + (body * degree + at) as u32;
            let most = inputs.people_of(pattern);
            let people = match people.get(at) {
                Some(&people) => people,
                None => most.into(),
            };
            let fits = (0..=i64::from(most)).contains(&people) && (0..=people).contains(&cases);
            match (u32::try_from(people), u32::try_from(cases)) {
                (Ok(people), Ok(cases)) if fits && pattern < patterns => {
                    of_pattern.push(Group { people, cases });
                }
                // Past the last pattern there is nothing, and nobody; what several holders shared is not read there.
                (Ok(0), Ok(0)) if fits => {}
                _ => return Err(no_count()),
            }
        }
    }
    Ok(())
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

/// A result must be over the people of its inputs, with a total for each of their presence patterns.
fn check_inputs(inputs: &Inputs, result: &JobResult, params: Params) -> Result<()> {
    let people = inputs.people.iter().fold(0, |sum: u32, n| sum.saturating_add(*n));
    let in_object = BODIES * params.degree() as u32;
    let objects = inputs.presence.patterns().div_ceil(in_object) as usize;
    if people == result.people && objects == result.totals.len() {
        Ok(())
    } else {
        Err(Error::corrupt("the result is not over the job's inputs; run the job again"))
    }
}

/// The objects of a result, each once: what a share is made of.
pub(super) fn objects(result: &JobResult) -> impl Iterator<Item = (ChunkRef, u8, u32)> + '_ {
    [SharePhase::Sums, SharePhase::Totals].into_iter().flat_map(|phase| result.objects(phase))
}
