//! The key ceremony: how several holders make one public key that none of them chose. Protocol section 10.

use crate::commit::{Commitments, Purpose, Round, RoundError};
use crate::digest::Digest;
use crate::params::Params;
use crate::public_key::{PublicKey, PublicShare};
use crate::result::SwitchedUnit;
use crate::share::{DecryptionShare, ShareKind};

/// The round in which a study's key contributions are committed to and revealed.
pub fn key_round(study: Digest) -> Round {
    Round { purpose: Purpose::PublicKey, subject: study }
}

/// The round in which the shares of a result unit are committed to and revealed; `unit` is the digest of its object.
pub fn share_round(unit: Digest) -> Round {
    Round { purpose: Purpose::Share, subject: unit }
}

/// The study's public key from what all holders revealed. Data owners compute it themselves before they grant anything, and before that
/// check that each reveal is signed ([`Commitments::open_signed`]): that is not done here.
///
/// # Errors
///
/// By name: a party that is missing, delivered twice, or whose contribution is malformed or not what it committed to.
pub fn public_key<'a>(
    params: Params,
    commitments: &Commitments,
    reveals: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<PublicKey, RoundError> {
    expect(commitments, Purpose::PublicKey)?;
    let objects = commitments.open(reveals)?;
    public_key_of(params, commitments, objects.iter().map(Vec::as_slice))
}

/// [`public_key`], from the contributions in what was revealed: `contributions` are all or the beginning of what
/// [`Commitments::open`] returned, in that order.
///
/// # Errors
///
/// As [`public_key`]; not one contribution for each party.
pub fn public_key_of<'a>(
    params: Params,
    commitments: &Commitments,
    contributions: impl IntoIterator<Item = &'a [u8]>,
) -> Result<PublicKey, RoundError> {
    let study = expect(commitments, Purpose::PublicKey)?;
    let objects: Vec<&[u8]> = contributions.into_iter().collect();
    let missing: Vec<String> =
        commitments.parties().skip(objects.len()).map(str::to_owned).collect();
    if !missing.is_empty() {
        return Err(RoundError::Missing(missing));
    }
    let read = |bytes: &[u8]| PublicShare::from_bytes(bytes, params, study);
    Ok(PublicKey::sum(params, study, &each(commitments, &objects, read)?))
}

/// The shares of a result unit that opens `unit`, from what all holders revealed.
///
/// # Errors
///
/// As [`public_key`].
pub fn shares<'a>(
    unit: &SwitchedUnit,
    kind: ShareKind,
    commitments: &Commitments,
    reveals: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Vec<DecryptionShare>, RoundError> {
    let object = expect(commitments, Purpose::Share)?.short();
    let objects = commitments.open(reveals)?;
    each(commitments, &objects, |bytes| DecryptionShare::read(bytes, unit, object, kind))
}

/// The subject of commitments that are for `purpose`.
fn expect(commitments: &Commitments, purpose: Purpose) -> Result<Digest, RoundError> {
    let round = commitments.round();
    if round.purpose == purpose { Ok(round.subject) } else { Err(RoundError::Purpose) }
}

fn each<T>(
    commitments: &Commitments,
    objects: &[impl AsRef<[u8]>],
    read: impl Fn(&[u8]) -> Result<T, crate::codec::CodecError>,
) -> Result<Vec<T>, RoundError> {
    let named = commitments.parties().zip(objects);
    named
        .map(|(party, bytes)| {
            let malformed = |source| RoundError::Malformed { party: party.to_owned(), source };
            read(bytes.as_ref()).map_err(malformed)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::CodecError;
    use crate::commit::{Commitment, Reveal};
    use crate::public_key::study_mask;

    const PARTIES: [&str; 3] = ["anna", "ben", "clara"];
    const PARAMS: Params = Params::N2048Q50;

    fn contribution(study: Digest, i: u8) -> Vec<u8> {
        PublicShare::new(PARAMS, study, study_mask(PARAMS, Digest::of(&[i]))).to_bytes()
    }

    /// A ceremony in which these objects are committed to and revealed.
    fn run(round: Round, objects: [Vec<u8>; 3]) -> Result<PublicKey, RoundError> {
        let nonce = |i: usize| [i as u8; 32];
        let commit: Vec<_> = (0..3)
            .map(|i| Commitment::new(round, PARTIES[i], &nonce(i), &objects[i]).to_bytes())
            .collect();
        let received = PARTIES.into_iter().zip(commit.iter().map(Vec::as_slice));
        let commitments = Commitments::collect(round, &PARTIES, received)?;
        let reveals: Vec<_> = objects
            .into_iter()
            .enumerate()
            .map(|(i, object)| Reveal::new(&commitments, nonce(i), object).to_bytes())
            .collect();
        public_key(PARAMS, &commitments, PARTIES.into_iter().zip(reveals.iter().map(Vec::as_slice)))
    }

    #[test]
    fn contributions_add_up() {
        let study = Digest::of(b"study");
        let key = run(key_round(study), [0, 1, 2].map(|i| contribution(study, i))).unwrap();
        let m = PARAMS.moduli().next().unwrap();
        let masks = [0, 1, 2].map(|i: u8| study_mask(PARAMS, Digest::of(&[i])));
        let sum = |j: usize| m.add(m.add(masks[0][j], masks[1][j]), masks[2][j]);
        assert!((0..2048).all(|j| key.b()[j] == sum(j)));
        assert_eq!(key.a(), study_mask(PARAMS, study));
    }

    #[test]
    fn bad_contributions_are_refused_by_name_though_committed_to() {
        let study = Digest::of(b"study");
        let good = [0, 1, 2].map(|i| contribution(study, i));
        for (i, party) in PARTIES.into_iter().enumerate() {
            let with = |bad: Vec<u8>| {
                let mut objects = good.clone();
                objects[i] = bad;
                match run(key_round(study), objects) {
                    Err(RoundError::Malformed { party: p, source }) if p == party => source,
                    other => panic!("{other:?}"),
                }
            };
            let mut residue = good[i].clone();
            residue[64..71].fill(255);
            assert!(matches!(with(residue), CodecError::Residue));
            assert!(matches!(with(Vec::new()), CodecError::Truncated { .. }));
            assert!(matches!(with(good[i][..100].to_vec()), CodecError::Truncated { .. }));
            let foreign = contribution(Digest::of(b"other"), 7);
            assert!(matches!(with(foreign), CodecError::Context(_)));
        }
    }

    #[test]
    fn rounds_do_not_stand_in_for_each_other() {
        let study = Digest::of(b"study");
        let objects = [0, 1, 2].map(|i| contribution(study, i));
        assert_eq!(run(share_round(study), objects), Err(RoundError::Purpose));
    }
}
