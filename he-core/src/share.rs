//! Decryption shares and their combination. Protocol section 6.

mod fingerprint;
mod ledger;
mod refresh;

use serde::{Deserialize, Serialize};

pub use self::fingerprint::C1Fingerprint;
pub use self::ledger::{AdmitError, Admitted, LedgerError, ShareLedger, ShareRecord};
pub use self::refresh::combine_refreshed;
use crate::arith::{Crt, Ring};
use crate::codec::{CodecError, Header, Kind};
use crate::layout::BODIES;
use crate::params::Params;
use crate::planner::Plan;
use crate::public_key::{bulk_bytes, unpack_polynomials};
use crate::result::SwitchedUnit;

/// What a share is for. A `C1` gets one share of one kind for ever: the difference of two would be the mask.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ShareKind {
    /// To open the result: `C1 S_k + e'_k`.
    Open,
    /// To go on computing: `C1 S_k + Delta mu_k + e'_k` with a mask `mu_k`.
    Refresh,
}

impl ShareKind {
    /// Number in the header of a share.
    pub fn code(self) -> u32 {
        match self {
            Self::Open => 0,
            Self::Refresh => 1,
        }
    }
}

/// One holder's share of a result unit: `h_k = C1 S_k + e'_k` for each of its ciphertexts, masked if for refreshing.
///
/// With all shares of a unit its content is known: whoever may not read the result must not receive one. `Debug` shows
/// only the shape.
#[derive(Clone, PartialEq, Eq)]
pub struct DecryptionShare {
    params: Params,
    kind: ShareKind,
    bodies: usize,
    channels: usize,
    /// `[body][channel][words]`, NTT domain.
    words: Vec<u64>,
}

impl core::fmt::Debug for DecryptionShare {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DecryptionShare")
            .field("bodies", &self.bodies)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

impl DecryptionShare {
    /// A share computed by the secret half for `unit`.
    pub fn new(unit: &SwitchedUnit, kind: ShareKind, words: Vec<u64>) -> Self {
        assert_eq!(
            words.len(),
            unit.bodies() * unit.channels() * unit.params().words(),
            "one polynomial per ciphertext"
        );
        let (params, bodies, channels) = (unit.params(), unit.bodies(), unit.channels());
        Self { params, kind, bodies, channels, words }
    }

    /// The words, `[body][channel][words]`, NTT domain: as secret as the result.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The object, bound to the result unit by its short digest.
    pub fn to_bytes(&self, unit: [u8; 16]) -> Vec<u8> {
        let counts = [self.bodies as u32, self.channels as u32, self.kind.code(), 0];
        bulk_bytes(Kind::DecryptionShare, self.params, unit, counts, &self.words)
    }

    /// Reads a share that opens `of`, whose object has the short digest `unit`.
    pub fn from_bytes(bytes: &[u8], of: &SwitchedUnit, unit: [u8; 16]) -> Result<Self, CodecError> {
        Self::read(bytes, of, unit, ShareKind::Open)
    }

    /// Reads a share of that kind of `of`, whose object has the short digest `unit`.
    pub fn read(
        bytes: &[u8],
        of: &SwitchedUnit,
        unit: [u8; 16],
        kind: ShareKind,
    ) -> Result<Self, CodecError> {
        let (header, body) = Header::split(bytes, Kind::DecryptionShare)?;
        header.expect_params(of.params())?;
        header.expect_context(unit, "result")?;
        if header.counts != [of.bodies() as u32, of.channels() as u32, kind.code(), 0] {
            return Err(CodecError::Counts(
                "the share is for another number of ciphertexts or of another kind",
            ));
        }
        Ok(Self::new(of, kind, unpack_polynomials(body, of.params(), of.bodies() * of.channels())?))
    }
}

/// The coefficients of a unit of totals that are read: in each channel the first so many, counted through the bodies. There
/// stand the totals of the presence patterns (protocol section 5); of what stands elsewhere nobody learns anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readable(usize);

impl Readable {
    /// Those of the object of totals with number `group`, of a job with so many presence patterns.
    pub fn of_patterns(params: Params, patterns: u32, group: u32) -> Self {
        let before = (group as usize).saturating_mul(BODIES * params.degree());
        Self((patterns as usize).saturating_sub(before))
    }

    /// How many coefficients of a body, its first ones.
    pub fn in_body(self, params: Params, body: usize) -> usize {
        let before = body.saturating_mul(params.degree());
        self.0.saturating_sub(before).min(params.degree())
    }
}

/// What a result unit holds, decrypted: an integer per body, channel and coefficient; 0 where it was not read.
#[derive(Clone, PartialEq, Eq)]
pub struct UnitValues {
    degree: usize,
    channels: usize,
    values: Vec<i64>,
}

impl core::fmt::Debug for UnitValues {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UnitValues").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl UnitValues {
    /// The N values of a channel of a body.
    pub fn get(&self, body: usize, channel: usize) -> &[i64] {
        let start = (body * self.channels + channel) * self.degree;
        self.values.get(start..start + self.degree).unwrap_or_default()
    }
}

/// Why shares do not give a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Not one fitting share for each holder.
    #[error("{expected} key holders have to give a share of this result; {found} shares fit it")]
    Shares {
        /// Number of holders.
        expected: usize,
        /// Shares that fit.
        found: usize,
    },
    /// More contributions than the plan is made for.
    #[error(
        "the result sums {found} contributions, the study's plan allows {planned}; it is not a result of this study"
    )]
    Contributions {
        /// Datasets of the plan.
        planned: u32,
        /// Contributions to the result.
        found: u32,
    },
    /// Refresh shares of a study without masks.
    #[error("the study's plan has no room for refresh masks; plan again with mask bits")]
    Masks,
    /// A value that no honest input gives.
    #[error(
        "a decrypted sum is out of range: a ciphertext, share or key does not belong here, or an input was not \
         honestly encrypted; check that the key is the study's and that inputs are undamaged"
    )]
    OutOfRange,
}

/// Combines the shares of all holders: `C0 + sum h_k`, rounded to multiples of the scale.
///
/// Every value must lie in the planned range and every distance from a multiple of the scale within the
/// predicted noise bound: a wrong key or a damaged ciphertext gives distances all over the scale.
pub fn combine(
    ring: &Ring,
    plan: &Plan,
    unit: &SwitchedUnit,
    shares: &[DecryptionShare],
) -> Result<UnitValues, CombineError> {
    combine_where(ring, plan, unit, shares, |_, _| true)
}

/// As [`combine`], of a unit of totals whose shares are masked: reads the coefficients that are readable and no others.
pub fn combine_readable(
    ring: &Ring,
    plan: &Plan,
    unit: &SwitchedUnit,
    shares: &[DecryptionShare],
    readable: Readable,
) -> Result<UnitValues, CombineError> {
    let params = unit.params();
    let read = |body, coefficient| coefficient < readable.in_body(params, body);
    combine_where(ring, plan, unit, shares, read)
}

/// Combines what `read` says of body and coefficient.
fn combine_where(
    ring: &Ring,
    plan: &Plan,
    unit: &SwitchedUnit,
    shares: &[DecryptionShare],
    read: impl Fn(usize, usize) -> bool,
) -> Result<UnitValues, CombineError> {
    let crt = Crt::new(unit.params());
    let (largest, noise_bound) = (plan.largest_result(), plan.noise_bound());
    let (degree, channels) = (unit.params().degree(), unit.channels());
    let values = phases(ring, plan, unit, shares, ShareKind::Open)?
        .enumerate()
        .map(|(i, residues)| {
            if !read(i / degree / channels, i % degree) {
                return Ok(0);
            }
            match crt.decode(residues.iter().copied(), plan.scale()) {
                Some((value, noise)) if value.abs() <= largest && noise.abs() <= noise_bound => {
                    Ok(value)
                }
                _ => Err(CombineError::OutOfRange),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(UnitValues { degree, channels, values })
}

/// Root mean square and largest noise of a decryption: distances of its phases from multiples of the scale.
///
/// For those who hold all shares anyway; tests compare it with [`crate::noise`].
pub fn measure_noise(
    ring: &Ring,
    plan: &Plan,
    unit: &SwitchedUnit,
    shares: &[DecryptionShare],
) -> Result<(f64, f64), CombineError> {
    let crt = Crt::new(unit.params());
    let (mut squares, mut largest, mut count) = (0.0, 0.0f64, 0.0);
    for residues in phases(ring, plan, unit, shares, ShareKind::Open)? {
        let (_, noise) =
            crt.decode(residues.iter().copied(), plan.scale()).ok_or(CombineError::OutOfRange)?;
        squares += noise * noise;
        largest = largest.max(noise.abs());
        count += 1.0;
    }
    Ok((f64::sqrt(squares / count), largest))
}

/// The residues of every coefficient of every phase, `[body][channel][coefficient]`.
fn phases(
    ring: &Ring,
    plan: &Plan,
    unit: &SwitchedUnit,
    shares: &[DecryptionShare],
    kind: ShareKind,
) -> Result<impl Iterator<Item = [u64; 4]>, CombineError> {
    let params = unit.params();
    let fits = |s: &&DecryptionShare| {
        let shape = (params, kind, unit.bodies(), unit.channels());
        (s.params, s.kind, s.bodies, s.channels) == shape
    };
    let expected = plan.request().holders as usize;
    let found = shares.iter().filter(fits).count();
    if found != expected || shares.len() != expected || plan.params() != params {
        return Err(CombineError::Shares { expected, found });
    }
    let (planned, found) = (plan.request().datasets, unit.contributions());
    if found > planned {
        return Err(CombineError::Contributions { planned, found });
    }
    let words = params.words();
    let mut phases = Vec::with_capacity(unit.ciphertexts().len() * words);
    for (number, (c0, _)) in unit.ciphertexts().enumerate() {
        let start = phases.len();
        phases.extend_from_slice(c0);
        let phase = phases.get_mut(start..).unwrap_or_default();
        for share in shares {
            let h = share.words.get(number * words..(number + 1) * words).unwrap_or_default();
            let limbs =
                phase.chunks_exact_mut(params.degree()).zip(h.chunks_exact(params.degree()));
            for ((limb, h), m) in limbs.zip(params.moduli()) {
                for (x, &h) in limb.iter_mut().zip(h) {
                    *x = m.add(*x, h);
                }
            }
        }
        ring.inverse(phase);
    }
    let (degree, limbs) = (params.degree(), params.limbs());
    Ok((0..phases.len() / limbs).map(move |i| {
        let first = i / degree * words + i % degree;
        core::array::from_fn(|l| {
            if l < limbs { phases.get(first + l * degree).copied().unwrap_or(0) } else { 0 }
        })
    }))
}
