//! Commit, then reveal: nobody chooses an object after seeing those of the others. Protocol section 10.
//!
//! Whoever reveals last could otherwise choose the joint key or the decrypted value. Each party first publishes a digest
//! that binds and hides its object; objects are revealed when all digests are in, and a reveal names the digests that its
//! party saw, so that showing different ones to different parties is noticed. Whoever carries a reveal could put other digests
//! there, so a reveal is signed: that of a key has a signature inside, that of a share travels inside of a signed message. And a party
//! answers one set of commitments for ever: who may be asked twice has promised nothing.

use crate::codec::{CodecError, Header, Kind};
use crate::digest::Digest;

/// Most parties of one round.
pub const MAX_PARTIES: usize = 64;
/// Most bytes of a party's name.
pub const MAX_PARTY_BYTES: usize = 256;
/// Bytes of a signature.
const SIGNATURE: usize = 64;

/// What is committed to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// A contribution to a study's public key; the subject is the study.
    PublicKey,
    /// A decryption share; the subject is the object of the result unit.
    Share,
}

impl Purpose {
    fn context(self) -> &'static str {
        match self {
            Self::PublicKey => "hegwas v1 public key commitment",
            Self::Share => "hegwas v1 share commitment",
        }
    }

    fn code(self) -> u32 {
        match self {
            Self::PublicKey => 1,
            Self::Share => 2,
        }
    }

    /// Whether a reveal carries its party's signature.
    fn is_signed(self) -> bool {
        self == Self::PublicKey
    }
}

/// What a round is about. Commitments of one round open nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Round {
    /// What is committed to.
    pub purpose: Purpose,
    /// Digest of what it belongs to.
    pub subject: Digest,
}

impl Round {
    fn header(&self, kind: Kind, length: usize) -> Header {
        let counts = [self.purpose.code(), 0, 0, 0];
        let context = self.subject.short();
        Header { kind, length: length as u64, params: [0; 16], context, counts }
    }

    fn expect(&self, header: &Header) -> Result<(), CodecError> {
        header.expect_context(self.subject.short(), "study or result")?;
        if *header == self.header(header.kind, header.length as usize) {
            Ok(())
        } else {
            Err(CodecError::Counts("the commitment is to another sort of object"))
        }
    }
}

/// A party's commitment to an object: a BLAKE3 key derivation in the purpose's context of party (length, then bytes), subject,
/// nonce and object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commitment {
    round: Round,
    digest: Digest,
}

impl Commitment {
    /// The commitment of `party` to `object`. The nonce hides: 32 bytes that nobody else knows.
    pub fn new(round: Round, party: &str, nonce: &[u8; 32], object: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(round.purpose.context());
        hasher.update(&(party.len() as u64).to_le_bytes());
        for part in [party.as_bytes(), &round.subject.0, nonce, object] {
            hasher.update(part);
        }
        Self { round, digest: Digest(*hasher.finalize().as_bytes()) }
    }

    /// The object.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.round.header(Kind::Commitment, 32).to_bytes()[..], &self.digest.0].concat()
    }

    /// Reads a commitment of that round.
    pub fn from_bytes(bytes: &[u8], round: Round) -> Result<Self, CodecError> {
        let (header, body) = Header::split(bytes, Kind::Commitment)?;
        round.expect(&header)?;
        let digest =
            body.try_into().map_err(|_| CodecError::Counts("a commitment has 32 bytes"))?;
        Ok(Self { round, digest: Digest(digest) })
    }
}

/// An object with what opens its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Reveal {
    round: Round,
    /// Digest of the commitments that the party saw.
    seen: Digest,
    nonce: [u8; 32],
    /// Of a key: what the party signed with.
    signature: [u8; SIGNATURE],
    object: Vec<u8>,
}

impl core::fmt::Debug for Reveal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // A revealed share is as secret as the result.
        f.debug_struct("Reveal").field("round", &self.round).finish_non_exhaustive()
    }
}

impl Reveal {
    /// Reveals `object` to those who made `commitments`. That of a key has to be [`signed`](Self::signed).
    pub fn new(commitments: &Commitments, nonce: [u8; 32], object: Vec<u8>) -> Self {
        let (round, seen) = (commitments.round, commitments.digest());
        Self { round, seen, nonce, signature: [0; SIGNATURE], object }
    }

    /// Signs it: `sign` receives the 32 bytes to sign. Nothing changes of a share, whose reveal has no signature of its own.
    #[must_use]
    pub fn signed(mut self, sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE]) -> Self {
        if self.round.purpose.is_signed() {
            self.signature = sign(&self.signing_input());
        }
        self
    }

    /// What is signed: the round, the commitments that were seen, nonce and object.
    fn signing_input(&self) -> [u8; 32] {
        let parts =
            [self.round.subject.0, self.seen.0, self.nonce, Digest::of(&self.object).0].concat();
        Digest::derive("hegwas v1 key reveal", &parts).0
    }

    /// The object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let signature: &[u8] = if self.round.purpose.is_signed() { &self.signature } else { &[] };
        let body = [&self.seen.0, &self.nonce, signature, &self.object].concat();
        [&self.round.header(Kind::Reveal, body.len()).to_bytes()[..], &body].concat()
    }

    /// Reads a reveal of that round; the revealed object is read by whoever knows its kind.
    pub fn from_bytes(bytes: &[u8], round: Round) -> Result<Self, CodecError> {
        let Parts { header, seen, nonce, signature, object } = Parts::of(bytes)?;
        round.expect(&header)?;
        let (seen, nonce, object) = (Digest(*seen), *nonce, object.to_vec());
        Ok(Self { round, seen, nonce, signature: *signature, object })
    }
}

/// The object in a reveal of whatever round, which nothing was checked of.
///
/// # Errors
///
/// When the bytes are no reveal.
pub fn revealed_object(bytes: &[u8]) -> Result<&[u8], CodecError> {
    Parts::of(bytes).map(|parts| parts.object)
}

/// Where what a reveal consists of stands in its bytes.
struct Parts<'a> {
    header: Header,
    /// Digest of the commitments that were seen.
    seen: &'a [u8; 32],
    nonce: &'a [u8; 32],
    signature: &'a [u8; SIGNATURE],
    object: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let (header, body) = Header::split(bytes, Kind::Reveal)?;
        let short = || CodecError::Counts("a reveal has 64 bytes before the object, of a key 128");
        let (seen, rest) = body.split_first_chunk().ok_or_else(short)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (signature, object) = if header.counts[0] == Purpose::PublicKey.code() {
            rest.split_first_chunk().ok_or_else(short)?
        } else {
            (&[0; SIGNATURE], rest)
        };
        Ok(Self { header, seen, nonce, signature, object })
    }
}

/// What is wrong with a round, and whose doing it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RoundError {
    /// The list of parties is unusable.
    #[error("a round has 1 to 64 parties with different names of 1 to 256 bytes")]
    Parties,
    /// Commitments of another round.
    #[error("these are commitments to another sort of object")]
    Purpose,
    /// Someone else's object.
    #[error("{0} is not one of the parties")]
    Stranger(String),
    /// Not all parties have delivered.
    #[error("still missing: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// A party delivered twice.
    #[error("{0} delivered twice; only one object counts, so ask {0} which and why")]
    Duplicate(String),
    /// An object that is not what it should be.
    #[error("what {party} delivered is unusable: {source}")]
    Malformed {
        /// Whose object.
        party: String,
        /// What is wrong with it.
        source: CodecError,
    },
    /// Not the object that was committed to.
    #[error(
        "what {0} revealed is not what {0} committed to; the round has to be started again without trust in {0}"
    )]
    Broken(String),
    /// Two parties with one object.
    #[error("{party} revealed the same object as {other}; each has to make its own")]
    Copied {
        /// The later of the two.
        party: String,
        /// The earlier.
        other: String,
    },
    /// A reveal that answers other commitments.
    #[error(
        "{0} revealed to other commitments than these: somebody showed the parties different ones; compare them before \
         going on"
    )]
    Equivocation(String),
    /// A reveal of a key that its party did not sign.
    #[error(
        "what is said to be revealed by {0} is not signed by {0}: somebody answers in its name"
    )]
    Forged(String),
}

/// The commitments of all parties of a round: there is no value of this type while one is missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commitments {
    round: Round,
    /// In the order of the parties.
    entries: Vec<(String, Commitment)>,
}

impl Commitments {
    /// Collects one commitment of each party, in the parties' order; `received` holds `(party, object)` in any order.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, by name; [`RoundError::Missing`] only if nothing else is.
    pub fn collect<'a>(
        round: Round,
        parties: &[&str],
        received: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, RoundError> {
        let all_differ =
            parties.iter().enumerate().all(|(i, p)| !parties.iter().skip(i + 1).any(|q| q == p));
        let sized = parties.iter().all(|p| (1..=MAX_PARTY_BYTES).contains(&p.len()));
        if !(1..=MAX_PARTIES).contains(&parties.len()) || !all_differ || !sized {
            return Err(RoundError::Parties);
        }
        let read = |bytes: &[u8]| Commitment::from_bytes(bytes, round);
        let commitments = sort(parties, received, read)?;
        let entries = parties.iter().map(|&p| p.to_owned()).zip(commitments).collect();
        Ok(Self { round, entries })
    }

    /// The round.
    pub fn round(&self) -> Round {
        self.round
    }

    /// The parties, in order.
    pub fn parties(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(party, _)| party.as_str())
    }

    /// The commitment of `party`.
    pub fn of(&self, party: &str) -> Option<Commitment> {
        self.entries.iter().find(|(p, _)| p == party).map(|(_, c)| *c)
    }

    /// Digest of all parties and commitments in order: what each reveal names.
    pub fn digest(&self) -> Digest {
        let mut text = self.round.subject.0.to_vec();
        text.extend(self.round.purpose.code().to_le_bytes());
        for (party, commitment) in &self.entries {
            text.extend((party.len() as u64).to_le_bytes());
            text.extend(party.as_bytes());
            text.extend(commitment.digest.0);
        }
        Digest::derive("hegwas v1 commitments", &text)
    }

    /// Checks what one party revealed of a key, its signature included, and returns its object. `is_signed` says whether the party has
    /// signed a text so.
    ///
    /// # Errors
    ///
    /// As [`Self::open_one`]; if the party did not sign it.
    pub fn open_signed(
        &self,
        party: &str,
        bytes: &[u8],
        is_signed: impl FnOnce(&str, &[u8], &[u8; SIGNATURE]) -> bool,
    ) -> Result<Vec<u8>, RoundError> {
        let reveal = Reveal::from_bytes(bytes, self.round)
            .map_err(|source| RoundError::Malformed { party: party.to_owned(), source })?;
        let object = self.open_one(party, bytes)?;
        if is_signed(party, &reveal.signing_input(), &reveal.signature) {
            Ok(object)
        } else {
            Err(RoundError::Forged(party.to_owned()))
        }
    }

    /// Checks what one party revealed and returns its object. A signature is for [`Self::open_signed`] to check.
    ///
    /// # Errors
    ///
    /// If it is malformed, answers other commitments or does not open the party's.
    pub fn open_one(&self, party: &str, bytes: &[u8]) -> Result<Vec<u8>, RoundError> {
        let own = self.of(party).ok_or_else(|| RoundError::Stranger(party.to_owned()))?;
        let reveal = Reveal::from_bytes(bytes, self.round)
            .map_err(|source| RoundError::Malformed { party: party.to_owned(), source })?;
        if Commitment::new(self.round, party, &reveal.nonce, &reveal.object) != own {
            return Err(RoundError::Broken(party.to_owned()));
        }
        if reveal.seen != self.digest() {
            return Err(RoundError::Equivocation(party.to_owned()));
        }
        Ok(reveal.object)
    }

    /// Checks what all parties revealed and returns their objects in the parties' order.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, by name; [`RoundError::Missing`] only if nothing else is.
    pub fn open<'a>(
        &self,
        received: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Vec<Vec<u8>>, RoundError> {
        let received: Vec<(&str, &[u8])> = received.into_iter().collect();
        for &(party, bytes) in &received {
            self.open_one(party, bytes)?;
        }
        let parties: Vec<&str> = self.parties().collect();
        let reveals = sort(&parties, received, |bytes| Reveal::from_bytes(bytes, self.round))?;
        let objects: Vec<Vec<u8>> = reveals.into_iter().map(|reveal| reveal.object).collect();
        for (i, (party, object)) in parties.iter().zip(&objects).enumerate() {
            let earlier = parties.iter().zip(&objects).take(i).find(|(_, o)| *o == object);
            if let Some((other, _)) = earlier {
                return Err(RoundError::Copied {
                    party: (*party).to_owned(),
                    other: (*other).to_owned(),
                });
            }
        }
        Ok(objects)
    }
}

/// One object for each party, in the parties' order.
fn sort<'a, T>(
    parties: &[&str],
    received: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    read: impl Fn(&[u8]) -> Result<T, CodecError>,
) -> Result<Vec<T>, RoundError> {
    let mut slots: Vec<Option<T>> = parties.iter().map(|_| None).collect();
    for (party, bytes) in received {
        let name = || party.to_owned();
        let slot = parties
            .iter()
            .position(|p| *p == party)
            .and_then(|i| slots.get_mut(i))
            .ok_or_else(|| RoundError::Stranger(name()))?;
        if slot.is_some() {
            return Err(RoundError::Duplicate(name()));
        }
        *slot =
            Some(read(bytes).map_err(|source| RoundError::Malformed { party: name(), source })?);
    }
    let missing: Vec<String> = parties
        .iter()
        .zip(&slots)
        .filter(|(_, slot)| slot.is_none())
        .map(|(party, _)| (*party).to_owned())
        .collect();
    if missing.is_empty() {
        Ok(slots.into_iter().flatten().collect())
    } else {
        Err(RoundError::Missing(missing))
    }
}

#[cfg(test)]
mod tests;
