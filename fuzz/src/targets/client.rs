//! What the command reads beside objects and genotypes: event streams, lists of people, and any file, to say what it is.

use he_core::codec::{Header, Kind};
use he_core::{Digest, Params};
use hegwas::bundle::{PEOPLE, read_people};
use hegwas::console::Console;
use hegwas::net::Events;

use super::{Seeds, fixture, head, panel, report, with_files};

pub(super) const EVENT_WORDS: &[&[u8]] =
    &[b"data:", b"data: ", b"event: x\n", b":\n", b"\n", b"\r\n", b"\n\n", b"{}", b"\xff", b"\0"];

/// A stream; accepted if it holds an event. No event holds a line break at an end that no data line gave it, nor grows
/// beyond the stream.
pub(super) fn events(data: &[u8]) -> bool {
    let mut events = Events::new(data);
    let mut total = 0;
    let mut count = 0;
    while let Some(event) = events.next_event().expect("memory is read without errors") {
        assert!(!event.is_empty(), "an event without data");
        // What is no UTF-8 becomes a character of three bytes.
        total += event.len();
        assert!(total <= 3 * data.len());
        count += 1;
    }
    count > 0
}

pub(super) fn event_seeds() -> Seeds {
    vec![
        (
            "good",
            b": hello\n\nevent: status\ndata: {\"state\":\"running\"}\n\ndata: b\n\n".to_vec(),
        ),
        ("good-lines", b"data: a\r\ndata:b\r\n\r\n".to_vec()),
        ("good-not-utf-8", b"data: \xff\xfe\n\n".to_vec()),
        ("bad-unfinished", b"data: a\n".to_vec()),
        ("bad-no-data", b"event: a\n\n".to_vec()),
        ("bad-empty", Vec::new()),
    ]
}

/// The list of people of a dataset's folder: what is accepted is what would be written.
pub(super) fn people(data: &[u8]) -> bool {
    with_files(&[(PEOPLE, data)], |folder| match read_people(folder) {
        Ok(people) => {
            let mut text = String::from("#FID\tIID\n");
            for person in &people {
                let fid = person.fid.as_deref().expect("every line has a family id");
                text.push_str(&format!("{fid}\t{}\n", person.iid));
            }
            let lines = String::from_utf8_lossy(data).lines().count();
            assert_eq!(text.lines().count(), lines);
            true
        }
        Err(error) => {
            // Nobody's id stands in an error.
            assert!(error.to_string().contains(PEOPLE) && !error.to_string().contains("P00"));
            false
        }
    })
}

pub(super) fn people_seeds() -> Seeds {
    vec![
        ("good", b"#FID\tIID\nP001\tP001\n0\tP002\n".to_vec()),
        ("good-nobody", b"#FID\tIID\n".to_vec()),
        ("bad-header", b"FID\tIID\nP001\tP001\n".to_vec()),
        ("bad-one-column", b"#FID\tIID\nP001\n".to_vec()),
        ("bad-three-columns", b"#FID\tIID\nP001\tP001\tP001\n".to_vec()),
        ("bad-no-id", b"#FID\tIID\nP001\t\n".to_vec()),
        ("bad-not-utf-8", b"#FID\tIID\nP001\t\xff\n".to_vec()),
        ("bad-empty", Vec::new()),
    ]
}

pub(super) const WORDS: &[&[u8]] = &[
    b"hegwas",
    b"##hegwas-panel=1\n",
    b"#CHROM\tPOS\tID\tREF\tALT\tA1\t",
    b"age-encryption.org/v1\n",
    b"-----BEGIN AGE ENCRYPTED FILE-----\n",
    b"{\"command\":\"assoc\",\"versions\":{}}",
    b"{",
    b"[[",
    b"\0",
];

/// Any file. An object that is accepted has the length that it announces.
pub(super) fn inspect(data: &[u8]) -> bool {
    with_files(&[("x", data)], |folder| {
        match hegwas::inspect::report(&folder.join("x"), &Console::silent()) {
            Ok(report) => {
                assert!(!report.kind.is_empty() && report.text().contains(&report.kind));
                true
            }
            Err(error) => {
                assert!(error.to_string().contains("/x"), "{error} names no file");
                false
            }
        }
    })
}

/// Two shares, one after the other, as `hegwas share` writes them; without the polynomials, which are not looked at.
fn shares() -> Vec<u8> {
    let share = |of: u8| {
        let params = Params::N2048Q50.digest().short();
        let context = Digest([of; 32]).short();
        let counts = [1, 1, 0, 0];
        Header { params, context, counts, ..Header::message(Kind::DecryptionShare, 0) }.to_bytes()
    };
    [share(1), share(2)].concat()
}

pub(super) fn inspect_seeds() -> Seeds {
    let good = |seeds: Seeds| seeds.into_iter().next().map(|seed| seed.1).unwrap_or_default();
    let shares = shares();
    vec![
        ("good-panel", good(panel::seeds())),
        ("good-table", good(report::seeds())),
        (
            "good-record",
            b"{\"command\":\"assoc\",\"versions\":{\"hegwas\":\"0.1.0\"},\"seconds\":1.5}".to_vec(),
        ),
        ("good-age", b"age-encryption.org/v1\n-> scrypt AAAA 18\n".to_vec()),
        ("good-shares", shares.clone()),
        ("bad-shares", shares[..shares.len() - 1].to_vec()),
        ("bad-record", b"{\"command\":1}".to_vec()),
        ("bad-bim", head(&fixture("small.bim"), 3)),
        ("bad-empty", Vec::new()),
    ]
}
