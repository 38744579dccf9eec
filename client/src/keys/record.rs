//! The message in a key file. Protocol section 2, kind 32.

use ed25519_dalek::SigningKey;
use gwas::wire::Did;
use he_core::codec::{CodecError, Kind, Message};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a key file holds.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct KeyRecord {
    /// Whose key it is; follows from `signing`, and shows damage.
    #[zeroize(skip)]
    pub(super) did: Did,
    /// Seconds since 1970-01-01 UTC.
    #[zeroize(skip)]
    pub(super) created: u64,
    /// Seed of the Ed25519 key.
    pub(super) signing: [u8; 32],
    /// Master secret.
    pub(super) master: [u8; 32],
}

impl Message for KeyRecord {
    const KIND: Kind = Kind::MasterKey;

    fn check(&self) -> Result<(), CodecError> {
        let own = SigningKey::from_bytes(&self.signing).verifying_key();
        let refuse = |text: &str| Err(CodecError::Conformance(text.to_owned()));
        if own.as_bytes() != self.did.public_key() {
            return refuse("the signing key is not that of the party named beside it");
        }
        if self.master == [0; 32] || self.signing == [0; 32] {
            return refuse("a secret is all zero");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use he_core::codec::{decode, encode};

    use super::*;

    fn record(signing: [u8; 32], master: [u8; 32]) -> KeyRecord {
        let did = Did::new(SigningKey::from_bytes(&signing).verifying_key().to_bytes()).unwrap();
        KeyRecord { did, created: 1, signing, master }
    }

    #[test]
    fn bad_records_are_refused() {
        let good = encode(&record([1; 32], [2; 32])).unwrap();
        assert!(decode::<KeyRecord>(&good).is_ok());
        let mut bad_seed = good.clone();
        bad_seed[64 + 32 + 8] ^= 1;
        assert!(decode::<KeyRecord>(&bad_seed).is_err());
        let mut bad_did = good.clone();
        bad_did[64] ^= 1;
        assert!(decode::<KeyRecord>(&bad_did).is_err());
        assert!(encode(&record([1; 32], [0; 32])).is_err());
        for cut in 0..good.len() {
            assert!(decode::<KeyRecord>(&good[..cut]).is_err());
        }
    }
}
