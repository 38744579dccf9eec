//! What manifests refuse, written or read.

use he_core::codec::{CodecError, HEADER_LEN, Message, decode, encode};
use he_core::mask::MaskSeed;
use he_core::{Digest, Plan, PlanRequest};

use super::*;

fn party(seed: u8) -> Did {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    Did::new(key.verifying_key().to_bytes()).unwrap()
}

fn name(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn chunk(text: &str) -> ChunkRef {
    ChunkRef { digest: name(text), length: 100 }
}

fn is_refused<T: Message + std::fmt::Debug + Clone>(good: &T, change: impl Fn(&mut T)) {
    let mut bad = good.clone();
    change(&mut bad);
    assert!(matches!(encode(&bad), Err(CodecError::Conformance(_))), "{bad:?}");
}

fn round_trips<T: Message + PartialEq + std::fmt::Debug>(message: &T) {
    let bytes = encode(message).unwrap();
    assert_eq!(&decode::<T>(&bytes).unwrap(), message);
    assert!(decode::<T>(&bytes[..bytes.len() - 1]).is_err());
}

fn dataset(absent: Option<Bitmap>) -> Dataset {
    let mut dataset = Dataset {
        name: "x".into(),
        plan: Plan::new(PlanRequest::sole_holder(100)).unwrap(),
        panel: name("panel"),
        variants: 9,
        rows: 3,
        planes: vec![PlaneKind::Dosage],
        absent,
        nonce: [1; 16],
        mask_seed: MaskSeed([2; 16]),
        chunks: Vec::new(),
    };
    let length = |body: usize| (body + HEADER_LEN) as u64;
    let chunks = dataset.shape().chunks().map(|c| length(c.body_len()));
    dataset.chunks = chunks.map(|length| ChunkRef { digest: name("chunk"), length }).collect();
    dataset
}

#[test]
fn bad_absences_are_refused() {
    let absent = |count: u32, length: u32| Some(Bitmap::new(length, |v| v < count));
    for good in [None, absent(1, 9), absent(8, 9)] {
        round_trips(&dataset(good));
    }
    for bad in [absent(0, 9), absent(9, 9), absent(1, 17), absent(1, 8)] {
        is_refused(&dataset(None), |d| d.absent.clone_from(&bad));
    }
}

#[test]
fn bad_jobs_are_refused() {
    let rows = |dataset: &str| JobInput::Rows {
        dataset: name(dataset),
        phenotype: name("p"),
        grant: name("g"),
    };
    let mut inputs = vec![rows("a"), rows("b"), JobInput::Totals { totals: name("t") }];
    inputs.sort_by_key(JobInput::subject);
    let good = Job { study: name("study"), inputs, created: 5 };
    round_trips(&good);
    assert_eq!(good.inputs.iter().flat_map(JobInput::manifests).count(), 7);
    assert_eq!(good.inputs.iter().filter_map(JobInput::grant).count(), 2);
    is_refused(&good, |job| job.inputs.clear());
    is_refused(&good, |job| job.inputs.swap(0, 1));
    is_refused(&good, |job| job.inputs[1] = job.inputs[0]);
    // The same dataset twice, with other weights.
    is_refused(&good, |job| {
        let dataset = job.inputs[0].subject();
        let rows = |p| JobInput::Rows { dataset, phenotype: name(p), grant: name("g") };
        job.inputs = vec![rows("p"), rows("q")];
    });
    is_refused(&good, |job| {
        job.inputs = (0..8193u32)
            .map(|i| JobInput::Totals { totals: Digest::of(&i.to_le_bytes()) })
            .collect();
        job.inputs.sort_by_key(JobInput::subject);
    });
}

#[test]
fn bad_results_and_totals_are_refused() {
    let unit = |plane, group| UnitResult { plane, group, chunk: chunk("unit") };
    let units = vec![unit(0, 0), unit(0, 1), unit(1, 0)];
    let good = JobResult { job: name("job"), people: 3, units, totals: vec![chunk("t"); 2] };
    round_trips(&good);
    let places = |phase| good.objects(phase).map(|(_, p, g)| (p, g)).collect::<Vec<_>>();
    assert_eq!(places(SharePhase::Totals), [(255, 0), (255, 1)]);
    assert_eq!(places(SharePhase::Sums), [(0, 0), (0, 1), (1, 0)]);
    is_refused(&good, |r| r.units.reverse());
    is_refused(&good, |r| r.totals.clear());
    let totals = Totals {
        name: "x".into(),
        study: name("study"),
        people: 3,
        absent: Some(Bitmap::new(9, |v| v == 1)),
        units: good.units.clone(),
        totals: chunk("t"),
    };
    round_trips(&totals);
    is_refused(&totals, |t| t.people = 0);
    is_refused(&totals, |t| t.units.clear());
    is_refused(&totals, |t| t.units[1] = t.units[0]);
    is_refused(&totals, |t| t.absent = Some(Bitmap::new(9, |_| false)));
    is_refused(&totals, |t| t.name = "two\nlines".into());
}

#[test]
fn bad_commitments_and_shares_are_refused() {
    use he_core::ceremony::{key_round, share_round};
    use he_core::commit::Commitment;

    let study = name("study");
    let commit = |round| Commitment::new(round, "holder", &[1; 32], b"object").to_bytes();
    let good = KeyCommitment { study, commitment: commit(key_round(study)) };
    round_trips(&good);
    for bad in [commit(key_round(name("other"))), commit(share_round(study)), Vec::new()] {
        assert!(encode(&KeyCommitment { study, commitment: bad }).is_err());
    }
    let commitments = vec![commit(share_round(name("unit")))];
    let (job, result, phase) = (name("job"), name("result"), SharePhase::Sums);
    let good = ShareCommitment { job, result, phase, commitments };
    round_trips(&good);
    is_refused(&good, |c| c.commitments.clear());
    let mut bad = good;
    bad.commitments.push(b"no commitment".to_vec());
    assert!(encode(&bad).is_err());

    let mut recipients = [party(1), party(2)];
    recipients.sort();
    let sealed = recipients.map(|recipient| SealedShares { recipient, chunks: vec![chunk("s")] });
    let good = Shares { job, phase, sealed: sealed.to_vec(), refresh: Vec::new() };
    round_trips(&good);
    is_refused(&good, |s| s.sealed.reverse());
    is_refused(&good, |s| s.sealed.clear());
    is_refused(&good, |s| s.sealed[1].chunks.push(chunk("more")));
    is_refused(&good, |s| s.sealed.iter_mut().for_each(|one| one.chunks.clear()));
}
