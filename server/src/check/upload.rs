//! Conformance of uploaded chunks, checked while they stream in.

use he_core::arith::pack::packed_len;
use he_core::ckks::CkksParams;
use he_core::codec::{CodecError, HEADER_LEN, Header, Kind};
use he_core::grant::COMPONENTS;
use he_core::layout::{BODIES, MAX_BLOCKS, MAX_PLANES, MAX_ROWS};
use he_core::result::MAX_CHANNELS;
use he_core::share::ShareKind;

use super::Residues;
use crate::error::ApiError;

/// Checks one upload: header first, then every word of the body.
pub struct UploadCheck {
    declared: u64,
    head: Vec<u8>,
    body: Option<(Header, Residues)>,
}

impl UploadCheck {
    /// The check of an upload whose request declares `declared` bytes.
    pub fn new(declared: u64) -> Self {
        Self { declared, head: Vec::with_capacity(HEADER_LEN), body: None }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they can't belong to a chunk that may be uploaded.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        let (head, body) = bytes.split_at((HEADER_LEN - self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(head);
        if self.body.is_none() && self.head.len() == HEADER_LEN {
            self.body = Some(self.begin()?);
        }
        match &mut self.body {
            Some((_, residues)) => {
                if residues.take(body) {
                    Ok(())
                } else {
                    Err(CodecError::Residue.into())
                }
            }
            None => Ok(()),
        }
    }

    /// The header, after the last byte.
    ///
    /// # Errors
    /// When there were fewer bytes than a header.
    pub fn finish(self) -> Result<Header, ApiError> {
        let found = self.head.len() as u64;
        let (header, _) =
            self.body.ok_or(CodecError::Truncated { expected: HEADER_LEN as u64, found })?;
        Ok(header)
    }

    fn begin(&self) -> Result<(Header, Residues), ApiError> {
        let header = Header::parse(&self.head)?;
        let found = self.declared.saturating_sub(HEADER_LEN as u64);
        if found != header.length {
            return Err(CodecError::Truncated { expected: header.length, found }.into());
        }
        let counts =
            |fine: bool| if fine { Ok(()) } else { Err(CodecError::Counts("out of range")) };
        if header.kind == Kind::SealedShare {
            // Only its recipient can see into it.
            counts(header.params == [0; 16] && matches!(header.counts, [0 | 1 | 3, _, _, 0]))?;
            return Ok((header, Residues::unchecked()));
        }
        if matches!(header.kind, Kind::CkksMaskCiphertext | Kind::CkksRelinShare) {
            return finishing(header);
        }
        let params = header.known_params()?;
        let [plane, group, row_chunk, tile] = header.counts;
        let residues = match header.kind {
            Kind::GenotypeChunk | Kind::WeightChunk => {
                counts(
                    plane < u32::from(MAX_PLANES) && group < MAX_BLOCKS && row_chunk < MAX_ROWS,
                )?;
                Residues::from_tile(params, tile).ok_or(CodecError::Counts("no such tile"))?
            }
            Kind::SwitchingKey => {
                counts(header.counts == [COMPONENTS as u32, 0, 0, 0])?;
                Residues::of_polynomials(params)
            }
            Kind::EncryptedTotals => {
                let [_, group, bodies, channels] = header.counts;
                counts(
                    group < MAX_BLOCKS
                        && (1..=BODIES as u32).contains(&bodies)
                        && (1..=MAX_CHANNELS).contains(&channels),
                )?;
                let polynomials = u64::from(bodies * channels * 2);
                counts(header.length == polynomials * packed_len(params.words()) as u64)?;
                Residues::of_polynomials(params)
            }
            // An opening share is sealed before it leaves its holder.
            Kind::DecryptionShare => {
                let [bodies, channels, kind, _] = header.counts;
                counts(
                    (1..=BODIES as u32).contains(&bodies)
                        && (1..=MAX_CHANNELS).contains(&channels)
                        && kind == ShareKind::Refresh.code(),
                )?;
                let polynomials = u64::from(bodies * channels);
                counts(header.length == polynomials * packed_len(params.words()) as u64)?;
                Residues::of_polynomials(params)
            }
            other => return Err(ApiError::NotForUpload(other.name())),
        };
        Ok((header, residues))
    }
}

/// The check of an object of the finishing ring.
fn finishing(header: Header) -> Result<(Header, Residues), ApiError> {
    let known = |p: &CkksParams| p.digest().short() == header.params;
    let params = CkksParams::ALL.into_iter().find(known);
    let params = params.ok_or(CodecError::Params("any known one"))?;
    // A mask ciphertext has as many primes as its input needs: the plan says when it is revealed.
    let (fewest, most, polynomials) = match header.kind {
        Kind::CkksRelinShare => (params.all_limbs(), params.all_limbs(), 2),
        _ => (1, params.limbs(), 1),
    };
    let length = |limbs: usize| packed_len(polynomials * limbs * params.degree()) as u64;
    let limbs = (fewest..=most).find(|&limbs| header.length == length(limbs));
    match limbs.filter(|_| header.counts.iter().skip(1).all(|count| *count == 0)) {
        Some(limbs) => Ok((header, Residues::of_finishing(params, limbs))),
        None => Err(CodecError::Counts("out of range").into()),
    }
}
