#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
//! Every sort of file, whole and damaged.

use std::path::PathBuf;

use gwas::wire::{
    ChunkRef, Envelope, GrantTerms, Job, JobInput, JobResult, KeyCommitment, Participation,
    PlaneKind, Release, SealedShares, ShareCommitment, SharePhase, Shares, Statistic, Study,
    StudyLimits, Totals, UnitResult,
};
use he_core::arith::pack::packed_len;
use he_core::codec::{Header, Kind, Message, encode};
use he_core::commit::Commitment;
use he_core::share::ShareRecord;
use he_core::{Digest, Params, Plan, PlanRequest};

use super::*;
use crate::Exit;
use crate::keys::{Passphrase, Protection};

const PANEL: &str = "##hegwas-panel=1\n##reference=given\n##variants=1\n#CHROM\tPOS\tID\tREF\tALT\n1\t5\trs1\tA\tG\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn about(&self, name: &str) -> Result<Report> {
        report(&self.path(name), &Console::silent())
    }

    fn about_bytes(&self, bytes: &[u8]) -> Result<Report> {
        std::fs::write(self.path("object"), bytes).unwrap();
        self.about("object")
    }
}

fn signed(message: &impl Message, by: &[&Identity]) -> Vec<u8> {
    let mut envelope = Envelope::new(message).unwrap();
    for party in by {
        envelope.sign(party.did(), |bytes| party.sign(bytes));
    }
    envelope.to_bytes().unwrap()
}

fn id(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn chunk(text: &str) -> ChunkRef {
    ChunkRef { digest: id(text), length: 100 }
}

fn study(holder: &Identity) -> Study {
    Study {
        name: "Pilot".into(),
        purpose: "Replication".into(),
        draft: None,
        plan: Plan::new(PlanRequest::sole_holder(358)).unwrap(),
        build: "GRCh37".into(),
        panel: id("panel"),
        variants: 7,
        planes: vec![PlaneKind::Dosage, PlaneKind::Called],
        statistics: vec![Statistic::Allelic],
        release: Release::Counts,
        participation: Participation::Public,
        coordinator: holder.did(),
        key_holders: vec![holder.did()],
        data_owners: vec![holder.did()],
        analysts: Vec::new(),
        sealing_keys: Vec::new(),
        limits: StudyLimits::open(20),
        created: 1_700_000_000,
        nonce: [3; 16],
    }
}

fn grant() -> GrantTerms {
    GrantTerms {
        dataset: id("dataset"),
        study: id("study"),
        switching_key: chunk("key"),
        issued: 5,
        expires: 6,
    }
}

#[test]
fn files_say_what_they_are() {
    let folder = Folder::new();
    let me = Identity::generate(3).unwrap();
    let passphrase = Protection::Passphrase(Passphrase::new("some passphrase".into()));
    me.create(&folder.path("sealed"), &passphrase).unwrap();
    me.create(&folder.path("open"), &Protection::None).unwrap();
    std::fs::write(folder.path("panel"), PANEL).unwrap();
    std::fs::write(folder.path("other"), "something else").unwrap();
    assert_eq!(folder.about("sealed").unwrap().facts["opens_with"], "a passphrase");
    let open = folder.about("open").unwrap();
    assert_eq!(open.facts["did"], me.did().to_string());
    assert_eq!(open.facts.len(), 1, "nothing secret");
    let panel = folder.about("panel").unwrap();
    assert_eq!((&panel.facts["variants"], &panel.facts["build"]), (&1.into(), &"unknown".into()));
    assert!(panel.text().contains("\n  reference alleles: given"));
    assert_eq!(folder.about("other").unwrap_err().exit(), Exit::Input);
    assert_eq!(folder.about("missing").unwrap_err().exit(), Exit::Input);
}

#[test]
fn manifests_name_their_signers_and_parameters() {
    let folder = Folder::new();
    let me = Identity::generate(3).unwrap();
    let report = folder.about_bytes(&signed(&study(&me), &[&me])).unwrap();
    assert_eq!(report.kind, "study");
    assert_eq!(report.facts["signed_by"], serde_json::json!([me.did().to_string()]));
    assert_eq!(report.facts["security"], "137 bits classical");
    assert!(report.facts["noise_margin"].as_str().is_some_and(|m| m.ends_with("2^-128")));
    let unsigned = folder.about_bytes(&signed(&grant(), &[])).unwrap();
    assert!(unsigned.text().contains("\n  signed by: nobody"), "{}", unsigned.text());
    let input = JobInput::Rows { dataset: id("d"), phenotype: id("p"), grant: id("g") };
    let job = Job { study: id("s"), inputs: vec![input], created: 5 };
    let report = folder.about_bytes(&signed(&job, &[&me])).unwrap();
    assert_eq!(report.facts["datasets"], serde_json::json!([id("d").to_string()]));
    let unit = UnitResult { plane: 0, group: 0, chunk: chunk("unit") };
    let result =
        JobResult { job: id("job"), people: 9, units: vec![unit], totals: vec![chunk("totals")] };
    let report = folder.about_bytes(&encode(&result).unwrap()).unwrap();
    assert_eq!((&report.facts["people"], &report.facts["units"]), (&9.into(), &1.into()));
}

#[test]
fn what_a_consortium_sends_says_what_it_is() {
    let folder = Folder::new();
    let me = Identity::generate(3).unwrap();
    let about = |message: Vec<u8>| folder.about_bytes(&message).unwrap();
    let unit = UnitResult { plane: 0, group: 0, chunk: chunk("unit") };
    let totals = Totals {
        name: "CASE".into(),
        study: id("study"),
        people: 40,
        absent: Some(gwas::wire::Bitmap::new(9, |v| v < 4)),
        units: vec![unit],
        totals: chunk("totals"),
    };
    let report = about(signed(&totals, &[&me]));
    assert_eq!(report.kind, "encrypted totals");
    assert_eq!(
        (&report.facts["absent_variants"], &report.facts["bytes"]),
        (&4.into(), &200.into())
    );

    let round = he_core::ceremony::share_round(id("unit"));
    let commitment = Commitment::new(round, "somebody", &[3; 32], b"object").to_bytes();
    let of_key = he_core::ceremony::key_round(id("study"));
    let of_key = Commitment::new(of_key, "somebody", &[3; 32], b"object").to_bytes();
    assert_eq!(about(of_key.clone()).facts["about"], "a contribution to a key");
    let promise = KeyCommitment { study: id("study"), commitment: of_key };
    let report = about(signed(&promise, &[&me]));
    assert_eq!(report.facts["study"], id("study").to_string());
    let (job, phase) = (id("job"), SharePhase::Sums);
    let commitments = vec![commitment.clone(), commitment.clone()];
    let promise = ShareCommitment { job, result: id("result"), phase, commitments };
    let report = about(signed(&promise, &[&me]));
    assert_eq!((&report.facts["phase"], &report.facts["commitments"]), (&"sums".into(), &2.into()));
    let sealed = SealedShares { recipient: me.did(), chunks: vec![chunk("a"), chunk("b")] };
    let report = about(signed(&Shares { job, phase, sealed: vec![sealed] }, &[&me]));
    assert_eq!(report.facts["recipients"], serde_json::json!([me.did().to_string()]));
    assert_eq!(report.facts["objects"], 2);

    let report = about(commitment.clone());
    assert_eq!((report.kind.as_str(), &report.facts["about"]), ("commitment", &"a share".into()));
    let received = [("somebody", commitment.as_slice())];
    let all = he_core::commit::Commitments::collect(round, &["somebody"], received).unwrap();
    let inside =
        encode(&JobResult { job, people: 1, units: totals.units, totals: vec![chunk("t")] });
    let reveal = he_core::commit::Reveal::new(&all, [3; 32], inside.unwrap()).to_bytes();
    assert_eq!(about(reveal.clone()).facts["reveals"], "a result manifest");
    let refused = |bytes: &[u8]| folder.about_bytes(bytes).unwrap_err().exit();
    assert_eq!(refused(&reveal[..reveal.len() - 1]), Exit::Corrupt);
    let header = Header::parse(&commitment).unwrap();
    let odd = Header { counts: [3, 0, 0, 0], ..header };
    assert_eq!(refused(&[&odd.to_bytes()[..], &commitment[64..]].concat()), Exit::Corrupt);

    let object = |kind, counts| {
        let header = Header { kind, length: 5, params: [0; 16], context: [7; 16], counts };
        [&header.to_bytes()[..], b"bytes"].concat()
    };
    let report = about(object(Kind::SealedShare, [1, 2, 3, 0]));
    assert_eq!((&report.facts["phase"], &report.facts["recipient"]), (&"sums".into(), &2.into()));
    assert_eq!(refused(&object(Kind::SealedShare, [9, 2, 3, 0])), Exit::Corrupt);
    for kind in [
        Kind::CkksPublicShare,
        Kind::CkksRelinShare,
        Kind::CkksMaskCiphertext,
        Kind::CkksResult,
        Kind::CkksReleaseShare,
    ] {
        let report = about(object(kind, [0; 4]));
        assert!(kind.name().ends_with(&report.kind), "{}", report.kind);
        assert_eq!(report.facts["context"], "07".repeat(16));
        assert_eq!(refused(&object(kind, [0; 4])[..68]), Exit::Corrupt);
    }
}

#[test]
fn a_holder_s_records_are_counted() {
    let folder = Folder::new();
    let plan = Plan::new(PlanRequest {
        holders: 3,
        smudging_bits: 40,
        values: 1 << 21,
        ..PlanRequest::sole_holder(100)
    })
    .unwrap();
    let mut ledger = he_core::share::ShareLedger::restore(id("study"), plan, []).unwrap();
    let mut bytes = Vec::new();
    for (job, seed) in [("one", 1), ("one", 2), ("two", 3)] {
        let words = he_core::public_key::study_mask(plan.params(), Digest::of(&[seed]));
        let unit = he_core::totals::EncryptedTotals::new(
            plan.params(),
            1,
            1,
            [words.clone(), words].concat(),
        );
        let write = |record: &ShareRecord| {
            bytes.extend(encode(record).unwrap());
            Ok::<(), std::convert::Infallible>(())
        };
        let kind = he_core::share::ShareKind::Open;
        ledger.admit(id(job), kind, &unit.into_unit(), write).unwrap();
    }
    let report = folder.about_bytes(&bytes).unwrap();
    assert_eq!((&report.facts["records"], &report.facts["jobs"]), (&3.into(), &2.into()));
    assert_eq!(report.facts["studies"], serde_json::json!([id("study").to_string()]));
    for bad in [bytes.len() - 1, bytes.len() / 3 + 10] {
        assert_eq!(folder.about_bytes(&bytes[..bad]).unwrap_err().exit(), Exit::Corrupt);
    }
}

#[test]
fn any_change_of_a_signed_object_is_noticed() {
    let folder = Folder::new();
    let me = Identity::generate(3).unwrap();
    let good = signed(&grant(), &[&me]);
    assert!(folder.about_bytes(&good).is_ok());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let exit = folder.about_bytes(&bad).unwrap_err().exit();
        // Without its first bytes it is no file of ours.
        let expected = if at < 6 { Exit::Input } else { Exit::Corrupt };
        assert_eq!(exit, expected, "byte {at}");
    }
    for length in 6..good.len() {
        assert_eq!(folder.about_bytes(&good[..length]).unwrap_err().exit(), Exit::Corrupt);
    }
    let longer = [&good[..], b"x"].concat();
    assert_eq!(folder.about_bytes(&longer).unwrap_err().exit(), Exit::Corrupt);
}

#[test]
fn packed_objects_have_the_length_and_name_that_they_should() {
    let folder = Folder::new();
    let params = Params::N2048Q50;
    let body = vec![1; 12 * packed_len(params.words())];
    let header = Header {
        kind: Kind::ResultUnit,
        length: body.len() as u64,
        params: params.digest().short(),
        context: [5; 16],
        counts: [1, 9, 2, 3],
    };
    let good = [&header.to_bytes()[..], &body].concat();
    let report = folder.about_bytes(&good).unwrap();
    assert_eq!((report.kind.as_str(), &report.facts["channels"]), ("result unit", &3.into()));
    let refused = |bytes: &[u8], reason: &str| {
        let error = folder.about_bytes(bytes).unwrap_err();
        assert_eq!(error.exit(), Exit::Corrupt);
        assert!(error.to_string().contains(reason), "{error}");
    };
    let with = |header: Header| [&header.to_bytes()[..], &good[64..]].concat();
    refused(&with(Header { counts: [1, 9, 2, 4], ..header }), "another length");
    refused(&with(Header { counts: [u32::MAX; 4], ..header }), "another length");
    refused(&with(Header { counts: [0; 4], ..header }), "another length");
    refused(&with(Header { params: [1; 16], ..header }), "parameter set");
    refused(&good[..good.len() - 1], "truncated");
    let odd = Header { kind: Kind::GenotypeChunk, length: 801, ..header };
    refused(&[&odd.to_bytes()[..], &[0; 801]].concat(), "whole tiles");

    let named = Digest::of(&good).to_string();
    std::fs::write(folder.path(&named), &good).unwrap();
    assert!(folder.about(&named).is_ok());
    let mut bad = good.clone();
    bad[1000] ^= 4;
    std::fs::write(folder.path(&named), &bad).unwrap();
    assert_eq!(folder.about(&named).unwrap_err().exit(), Exit::Corrupt);
}

#[test]
fn damaged_text_files_are_damaged() {
    let folder = Folder::new();
    let exit = |text: &str| folder.about_bytes(text.as_bytes()).unwrap_err().exit();
    assert_eq!(exit(&PANEL.replace("=1\n#C", "=2\n#C")), Exit::Corrupt);
    assert_eq!(exit(PANEL.trim_end()), Exit::Corrupt);
    let header = "#CHROM\tPOS\tID\tREF\tALT\tA1\tA1_FREQ\tA1_CASE_CT\tA1_CTRL_CT\tOBS_CT\tTEST\tCHISQ\tDF\tOR\tLOG(OR)_SE\tP\tNEG_LOG10_P\tERRCODE\n";
    let row = "1\t5\trs1\tA\tG\tG\t0.5\t3\t5\t8\tALLELIC\t1\t1\t0.5\t1.5\t0.3173\t0.4985\t.\n";
    let table = folder.about_bytes(format!("{header}{row}").as_bytes()).unwrap();
    assert_eq!(table.facts["variants"], 1);
    assert!(table.facts["ALLELIC"].as_str().is_some_and(|t| t.starts_with("1 variants with")));
    assert_eq!(exit(&format!("{header}{}", row.replace("0.4985", "x"))), Exit::Corrupt);
    assert_eq!(exit("{\"command\": 1"), Exit::Input);
}
