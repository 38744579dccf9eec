//! Messages, envelopes, names and JSON of the protocol.

use gwas::wire::draft::{Acceptance, Draft, Invitation, NewDraft, NewInvitation, Role};
use gwas::wire::httpsig::Origin;
use gwas::wire::log::{Event, Head, LogEntry};
use gwas::wire::status::{
    Action, ChunkQuery, Erased, JobState, JobStatus, KeyContribution, Listed, Problem, ShareStatus,
    StudyPhase, StudyStatus, Todo,
};
use gwas::wire::{
    ChunkRef, Dataset, Did, Envelope, Finished, GrantTerms, GroupSize, Job, JobInput, JobResult,
    KeyCommitment, Participation, Phenotype, PlaneKind, Refresh, Release, RowSet, SealedShares,
    SealingKey, ShareCommitment, SharePhase, Shares, Statistic, Study, StudyLimits, Totals,
    UnitResult,
};
use he_core::ceremony::{key_round, share_round};
use he_core::codec::{HEADER_LEN, Header, Kind, Message, decode, encode};
use he_core::commit::Commitment;
use he_core::layout::Shape;
use he_core::mask::MaskSeed;
use he_core::share::{ShareKind, ShareLedger, ShareRecord};
use he_core::totals::EncryptedTotals;
use he_core::{Digest, Plan, PlanRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Seeds;

pub(super) const WORDS: &[&[u8]] = &[
    b"hegwas\x01",
    b"\x11",
    b"\x12",
    b"\x13",
    b"\x14",
    b"\x15",
    b"\x16",
    b"\x17",
    b"n2048-q50",
    b"n4096-q100",
    &[0xff; 8],
    &[0; 8],
    &[0xff; 32],
];
pub(super) const NAME_WORDS: &[&[u8]] =
    &[b"did:key:z6Mk", b"did:key:z", b"1", b"\xc3\xa9", b"0000000000000000", b"abcdef"];
pub(super) const JSON_WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"null",
    b"1e999",
    b"-1",
    b"\"state\":\"running\"",
    b"\"error\":null",
    b"\\u0000",
];

/// A message of any kind: what is accepted is what would be written.
pub(super) fn message(data: &[u8]) -> bool {
    let mut accepted = canonical::<Dataset>(data);
    accepted |= canonical::<Phenotype>(data);
    accepted |= canonical::<Study>(data);
    accepted |= canonical::<GrantTerms>(data);
    accepted |= canonical::<Job>(data);
    accepted |= canonical::<JobResult>(data);
    accepted |= canonical::<Totals>(data);
    accepted |= canonical::<KeyCommitment>(data);
    accepted |= canonical::<ShareCommitment>(data);
    accepted |= canonical::<Shares>(data);
    accepted |= canonical::<Refresh>(data);
    accepted |= canonical::<Finished>(data);
    accepted |= canonical::<Envelope>(data);
    accepted |= canonical::<ShareRecord>(data);
    if let Ok(header) = Header::parse(data) {
        assert_eq!(header.to_bytes(), data[..HEADER_LEN]);
    }
    accepted
}

fn canonical<T: Message>(data: &[u8]) -> bool {
    match decode::<T>(data) {
        Ok(message) => {
            let bytes = encode(&message).expect("what was accepted is written");
            assert_eq!(bytes, data, "accepted what it would not have written");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// An envelope of any message. Nobody but the fuzzer's own parties has signed anything, so whatever opens with a signature
/// is one of the seeds with changes that the signature does not cover: none.
pub(super) fn envelope(data: &[u8]) -> bool {
    let mut accepted = opens::<Dataset>(data);
    accepted |= opens::<Phenotype>(data);
    accepted |= opens::<Study>(data);
    accepted |= opens::<GrantTerms>(data);
    accepted |= opens::<Job>(data);
    accepted |= opens::<Totals>(data);
    accepted |= opens::<KeyCommitment>(data);
    accepted |= opens::<ShareCommitment>(data);
    accepted |= opens::<Shares>(data);
    accepted | opens::<JobResult>(data)
}

fn opens<T: Message>(data: &[u8]) -> bool {
    match Envelope::open::<T>(data) {
        Ok(opened) => {
            let bytes = encode(&opened.message).expect("what was accepted is written");
            assert_eq!(Digest::of(&bytes), opened.id);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// Parties, digests and server addresses as text.
pub(super) fn name(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (did, digest, origin) =
        (text.parse::<Did>(), text.parse::<Digest>(), text.parse::<Origin>());
    if let Ok(did) = &did {
        assert_eq!(did.to_string(), text);
    }
    if let Ok(digest) = &digest {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(origin) = &origin {
        // Normalised once, it stays as it is and names itself.
        assert_eq!(origin.to_string().parse(), Ok(origin.clone()));
        assert!(origin.is_named_by(origin.authority()));
    }
    did.is_ok() || digest.is_ok() || origin.is_ok()
}

/// Statuses and listings. JSON has many ways to write a value; read, written and read again it is the same value.
pub(super) fn json(data: &[u8]) -> bool {
    let mut accepted = stable::<JobStatus>(data);
    accepted |= stable::<Problem>(data);
    accepted |= stable::<ChunkQuery>(data);
    accepted |= stable::<Listed>(data);
    accepted |= stable::<KeyContribution>(data);
    accepted |= stable::<Draft>(data);
    accepted |= stable::<NewDraft>(data);
    accepted |= stable::<NewInvitation>(data);
    accepted |= stable::<StudyStatus>(data);
    accepted |= stable::<ShareStatus>(data);
    accepted |= stable::<LogEntry>(data);
    if let Ok(acceptance) = serde_json::from_slice::<Acceptance>(data) {
        // Nobody but the fuzzer's own parties has signed anything.
        assert!(!acceptance.is_signed());
        accepted = true;
    }
    accepted | stable::<Erased>(data)
}

fn stable<T: Serialize + DeserializeOwned + PartialEq>(data: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(data) else { return false };
    let text = serde_json::to_vec(&value).expect("what was accepted is written");
    let again: T = serde_json::from_slice(&text).expect("what was written is read");
    assert!(again == value, "JSON changes as it is read and written");
    true
}

/// Sets the length of the body in the header.
pub(super) fn repair(data: &mut [u8]) {
    if let Some(body) = data.len().checked_sub(HEADER_LEN) {
        data[8..16].copy_from_slice(&(body as u64).to_le_bytes());
    }
}

fn plan() -> Plan {
    Plan::new(PlanRequest::sole_holder(100)).expect("a small study has a plan")
}

fn party() -> Did {
    "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".parse().expect("a party")
}

fn chunks(shape: Shape) -> Vec<ChunkRef> {
    shape
        .chunks()
        .map(|chunk| ChunkRef {
            digest: Digest::of(b"chunk"),
            length: (HEADER_LEN + chunk.body_len()) as u64,
        })
        .collect()
}

fn dataset() -> Dataset {
    let mut dataset = Dataset {
        name: "seed".to_owned(),
        plan: plan(),
        panel: Digest::of(b"panel"),
        variants: 9,
        rows: 5,
        planes: vec![PlaneKind::Dosage, PlaneKind::Called],
        absent: Some(RowSet::new(9, |variant| variant == 4)),
        nonce: [1; 16],
        mask_seed: MaskSeed([2; 16]),
        chunks: Vec::new(),
    };
    dataset.chunks = chunks(dataset.shape());
    dataset
}

fn phenotype() -> Phenotype {
    let mut phenotype = Phenotype {
        name: "seed".to_owned(),
        dataset: Digest::of(b"dataset"),
        plan: plan(),
        rows: 5,
        participating: RowSet::new(5, |row| row != 3),
        vectors: 1,
        nonce: [1; 16],
        mask_seed: MaskSeed([3; 16]),
        chunks: Vec::new(),
    };
    phenotype.chunks = chunks(phenotype.shape());
    phenotype
}

fn study() -> Study {
    Study {
        name: "seed".to_owned(),
        purpose: "fuzzing".to_owned(),
        draft: Some(Digest::of(b"draft")),
        plan: plan(),
        build: "GRCh38".to_owned(),
        panel: Digest::of(b"panel"),
        variants: 9,
        planes: vec![PlaneKind::Dosage],
        statistics: vec![Statistic::Allelic],
        release: Release::Counts,
        participation: Participation::Public,
        coordinator: party(),
        key_holders: vec![party()],
        data_owners: vec![party()],
        analysts: vec![party()],
        sealing_keys: vec![SealingKey { party: party(), key: "age1seed".to_owned() }],
        limits: StudyLimits::open(2),
        created: 1_767_225_600,
        nonce: [4; 16],
    }
}

fn grant() -> GrantTerms {
    let switching_key = ChunkRef { digest: Digest::of(b"key"), length: 1000 };
    let (dataset, study) = (Digest::of(b"dataset"), Digest::of(b"study"));
    GrantTerms { dataset, study, switching_key, issued: 1_767_225_600, expires: 1_798_761_600 }
}

fn job() -> Job {
    let rows = JobInput::Rows {
        dataset: Digest::of(b"dataset"),
        phenotype: Digest::of(b"phenotype"),
        grant: Digest::of(b"grant"),
    };
    let mut inputs = vec![rows, JobInput::Totals { totals: Digest::of(b"totals") }];
    inputs.sort_by_key(JobInput::subject);
    Job { study: Digest::of(b"study"), inputs, created: 1_767_225_600 }
}

fn result() -> JobResult {
    let chunk = ChunkRef { digest: Digest::of(b"unit"), length: 1000 };
    let units =
        vec![UnitResult { plane: 0, group: 0, chunk }, UnitResult { plane: 1, group: 0, chunk }];
    JobResult { job: Digest::of(b"job"), people: 4, units, totals: vec![chunk] }
}

fn totals() -> Totals {
    let chunk = ChunkRef { digest: Digest::of(b"totals"), length: 1000 };
    Totals {
        name: "seed".to_owned(),
        study: Digest::of(b"study"),
        people: 12,
        absent: Some(RowSet::new(9, |variant| variant == 2)),
        units: vec![UnitResult { plane: 0, group: 0, chunk }],
        totals: chunk,
    }
}

fn key_commitment() -> KeyCommitment {
    let study = Digest::of(b"study");
    let commitment = Commitment::new(key_round(study), "holder", &[5; 32], b"contribution");
    KeyCommitment { study, commitment: commitment.to_bytes() }
}

fn share_commitment() -> ShareCommitment {
    let unit = share_round(Digest::of(b"unit"));
    let commitment = Commitment::new(unit, "holder", &[6; 32], b"share");
    ShareCommitment {
        job: Digest::of(b"job"),
        result: Digest::of(b"result"),
        phase: SharePhase::Totals,
        commitments: vec![commitment.to_bytes()],
    }
}

fn shares() -> Shares {
    let chunk = ChunkRef { digest: Digest::of(b"sealed"), length: 500 };
    let sealed = vec![SealedShares { recipient: party(), chunks: vec![chunk; 2] }];
    Shares { job: Digest::of(b"job"), phase: SharePhase::Sums, sealed, refresh: Vec::new() }
}

fn refresh() -> Refresh {
    let chunk = ChunkRef { digest: Digest::of(b"part"), length: 500 };
    Refresh {
        job: Digest::of(b"job"),
        result: Digest::of(b"result"),
        groups: vec![GroupSize { people: 9, cases: 4 }],
        shares: vec![chunk],
        masks: vec![chunk; 2],
        relinearisation: vec![chunk; 5],
    }
}

fn finished() -> Finished {
    let values = vec![ChunkRef { digest: Digest::of(b"value"), length: 500 }; 2];
    Finished { job: Digest::of(b"job"), result: Digest::of(b"result"), values }
}

fn draft() -> Draft {
    let acceptance = Acceptance {
        draft: Digest::of(b"draft"),
        invitation: party(),
        party: party(),
        sealing_key: Some("age1seed".to_owned()),
        signature: "AAAA".to_owned(),
    };
    let (role, expires) = (Role::KeyHolder, 1_798_761_600);
    Draft {
        id: Digest::of(b"draft"),
        name: "seed".to_owned(),
        purpose: "fuzzing".to_owned(),
        coordinator: party(),
        created: 1_767_225_600,
        invitations: vec![Invitation { key: party(), role, expires, accepted: Some(acceptance) }],
    }
}

fn study_status() -> StudyStatus {
    let job = Some(Digest::of(b"job"));
    StudyStatus {
        study: Digest::of(b"study"),
        phase: StudyPhase::Ready,
        todo: vec![Todo { party: party(), action: Action::CommitTotals, job }],
        grants: Vec::new(),
        totals: Vec::new(),
        jobs: Vec::new(),
    }
}

fn log_entry() -> LogEntry {
    LogEntry {
        seq: 1,
        prev: Head::genesis(&Digest::of(b"study")).hash,
        time: 1_767_225_600,
        party: party(),
        event: Event::ShareCommitted,
        digests: vec![Digest::of(b"x")],
    }
}

fn bytes<T: Message>(message: &T) -> Vec<u8> {
    encode(message).expect("a sound message")
}

pub(super) fn seeds() -> Seeds {
    let good = bytes(&job());
    let with = |at: usize, value: u8| {
        let mut bad = good.clone();
        bad[at] = value;
        bad
    };
    let mut announced = good.clone();
    announced[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut list = good.clone();
    // The number of inputs follows the study's digest.
    list[HEADER_LEN + 32..HEADER_LEN + 40].copy_from_slice(&u64::MAX.to_le_bytes());
    vec![
        ("good-dataset", bytes(&dataset())),
        ("good-phenotype", bytes(&phenotype())),
        ("good-study", bytes(&study())),
        ("good-grant", bytes(&grant())),
        ("good-result", bytes(&result())),
        ("good-totals", bytes(&totals())),
        ("good-key-commitment", bytes(&key_commitment())),
        ("good-share-commitment", bytes(&share_commitment())),
        ("good-shares", bytes(&shares())),
        ("good-refresh", bytes(&refresh())),
        ("good-finished", bytes(&finished())),
        ("good-share-record", bytes(&share_record())),
        ("bad-magic", with(0, b'H')),
        ("bad-version", with(6, 9)),
        ("bad-kind", with(7, Kind::Panel as u8)),
        ("bad-unknown-kind", with(7, 255)),
        ("bad-counts", with(60, 1)),
        ("bad-announced-length", announced),
        ("bad-list-length", list),
        ("bad-trailing", [&good[..], &[0]].concat()),
        ("bad-truncated", good[..good.len() - 1].to_vec()),
        ("good-job", good),
    ]
}

/// What a holder writes down before it shares a result of one ciphertext.
fn share_record() -> ShareRecord {
    let request =
        PlanRequest { smudging_bits: 40, values: 1 << 20, ..PlanRequest::sole_holder(10) };
    let plan = Plan::new(request).expect("a small study has a plan");
    let params = plan.params();
    let unit = EncryptedTotals::new(params, 1, 1, vec![5; 2 * params.words()]).into_unit();
    let mut ledger =
        ShareLedger::restore(Digest::of(b"study"), plan, []).expect("a plan with smudging");
    let job = Digest::of(b"job");
    let admitted = ledger.admit(job, ShareKind::Open, &unit, |_| Ok::<(), String>(()));
    admitted.expect("the first share").record().clone()
}

fn sealed<T: Message>(message: &T) -> Vec<u8> {
    Envelope::new(message).and_then(|envelope| envelope.to_bytes()).expect("a sound envelope")
}

pub(super) fn envelope_seeds() -> Seeds {
    let mut forged = Envelope::new(&job()).expect("a sound message");
    forged.sign(party(), |_| [7; 64]);
    let forged = forged.to_bytes().expect("a sound envelope");
    vec![
        ("good-job", sealed(&job())),
        ("good-study", sealed(&study())),
        ("good-dataset", sealed(&dataset())),
        ("bad-forged", forged),
        ("bad-truncated", sealed(&job())[..100].to_vec()),
    ]
}

pub(super) fn name_seeds() -> Seeds {
    vec![
        ("good-did", party().to_string().into()),
        ("good-digest", Digest::of(b"x").to_string().into()),
        ("good-origin", b"https://gwas.example.org:8443/".to_vec()),
        ("good-origin-v6", b"http://[::1]:8750".to_vec()),
        ("bad-origin-path", b"http://gwas.example.org/x".to_vec()),
        ("bad-multicodec", b"did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".to_vec()),
        ("bad-method", b"did:web:example.org".to_vec()),
        ("bad-upper-case", Digest::of(b"x").to_string().to_uppercase().into()),
        ("bad-long", [&b"did:key:z"[..], &[b'1'; 4000]].concat()),
    ]
}

pub(super) fn json_seeds() -> Seeds {
    let status = JobStatus {
        job: Digest::of(b"job"),
        study: Digest::of(b"study"),
        state: JobState::Running,
        done: 3,
        total: 8,
        seconds: 0.25,
        result: None,
        finished: None,
        error: None,
    };
    let problem = Problem {
        kind: "/problems/unknown".to_owned(),
        title: "Unknown object".to_owned(),
        status: 404,
        detail: "no such job".to_owned(),
        remedy: "check the digest".to_owned(),
    };
    let listed = Listed {
        id: Digest::of(b"x"),
        owner: party(),
        name: "seed".to_owned(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        bytes: 12,
    };
    let json = |value: serde_json::Result<Vec<u8>>| value.expect("JSON");
    vec![
        ("good-status", json(serde_json::to_vec(&status))),
        ("good-problem", json(serde_json::to_vec(&problem))),
        ("good-listed", json(serde_json::to_vec(&listed))),
        (
            "good-query",
            json(serde_json::to_vec(&ChunkQuery { digests: vec![Digest::of(b"x"); 2] })),
        ),
        (
            "good-contribution",
            json(serde_json::to_vec(&KeyContribution { party: party(), chunk: Digest::of(b"x") })),
        ),
        (
            "good-erased",
            json(serde_json::to_vec(&Erased {
                manifests: vec![Digest::of(b"x")],
                objects: 3,
                bytes: 4,
            })),
        ),
        ("good-draft", json(serde_json::to_vec(&draft()))),
        ("good-study-status", json(serde_json::to_vec(&study_status()))),
        ("good-log-entry", json(serde_json::to_vec(&log_entry()))),
        ("bad-deep", vec![b'['; 5000]),
        ("bad-state", br#"{"state":"asleep"}"#.to_vec()),
    ]
}
