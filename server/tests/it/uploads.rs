//! Uploads that are not what they should be leave nothing behind.

use std::path::Path;

use axum::body::Bytes;
use gwas::wire::status::ChunkQuery;
use he_core::Digest;
use hegwas_server::config::Config;
use hegwas_server::policy::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::client::address;
use crate::common::{Party, Running, World, config};

/// Files below the objects of a data folder.
pub fn files(data: &Path) -> usize {
    fn count(path: &Path) -> usize {
        let entries = std::fs::read_dir(path).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }
    count(&data.join("objects"))
}

/// Sends a head and some bytes, then closes; returns what came back.
pub async fn raw(url: &str, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut text = Vec::new();
    let reading = stream.read_to_end(&mut text);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(10), reading).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_must_be_true() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 5));
    let chunk = &world.genotypes[0];
    let draft = || world.owner.draft(&url, "PUT", &format!("/v1/chunks/{}", Digest::of(chunk)), "");
    // The connection drops half way.
    let mut stream = TcpStream::connect(address(&url)).await.unwrap();
    stream.write_all(draft().head(chunk.len() as u64).as_bytes()).await.unwrap();
    stream.write_all(&chunk[..chunk.len() / 2]).await.unwrap();
    drop(stream);
    // It stalls: the server does not wait for ever.
    let stalled = raw(&url, &draft().head(chunk.len() as u64), &chunk[..100]).await;
    assert!(stalled.starts_with("HTTP/1.1 408"), "{stalled}");
    // More is declared than the object has, and less.
    let longer = raw(&url, &draft().head(chunk.len() as u64 + 1), chunk).await;
    assert!(longer.starts_with("HTTP/1.1 400"), "{longer}");
    let shorter = raw(&url, &draft().head(chunk.len() as u64 - 50), chunk).await;
    assert!(shorter.starts_with("HTTP/1.1 400"), "{shorter}");
    // Too much is refused before it is read; no length is no upload.
    let huge = raw(&url, &draft().head(1 << 40), b"").await;
    assert!(huge.starts_with("HTTP/1.1 413"), "{huge}");
    let endless = draft().head(0).replace("content-length: 0", "transfer-encoding: chunked");
    let endless = raw(&url, &endless, b"5\r\nhello\r\n0\r\n\r\n").await;
    assert!(endless.starts_with("HTTP/1.1 411"), "{endless}");
    assert_eq!(files(folder.path()), 0);
    // And the same chunk, whole: an upload is resumed by sending it again.
    world.put_chunk(&url, chunk).await.ok(201);
    assert_eq!(files(folder.path()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_must_conform() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 6));
    let good = &world.genotypes[0];
    let with = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        Bytes::from(bytes)
    };
    let other = |kind: u8| {
        let mut bytes = good.to_vec();
        (bytes[6], bytes[7]) = (1, kind);
        Bytes::from(bytes)
    };
    let mut residue = good.to_vec();
    residue[64..71].fill(255);
    for (bytes, code) in [
        (with(0, b'x'), "malformed"),    // magic
        (with(6, 9), "malformed"),       // version
        (with(6, 1), "malformed"),       // the version of another order of words
        (with(7, 99), "malformed"),      // unknown kind
        (other(3), "kind"),              // a result unit: only the server makes them
        (other(5), "kind"),              // a key contribution has its own path
        (with(8, 1), "malformed"),       // announced length
        (with(16, 0xff), "malformed"),   // unknown parameters
        (with(60, 200), "malformed"),    // a tile that no polynomial has
        (with(48, 200), "malformed"),    // a plane that no matrix has
        (residue.into(), "malformed"),   // a word that is no residue
        (good.slice(..40), "malformed"), // not even a header
    ] {
        world.put_chunk(&url, &bytes).await.refused(400, code);
    }
    // A name that belongs to other bytes.
    let path = format!("/v1/chunks/{}", Digest::of(b"other"));
    world.owner.put(&url, &path, good.clone()).await.refused(400, "digest");
    for path in ["/v1/chunks/xyz", &format!("/v1/chunks/{}", "A".repeat(64))] {
        world.owner.put(&url, path, good.clone()).await.refused(400, "path");
    }
    assert_eq!(files(folder.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn panels_must_be_panels() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 7));
    let path = format!("/v1/panels/{}", world.panel);
    let text = String::from_utf8(world.panel_text.to_vec()).unwrap();
    let put = |text: String| world.owner.put(&url, &path, text);
    let line = put(text.replacen("\t7\t", "\t07\t", 1)).await.refused(400, "panel");
    assert!(line.detail.contains("line"), "{}", line.detail);
    put(text[..text.len() - 3].to_owned()).await.refused(400, "panel");
    put(text.replacen("\tC\n", "\tG\n", 1)).await.refused(400, "digest");
    let draft = world.owner.draft(&url, "PUT", &path, world.panel_text.clone());
    let mut altered = draft.clone();
    altered.body = text.replacen("\t7\t", "\t8\t", 1).into();
    altered.send().await.refused(400, "content-digest");
    assert_eq!(files(folder.path()), 0);
    world.put_panel(&url, &world.owner).await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_push_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 40_000, 4, 8));
    let all: Vec<Digest> = world.genotypes.iter().map(|c| Digest::of(c)).collect();
    let missing = async || {
        let query = serde_json::to_vec(&ChunkQuery { digests: all.clone() }).unwrap();
        let answer = world.owner.post(&url, "/v1/chunks/missing", query).await.ok(200);
        answer.json::<ChunkQuery>().digests
    };
    assert_eq!(missing().await, all);
    world.put_panel(&url, &world.owner).await.ok(201);
    for chunk in &world.genotypes[..2] {
        world.put_chunk(&url, chunk).await.ok(201);
    }
    assert_eq!(missing().await, all[2..]);
    // A manifest whose chunks are not all there is refused with the name of the first that is missing.
    let owner = &world.owner;
    let early = World::put_message(&url, owner, "datasets", &world.dataset, &[owner]).await;
    assert!(early.refused(409, "missing").detail.contains(&all[2].to_string()));
    for chunk in &world.genotypes[2..] {
        world.put_chunk(&url, chunk).await.ok(201);
    }
    assert!(missing().await.is_empty());
    World::put_message(&url, owner, "datasets", &world.dataset, &[owner]).await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_hold() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(Party::new(), 10, 4, 9);
    let (panel, chunk) = (world.panel_text.len() as u64, world.genotypes[0].len() as u64);
    let limits = Limits { quota: panel + chunk + 10, ..config(folder.path()).limits };
    let server = Running::start(Config { limits, ..config(folder.path()) }).await;
    let url = server.url();
    world.put_panel(&url, &world.owner).await.ok(201);
    world.put_chunk(&url, &world.genotypes[0]).await.ok(201);
    let problem = world.put_chunk(&url, &world.genotypes[1]).await.refused(507, "quota");
    assert!(problem.remedy.contains("--quota"));
    // The same chunk again costs nothing, and another party has a quota of its own.
    world.put_chunk(&url, &world.genotypes[0]).await.ok(200);
    let other = Party::new();
    let path = format!("/v1/chunks/{}", Digest::of(&world.genotypes[1]));
    other.put(&url, &path, world.genotypes[1].clone()).await.ok(201);
    assert_eq!(files(folder.path()), 3);
}
