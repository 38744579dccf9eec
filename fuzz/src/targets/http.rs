//! Signed HTTP requests.

use std::sync::LazyLock;

use ed25519_dalek::{Signer as _, SigningKey};
use gwas::wire::Did;
use gwas::wire::httpsig::{
    Limits, RequestParts, Window, check_content_digest, content_digest, sign, verify,
};

use super::Seeds;

pub(super) const WORDS: &[&[u8]] = &[
    b"hegwas=",
    b"(\"@method\" \"@authority\" \"@target-uri\")",
    b";created=",
    b";expires=",
    b";nonce=\"",
    b";keyid=\"",
    b";alg=\"ed25519\"",
    b"sha-256=:",
    b":",
    b"\"",
    b";",
    b"=",
    b"?1",
    b"-0",
    b"999999999999999",
    b"1000000000000000",
    b" ",
    b"\t",
    b"\n",
    b"\\",
    b"*",
    b", ",
];

const NOW: u64 = 1_767_225_600;
const BODY: &[u8] = b"{}";

/// A request as seven lines: method, authority, URI, Content-Digest (or nothing), Signature-Input, Signature, body. One
/// request was signed ([`SIGNED`]); only that one verifies, in exactly its spelling.
pub(super) fn http(data: &[u8]) -> bool {
    let Some([method, authority, target_uri, digest, input, signature, body]) = parts(data) else {
        return false;
    };
    let content_digest = (!digest.is_empty()).then_some(digest);
    if check_content_digest(content_digest, body.as_bytes()).is_ok() && content_digest.is_some() {
        let own = self::content_digest(body.as_bytes()).expect("a digest");
        assert_eq!(content_digest, Some(own.as_str()), "a digest in another spelling");
    }
    let request = RequestParts { method, authority, target_uri, content_digest };
    match verify(&request, input, signature, NOW, Limits::default()) {
        Ok(_) => {
            let signed = parts(&SIGNED).expect("seven lines");
            assert_eq!(
                [method, authority, target_uri, digest, input, signature],
                signed[..6],
                "a forgery"
            );
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn parts(data: &[u8]) -> Option<[&str; 7]> {
    let lines: Vec<&str> = std::str::from_utf8(data).ok()?.splitn(7, '\n').collect();
    lines.try_into().ok()
}

/// The one request that was signed, by a party made for the purpose.
static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| signed(NOW));

fn signed(created: u64) -> Vec<u8> {
    let key = SigningKey::from_bytes(&[5; 32]);
    let did = Did::new(key.verifying_key().to_bytes()).expect("a party");
    let digest = content_digest(BODY).expect("a digest");
    let request = RequestParts {
        method: "POST",
        authority: "gwas.example.org",
        target_uri: "https://gwas.example.org/v1/jobs?x=1",
        content_digest: Some(&digest),
    };
    let window = Window { created, expires: created + 60 };
    let headers = sign(&request, &did, window, [9; 16], |base| key.sign(base).to_bytes())
        .expect("a signature");
    let lines = [
        request.method,
        request.authority,
        request.target_uri,
        &digest,
        &headers.signature_input,
        &headers.signature,
    ];
    [lines.join("\n").as_bytes(), b"\n", BODY].concat()
}

pub(super) fn seeds() -> Seeds {
    let good = SIGNED.clone();
    let text = String::from_utf8(good.clone()).expect("text");
    let bad = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    vec![
        ("good", good),
        ("bad-expired", signed(NOW - 100)),
        ("bad-future", signed(NOW + 100)),
        ("bad-method", bad("POST", "PUT")),
        ("bad-target", bad("x=1", "x=2")),
        ("bad-label", bad("hegwas=(", "other=(")),
        ("bad-components", bad("\"@method\" ", "")),
        ("bad-algorithm", bad("ed25519", "hmac-sha256")),
        ("bad-keyid", bad("did:key:z6Mk", "did:key:z6Mj")),
        ("bad-number", bad("created=1767225600", "created=01767225600")),
    ]
}
