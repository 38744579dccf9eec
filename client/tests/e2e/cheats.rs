//! A server that wants to decrypt something else than what was agreed on, and what each holder's agent makes of it.

mod world;

use std::time::{Duration, Instant};

use gwas::wire::status::{Action, ShareStatus, StudyPhase, Todo};
use gwas::wire::{
    ChunkRef, Dataset, Envelope, Finished, GrantTerms, Job, JobInput, JobResult, KeyCommitment,
    Phenotype, ShareCommitment, SharePhase, Shares, Study,
};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::ceremony::{key_round, share_round};
use he_core::codec::{HEADER_LEN, Header, Kind, decode, encode};
use he_core::commit::{Commitment, Commitments, Reveal};
use he_core::result::SwitchedUnit;
use he_core::totals::EncryptedTotals;
use hegwas::net::Collection;

use self::world::{DONOR, SITE, World};
use crate::common::text;
use crate::liar::Lie;
use crate::site::{Typing, refused};

/// The lie that a job has another result, with another object in it.
fn other_result(job: &str, (id, result): &(Digest, JobResult), object: Vec<u8>) -> Lie {
    let bytes = encode(result).unwrap();
    let lied = Digest::of(&bytes);
    let mut lie = Lie { words: vec![(id.to_string(), lied.to_string())], ..Lie::default() };
    lie.answers.insert(format!("GET /v1/jobs/{job}/result"), bytes);
    lie.answers.insert(format!("GET /v1/chunks/{}", Digest::of(&object)), object);
    lie
}

fn named(bytes: &[u8]) -> ChunkRef {
    ChunkRef { digest: Digest::of(bytes), length: bytes.len() as u64 }
}

/// A result object whose ciphertexts are changed, `(C0, C1)` each.
fn altered(bytes: &[u8], unit: &SwitchedUnit, change: &dyn Fn(&mut [u64], &mut [u64])) -> Vec<u8> {
    let header = Header::parse(&bytes[..HEADER_LEN]).unwrap();
    let mut words = Vec::new();
    for (c0, c1) in unit.ciphertexts() {
        let (mut c0, mut c1) = (c0.to_vec(), c1.to_vec());
        change(&mut c0, &mut c1);
        words.extend(c0);
        words.extend(c1);
    }
    let totals = EncryptedTotals::new(unit.params(), unit.bodies(), unit.channels(), words);
    let [plane, group, ..] = header.counts;
    let mut made = totals.into_unit().to_bytes(header.context, plane as u8, group);
    // Of as many contributions.
    made[..HEADER_LEN].copy_from_slice(&bytes[..HEADER_LEN]);
    assert_ne!(made, bytes);
    made
}

/// Multiplies a polynomial in the NTT domain by X.
fn times_x(ring: &Ring, words: &mut [u64]) {
    ring.inverse(words);
    let degree = ring.params().degree();
    for (limb, modulus) in words.chunks_exact_mut(degree).zip(ring.params().moduli()) {
        limb.rotate_right(1);
        limb[0] = modulus.sub(0, limb[0]);
    }
    ring.forward(words);
}

#[test]
fn no_share_is_given_on_what_the_job_does_not_give() {
    let world = World::new();
    let job = world.job();
    // A job of another study, of one person.
    let (lax, donor) = (world.lax_study(), world.encrypt(DONOR, &[]));
    let single = world.run(&lax, &world.grant(DONOR, &donor, &lax, &[]));

    let honest = world.result(&job);
    let (params, id): (_, Digest) = (world.params(), job.parse().unwrap());
    let ring = Ring::new(params);
    let totals = world.bytes(&honest.1.totals[0]);
    let read = |bytes: &[u8], job: Digest, plane, group| {
        SwitchedUnit::from_bytes(bytes, params, job.short(), plane, group).unwrap()
    };
    let unit = read(&totals, id, JobResult::TOTALS_PLANE, 0);
    let with_totals = |change: &dyn Fn(&mut [u64], &mut [u64])| {
        let object = altered(&totals, &unit, change);
        let mut result = honest.1.clone();
        result.totals[0] = named(&object);
        other_result(&job, &(honest.0, result), object)
    };
    let degree = params.degree();
    let single_row = {
        let row = world.result(&single).1;
        let first = &row.units[0];
        let bytes = world.bytes(&first.chunk);
        let (plane, group) = (first.plane, first.group);
        let object = read(&bytes, single.parse().unwrap(), plane, group);
        let object = object.to_bytes(id.short(), plane, group);
        let mut result = honest.1.clone();
        result.units[0].chunk = named(&object);
        other_result(&job, &(honest.0, result), object)
    };
    let mut few_people = honest.1.clone();
    few_people.people = 1;
    let lies = [
        (
            "a made-up ciphertext",
            with_totals(&|c0, c1| {
                c0.fill(0);
                c1.fill(1 << 49);
            }),
        ),
        ("the same C1 beside another C0", with_totals(&|c0, _| c0[0] ^= 1)),
        ("X C1", with_totals(&|_, c1| times_x(&ring, c1))),
        ("a limb of C1", with_totals(&|_, c1| c1[degree..].fill(0))),
        ("one person's row", single_row),
        ("fewer people", other_result(&job, &(honest.0, few_people), vec![])),
    ];
    for (what, lie) in &lies {
        world.liar.take_received();
        let output = world.liar.telling(lie, || world.agent(0, &world.study, &[]));
        refused(&output, 7, &["did not compute what the job asked for", "share nothing"]);
        let sent = world.liar.take_received();
        assert!(sent.iter().all(|(name, _)| name.starts_with("GET ")), "{what}: {sent:?}");
        assert_eq!(world.ledger(0, &world.study), 0, "{what}");
    }
    // Another study's job among those of this one; and a single person's job as itself.
    let lie = Lie { words: vec![(job.clone(), single.clone())], ..Lie::default() };
    let output = world.liar.telling(&lie, || world.agent(0, &world.study, &[]));
    refused(&output, 7, &["a job of another study"]);
    let output = world.agent(0, &lax, &["--min-people", "10"]);
    refused(&output, 3, &["fewer than 10 people"]);
    assert_eq!(world.ledger(0, &world.study) + world.ledger(0, &lax), 0);

    once_shared_it_stays_the_same(&world, &job, &lies);
}

/// A server that shows other values than the circuit gives, or those of an earlier time, would learn a decryption of its choice.
#[test]
fn no_share_is_given_of_values_that_the_circuit_does_not_give() {
    let terms = ["--complete", "--release", "statistic", "--smallest-frequency", "0.1"];
    let world = World::with(&terms);
    let job = world.job();
    let (client, id) = (world.client(&world.c.coordinator), job.parse().unwrap());
    let refreshed = || {
        let shares = client.share_statuses(&id).unwrap().into_iter();
        shares.filter(|s| s.phase == SharePhase::Refresh && s.shares.is_some()).count() == 3
    };
    // Not a run more than it takes: an agent that finds the values finished commits to its share of them.
    for holder in [0, 1, 2].into_iter().cycle().take(180) {
        if refreshed() {
            break;
        }
        let output = world.agent(holder, &world.study, &[]);
        assert!(output.status.success(), "{}", text(&output));
        std::thread::sleep(Duration::from_millis(70));
    }
    let name = (0..600)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(200));
            client.job_status(&id).unwrap().finished
        })
        .unwrap_or_else(|| panic!("not finished: {:?}", client.job_status(&id).unwrap()));
    let bytes = client.get_object_bytes(&name, Kind::Finished.limit() + HEADER_LEN as u64).unwrap();
    let honest: Finished = decode(&bytes).unwrap();
    let mut object = world.bytes(&honest.values[0]);
    object[HEADER_LEN] ^= 1;
    let mut other = honest.clone();
    other.values[0] = named(&object);
    let mut longer = honest.clone();
    longer.values.push(honest.values[0]);
    let before = world.ledger(0, &world.study);
    for forged in [other, longer] {
        let forged = encode(&forged).unwrap();
        let lied = Digest::of(&forged);
        let mut lie = Lie { words: vec![(name.to_string(), lied.to_string())], ..Lie::default() };
        lie.answers.insert(format!("GET /v1/chunks/{lied}"), forged);
        lie.answers.insert(format!("GET /v1/chunks/{}", Digest::of(&object)), object.clone());
        world.liar.take_received();
        let output = world.liar.telling(&lie, || world.agent(0, &world.study, &[]));
        refused(&output, 7, &["did not compute what the study asks for", "share nothing"]);
        let sent = world.liar.take_received();
        assert!(sent.iter().all(|(name, _)| name.starts_with("GET ")), "{sent:?}");
        assert_eq!(world.ledger(0, &world.study), before);
    }
    // Of the true ones it gives a share.
    assert!(world.agent(0, &world.study, &[]).status.success());
    assert!(world.ledger(0, &world.study) >= before);
    let shares = client.share_statuses(&id).unwrap();
    let values = |s: &&ShareStatus| s.phase == SharePhase::Values && s.commitment.is_some();
    assert_eq!(shares.iter().filter(values).count(), 1);
}

/// The server and the last holder change that holder's part of the key when they have seen those of the others.
#[test]
fn no_part_of_the_key_is_chosen_after_the_others_were_seen() {
    let world = World::new();
    let made = world.encrypt(SITE, &[]);
    let (cheat, id) = (world.client(&world.c.holders[2]), world.study.parse::<Digest>().unwrap());
    let sign = |message: &KeyCommitment| {
        let mut envelope = Envelope::new(message).unwrap();
        envelope.sign(cheat.did(), |bytes| cheat.identity().sign(bytes));
        (envelope.id(), envelope.to_bytes().unwrap())
    };
    let round = key_round(id);
    let revealed: Vec<(String, Digest, Vec<u8>)> = cheat
        .study_keys(&id)
        .unwrap()
        .into_iter()
        .map(|key| {
            let bytes = cheat.get_object_bytes(&key.chunk, 1 << 30).unwrap();
            (key.party.to_string(), key.chunk, bytes)
        })
        .collect();
    // Another commitment of the last holder, which it signs, and what the others answered rewritten so as to answer that.
    let own = revealed.iter().find(|(party, ..)| *party == cheat.did().to_string()).unwrap();
    let part = he_core::commit::revealed_object(&own.2).unwrap();
    let other = Commitment::new(round, &own.0, &[1; 32], part).to_bytes();
    let (manifest, envelope) = sign(&KeyCommitment { study: id, commitment: other.clone() });
    let mut lie = Lie::default();
    lie.answers.insert(format!("GET /v1/key-commitments/{manifest}"), envelope);
    let mut said = Vec::new();
    for listed in cheat.key_commitments(&id).unwrap() {
        let (name, commitment) = if listed.party == cheat.did() {
            (manifest, other.clone())
        } else {
            let honest = cheat.key_commitment(&listed.manifest).unwrap().message;
            (listed.manifest, honest.commitment)
        };
        lie.words.push((listed.manifest.to_string(), name.to_string()));
        said.push((listed.party.to_string(), commitment));
    }
    let study = cheat.get_manifest::<Study>(Collection::Studies, &id).unwrap().message;
    let names: Vec<String> = study.key_holders.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let received = said.iter().map(|(party, bytes)| (party.as_str(), bytes.as_slice()));
    let shown = Commitments::collect(round, &names, received).unwrap();
    for (party, chunk, bytes) in &revealed {
        let turned = if party == &own.0 {
            let reveal = Reveal::new(&shown, [1; 32], part.to_vec());
            reveal.signed(|text| cheat.identity().sign(text)).to_bytes()
        } else {
            let mut turned = bytes.clone();
            turned[HEADER_LEN..HEADER_LEN + 32].copy_from_slice(&shown.digest().0);
            turned
        };
        lie.words.push((chunk.to_string(), Digest::of(&turned).to_string()));
        lie.answers.insert(format!("GET /v1/chunks/{}", Digest::of(&turned)), turned);
    }
    // An owner does not encrypt anything under that key.
    let dataset = made["dataset"].as_str().unwrap();
    let grant = ["grant", "new", "--dataset", dataset, "--study", &world.study];
    let granted = || world.c.owners[SITE].command(&grant).output().unwrap();
    refused(&world.liar.telling(&lie, granted), 7, &["is not signed by", "answers in its name"]);
    // Nor does a holder answer a second time.
    let mut status = cheat.study_status(&id).unwrap();
    let me: gwas::wire::Did = world.c.holders[0].did.parse().unwrap();
    status.phase = StudyPhase::Revealing;
    status.todo = vec![Todo { party: me, action: Action::Reveal, job: None }];
    let path = format!("GET /v1/studies/{id}/status");
    lie.answers.insert(path, serde_json::to_vec(&status).unwrap());
    world.liar.take_received();
    let advance = ["study", "advance", &world.study];
    let answered = || world.c.holders[0].command(&advance).output().unwrap();
    refused(&world.liar.telling(&lie, answered), 7, &["to other commitments than these"]);
    let sent = world.liar.take_received();
    assert!(sent.iter().all(|(name, _)| name.starts_with("GET ")), "{sent:?}");
    // The true ones are as good as before.
    world.c.owners[SITE].run(&grant);
}

/// The holders share, and the server asks the first one again.
fn once_shared_it_stays_the_same(world: &World, job: &str, lies: &[(&str, Lie)]) {
    let honest = |holder| {
        let output = world.agent(holder, &world.study, &[]);
        assert!(output.status.success(), "{}", text(&output));
    };
    [0, 2, 1].into_iter().for_each(honest);
    // The first holder has checked the job and committed; it is to share now.
    let ledger = world.ledger(0, &world.study);
    assert!(ledger > 0);
    for (what, lie) in lies {
        world.liar.take_received();
        let output = world.liar.telling(lie, || world.agent(0, &world.study, &[]));
        refused(&output, 7, &["another result of this job than before"]);
        let sent = world.liar.take_received();
        assert!(sent.iter().all(|(name, _)| name.starts_with("GET ")), "{what}: {sent:?}");
    }
    honest(0);
    // The server forgets what it received: it gets the same shares again, sealed anew.
    let client = world.client(&world.c.analyst);
    let me: gwas::wire::Did = world.c.holders[0].did.parse().unwrap();
    let mut statuses = client.share_statuses(&job.parse().unwrap()).unwrap();
    let own = statuses.iter_mut().find(|s| s.party == me && s.phase == SharePhase::Totals);
    let manifest = own.unwrap().shares.take().unwrap();
    let first = client.get_manifest::<gwas::wire::Shares>(Collection::Shares, &manifest).unwrap();
    let chunks = first.message.sealed.iter().flat_map(|s| &s.chunks);
    let first: Vec<Vec<u8>> = chunks.map(|c| client.get_chunk(c).unwrap()).collect();
    let mut lie = Lie::default();
    let path = format!("GET /v1/jobs/{job}/shares");
    lie.answers.insert(path, serde_json::to_vec(&statuses).unwrap());
    world.liar.take_received();
    let output = world.liar.telling(&lie, || world.agent(0, &world.study, &[]));
    // The honest server behind it has them already, and takes none a second time.
    assert!(!output.status.success(), "{}", text(&output));
    let sent = world.liar.take_received();
    let again: Vec<Vec<u8>> = sent
        .into_iter()
        .filter(|(name, body)| name.starts_with("PUT /v1/chunks/") && is_sealed(body))
        .map(|(_, body)| body)
        .collect();
    assert_eq!(first.len(), again.len());
    let mut compared = 0;
    for reader in world.c.holders.iter().chain([&world.c.analyst]) {
        let identity = world.client(reader).identity().sealing().unwrap();
        let open = |objects: &[Vec<u8>]| -> Vec<(Header, Vec<u8>)> {
            let opened = objects.iter().filter_map(|object| {
                let (header, body) = Header::split(object, Kind::SealedShare).unwrap();
                let opened = identity.open(body, 1 << 30)?;
                Some((Header { length: 0, ..header }, opened.to_vec()))
            });
            opened.collect()
        };
        let (first, again) = (open(&first), open(&again));
        compared += first.len();
        assert!(!first.is_empty() && first == again, "{}: another share", reader.name);
    }
    assert_eq!(compared, first.len());
    assert_eq!(world.ledger(0, &world.study), ledger);
    // Nor are they sent in answer to what the last holder committed to when it had seen them.
    let cheat = world.client(&world.c.holders[2]);
    let late = |chunk: &ChunkRef| {
        let (round, party) = (share_round(chunk.digest), cheat.did().to_string());
        Commitment::new(round, &party, &[1; 32], b"chosen late").to_bytes()
    };
    let (id, result) = world.result(job);
    let (job, phase) = (job.parse().unwrap(), SharePhase::Totals);
    let commitments = result.totals.iter().map(late).collect();
    let mut envelope =
        Envelope::new(&ShareCommitment { job, result: id, phase, commitments }).unwrap();
    envelope.sign(cheat.did(), |bytes| cheat.identity().sign(bytes));
    let theirs = statuses.iter_mut().find(|s| s.party == cheat.did() && s.phase == phase);
    theirs.unwrap().commitment = Some(envelope.id());
    let mut lie = Lie::default();
    let path = format!("GET /v1/jobs/{job}/shares");
    lie.answers.insert(path, serde_json::to_vec(&statuses).unwrap());
    let path = format!("GET /v1/share-commitments/{}", envelope.id());
    lie.answers.insert(path, envelope.to_bytes().unwrap());
    world.liar.take_received();
    let output = world.liar.telling(&lie, || world.agent(0, &world.study, &[]));
    refused(&output, 7, &["or to other commitments"]);
    let sent = world.liar.take_received();
    assert!(sent.iter().all(|(name, _)| name.starts_with("GET ")), "{sent:?}");
}

fn is_sealed(bytes: &[u8]) -> bool {
    bytes.get(..HEADER_LEN).and_then(|h| Header::parse(h).ok()).map(|h| h.kind)
        == Some(Kind::SealedShare)
}

#[test]
fn what_was_tampered_with_is_refused_by_name() {
    let world = World::new();
    let made = world.encrypt(SITE, &[]);
    let inputs = world.grant(SITE, &made, &world.study, &[]);
    let job = world.run(&world.study, &inputs);
    let holder = world.client(&world.c.holders[0]);
    let [dataset, phenotype, grant] = [1, 3, 5].map(|n| inputs[n].parse().unwrap());
    let data = holder.get_manifest::<Dataset>(Collection::Datasets, &dataset).unwrap().message;
    let weights = holder.get_manifest::<Phenotype>(Collection::Phenotypes, &phenotype);
    let weights = weights.unwrap().message;
    let terms = holder.get_manifest::<GrantTerms>(Collection::Grants, &grant).unwrap().message;

    // One bit of anything that a share depends on.
    let manifests = [("jobs", job.parse().unwrap()), ("studies", world.study.parse().unwrap())];
    let manifests = manifests.into_iter().chain([
        ("grants", grant),
        ("datasets", dataset),
        ("phenotypes", phenotype),
    ]);
    let chunks = [data.chunks[0], weights.chunks[0], terms.switching_key];
    for (word, id) in manifests.chain(chunks.map(|c| ("chunks", c.digest))) {
        let flipped = Some(format!("GET /v1/{word}/{id}"));
        no_share(&world, &Lie { flipped, ..Lie::default() }, &[&id.to_string()]);
    }
    // A grant that somebody else than the owner of the data signed, in a job that names it.
    let forger = world.client(&world.c.coordinator);
    let sign = |mut envelope: Envelope| {
        let identity = forger.identity();
        envelope.sign(identity.did(), |bytes| identity.sign(bytes));
        (envelope.id(), envelope.to_bytes().unwrap())
    };
    let later = GrantTerms { expires: terms.expires + 1, ..terms };
    let (forged, bytes) = sign(Envelope::new(&later).unwrap());
    let mut lie = Lie::default();
    lie.answers.insert(format!("GET /v1/grants/{forged}"), bytes);
    let honest = forger.get_manifest::<Job>(Collection::Jobs, &job.parse().unwrap()).unwrap();
    let mut other = honest.message;
    other.inputs = vec![JobInput::Rows { dataset, phenotype, grant: forged }];
    let (other, bytes) = sign(Envelope::new(&other).unwrap());
    lie.answers.insert(format!("GET /v1/jobs/{other}"), bytes);
    lie.answers.insert(format!("GET /v1/jobs/{other}/shares"), b"[]".to_vec());
    let mut status = forger.job_status(&job.parse().unwrap()).unwrap();
    status.job = other;
    let status = serde_json::to_vec(&status).unwrap();
    lie.answers.insert(format!("GET /v1/jobs/{other}/status"), status);
    lie.words.push((job.clone(), other.to_string()));
    no_share(&world, &lie, &[&forged.to_string(), "not signed by one of the study's data owners"]);

    // Sealed shares on their way to the analyst.
    for _ in 0..4 {
        for number in 0..3 {
            assert!(world.agent(number, &world.study, &[]).status.success());
        }
    }
    let analyst = world.client(&world.c.analyst);
    let sums = |s: &&ShareStatus| s.phase == SharePhase::Sums;
    let statuses = analyst.share_statuses(&job.parse().unwrap()).unwrap();
    let shares = statuses.iter().find(sums).unwrap().shares.unwrap();
    let sealed = analyst.get_manifest::<Shares>(Collection::Shares, &shares).unwrap().message;
    let own = sealed.sealed.iter().find(|s| s.recipient == analyst.did()).unwrap();
    let result = ["result", &job, "--test", "allelic", "--out", "table"];
    for (word, id) in [("shares", shares), ("chunks", own.chunks[0].digest)] {
        let flipped = Some(format!("GET /v1/{word}/{id}"));
        let lie = Lie { flipped, ..Lie::default() };
        let output = world.liar.telling(&lie, || world.c.analyst.command(&result).output());
        refused(&output.unwrap(), 7, &[&id.to_string()]);
    }
    // Shares of one holder in the place of another's are its fault by name.
    let others = statuses.iter().filter(sums).nth(1).unwrap().shares.unwrap();
    let lie = Lie { words: vec![(shares.to_string(), others.to_string())], ..Lie::default() };
    let output = world.liar.telling(&lie, || world.c.analyst.command(&result).output());
    let party = statuses.iter().find(sums).unwrap().party.to_string();
    refused(&output.unwrap(), 7, &[&party]);
    world.c.analyst.run(&result);
}

/// The first holder's agent refuses with all of `words`, and says nothing to the server.
fn no_share(world: &World, lie: &Lie, words: &[&str]) {
    world.liar.take_received();
    let output = world.liar.telling(lie, || world.agent(0, &world.study, &[]));
    let said = text(&output);
    assert!(!output.status.success(), "{words:?}: {said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    let sent = world.liar.take_received();
    assert!(sent.iter().all(|(name, _)| name.starts_with("GET ")), "{words:?}: {sent:?}");
    assert_eq!(world.ledger(0, &world.study), 0, "{words:?}");
}

#[test]
fn limits_hold_and_outsiders_get_nothing() {
    let world = World::new();
    let made = world.encrypt(SITE, &[]);
    let inputs = world.grant(SITE, &made, &world.study, &["--for", "15s"]);
    let short = world.run(&world.study, &inputs);
    let granted = Instant::now();
    let inputs = world.grant(SITE, &made, &world.study, &[]);
    let job = world.run(&world.study, &inputs);

    // Who is no party sees nothing; a data owner sees no result and holds no key.
    let stranger = world.c.stranger();
    stranger.refused(&["study", "status", &world.study], 6, &["server refused"]);
    stranger.refused(&["agent", "--study", &world.study, "--once"], 6, &["server refused"]);
    stranger.refused(&["result", &job, "--out", "table"], 6, &["server refused"]);
    let owner = &world.c.owners[SITE];
    owner.refused(&["agent", "--study", &world.study, "--once"], 3, &["key holders"]);
    let coordinator = &world.c.coordinator;
    for party in [owner, coordinator, &world.c.holders[0], &world.c.analyst] {
        let output = party.command(&["result", &job, "--out", "table"]).output().unwrap();
        assert!(!output.status.success() && !party.home.join("table.assoc.tsv").exists());
    }

    // A grant that has ended, by the holder's own clock.
    std::thread::sleep(Duration::from_secs(16).saturating_sub(granted.elapsed()));
    let output = world.agent(1, &world.study, &[]);
    let said = text(&output);
    assert!(said.contains(&short) && said.contains("grant"), "{said}");

    // Too few cases show in the totals, and the sums stay closed.
    for _ in 0..2 {
        for holder in 0..3 {
            let output = world.agent(holder, &world.study, &["--min-cases", "1000"]);
            assert!(text(&output).contains(&short));
        }
    }
    let said = text(&world.agent(0, &world.study, &["--min-cases", "1000"]));
    assert!(
        said.contains(&format!("job {job}: no share is given: fewer than 1000 cases")),
        "{said}"
    );
    let status = world.client(coordinator).study_status(&world.study.parse().unwrap()).unwrap();
    let waiting: Vec<_> = status
        .todo
        .iter()
        .filter(|todo| todo.job.is_some_and(|j| j.to_string() == job))
        .map(|todo| todo.action)
        .collect();
    assert_eq!(waiting, [Action::CommitSums; 3]);
    world.c.analyst.refused(&["result", &job, "--out", "table"], 3, &["can't be decrypted yet"]);
}
