//! A site's totals: its sums, computed here in the clear and encrypted under the study's key.

use gwas::io::{CaseControl, Cohort};
use gwas::packing::{BODIES, Packing, PlainSums, plain_sums};
use gwas::wire::{
    Bitmap, ChunkRef, JobResult, Participation, SharePhase, Study, Totals, UnitResult,
};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::public_key::PublicKey;
use he_core_secret::{Entropy, Totals as Values, encrypt_totals as encrypt};
use zeroize::Zeroizing;

use super::remote;
use crate::net::Client;
use crate::sink::ChunkSink;
use crate::{Error, Result};

/// What to sum.
pub(super) struct Input<'a> {
    /// The site's people at the panel's variants.
    pub cohort: &'a Cohort,
    /// Who of them is a case, and who takes part.
    pub phenotype: &'a CaseControl,
    /// Variants that the site's files do not have.
    pub absent: Option<Bitmap>,
}

/// Sums the people who take part and encrypts the sums of every unit of the study, and the totals of the weights.
///
/// With encrypted participation the number that is attested is that of all people of the cohort, so that it does not tell
/// how many of them have the phenotype.
pub(super) fn encrypt_totals(
    client: &Client,
    (id, study): (Digest, &Study),
    input: Input<'_>,
    sink: &dyn ChunkSink,
) -> Result<Totals> {
    let ring = Ring::new(study.plan.params());
    let public = remote::combined_key(client, &ring, (id, study))?;
    let Input { cohort, phenotype, absent } = input;
    let status = &phenotype.status;
    let rows: Vec<u32> = (0..).zip(status).filter_map(|(row, s)| s.map(|_| row)).collect();
    let weights: Vec<i64> = status.iter().flatten().map(|&case| i64::from(case)).collect();
    let taking_part = cohort.with_rows(&rows).map_err(Error::input)?;
    let degree = study.plan.params().degree();
    let sums =
        plain_sums(&taking_part, &[&weights], &study.planes, degree).map_err(Error::input)?;
    let people = match study.participation {
        Participation::Public => taking_part.people(),
        Participation::Encrypted => cohort.people(),
    };

    let site = Encryption { ring: &ring, study, public, entropy: remote::entropy()?, people, sink };
    let packing = Packing::new(study.variants, degree).map_err(Error::input)?;
    let mut units = Vec::new();
    for (plane, sums) in (0..).zip(&sums) {
        for group in 0..packing.groups() {
            let values = unit(&packing, group, sums);
            let chunk = site.object((plane, group), SharePhase::Sums, &values)?;
            units.push(UnitResult { plane, group, chunk });
        }
    }
    let cases = i64::from(phenotype.cases());
    let numbers = match study.participation {
        Participation::Public => vec![cases],
        Participation::Encrypted => vec![i64::from(taking_part.people()), cases],
    };
    let values = Zeroizing::new(constants(&numbers, degree));
    let totals = site.object((JobResult::TOTALS_PLANE, 0), SharePhase::Totals, &values)?;
    Ok(Totals { name: phenotype.name.clone(), study: id, people, absent, units, totals })
}

/// The sums of a unit as they are encrypted: `[body][channel][N]`, people who take part and cases.
fn unit(packing: &Packing, group: u32, sums: &PlainSums) -> Zeroizing<Vec<i64>> {
    let degree = packing.ring_degree() as usize;
    let weighted = sums.weighted.first().map_or(&[][..], Vec::as_slice);
    let mut values = Vec::with_capacity(packing.bodies(group) as usize * 2 * degree);
    for body in 0..packing.bodies(group) {
        let variants = packing.block_variants(group * BODIES + body);
        let range = variants.start as usize..variants.end as usize;
        for channel in [sums.plain.as_slice(), weighted] {
            let end = values.len() + degree;
            values.extend_from_slice(channel.get(range.clone()).unwrap_or_default());
            values.resize(end, 0);
        }
    }
    Zeroizing::new(values)
}

/// Each number as a constant polynomial.
fn constants(numbers: &[i64], degree: usize) -> Vec<i64> {
    let mut values = vec![0; numbers.len() * degree];
    for (polynomial, &number) in values.chunks_exact_mut(degree).zip(numbers) {
        polynomial.iter_mut().take(1).for_each(|constant| *constant = number);
    }
    values
}

/// How every object is encrypted.
struct Encryption<'a> {
    ring: &'a Ring,
    study: &'a Study,
    public: PublicKey,
    entropy: Entropy,
    people: u32,
    sink: &'a dyn ChunkSink,
}

impl Encryption<'_> {
    /// Encrypts one object and stores it.
    fn object(
        &self,
        (plane, group): (u8, u32),
        phase: SharePhase,
        values: &[i64],
    ) -> Result<ChunkRef> {
        let channels = self.study.channels(phase) as usize;
        let totals = Values { people: self.people, plane, group, channels, values };
        let object = encrypt(self.ring, &self.study.plan, &self.public, &self.entropy, &totals);
        let bytes = object.map_err(Error::input)?.to_bytes(self.public.study(), plane, group);
        let chunk = ChunkRef { digest: Digest::of(&bytes), length: bytes.len() as u64 };
        self.sink.put(chunk.digest, bytes)?;
        Ok(chunk)
    }
}
