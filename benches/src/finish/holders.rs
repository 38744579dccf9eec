//! Key holders: their study key of the first scheme and their finishing key, made by the ceremony.

use std::convert::Infallible;

use he_core::arith::Ring;
use he_core::ceremony::{key_round, public_key};
use he_core::ckks::{CkksParams, CkksPublicKey, CkksRing, RelinKey};
use he_core::commit::Commitments;
use he_core::public_key::PublicKey;
use he_core::result::SwitchedUnit;
use he_core::share::{DecryptionShare, ShareKind, ShareLedger, combine, combine_refreshed};
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::ckks::CkksHolderKey;
use he_core_secret::{EncryptionSeeds, HolderKey, Masks, MasterKey, refresh_share, smudged_share};

use crate::keys::entropy;
use crate::{Error, Result};

/// All key holders of a study.
pub struct Holders {
    /// Parameters and scales of the sums.
    pub plan: Plan,
    /// Their ring.
    pub ring: Ring,
    /// The study.
    pub study: Digest,
    /// Its public key.
    pub public: PublicKey,
    masters: Vec<MasterKey>,
    keys: Vec<HolderKey>,
}

/// The holders' keys of the finishing ring.
pub struct Finishing {
    /// The ring.
    pub ring: CkksRing,
    /// The joint relinearisation key.
    pub relin: RelinKey,
    /// Each holder's secret.
    pub keys: Vec<CkksHolderKey>,
    /// Bytes of one holder's contributions to the keys.
    pub contributed: u64,
}

/// Sums that only their holders' masks hide.
pub struct Masked {
    /// What the server has, `[channel][variant]`: the sums plus the masks of all holders.
    pub sums: Vec<Vec<i128>>,
    /// What the holders have, `[holder][channel][variant]`.
    pub masks: Vec<Vec<Vec<i128>>>,
    /// Bytes of one holder's refresh shares.
    pub shared: u64,
}

/// Holders of a study of `people` people: shares and masks hide at 40 bits, `values` values together.
#[must_use]
pub fn request(people: u32, holders: u32, values: u64) -> PlanRequest {
    let bits = 40;
    PlanRequest {
        holders,
        values,
        smudging_bits: bits,
        mask_bits: bits + values.next_power_of_two().trailing_zeros(),
        ..PlanRequest::sole_holder(people)
    }
}

impl Holders {
    /// Fresh keys: everybody commits, then everybody reveals.
    ///
    /// # Errors
    /// When no parameter set serves the request.
    pub fn new(request: PlanRequest) -> Result<Self> {
        let failed = || Error::step("the key ceremony");
        let plan = Plan::new(request).map_err(Error::step("planning"))?;
        let ring = Ring::new(plan.params());
        let masters = (0..request.holders).map(|_| Ok(MasterKey::generate(&entropy()?)));
        let masters = masters.collect::<Result<Vec<_>>>()?;
        let nonce = EncryptionSeeds::new(&entropy()?, &Digest::of(b"study")).nonce();
        let study = Digest::of(&nonce);
        let keys: Vec<_> = masters.iter().map(|m| HolderKey::derive(m, &ring, study)).collect();
        let parties: Vec<String> = (0..keys.len()).map(|k| format!("holder {k}")).collect();
        let named = || keys.iter().zip(parties.iter().map(String::as_str));
        let commitments: Vec<_> = named()
            .map(|(key, party)| (party, key.commit_public_share(&ring, party).to_bytes()))
            .collect();
        let names: Vec<&str> = parties.iter().map(String::as_str).collect();
        let received = commitments.iter().map(|(party, bytes)| (*party, &bytes[..]));
        let commitments =
            Commitments::collect(key_round(study), &names, received).map_err(failed())?;
        let reveals = named().map(|(key, party)| {
            let reveal = key.reveal_public_share(&ring, party, &commitments);
            let reveal = reveal.map_err(Error::step("the key ceremony"))?;
            Ok((party, reveal.to_bytes()))
        });
        let reveals = reveals.collect::<Result<Vec<_>>>()?;
        let received = reveals.iter().map(|(party, bytes)| (*party, &bytes[..]));
        let public = public_key(plan.params(), &commitments, received).map_err(failed())?;
        Ok(Self { plan, ring, study, public, masters, keys })
    }

    /// Their keys of the finishing ring. Contributions are made and added one at a time.
    ///
    /// # Errors
    /// When contributions do not fit together.
    pub fn finishing(&self, params: CkksParams) -> Result<Finishing> {
        let failed = || Error::step("making the finishing keys");
        let (ring, study) = (CkksRing::new(params), self.study);
        let keys: Vec<_> =
            self.masters.iter().map(|m| CkksHolderKey::derive(m, &ring, study)).collect();
        let shares: Vec<_> = keys.iter().map(|key| key.public_share(&ring)).collect();
        let mut contributed = shares.first().map_or(0, |s| s.to_bytes().len() as u64);
        let public = CkksPublicKey::combine(&ring, study, keys.len(), &shares).map_err(failed())?;
        let relin = keys
            .iter()
            .enumerate()
            .flat_map(|(k, key)| key.relin_shares(&ring, &public).map(move |share| (k, share)));
        let counted = relin.map(|(k, share)| {
            contributed += if k == 0 { share.to_bytes().len() as u64 } else { 0 };
            share
        });
        let relin = RelinKey::combine(&ring, study, keys.len(), counted).map_err(failed())?;
        Ok(Finishing { ring, relin, keys, contributed })
    }

    /// Refreshes result units of consecutive groups: what the holders keep and what the server gets.
    ///
    /// # Errors
    /// When a ledger refuses a unit or a masked sum is out of range.
    pub fn refresh(&self, job: Digest, units: &[SwitchedUnit]) -> Result<Masked> {
        let channels = units.first().map_or(0, SwitchedUnit::channels);
        let mut masked = Masked {
            sums: vec![Vec::new(); channels],
            masks: vec![vec![Vec::new(); channels]; self.keys.len()],
            shared: 0,
        };
        for unit in units {
            let mut shares = Vec::new();
            for (holder, masks) in masked.masks.iter_mut().enumerate() {
                let (share, of_unit) = self.share(holder, job, unit)?;
                self.scatter(channels, of_unit.values(), masks);
                if shares.is_empty() {
                    masked.shared += share.to_bytes(job.short()).len() as u64;
                }
                shares.push(share);
            }
            self.scatter(channels, &self.round(unit, &shares)?, &mut masked.sums);
        }
        Ok(masked)
    }

    /// A holder's refresh share of a unit, and its masks.
    ///
    /// # Errors
    /// When the ledger refuses the unit.
    pub fn share(
        &self,
        holder: usize,
        job: Digest,
        unit: &SwitchedUnit,
    ) -> Result<(DecryptionShare, Masks)> {
        let key = self.keys.get(holder).ok_or(Error::Inexact("the number of holders"))?;
        let admitted = self.admit(job, ShareKind::Refresh, unit)?;
        let refreshed = refresh_share(&self.ring, key, &admitted, unit);
        refreshed.map_err(Error::step("a refresh share"))
    }

    /// The server's masked sums of a unit, from the refresh shares of all holders.
    ///
    /// # Errors
    /// When one is out of range.
    pub fn round(&self, unit: &SwitchedUnit, shares: &[DecryptionShare]) -> Result<Vec<i128>> {
        let sums = combine_refreshed(&self.ring, &self.plan, unit, shares);
        sums.map_err(Error::step("refreshing"))
    }

    /// `[body][channel][coefficient]` appended to `[channel][variant]`.
    fn scatter(&self, channels: usize, values: &[i128], to: &mut [Vec<i128>]) {
        for (block, values) in values.chunks_exact(self.plan.params().degree()).enumerate() {
            if let Some(channel) = to.get_mut(block % channels) {
                channel.extend_from_slice(values);
            }
        }
    }

    /// What a fresh ledger of one holder admits.
    fn admit(
        &self,
        job: Digest,
        kind: ShareKind,
        unit: &SwitchedUnit,
    ) -> Result<he_core::share::Admitted> {
        let failed = Error::step("the ledger");
        let mut ledger = ShareLedger::restore(self.study, self.plan, []).map_err(failed)?;
        let admitted = ledger.admit(job, kind, unit, |_| Ok::<(), Infallible>(()));
        admitted.map_err(|e| Error::Step { what: "the ledger", why: format!("{e:?}") })
    }

    /// The sums opened, `[channel][variant]`: what finishing under encryption avoids, and what a test compares with. It takes
    /// fresh ledgers, since one C1 has one share of one kind.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn open(&self, job: Digest, units: &[SwitchedUnit]) -> Result<Vec<Vec<i64>>> {
        let channels = units.first().map_or(0, SwitchedUnit::channels);
        let mut opened = vec![Vec::new(); channels];
        for unit in units {
            let shares = self.keys.iter().map(|key| {
                let admitted = self.admit(job, ShareKind::Open, unit)?;
                let share = smudged_share(&self.ring, key, &admitted, unit);
                share.map_err(Error::step("a share"))
            });
            let shares = shares.collect::<Result<Vec<_>>>()?;
            let values = combine(&self.ring, &self.plan, unit, &shares);
            let values = values.map_err(Error::step("opening"))?;
            for body in 0..unit.bodies() {
                for (channel, opened) in opened.iter_mut().enumerate() {
                    opened.extend_from_slice(values.get(body, channel));
                }
            }
        }
        Ok(opened)
    }
}
