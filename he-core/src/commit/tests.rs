use super::*;

const PARTIES: [&str; 3] = ["did:key:anna", "did:key:ben", "did:key:clara"];

fn round() -> Round {
    Round { purpose: Purpose::PublicKey, subject: Digest::of(b"study") }
}

fn commitment(round: Round, i: usize) -> Vec<u8> {
    Commitment::new(round, PARTIES[i], &[i as u8; 32], &[i as u8; 9]).to_bytes()
}

fn collect(received: &[(&str, Vec<u8>)]) -> Result<Commitments, RoundError> {
    Commitments::collect(round(), &PARTIES, received.iter().map(|(p, b)| (*p, &b[..])))
}

/// Everybody's commitments and reveals.
fn honest() -> (Commitments, Vec<(&'static str, Vec<u8>)>) {
    let all: Vec<_> = (0..3).map(|i| (PARTIES[i], commitment(round(), i))).collect();
    let commitments = collect(&all).unwrap();
    let reveal = |i: usize| Reveal::new(&commitments, [i as u8; 32], vec![i as u8; 9]).to_bytes();
    let reveals = (0..3).map(|i| (PARTIES[i], reveal(i))).collect();
    (commitments, reveals)
}

fn open(
    commitments: &Commitments,
    reveals: &[(&str, Vec<u8>)],
) -> Result<Vec<Vec<u8>>, RoundError> {
    commitments.open(reveals.iter().map(|(p, b)| (*p, &b[..])))
}

#[test]
fn what_is_committed_to_is_revealed_in_any_order() {
    let (commitments, mut reveals) = honest();
    assert_eq!(commitments.parties().collect::<Vec<_>>(), PARTIES);
    reveals.rotate_left(1);
    let objects = open(&commitments, &reveals).unwrap();
    assert_eq!(objects, (0..3).map(|i| vec![i; 9]).collect::<Vec<_>>());
    let mut shuffled: Vec<_> = (0..3).map(|i| (PARTIES[i], commitment(round(), i))).collect();
    shuffled.reverse();
    assert_eq!(collect(&shuffled).unwrap(), commitments);
    assert!(!format!("{:?}", Reveal::from_bytes(&reveals[0].1, round())).contains("object"));
}

#[test]
fn the_bytes_are_known() {
    let (commitments, reveals) = honest();
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    // Known answers: any change of these bytes is a change of the format.
    assert_eq!(
        digest(&commitment(round(), 1)),
        "26ed19a4c0b625b9c8f0d1b8f408da8d47b13d8e17035d9514046f7835da84cc"
    );
    assert_eq!(
        digest(&reveals[1].1),
        "89cbbf3925c3f7bb37cf4289ce8bf52a29aa153cfa785c4c3af0f98d63ef3080"
    );
    assert_eq!(
        commitments.digest().to_string(),
        "6f812fbf8a617e57792c041a5c65219c1ea31d0b9d934541898d1c584e26a69e"
    );
}

#[test]
fn a_commitment_binds_everything() {
    let base = Commitment::new(round(), "ab", &[1; 32], b"object");
    let share = Round { purpose: Purpose::Share, ..round() };
    let other = Round { subject: Digest::of(b"other"), ..round() };
    for different in [
        Commitment::new(round(), "a", &[1; 32], b"object"),
        Commitment::new(round(), "ab", &[2; 32], b"object"),
        Commitment::new(round(), "ab", &[1; 32], b"objecT"),
        Commitment::new(share, "ab", &[1; 32], b"object"),
        Commitment::new(other, "ab", &[1; 32], b"object"),
    ] {
        assert_ne!(different.digest, base.digest);
    }
}

#[test]
fn missing_strange_and_double_commitments_are_named() {
    let all: Vec<_> = (0..3).map(|i| (PARTIES[i], commitment(round(), i))).collect();
    let missing = RoundError::Missing(vec![PARTIES[0].into(), PARTIES[2].into()]);
    assert_eq!(missing.to_string(), "still missing: did:key:anna, did:key:clara");
    assert_eq!(collect(&all[1..2]), Err(missing));
    let mut twice = all.clone();
    twice.push(all[1].clone());
    assert_eq!(collect(&twice), Err(RoundError::Duplicate(PARTIES[1].into())));
    let mut strange = all.clone();
    strange[2].0 = "did:key:mallory";
    assert_eq!(collect(&strange), Err(RoundError::Stranger("did:key:mallory".into())));
    let none: [(&str, &[u8]); 0] = [];
    let long = "x".repeat(257);
    let many: Vec<String> = (0..65).map(|i| format!("party {i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for parties in [&[][..], &["a", "a"], &[""], &[long.as_str()], &many] {
        let round = Commitments::collect(round(), parties, none);
        assert_eq!(round, Err(RoundError::Parties));
    }
}

#[test]
fn bad_commitments_are_refused_by_name() {
    let all: Vec<_> = (0..3).map(|i| (PARTIES[i], commitment(round(), i))).collect();
    let with = |bytes: Vec<u8>| {
        let mut received = all.clone();
        received[1].1 = bytes;
        match collect(&received) {
            Err(RoundError::Malformed { party, source }) if party == PARTIES[1] => source,
            other => panic!("{other:?}"),
        }
    };
    let good = &all[1].1;
    for cut in [0, 63, 64, 95] {
        assert!(matches!(with(good[..cut].to_vec()), CodecError::Truncated { .. }));
    }
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        with(bytes)
    };
    assert!(matches!(changed(0, b'x'), CodecError::Magic));
    assert!(matches!(changed(6, 2), CodecError::Version { found: 2, read: 1 }));
    assert!(matches!(changed(7, Kind::PublicShare as u8), CodecError::Kind { .. }));
    assert!(matches!(changed(9, 1), CodecError::TooLarge { .. }));
    assert!(matches!(changed(16, 1), CodecError::Counts(_)), "no parameters");
    assert!(matches!(changed(32, 0xee), CodecError::Context(_)), "another study");
    assert!(matches!(changed(48, 2), CodecError::Counts(_)), "another purpose");
    assert!(matches!(changed(52, 1), CodecError::Counts(_)));
    let mut short = round().header(Kind::Commitment, 31).to_bytes().to_vec();
    short.extend([0; 31]);
    assert!(matches!(with(short), CodecError::Counts(_)));
}

#[test]
fn bad_reveals_are_refused_by_name() {
    let (commitments, reveals) = honest();
    let with = |i: usize, bytes: Vec<u8>| {
        let mut received = reveals.clone();
        received[i].1 = bytes;
        open(&commitments, &received).unwrap_err()
    };
    for i in 0..3 {
        let broken = RoundError::Broken(PARTIES[i].into());
        for at in [HEADER + 32, HEADER + 63, HEADER + 128, reveals[i].1.len() - 1] {
            let mut bytes = reveals[i].1.clone();
            bytes[at] ^= 1; // the nonce, the object
            assert_eq!(with(i, bytes), broken);
        }
        let next = reveals[(i + 1) % 3].1.clone();
        assert_eq!(with(i, next), broken, "somebody else's");
        let mut bytes = reveals[i].1.clone();
        bytes[HEADER] ^= 1;
        assert_eq!(with(i, bytes), RoundError::Equivocation(PARTIES[i].into()));
        let cut = with(i, reveals[i].1[..70].to_vec());
        assert!(matches!(cut, RoundError::Malformed { party, .. } if party == PARTIES[i]));
        let mut short = round().header(Kind::Reveal, 127).to_bytes().to_vec();
        short.extend([0; 127]);
        let malformed = RoundError::Malformed {
            party: PARTIES[i].into(),
            source: CodecError::Counts("a reveal has 64 bytes before the object, of a key 128"),
        };
        assert_eq!(with(i, short), malformed);
        assert_eq!(
            open(&commitments, &[&reveals[..i], &reveals[i + 1..]].concat()),
            Err(RoundError::Missing(vec![PARTIES[i].into()]))
        );
    }
    let twice = [&reveals[..], &reveals[..1]].concat();
    assert_eq!(open(&commitments, &twice), Err(RoundError::Duplicate(PARTIES[0].into())));
    let stranger = vec![("did:key:mallory", reveals[0].1.clone())];
    let refused = RoundError::Stranger("did:key:mallory".into());
    assert_eq!(open(&commitments, &stranger), Err(refused));
}

#[test]
fn parties_that_were_shown_different_commitments_notice() {
    let (commitments, reveals) = honest();
    // Clara's partner in crime shows the others another commitment of hers, to change it when it has seen theirs.
    let late = Commitment::new(round(), PARTIES[2], &[9; 32], b"chosen late");
    let mut shown: Vec<_> = (0..3).map(|i| (PARTIES[i], commitment(round(), i))).collect();
    shown[2].1 = late.to_bytes();
    let shown = collect(&shown).unwrap();
    assert_ne!(shown.digest(), commitments.digest());
    let clara = Reveal::new(&shown, [9; 32], b"chosen late".to_vec()).to_bytes();
    let received = [reveals[0].clone(), reveals[1].clone(), (PARTIES[2], clara)];
    assert_eq!(open(&shown, &received), Err(RoundError::Equivocation(PARTIES[0].into())));
}

/// As if a party's signature were the text, and its name's length.
fn signature_of(party: &str) -> impl FnOnce(&[u8]) -> [u8; 64] {
    let length = party.len() as u8;
    move |text| [text, &[length; 32]].concat().try_into().unwrap()
}

#[test]
fn who_carries_a_reveal_of_a_key_cannot_change_what_it_answers() {
    let (commitments, _) = honest();
    let is_signed =
        |party: &str, text: &[u8], signature: &[u8; 64]| *signature == signature_of(party)(text);
    let reveal = Reveal::new(&commitments, [0; 32], vec![0; 9]);
    let good = reveal.clone().signed(signature_of(PARTIES[0])).to_bytes();
    assert_eq!(commitments.open_signed(PARTIES[0], &good, is_signed), Ok(vec![0; 9]));
    let forged = Err(RoundError::Forged(PARTIES[0].into()));
    let unsigned = reveal.clone().to_bytes();
    assert_eq!(commitments.open_signed(PARTIES[0], &unsigned, is_signed), forged);
    let by_ben = reveal.signed(signature_of(PARTIES[1])).to_bytes();
    assert_eq!(commitments.open_signed(PARTIES[0], &by_ben, is_signed), forged);
    // Clara changes her commitment when she has seen what Anna revealed, and Anna's answer with it.
    let mut shown: Vec<_> = (0..3).map(|i| (PARTIES[i], commitment(round(), i))).collect();
    shown[2].1 = Commitment::new(round(), PARTIES[2], &[9; 32], b"chosen late").to_bytes();
    let shown = collect(&shown).unwrap();
    let mut turned = good.clone();
    turned[HEADER..HEADER + 32].copy_from_slice(&shown.digest().0);
    assert_eq!(shown.open_one(PARTIES[0], &turned), Ok(vec![0; 9]), "nothing else would notice");
    assert_eq!(shown.open_signed(PARTIES[0], &turned, is_signed), forged);
    let equivocation = Err(RoundError::Equivocation(PARTIES[0].into()));
    assert_eq!(shown.open_signed(PARTIES[0], &good, is_signed), equivocation);
}

#[test]
fn shares_are_signed_by_what_they_travel_in() {
    let round = Round { purpose: Purpose::Share, ..round() };
    let said = Commitment::new(round, "anna", &[1; 32], b"share").to_bytes();
    let all = Commitments::collect(round, &["anna"], [("anna", &said[..])]).unwrap();
    let reveal = Reveal::new(&all, [1; 32], b"share".to_vec());
    let bytes = reveal.clone().signed(|_| unreachable!()).to_bytes();
    assert_eq!((bytes.len(), &bytes), (HEADER + 64 + 5, &reveal.to_bytes()));
    assert_eq!(Reveal::from_bytes(&bytes, round).unwrap(), reveal);
}

#[test]
fn copies_are_refused() {
    let commit = |i: usize| Commitment::new(round(), PARTIES[i], &[i as u8; 32], b"one object");
    let all: Vec<_> = (0..3).map(|i| (PARTIES[i], commit(i).to_bytes())).collect();
    let commitments = collect(&all).unwrap();
    let reveals: Vec<_> = (0..3)
        .map(|i| (PARTIES[i], Reveal::new(&commitments, [i as u8; 32], b"one object".to_vec())))
        .map(|(party, reveal)| (party, reveal.to_bytes()))
        .collect();
    let copied = RoundError::Copied { party: PARTIES[1].into(), other: PARTIES[0].into() };
    assert_eq!(open(&commitments, &reveals), Err(copied));
}

const HEADER: usize = crate::codec::HEADER_LEN;
