//! Drafts: who takes part in a study that is still being put together, and invitations to it. JSON.
//!
//! An invitation is a key pair that the coordinator makes: its secret, 32 random bytes, is the *token* that the invited party
//! receives by a way of the coordinator's choice; the server knows the public half alone. To accept, the party has the token
//! sign its own name. So a token can be used once, a server cannot use it at all, and whoever trusts the coordinator can
//! check every member.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use he_core::Digest;
use serde::{Deserialize, Serialize};

use super::{Did, MAX_NAME, SealingKey};

/// Most invitations of a draft.
pub const MAX_INVITATIONS: usize = 4096;

/// What a party may do in a study. The coordinator and the server's operator are not invited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Contributes data.
    DataOwner,
    /// Holds a share of the study's key.
    KeyHolder,
    /// Receives the results.
    Analyst,
}

impl Role {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataOwner => "data-owner",
            Self::KeyHolder => "key-holder",
            Self::Analyst => "analyst",
        }
    }
}

/// The body of `POST /v1/drafts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDraft {
    /// Free text for people.
    pub name: String,
    /// What the study will be for.
    pub purpose: String,
    /// Fresh random bytes: two drafts are never the same.
    pub nonce: Digest,
}

impl NewDraft {
    /// The draft's name: the same request of the same party always makes the same draft.
    pub fn id(&self, coordinator: &Did) -> Digest {
        let text = |text: &str| Digest::of(text.as_bytes()).0;
        let parts =
            [*coordinator.public_key(), text(&self.name), text(&self.purpose), self.nonce.0];
        Digest::derive("hegwas v1 draft", &parts.concat())
    }

    /// Whether name and purpose are what manifests allow.
    pub fn is_sound(&self) -> bool {
        [&self.name, &self.purpose]
            .into_iter()
            .all(|t| t.len() <= MAX_NAME && !t.chars().any(char::is_control))
    }
}

/// The body of `POST /v1/drafts/{id}/invitations`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// Public half of the token.
    pub key: Did,
    /// What the invited party may do.
    pub role: Role,
    /// When it can't be accepted any more, in seconds since 1970.
    pub expires: u64,
}

/// The body of `POST /v1/invitations/accept`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The draft.
    pub draft: Digest,
    /// Public half of the token.
    pub invitation: Did,
    /// Who accepts, and sends this.
    pub party: Did,
    /// The party's age recipient; key holders and analysts have one.
    pub sealing_key: Option<String>,
    /// Signature of the token over [`Acceptance::signing_input`], 64 bytes in base64.
    pub signature: String,
}

impl Acceptance {
    /// An acceptance; `sign` receives the 32 bytes to sign with the token as Ed25519 key.
    pub fn new(
        draft: Digest,
        invitation: Did,
        party: Did,
        sealing_key: Option<String>,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Self {
        let mut new = Self { draft, invitation, party, sealing_key, signature: String::new() };
        new.signature = STANDARD.encode(sign(&new.signing_input()));
        new
    }

    /// What the token signs: draft, invitation, party and sealing key under a context of their own.
    pub fn signing_input(&self) -> [u8; 32] {
        let key = self.sealing_key.as_deref().unwrap_or_default();
        let parts = [
            self.draft.0,
            *self.invitation.public_key(),
            *self.party.public_key(),
            Digest::of(key.as_bytes()).0,
        ];
        Digest::derive("hegwas v1 invitation", &parts.concat()).0
    }

    /// Whether the token signed it.
    pub fn is_signed(&self) -> bool {
        let bytes = STANDARD.decode(&self.signature).ok();
        let signature = bytes.and_then(|b| <[u8; 64]>::try_from(b).ok());
        signature.is_some_and(|s| self.invitation.verifies(&self.signing_input(), &s))
    }
}

/// An invitation as members see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// Public half of the token.
    pub key: Did,
    /// What the invited party may do.
    pub role: Role,
    /// When it can't be accepted any more, in seconds since 1970.
    pub expires: u64,
    /// Who accepted it.
    pub accepted: Option<Acceptance>,
}

/// A draft.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// Its name.
    pub id: Digest,
    /// Free text for people.
    pub name: String,
    /// What the study will be for.
    pub purpose: String,
    /// Who made it.
    pub coordinator: Did,
    /// When, in seconds since 1970.
    pub created: u64,
    /// Invitations, in the order in which they were made.
    pub invitations: Vec<Invitation>,
}

impl Draft {
    /// Whether `party` may see the draft.
    pub fn is_member(&self, party: &Did) -> bool {
        *party == self.coordinator || self.acceptances().any(|(_, a)| a.party == *party)
    }

    /// Whether `party` may have that role in the study: it accepted such an invitation, or is the coordinator.
    pub fn admits(&self, party: &Did, role: Role) -> bool {
        *party == self.coordinator
            || self.acceptances().any(|(r, a)| r == role && a.party == *party)
    }

    /// Whether the study may seal to that key: it is the coordinator's own, or its party gave it when it accepted.
    pub fn admits_key(&self, key: &SealingKey) -> bool {
        key.party == self.coordinator
            || self.acceptances().any(|(_, a)| {
                a.party == key.party && a.sealing_key.as_deref() == Some(key.key.as_str())
            })
    }

    /// Accepted invitations with their role.
    pub fn acceptances(&self) -> impl Iterator<Item = (Role, &Acceptance)> {
        self.invitations.iter().filter_map(|i| i.accepted.as_ref().map(|a| (i.role, a)))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    fn party(seed: u8) -> (SigningKey, Did) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let did = Did::new(key.verifying_key().to_bytes()).unwrap();
        (key, did)
    }

    #[test]
    fn a_token_signs_one_party_into_one_draft() {
        let ((token, invitation), (_, joiner), (_, other)) = (party(1), party(2), party(3));
        let draft = Digest::of(b"draft");
        let sealing = Some("age1xyz".to_owned());
        let good =
            Acceptance::new(draft, invitation, joiner, sealing, |m| token.sign(m).to_bytes());
        assert!(good.is_signed());
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Acceptance>(&json).unwrap(), good);
        for bad in [
            Acceptance { party: other, ..good.clone() },
            Acceptance { invitation: other, ..good.clone() },
            Acceptance { draft: Digest::of(b"another"), ..good.clone() },
            Acceptance { sealing_key: Some("age1other".into()), ..good.clone() },
            Acceptance { sealing_key: None, ..good.clone() },
            Acceptance { signature: String::new(), ..good.clone() },
            Acceptance { signature: STANDARD.encode([0; 65]), ..good.clone() },
        ] {
            assert!(!bad.is_signed(), "{bad:?}");
        }
    }

    #[test]
    fn names_and_signing_inputs_are_those_of_the_protocol() {
        let (_, party) = party(1);
        let new = NewDraft { name: "x".into(), purpose: "y".into(), nonce: Digest::of(b"n") };
        let acceptance = Acceptance::new(Digest::of(b"d"), party, party, None, |_| [0; 64]);
        // Known answers: other ones refuse every invitation that is on its way.
        assert_eq!(
            new.id(&party).to_string(),
            "ee6c1b18ebf8e8a101f0c0a224cffd65ee88bdafa5ed70a2ba916ab4768d5c11"
        );
        assert_eq!(
            Digest(acceptance.signing_input()).to_string(),
            "c7b998fa5aa9bd32afc363efb9ed032b93643403927957a61ff2cf61ac10c99f"
        );
    }

    #[test]
    fn members_have_the_roles_they_accepted() {
        let ((_, coordinator), (token, key), (_, joiner)) = (party(1), party(2), party(3));
        let new = NewDraft { name: "x".into(), purpose: "y".into(), nonce: Digest::of(b"n") };
        assert!(new.is_sound());
        assert!(!NewDraft { name: "a\nb".into(), ..new.clone() }.is_sound());
        assert_ne!(new.id(&coordinator), new.id(&joiner));
        let id = new.id(&coordinator);
        let sealing = Some("age1abc".to_owned());
        let accepted =
            Some(Acceptance::new(id, key, joiner, sealing, |m| token.sign(m).to_bytes()));
        let role = Role::KeyHolder;
        let draft = Draft {
            id,
            name: new.name,
            purpose: new.purpose,
            coordinator,
            created: 1,
            invitations: vec![Invitation { key, role, expires: 2, accepted }],
        };
        assert!(
            draft.is_member(&joiner) && draft.is_member(&coordinator) && !draft.is_member(&key)
        );
        assert!(draft.admits(&joiner, Role::KeyHolder) && !draft.admits(&joiner, Role::Analyst));
        assert!(draft.admits(&coordinator, Role::Analyst));
        let sealing = |key: &str| SealingKey { party: joiner, key: key.into() };
        assert!(draft.admits_key(&sealing("age1abc")) && !draft.admits_key(&sealing("age1xyz")));
    }
}
