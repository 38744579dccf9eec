//! Signatures: forged, replayed, expired, altered, missing.

use gwas::wire::Did;
use gwas::wire::httpsig::Window;
use gwas::wire::status::ChunkQuery;
use hegwas_server::config::Config;
use hegwas_server::policy::{Limits, Policy};

use crate::common::{Party, Running, config, now};

const LIST: &str = "/v1/datasets";

#[tokio::test(flavor = "multi_thread")]
async fn only_good_signatures_are_accepted_and_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, party) = (server.url(), Party::new());
    let good = party.draft(&url, "GET", LIST, "");
    good.send().await.ok(200);
    good.send().await.refused(401, "replay");
    good.send_h2().await.refused(401, "replay");

    let fresh = || party.draft(&url, "GET", LIST, "");
    fresh().without("signature").send().await.refused(401, "unsigned");
    fresh().without("signature-input").send().await.refused(401, "unsigned");
    let mut doubled = fresh();
    doubled.headers.push(("signature".into(), doubled.header("signature")));
    doubled.send().await.refused(401, "unsigned");
    // Somebody else's name on it.
    let other = Party::new();
    let input = fresh().header("signature-input");
    let forged = input.replace(&party.did.to_string(), &other.did.to_string());
    fresh().set("signature-input", &forged).send().await.refused(401, "signature");
    // Another path, another method, another server.
    let mut moved = fresh();
    moved.path = "/v1/studies".into();
    moved.send().await.refused(401, "signature");
    let mut moved = fresh();
    moved.path = "/v1/datasets?all".into();
    moved.send().await.refused(401, "signature");
    let problem = fresh().set("host", "gwas.example.org").send().await.refused(421, "misdirected");
    assert!(problem.detail.contains(&url), "{}", problem.detail);
    let elsewhere = party.draft("http://gwas.example.org", "GET", LIST, "");
    let elsewhere = crate::common::client::Draft { url: url.clone(), ..elsewhere };
    elsewhere
        .set("host", url.strip_prefix("http://").unwrap())
        .send()
        .await
        .refused(401, "signature");
    // A refused request uses up no nonce of the signer: the original still counts.
    let original = fresh();
    original.clone().set("signature-input", "hegwas=()").send().await.refused(401, "signature");
    original.send().await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_have_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, party, now) = (server.url(), Party::new(), now());
    let at = |created, expires| party.draft_in(&url, "GET", LIST, "", Window { created, expires });
    at(now - 200, now - 100).send().await.refused(401, "signature-time");
    at(now + 200, now + 300).send().await.refused(401, "signature-time");
    at(now, now + 1000).send().await.refused(401, "signature");
    at(now - 10, now + 200).send().await.ok(200);
    // An old nonce is forgotten after its time, and its signature has ended by then.
    let old = at(now, now + 200);
    old.send().await.ok(200);
    server.offset.store(500, std::sync::atomic::Ordering::Relaxed);
    old.send().await.refused(401, "signature-time");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bound_by_their_digest() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, party) = (server.url(), Party::new());
    let body = serde_json::to_vec(&ChunkQuery { digests: vec![] }).unwrap();
    let draft = || party.draft(&url, "POST", "/v1/chunks/missing", body.clone());
    draft().send().await.ok(200);
    let mut altered = draft();
    altered.body = b"{\"digests\": []}".to_vec().into();
    altered.send().await.refused(400, "content-digest");
    // Without the header the signature covers no body.
    draft().without("content-digest").send().await.refused(401, "signature");
    let unsigned = party.draft(&url, "POST", "/v1/chunks/missing", "");
    let unsigned = crate::common::client::Draft { body: body.clone().into(), ..unsigned };
    unsigned.send().await.refused(400, "content-digest");
    let mut algorithm = draft();
    algorithm = algorithm.set("content-digest", "sha-512=:AAAA:");
    algorithm.send().await.refused(401, "signature");
    for (bad, code) in [(&b"{}"[..], "json"), (b"[]", "json"), (b"\xff", "json")] {
        party.post(&url, "/v1/chunks/missing", bad).await.refused(400, code);
    }
    let digests = vec![he_core::Digest::default(); 10_001];
    let many = serde_json::to_vec(&ChunkQuery { digests }).unwrap();
    party.post(&url, "/v1/chunks/missing", many).await.refused(400, "json");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_registered_parties_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let (member, other) = (Party::new(), Party::new());
    let policy = Policy::Allow([member.did].into_iter().collect());
    let server = Running::start(Config { policy, ..config(folder.path()) }).await;
    let url = server.url();
    member.get(&url, LIST).await.ok(200);
    let problem = other.get(&url, LIST).await.refused(403, "not-registered");
    assert!(problem.remedy.contains("--allow"));
    assert!(problem.detail.contains(&Did::to_string(&other.did)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let party = Party::new();
    let server = Running::start(config(folder.path())).await;
    let used = party.draft(&server.url(), "GET", LIST, "");
    used.send().await.ok(200);
    let listen = server.server.address;
    server.server.stop().await.unwrap();
    let server = Running::start(Config { listen, ..config(folder.path()) }).await;
    assert_eq!(server.url(), used.url);
    used.send().await.refused(401, "replay");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { requests: 1, ..config(folder.path()).limits };
    let server = Running::start(Config { limits, ..config(folder.path()) }).await;
    let (url, party) = (server.url(), Party::new());
    // A body that does not come holds the only place.
    let draft = party.draft(&url, "PUT", &format!("/v1/chunks/{}", he_core::Digest::default()), "");
    let mut stream =
        tokio::net::TcpStream::connect(crate::common::client::address(&url)).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, draft.head(1000).as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let busy = party.get(&url, LIST).await;
    busy.refused(503, "busy");
    assert!(busy.headers.contains_key("retry-after"));
    let mut health = party.draft(&url, "GET", "/readyz", "");
    health.headers.retain(|(name, _)| name == "host");
    health.send().await.ok(200);
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    party.get(&url, LIST).await.ok(200);
}
