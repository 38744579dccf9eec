//! Key files and backups. Every key here was made for this purpose and protects nothing.

use std::path::Path;

use ed25519_dalek::SigningKey;
use hegwas::keys::{Identity, PassphraseSource, Sealed, block_of, sealed};

use super::{Seeds, messages, with_files};

pub(super) const WORDS: &[&[u8]] = &[
    b"-----BEGIN AGE ENCRYPTED FILE-----\n",
    b"-----END AGE ENCRYPTED FILE-----\n",
    b"age-encryption.org/v1\n",
    b"-> X25519 ",
    b"-> scrypt ",
    b"--- ",
    b"line checks:\n",
    b"1=",
    b"18446744073709551615=0000",
    b"=",
    b"\n",
    b"AAAA",
];

/// A key file: in the clear, sealed to an age identity that is at hand, or typed in from a printed sheet. Passphrases are
/// asked for in vain: deriving keys from them is slow by design, and age's own.
pub(super) fn key(data: &[u8]) -> bool {
    with_files(&[("key", data), ("age", AGE_IDENTITY.as_bytes())], |folder| {
        let nobody = PassphraseSource::File(folder.join("none"));
        let path = folder.join("key");
        let plain = Identity::restore(&path, &nobody, None);
        let opened = Identity::restore(&path, &nobody, Some(&folder.join("age")));
        // What is opened is the block of a sheet, whatever surrounds it.
        match block_of(data).map(|block| sealed(&block)) {
            Ok(Sealed::No | Sealed::Recipients) => {}
            Ok(Sealed::Passphrase) => assert!(opened.is_err(), "opened without a passphrase"),
            Err(_) => assert!(opened.is_err(), "opened against the line checks"),
        }
        if let (Ok(plain), Ok(opened)) = (&plain, &opened) {
            assert_eq!(plain.did(), opened.did());
        }
        let accepted = opened.is_ok();
        for identity in [plain, opened] {
            match identity {
                Ok(identity) => {
                    let signature = identity.sign(b"message");
                    assert!(
                        identity.did().verifies(b"message", &signature),
                        "a key that is not its party's"
                    );
                }
                Err(error) => check(&error.to_string(), &path),
            }
        }
        accepted
    })
}

/// Errors are there, and hold no secret: the plain record's are 7 and 8 again and again.
fn check(message: &str, path: &Path) {
    assert!(
        !message.is_empty() && !message.contains("07070707") && !message.contains("\x07\x07"),
        "{}",
        path.display()
    );
}

pub(super) fn repair(data: &mut [u8]) {
    if data.starts_with(b"hegwas") {
        messages::repair(data);
    }
}

/// A record in the clear: header, party, time, two secrets.
fn record() -> Vec<u8> {
    let signing = [7; 32];
    let party = SigningKey::from_bytes(&signing).verifying_key().to_bytes();
    let body = [&party[..], &5_u64.to_le_bytes(), &signing, &[8; 32]].concat();
    let mut header = b"hegwas\x01\x20".to_vec();
    header.extend((body.len() as u64).to_le_bytes());
    header.resize(64, 0);
    [header, body].concat()
}

pub(super) fn seeds() -> Seeds {
    let good = record();
    let with = |at: usize, value: u8| {
        let mut bad = good.clone();
        bad[at] = value;
        bad
    };
    let mut zero = good.clone();
    zero[64 + 72..].fill(0);
    let lines = |text: &str| text.lines().map(|line| format!("  {line}\r\n")).collect::<String>();
    vec![
        ("good-sealed", SEALED.into()),
        ("good-sheet", format!("hegwas key backup\n\n{}\nline checks:\n", lines(SEALED)).into()),
        ("bad-sheet-check", format!("{SEALED}\nline checks:\n1=0000\n").into()),
        ("bad-sealed", SEALED.replacen("XmBTMFOX", "YmBTMFOX", 1).into()),
        ("bad-sealed-truncated", SEALED.as_bytes()[..300].to_vec()),
        (
            "bad-passphrase",
            b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 63\nAAAA\n--- AAAA\n"
                .to_vec(),
        ),
        ("bad-party", with(64, 1)),
        ("bad-zero", zero),
        ("bad-version", with(6, 2)),
        ("bad-truncated", good[..good.len() - 1].to_vec()),
        ("bad-empty", Vec::new()),
        ("good-plain", good),
    ]
}

const AGE_IDENTITY: &str =
    "AGE-SECRET-KEY-1KT0S49SR6A5MJVFT4A2H8VRJJWCCGKP2SXMW6HCY06RAHFVYYJ4QSRDGVR\n";

/// The record, sealed with the age program to the identity above.
const SEALED: &str = "-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBBQjRBemtwMHdScFAvRHkx
WnY3TW5GSGhJYnRUSnJjUEVhcitoZndRUHlZCi9ZQm5KMUNmdXZLaW04TmdBaWV4
a3l0L2JYaGI2bnhkdlkzNnRJakVNQjQKLS0tIDV5Nmh4Tit1TXJpOVJBNXZSaTZ1
aEMrSko2QnRxZERWeXIrR3dMeWFQRlEKmYbqbi3lw+7HJ/hY5FDyg04jFumOPq7N
MfOszr8Tfc5PcuzInY1qHq6kJXLvJvNjSFQMWAyvB8JvBhiiWAfp5aVSAoH4zKV/
yAYa7oy725tWMPH5q1WTxBhMfFZPHyFgVf1InAAWeWi3iEgCHdVaghavqJI09FkE
aMxaOzO145CSI6zprVqn4Gq6ijtlQUr1WxKbthD5B8DJWsJet/GLUE7TswMvLsdy
XmBTMFOXAkPoGXfohn+WYzqQ76uc3Qm7Q3Ri12lsQqU=
-----END AGE ENCRYPTED FILE-----
";
