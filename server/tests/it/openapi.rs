//! The OpenAPI document says what is served.

use std::collections::BTreeSet;

use axum::body::Bytes;
use ed25519_dalek::Signer as _;
use gwas::wire::draft::{Acceptance, Invitation, NewDraft, NewInvitation, Role};
use gwas::wire::log::{Event, LogEntry};
use gwas::wire::status::{
    Action, ChunkQuery, Committed, Erased, GrantStatus, JobState, JobStatus, KeyContribution,
    Listed, Problem, ShareStatus, StudyPhase, StudyStatus, Todo,
};
use gwas::wire::{JobInput, SharePhase};
use he_core::Digest;
use serde_json::Value;

use crate::common::client::Draft;
use crate::common::consortium::{few_planes, put_chunk, share_commitment, shares};
use crate::common::objects::{commitment, contribution, envelope};
use crate::common::{Consortium, Party, Running, World, config, now};
use crate::flow::run;

fn routes(document: &Value) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if ["get", "put", "post", "delete"].contains(&method.as_str()) {
                routes.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    routes
}

#[test]
fn the_protocol_document_and_the_openapi_document_name_the_same_routes() {
    let document = serde_json::to_value(hegwas_server::http::openapi()).unwrap();
    let text = include_str!("../../../docs/protocol.md");
    let section = text.split("\n## 9.").nth(1).unwrap();
    let mut expected = BTreeSet::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let request = line.split('`').nth(1).unwrap();
        let (method, path) = request.split_once(' ').unwrap();
        match path.split_once("/{").filter(|(_, rest)| rest.contains(',')) {
            Some((before, rest)) => {
                let (names, after) = rest.split_once('}').unwrap();
                for name in names.split(',') {
                    expected.insert((method.to_owned(), format!("{before}/{name}{after}")));
                }
            }
            None => drop(expected.insert((method.to_owned(), path.to_owned()))),
        }
    }
    for path in ["/livez", "/readyz", "/openapi.json"] {
        expected.insert(("GET".to_owned(), path.to_owned()));
    }
    assert_eq!(routes(&document), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_request_gets_a_documented_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 50));
    world.push(&url).await;
    run(&url, &world).await;
    let owner = &world.owner;
    let host = url.split_once("://").unwrap().1.to_owned();
    let unsigned = |method: &str, path: &str| Draft {
        method: method.into(),
        url: url.clone(),
        path: path.into(),
        headers: vec![("host".to_owned(), host.clone())],
        body: Default::default(),
    };
    let document: Value = unsigned("GET", "/openapi.json").send().await.ok(200).json();
    assert_eq!(document, serde_json::to_value(hegwas_server::http::openapi()).unwrap());
    // Deletions last, and of these the dataset before what it takes with it would be gone: all are asked for anyway.
    let mut all: Vec<_> = routes(&document).into_iter().collect();
    all.sort_by_key(|(method, path)| {
        (method == "DELETE", !path.contains("grants"), path.contains("datasets"))
    });
    let examples = Examples::new(&url).await;
    let mut example = 0;
    for (method, path) in all {
        let (owner, name) = examples.party(&path).unwrap_or((owner, Digest::default()));
        let name = match path.split('/').nth(2) {
            Some("chunks") => Digest::of(&world.genotypes[0]),
            Some("panels") => world.panel,
            Some("datasets") => world.dataset_id,
            Some("phenotypes") => world.phenotype_id,
            Some("studies") => world.study_id,
            Some("grants") => world.grant_id,
            Some("jobs") => world.job_id,
            _ => name,
        };
        let responses = &document["paths"][&path][method.to_lowercase()]["responses"];
        let documented = |status: u16| responses.get(status.to_string()).is_some();
        let concrete = path.replace("{digest}", &name.to_string());
        let body = match (method.as_str(), path.as_str()) {
            ("PUT", "/v1/chunks/{digest}") => world.genotypes[0].clone(),
            ("PUT", "/v1/panels/{digest}") => world.panel_text.clone(),
            ("PUT", "/v1/studies/{digest}/keys") => world.share.clone(),
            ("PUT", "/v1/studies/{digest}/signatures") => envelope(&world.study, &[owner]).1,
            ("PUT", "/v1/studies/{digest}/commitments") => {
                let object = contribution(&world.study, world.study_id, owner);
                envelope(&commitment(world.study_id, owner, &object), &[owner]).1
            }
            ("POST", path) if examples.body(path).is_some() => examples.body(path).unwrap(),
            ("PUT", _) => owner.get(&url, &concrete).await.ok(200).body,
            ("POST", "/v1/chunks/missing") => b"{\"digests\":[]}"[..].into(),
            _ => Default::default(),
        };
        let answer = owner.draft(&url, &method, &concrete, body.clone()).send().await;
        assert!(documented(answer.status), "{method} {path}: {}", answer.status);
        assert!(answer.status < 300 || path.ends_with("/cancel"), "{method} {path}: {answer:?}");
        let tagged = document["paths"][&path][method.to_lowercase()]["tags"][0] == "health";
        let mut naked = unsigned(&method, &concrete);
        naked.body = body;
        let naked = naked.send().await;
        if tagged {
            assert_eq!(naked.status, 200);
        } else {
            naked.refused(401, "unsigned");
            assert!(documented(401), "{method} {path}");
            // Somebody else: never a server error, always a documented answer.
            let stranger = Party::new().draft(&url, &method, &concrete, naked.body).send().await;
            assert!(
                documented(stranger.status) && stranger.status < 500,
                "{method} {path}: {stranger:?}"
            );
        }
        example += 1;
    }
    assert!(example > 30);
    unsigned("GET", "/v2").send().await.refused(404, "no-route");
    unsigned("PATCH", "/v1/datasets").send().await.refused(405, "no-method");
}

/// What several parties did, one of each.
struct Examples {
    c: Consortium,
    totals: Digest,
    key_commitment: Digest,
    share_commitment: Digest,
    shares: Digest,
    new: NewDraft,
    token: Party,
}

impl Examples {
    async fn new(url: &str) -> Self {
        let c = Consortium::new(1, 10, few_planes);
        c.push_key(url).await;
        let (owner, holder) = (&c.owners[0], &c.holders[0]);
        let totals = c.push_totals(url, owner, &c.totals(3, 7, None)).await;
        let result = c.run(url, &c.job(vec![JobInput::Totals { totals }], 1)).await;
        let id = Digest::of(&he_core::codec::encode(&result).unwrap());
        let mut share_commitment_id = Digest::default();
        for party in c.holders.iter().rev() {
            let message = share_commitment(party, (&result, id), SharePhase::Totals);
            World::put_message(url, party, "share-commitments", &message, &[party]).await.ok(201);
            share_commitment_id = envelope(&message, &[]).0;
        }
        let (message, objects) = shares(&c.study, holder, &result, SharePhase::Totals);
        for object in &objects {
            put_chunk(url, holder, object).await.ok(201);
        }
        World::put_message(url, holder, "shares", &message, &[holder]).await.ok(201);
        let object = contribution(&c.study, c.study_id, holder);
        let key_commitment = envelope(&commitment(c.study_id, holder, &object), &[]).0;
        let new = NewDraft { name: "x".into(), purpose: "y".into(), nonce: Digest::of(b"n") };
        let body = serde_json::to_vec(&new).unwrap();
        c.coordinator.post(url, "/v1/drafts", body).await.ok(201);
        let shares = envelope(&message, &[]).0;
        let (share_commitment, token) = (share_commitment_id, Party::new());
        Self { c, totals, key_commitment, share_commitment, shares, new, token }
    }

    /// Who asks, and for what.
    fn party(&self, path: &str) -> Option<(&Party, Digest)> {
        let holder = &self.c.holders[0];
        match path.split('/').nth(2) {
            Some("totals") => Some((&self.c.owners[0], self.totals)),
            Some("key-commitments") => Some((holder, self.key_commitment)),
            Some("share-commitments") => Some((holder, self.share_commitment)),
            Some("shares") => Some((holder, self.shares)),
            Some("drafts" | "invitations") => {
                Some((&self.c.coordinator, self.new.id(&self.c.coordinator.did)))
            }
            _ => None,
        }
    }

    /// Bodies of JSON.
    fn body(&self, path: &str) -> Option<Bytes> {
        let (key, role) = (self.token.did, Role::DataOwner);
        let body = match path {
            "/v1/drafts" => serde_json::to_vec(&self.new),
            "/v1/drafts/{digest}/invitations" => {
                serde_json::to_vec(&NewInvitation { key, role, expires: now() + 600 })
            }
            "/v1/invitations/accept" => serde_json::to_vec(&self.acceptance()),
            _ => return None,
        };
        Some(body.unwrap().into())
    }

    fn acceptance(&self) -> Acceptance {
        let party = self.c.coordinator.did;
        let sign = |m: &[u8]| self.token.key.sign(m).to_bytes();
        Acceptance::new(self.new.id(&party), self.token.did, party, Some("age1x".into()), sign)
    }
}

/// Whether a JSON value has exactly the properties of a documented schema, each of the documented type.
fn fits(document: &Value, name: &str, value: &Value) {
    let schema = &document["components"]["schemas"][name];
    let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schema}"));
    let value = value.as_object().unwrap();
    let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(properties), names(value), "{name}");
    for (key, property) in properties {
        let kind = match &value[key] {
            Value::String(_) => "string",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            Value::Object(_) => "$ref",
            other => panic!("{name}.{key}: {other}"),
        };
        let text = property.to_string();
        assert!(text.contains(kind) || text.contains("$ref"), "{name}.{key} is {kind}: {text}");
    }
}

#[test]
fn documented_bodies_are_the_wire_types() {
    let document = serde_json::to_value(hegwas_server::http::openapi()).unwrap();
    let digest = Digest::of(b"x");
    let party = Party::new().did;
    let to = |value: &dyn erased::Json| value.json();
    let status = JobStatus {
        job: digest,
        study: digest,
        state: JobState::Failed,
        done: 1,
        total: 2,
        seconds: 0.5,
        result: Some(digest),
        finished: Some(digest),
        error: Some("x".into()),
    };
    fits(&document, "JobStatus", &to(&status));
    let job_status = status;
    let created = "2026-01-01T00:00:00Z".to_owned();
    fits(
        &document,
        "Listed",
        &to(&Listed { id: digest, owner: party, name: "x".into(), created, bytes: 1 }),
    );
    fits(&document, "KeyContribution", &to(&KeyContribution { party, chunk: digest }));
    fits(&document, "ChunkQuery", &to(&ChunkQuery { digests: vec![digest] }));
    fits(&document, "Erased", &to(&Erased { manifests: vec![digest], objects: 1, bytes: 1 }));
    let text = || "x".to_owned();
    fits(
        &document,
        "Problem",
        &to(&Problem { kind: text(), title: text(), status: 404, detail: text(), remedy: text() }),
    );
    let (job, name) = (Some(digest), text());
    let todo = Todo { party, action: Action::CommitTotals, job };
    fits(&document, "Todo", &to(&todo));
    let grant = GrantStatus { grant: digest, party, dataset: digest, expires: 1 };
    fits(&document, "GrantStatus", &to(&grant));
    let status = StudyStatus {
        study: digest,
        phase: StudyPhase::Ready,
        todo: vec![todo],
        grants: vec![grant],
        totals: vec![],
        jobs: vec![],
    };
    fits(&document, "StudyStatus", &to(&status));
    fits(&document, "Committed", &to(&Committed { party, manifest: digest }));
    let phase = SharePhase::Totals;
    let share = ShareStatus { party, phase, commitment: job, shares: job };
    fits(&document, "ShareStatus", &to(&share));
    let entry =
        LogEntry { seq: 1, prev: digest, time: 2, party, event: Event::Signed, digests: vec![] };
    fits(&document, "LogEntry", &to(&entry));
    let new = NewDraft { name: text(), purpose: text(), nonce: digest };
    fits(&document, "NewDraft", &to(&new));
    let role = Role::Analyst;
    fits(&document, "NewInvitation", &to(&NewInvitation { key: party, role, expires: 1 }));
    let accepted = Acceptance::new(digest, party, party, Some(text()), |_| [0; 64]);
    fits(&document, "Acceptance", &to(&accepted));
    let accepted = Some(accepted);
    let invitation = Invitation { key: party, role, expires: 1, accepted };
    fits(&document, "Invitation", &to(&invitation));
    let draft = gwas::wire::draft::Draft {
        id: digest,
        name,
        purpose: text(),
        coordinator: party,
        created: 1,
        invitations: vec![invitation],
    };
    fits(&document, "Draft", &to(&draft));
    let status = job_status;
    let states = document["components"]["schemas"]["State"]["enum"].as_array().unwrap().clone();
    assert!(states.contains(&to(&status)["state"]) && states.len() == 10);
}

mod erased {
    /// Anything that serialises, as an object.
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}
