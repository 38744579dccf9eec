#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;
const BODY: &[u8] = br#"{"digests":[]}"#;

fn key(seed: u8) -> (SigningKey, Did) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let did = Did::new(key.verifying_key().to_bytes()).unwrap();
    (key, did)
}

fn parts(content_digest: Option<&str>) -> RequestParts<'_> {
    RequestParts {
        method: "POST",
        authority: "example.org",
        target_uri: "https://example.org/v1/chunks/missing",
        content_digest,
    }
}

fn signed(parts: &RequestParts<'_>, window: Window) -> SignatureHeaders {
    let (key, did) = key(1);
    sign(parts, &did, window, [7; 16], |base| key.sign(base).to_bytes()).unwrap()
}

const WINDOW: Window = Window { created: NOW, expires: NOW + 300 };

fn check(
    parts: &RequestParts<'_>,
    headers: &SignatureHeaders,
    now: u64,
) -> Result<Verified, HttpSigError> {
    verify(parts, &headers.signature_input, &headers.signature, now, Limits::default())
}

#[test]
fn the_vector_of_the_rfc_is_reproduced() {
    // RFC 9421 appendix B.2.6 with the key test-key-ed25519 of B.1.4.
    let seed: [u8; 32] = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=",
    )
    .unwrap()
    .try_into()
    .unwrap();
    let components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ];
    let names: Vec<_> = components.iter().map(|c| c.0).collect();
    let parameters = [
        ("created", Parameter::Integer(1_618_884_473)),
        ("keyid", Parameter::Text("test-key-ed25519")),
    ];
    let params = signature_params(&names, &parameters).unwrap();
    assert_eq!(
        params,
        r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#
    );
    let base = signature_base(components, &params);
    let signature = SigningKey::from_bytes(&seed).sign(base.as_bytes()).to_bytes();
    assert_eq!(
        base::bytes_header("Signature", "sig-b26", &signature).unwrap(),
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
    );
}

#[test]
fn the_base_is_what_the_protocol_says() {
    let digest = content_digest(BODY).unwrap();
    let (key, did) = key(1);
    let mut seen = String::new();
    sign(&parts(Some(&digest)), &did, WINDOW, [0xab; 16], |base| {
        seen = String::from_utf8(base.to_vec()).unwrap();
        key.sign(base).to_bytes()
    })
    .unwrap();
    let expected = format!(
        "\"@method\": POST\n\"@authority\": example.org\n\"@target-uri\": https://example.org/v1/chunks/missing\n\
         \"content-digest\": {digest}\n\"@signature-params\": (\"@method\" \"@authority\" \"@target-uri\" \"content-digest\");\
         created={NOW};expires={};nonce=\"{}\";keyid=\"{did}\";alg=\"ed25519\"",
        NOW + 300,
        "ab".repeat(16)
    );
    assert_eq!(seen, expected);
}

#[test]
fn the_example_of_rfc_9530_is_reproduced() {
    // RFC 9530 appendix D: sha-256 of {"hello": "world"} with a final line feed.
    let header = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    assert_eq!(content_digest(b"{\"hello\": \"world\"}\n").unwrap(), header);
    assert_eq!(check_content_digest(Some(header), b"{\"hello\": \"world\"}\n"), Ok(()));
}

#[test]
fn what_was_signed_verifies() {
    let digest = content_digest(BODY).unwrap();
    for content_digest in [None, Some(digest.as_str())] {
        let headers = signed(&parts(content_digest), WINDOW);
        let verified = check(&parts(content_digest), &headers, NOW).unwrap();
        assert_eq!(
            verified,
            Verified { did: key(1).1, nonce: "07".repeat(16), expires: NOW + 300 }
        );
    }
}

#[test]
fn altered_requests_are_refused() {
    let digest = content_digest(BODY).unwrap();
    let other = content_digest(b"other").unwrap();
    let good = parts(Some(&digest));
    let headers = signed(&good, WINDOW);
    for altered in [
        RequestParts { method: "PUT", ..good },
        RequestParts { authority: "evil.example", ..good },
        RequestParts { target_uri: "https://example.org/v1/chunks/Missing", ..good },
        RequestParts { target_uri: "http://example.org/v1/chunks/missing", ..good },
        RequestParts { content_digest: Some(&other), ..good },
    ] {
        assert_eq!(check(&altered, &headers, NOW), Err(HttpSigError::Signature), "{altered:?}");
    }
    assert_eq!(check_content_digest(Some(&digest), b"other"), Err(HttpSigError::BodyDigest));
    assert_eq!(check_content_digest(None, b"other"), Err(HttpSigError::BodyDigest));
    assert_eq!(check_content_digest(None, b""), Ok(()));
}

#[test]
fn forged_signatures_are_refused() {
    let headers = signed(&parts(None), WINDOW);
    // Somebody else's identity on this signature.
    let (own, other) = (key(1).1.to_string(), key(2).1.to_string());
    let forged = SignatureHeaders {
        signature_input: headers.signature_input.replace(&own, &other),
        ..headers.clone()
    };
    assert_eq!(check(&parts(None), &forged, NOW), Err(HttpSigError::Signature));
    // A longer life.
    let longer =
        headers.signature_input.replace(&format!("created={NOW}"), &format!("created={}", NOW + 1));
    assert_eq!(
        check(&parts(None), &SignatureHeaders { signature_input: longer, ..headers }, NOW),
        Err(HttpSigError::Signature)
    );
}

#[test]
fn time_is_checked() {
    let at = |now| check(&parts(None), &signed(&parts(None), WINDOW), now);
    assert!(at(NOW - 60).is_ok() && at(NOW + 299).is_ok());
    assert_eq!(at(NOW - 61), Err(HttpSigError::NotYetValid { seconds: 61 }));
    assert_eq!(at(NOW + 300), Err(HttpSigError::Expired { seconds: 0 }));
    assert_eq!(at(u64::MAX), Err(HttpSigError::Expired { seconds: u64::MAX - NOW - 300 }));
    for (created, expires) in [(NOW, NOW + 301), (NOW, NOW), (NOW, NOW - 1)] {
        let headers = signed(&parts(None), Window { created, expires });
        assert_eq!(check(&parts(None), &headers, NOW), Err(HttpSigError::Window { limit: 300 }));
    }
}

#[test]
fn components_are_exactly_the_profiles() {
    let digest = content_digest(BODY).unwrap();
    let (with, without) = (signed(&parts(Some(&digest)), WINDOW), signed(&parts(None), WINDOW));
    // A body digest that is present but not covered, and one that is covered but absent.
    assert!(matches!(
        check(&parts(Some(&digest)), &without, NOW),
        Err(HttpSigError::Components(_))
    ));
    assert!(matches!(check(&parts(None), &with, NOW), Err(HttpSigError::Components(_))));
    for list in [
        r#"("@method" "@authority")"#,
        "()",
        r#"("@authority" "@method" "@target-uri")"#,
        r#"("@method" "@method" "@authority" "@target-uri")"#,
    ] {
        let input =
            without.signature_input.replace(r#"("@method" "@authority" "@target-uri")"#, list);
        let headers = SignatureHeaders { signature_input: input, ..without.clone() };
        assert!(
            matches!(check(&parts(None), &headers, NOW), Err(HttpSigError::Components(_))),
            "{list}"
        );
    }
}

#[test]
fn malformed_headers_are_refused() {
    let good = signed(&parts(None), WINDOW);
    let input = good.signature_input.as_str();
    let other = input.replace("hegwas=", "other=");
    for bad in [
        String::new(),
        "hegwas".into(),
        "hegwas=1".into(),
        other.clone(),
        format!("{input}, {input}"),
        format!("{input}, {other}"),
        input.replace("\"@method\"", "\"@method\";req"),
        input.replace("\"@method\"", "method"),
        input.replace(";alg", ";alg=\"none\";alg"),
        input.replace(";alg=\"ed25519\"", ""),
        input.replace(";alg=\"ed25519\"", ";alg=\"ed25519\";tag=\"x\""),
        input.replace("created=", "created=-"),
        input.replace("created=", "created=0"),
        input.replace("\" \"", "\"  \""),
        input.replace(&"07".repeat(16), "short"),
        input.replace(&"07".repeat(16), &"0".repeat(65)),
        input.replace("nonce=\"", "nonce=\"é"),
    ] {
        let result = verify(&parts(None), &bad, &good.signature, NOW, Limits::default());
        assert!(
            matches!(result, Err(HttpSigError::Malformed { header: "Signature-Input", .. })),
            "{bad}: {result:?}"
        );
    }
    let signature = good.signature.as_str();
    for bad in [
        "",
        "hegwas=:AAAA:",
        "hegwas=\"x\"",
        &signature.replace("hegwas", "other"),
        &format!("{signature}, {signature}"),
        &format!("{signature};a"),
    ] {
        let result = verify(&parts(None), input, bad, NOW, Limits::default());
        assert!(
            matches!(result, Err(HttpSigError::Malformed { header: "Signature", .. })),
            "{bad}: {result:?}"
        );
    }
    for bad in ["", "sha-256", "md5=:AAAA:", "sha-256=:AA==:, sha-512=:AA==:"] {
        assert!(check_content_digest(Some(bad), b"").is_err(), "{bad}");
    }
}

#[test]
fn oversized_headers_are_refused_unread() {
    let good = signed(&parts(None), WINDOW);
    let long = "x".repeat(MAX_HEADER + 1);
    let limits = Limits::default();
    assert_eq!(
        verify(&parts(None), &long, &good.signature, NOW, limits),
        Err(HttpSigError::TooLong("Signature-Input"))
    );
    assert_eq!(
        verify(&parts(None), &good.signature_input, &long, NOW, limits),
        Err(HttpSigError::TooLong("Signature"))
    );
    assert_eq!(
        check_content_digest(Some(&long), b""),
        Err(HttpSigError::TooLong("Content-Digest"))
    );
    let uri = "x".repeat(MAX_TARGET);
    let huge = RequestParts { target_uri: &uri, ..parts(None) };
    assert_eq!(check(&huge, &good, NOW), Err(HttpSigError::Target));
}

#[test]
fn other_algorithms_and_keys_are_refused() {
    let good = signed(&parts(None), WINDOW);
    let replaced = |from: &str, to: &str| SignatureHeaders {
        signature_input: good.signature_input.replace(from, to),
        ..good.clone()
    };
    for alg in ["none", "rsa-pss-sha512", "hmac-sha256", "ED25519"] {
        assert_eq!(
            check(&parts(None), &replaced("\"ed25519\"", &format!("\"{alg}\"")), NOW),
            Err(HttpSigError::Algorithm)
        );
    }
    let did = key(1).1.to_string();
    for keyid in ["", "alice", "did:key:z", "did:web:example.org"] {
        assert_eq!(check(&parts(None), &replaced(&did, keyid), NOW), Err(HttpSigError::KeyId));
    }
}

#[test]
fn a_line_break_cannot_forge_a_component() {
    let (_, did) = key(1);
    for bad in ["x\n\"@authority\": evil", "x\r", "\u{e9}", "\0"] {
        let request = RequestParts { target_uri: bad, ..parts(None) };
        assert_eq!(sign(&request, &did, WINDOW, [0; 16], |_| [0; 64]), Err(HttpSigError::Target));
        assert_eq!(check(&request, &signed(&parts(None), WINDOW), NOW), Err(HttpSigError::Target));
    }
}

proptest! {
    #[test]
    fn no_header_panics(input in ".{0,200}", signature in ".{0,200}", digest in ".{0,100}") {
        let _ = verify(&parts(None), &input, &signature, NOW, Limits::default());
        let _ = verify(&parts(None), &format!("hegwas={input}"), &format!("hegwas=:{signature}:"), NOW, Limits::default());
        let _ = check_content_digest(Some(&digest), b"x");
    }
}
