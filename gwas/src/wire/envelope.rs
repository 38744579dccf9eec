//! Signed objects: the bytes of a manifest with its authors' signatures.

use he_core::Digest;
use he_core::codec::{CodecError, Header, Kind, Message, decode, encode};
use serde::{Deserialize, Serialize};

use super::Did;

/// A message with detached Ed25519 signatures over its digest.
///
/// The name of the object is the digest of the message bytes alone, so further signatures do not change it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    message: Vec<u8>,
    signatures: Vec<(Did, Signature)>,
}

/// An Ed25519 signature (serialised as two halves, for which serde has implementations).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Signature([u8; 32], [u8; 32]);

/// A message whose signatures have been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened<T> {
    /// The message.
    pub message: T,
    /// Its name: digest of its bytes.
    pub id: Digest,
    /// Who signed it, in ascending order, each once.
    pub signers: Vec<Did>,
}

/// Why an envelope was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are malformed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A signature does not verify.
    #[error(
        "the signature of {0} does not verify: the object was altered or signed by somebody else"
    )]
    Signature(Did),
    /// Two envelopes that should hold the same message do not.
    #[error("the envelope holds another message than the one that it adds signatures to")]
    Other,
}

const MAX_SIGNATURES: usize = 128;
const CONTEXT: &str = "hegwas v1 object signature";

/// What is signed: the object's digest under a context that no other signature of the system shares.
fn signing_input(id: &Digest) -> [u8; 32] {
    Digest::derive(CONTEXT, &id.0).0
}

impl Envelope {
    /// An envelope without signatures.
    pub fn new<T: Message>(message: &T) -> Result<Self, CodecError> {
        Ok(Self { message: encode(message)?, signatures: Vec::new() })
    }

    /// The object's name.
    pub fn id(&self) -> Digest {
        Digest::of(&self.message)
    }

    /// Adds the signature of `party`; `sign` receives the 32 bytes to sign with its Ed25519 key.
    pub fn sign(&mut self, party: Did, sign: impl FnOnce(&[u8]) -> [u8; 64]) {
        let bytes = sign(&signing_input(&self.id()));
        let (low, high) = bytes.split_at(32);
        let half = |part: &[u8]| part.try_into().unwrap_or([0; 32]);
        self.signatures.retain(|(did, _)| *did != party);
        self.signatures.push((party, Signature(half(low), half(high))));
        self.signatures.sort_by_key(|(did, _)| *did);
    }

    /// The envelope of `stored` with the signatures of `offered` added; verifies nothing.
    ///
    /// # Errors
    /// When one of them is malformed, or they hold different messages.
    pub fn merge(stored: &[u8], offered: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let (mut stored, offered) = (decode::<Self>(stored)?, decode::<Self>(offered)?);
        if stored.message != offered.message {
            return Err(EnvelopeError::Other);
        }
        for (party, signature) in offered.signatures {
            if stored.signatures.iter().all(|(known, _)| *known != party) {
                stored.signatures.push((party, signature));
            }
        }
        stored.signatures.sort_by_key(|(party, _)| *party);
        Ok(stored.to_bytes()?)
    }

    /// Bytes to store and send.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        encode(self)
    }

    /// Reads an envelope and says what kind of message it holds; verifies nothing.
    pub fn kind_of(bytes: &[u8]) -> Result<Kind, EnvelopeError> {
        Ok(Header::parse(&decode::<Self>(bytes)?.message)?.kind)
    }

    /// Reads an envelope and its message and verifies every signature.
    pub fn open<T: Message>(bytes: &[u8]) -> Result<Opened<T>, EnvelopeError> {
        let envelope: Self = decode(bytes)?;
        let message = decode(&envelope.message)?;
        let id = envelope.id();
        let input = signing_input(&id);
        for (did, Signature(low, high)) in &envelope.signatures {
            let mut signature = [0; 64];
            for (o, b) in signature.iter_mut().zip(low.iter().chain(high)) {
                *o = *b;
            }
            if !did.verifies(&input, &signature) {
                return Err(EnvelopeError::Signature(*did));
            }
        }
        Ok(Opened {
            message,
            id,
            signers: envelope.signatures.iter().map(|(did, _)| *did).collect(),
        })
    }
}

impl Message for Envelope {
    const KIND: Kind = Kind::Envelope;

    fn check(&self) -> Result<(), CodecError> {
        let ascending = self.signatures.is_sorted_by(|a, b| a.0 < b.0);
        if ascending && self.signatures.len() <= MAX_SIGNATURES {
            Ok(())
        } else {
            Err(CodecError::Conformance(format!(
                "an envelope has at most {MAX_SIGNATURES} signatures, one for each party"
            )))
        }
    }
}
