//! The key ceremony with real keys.

use he_core::Digest;
use he_core::arith::Ring;
use he_core::ceremony::{key_round, public_key};
use he_core::commit::{Commitment, Commitments, Reveal, RoundError};
use he_core::params::Params;
use he_core::public_key::PublicShare;
use he_core_secret::HolderKey;

use crate::world::{by_name, holder_key, names};

const PARAMS: Params = Params::N8192Q150;

struct Ceremony {
    ring: Ring,
    study: Digest,
    parties: Vec<String>,
    keys: Vec<HolderKey>,
}

fn ceremony() -> Ceremony {
    let (ring, study) = (Ring::new(PARAMS), Digest::of(b"ceremony"));
    let parties = ["anna", "ben", "clara"].map(str::to_owned).to_vec();
    let keys = (0..3).map(|k| holder_key(&ring, study, k)).collect();
    Ceremony { ring, study, parties, keys }
}

impl Ceremony {
    fn commitments(&self) -> Vec<Vec<u8>> {
        let commit = |(key, party): (&HolderKey, &String)| {
            key.commit_public_share(&self.ring, party).to_bytes()
        };
        self.keys.iter().zip(&self.parties).map(commit).collect()
    }

    fn collect(&self, commitments: &[Vec<u8>]) -> Result<Commitments, RoundError> {
        let received = by_name(&self.parties, commitments);
        Commitments::collect(key_round(self.study), &names(&self.parties), received)
    }

    fn reveals(&self, commitments: &Commitments) -> Vec<Vec<u8>> {
        let reveal = |(key, party): (&HolderKey, &String)| {
            key.reveal_public_share(&self.ring, party, commitments).unwrap().to_bytes()
        };
        self.keys.iter().zip(&self.parties).map(reveal).collect()
    }
}

#[test]
fn a_holder_makes_the_same_objects_after_any_crash() {
    let (first, second) = (ceremony(), ceremony());
    assert_eq!(first.commitments(), second.commitments());
    let commitments = first.collect(&first.commitments()).unwrap();
    let reveals = first.reveals(&commitments);
    assert_eq!(reveals, second.reveals(&commitments));
    let key = public_key(PARAMS, &commitments, by_name(&first.parties, &reveals)).unwrap();
    assert_eq!(key.study(), first.study);
    // Known answers: any change of these bytes is a change of the format.
    assert_eq!(
        Digest::of(&first.commitments()[0]).to_string(),
        "4520656e1ba7f6a6c0d0de05b8dfbd537c5352f863bee95626a9b27d8a158c88"
    );
    assert_eq!(
        Digest::of(&reveals[0]).to_string(),
        "8789498edeb9993261675873fe50a20d6af5d8edf34ba772dc2eeb24f43f759a"
    );
}

#[test]
fn the_last_holder_cannot_choose_the_key() {
    let world = ceremony();
    let commitments = world.collect(&world.commitments()).unwrap();
    let mut reveals = world.reveals(&commitments);
    // Clara has seen what the others revealed and would like the sum to be a key whose secret she knows alone.
    let own = holder_key(&world.ring, world.study, 50).public_share(&world.ring);
    let chosen = PublicShare::new(PARAMS, world.study, vec![3; PARAMS.words()]);
    for object in [own.to_bytes(), chosen.to_bytes()] {
        reveals[2] = Reveal::new(&commitments, [0; 32], object).to_bytes();
        let key = public_key(PARAMS, &commitments, by_name(&world.parties, &reveals));
        assert_eq!(key, Err(RoundError::Broken("clara".into())));
    }
    reveals.pop();
    let key = public_key(PARAMS, &commitments, by_name(&world.parties, &reveals));
    assert_eq!(key, Err(RoundError::Missing(vec!["clara".into()])));
}

#[test]
fn a_holder_reveals_only_to_its_own_complete_round() {
    let world = ceremony();
    let honest = world.commitments();
    let reveal = |commitments: &Commitments, k: usize| {
        world.keys[k].reveal_public_share(&world.ring, &world.parties[k], commitments).map(drop)
    };
    assert_eq!(
        world.collect(&honest[..2]).unwrap_err(),
        RoundError::Missing(vec!["clara".into()]),
        "without all commitments there is nothing to reveal to"
    );
    // Ben's commitment is replaced: he notices. The others reveal, and their reveals say to what.
    let mut replaced = honest.clone();
    let foreign = Commitment::new(key_round(world.study), "ben", &[0; 32], b"not ben's");
    replaced[1] = foreign.to_bytes();
    let shown = world.collect(&replaced).unwrap();
    assert!(reveal(&shown, 1).is_err());
    let anna = world.keys[0].reveal_public_share(&world.ring, "anna", &shown).unwrap().to_bytes();
    let commitments = world.collect(&honest).unwrap();
    let mut reveals = world.reveals(&commitments);
    reveals[0] = anna;
    let key = public_key(PARAMS, &commitments, by_name(&world.parties, &reveals));
    assert_eq!(key, Err(RoundError::Equivocation("anna".into())));
    // Another study's round.
    let other =
        Commitments::collect(
            key_round(Digest::of(b"other")),
            &["anna"],
            [(
                "anna",
                &Commitment::new(key_round(Digest::of(b"other")), "anna", &[0; 32], b"x")
                    .to_bytes()[..],
            )],
        )
        .unwrap();
    assert!(reveal(&other, 0).is_err());
}
