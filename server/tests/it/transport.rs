//! HTTP/2, TLS, health, metrics.

use std::sync::Arc;

use hegwas_server::config::Config;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::common::client::{Draft, collect};
use crate::common::{Party, Running, World, config};

fn plain(url: &str, path: &str) -> Draft {
    let host = url.split_once("://").unwrap().1.to_owned();
    let headers = vec![("host".to_owned(), host)];
    let (url, path) = (url.to_owned(), path.to_owned());
    Draft { method: "GET".into(), url, path, headers, body: Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 40));
    let path = format!("/v1/panels/{}", world.panel);
    let put = world.owner.draft(&url, "PUT", &path, world.panel_text.clone());
    let put = put.set("content-length", &world.panel_text.len().to_string());
    let answer = put.send_h2().await.ok(201);
    assert_eq!(answer.version, hyper::Version::HTTP_2);
    let answer = world.owner.draft(&url, "GET", &path, "").send_h2().await.ok(200);
    assert_eq!(answer.body, world.panel_text);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_served_with_both_versions_of_http() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut settings = config(&folder.path().join("data"));
    settings.tls = Some((chain.clone(), key));
    let server = Running::start(settings.clone()).await;
    server.server.reload_tls().unwrap();
    let port = server.server.address.port();
    let url = format!("https://localhost:{port}");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let party = Party::new();
    for (protocol, version) in
        [("h2", hyper::Version::HTTP_2), ("http/1.1", hyper::Version::HTTP_11)]
    {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut tls = builder.with_root_certificates(roots.clone()).with_no_client_auth();
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
        let draft = party.draft(&url, "GET", "/v1/studies", "");
        let answer = if protocol == "h2" {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let request = draft.without("host").request(&format!("{url}/v1/studies"));
            collect(sender.send_request(request).await.unwrap()).await
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            collect(sender.send_request(draft.request("/v1/studies")).await.unwrap()).await
        };
        assert_eq!((answer.status, answer.version), (200, version));
    }
    // A signature for the plain address is none for this one.
    server.server.stop().await.unwrap();
    std::fs::write(&chain, "nothing").unwrap();
    let error = hegwas_server::Server::start(settings).await.err().unwrap().to_string();
    assert!(error.contains("chain.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Some("127.0.0.1:0".parse().unwrap());
    let server = Running::start(Config { admin, ..config(folder.path()) }).await;
    let url = server.url();
    for path in ["/livez", "/readyz"] {
        assert_eq!(plain(&url, path).send().await.ok(200).body, "ok\n");
    }
    plain(&url, "/metrics").send().await.refused(404, "no-route");
    let world = World::new(Party::new(), 10, 4, 41);
    world.put_chunk(&url, &world.genotypes[0]).await.ok(201);
    let admin = format!("http://{}", server.server.admin.unwrap());
    let text = plain(&admin, "/metrics").send().await.ok(200).body;
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line =
        "hegwas_requests_total{method=\"PUT\",route=\"/v1/chunks/{digest}\",status=\"201\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("hegwas_objects 1"), "{text}");
    assert!(!text.contains("did:key"), "metrics name nobody");
    plain(&admin, "/v1/datasets").send().await.ok(404);
    server.server.app.stopping.send_replace(true);
    plain(&url, "/readyz").send().await.ok(503);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_oversized_heads_are_dropped() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let address = server.server.address;
    // A head that never ends.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    tokio::time::timeout(std::time::Duration::from_secs(10), read).await.unwrap().unwrap();
    // Too many headers.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let many: String = (0..200).map(|i| format!("x-{i}: y\r\n")).collect();
    let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    assert!(String::from_utf8_lossy(&text).starts_with("HTTP/1.1 431"));
    // The server is well.
    let url = server.url();
    let answer = plain(&url, "/livez").send().await.ok(200);
    assert!(answer.headers.contains_key("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_are_closed() {
    use tokio::io::AsyncReadExt as _;
    let folder = tempfile::tempdir().unwrap();
    let settings = config(folder.path());
    let limits = hegwas_server::policy::Limits { connections: 1, ..settings.limits };
    let server = Running::start(Config { limits, ..settings }).await;
    let first = TcpStream::connect(server.server.address).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let mut second = TcpStream::connect(server.server.address).await.unwrap();
    let mut nothing = Vec::new();
    let read = second.read_to_end(&mut nothing);
    // Closed at once, not after the patience with silent clients.
    let read = tokio::time::timeout(std::time::Duration::from_secs(1), read).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    drop(first);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    plain(&server.url(), "/livez").send().await.ok(200);
}
