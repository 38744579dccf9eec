#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
//! Every sort of file, whole and damaged.

use std::path::PathBuf;

use gwas::wire::{
    ChunkRef, Envelope, GrantTerms, Job, JobInput, JobResult, Participation, PlaneKind, Release,
    Statistic, Study, StudyLimits, UnitResult,
};
use he_core::arith::pack::packed_len;
use he_core::codec::{Header, Kind, Message, encode};
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
