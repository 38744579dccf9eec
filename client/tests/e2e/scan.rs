//! Finding plaintext in bytes: sequences of small numbers in every way that a program might write them down.

use std::collections::HashMap;

/// How a sequence of small numbers may stand in memory or in a file.
pub const ENCODINGS: [&str; 13] = [
    "i8", "i16 le", "i32 le", "i64 le", "i16 be", "i32 be", "i64 be", "f32", "f64", "digits",
    "lines", "2 bits", "1 bit",
];

/// Numbers in a piece that is searched for. Any run of twice as many contains a whole piece.
fn piece(encoding: &str) -> usize {
    match encoding {
        "1 bit" => 96,
        "2 bits" => 48,
        _ => 24,
    }
}

/// The bytes of a sequence; nothing if it can't be written like that.
pub fn encode(encoding: &str, values: &[i64]) -> Option<Vec<u8>> {
    let each = |f: &dyn Fn(i64) -> Vec<u8>| values.iter().flat_map(|&v| f(v)).collect();
    let bits = |width: usize| -> Option<Vec<u8>> {
        let fits = |v: &i64| (0..1 << width).contains(v);
        values.iter().all(fits).then(|| {
            let byte = |chunk: &[i64]| {
                (0..).zip(chunk).fold(0, |byte, (i, &v)| byte | (v as u8) << (i * width))
            };
            values.chunks(8 / width).map(byte).collect()
        })
    };
    Some(match encoding {
        "i8" => each(&|v| vec![v as u8]),
        "i16 le" => each(&|v| (v as i16).to_le_bytes().to_vec()),
        "i32 le" => each(&|v| (v as i32).to_le_bytes().to_vec()),
        "i64 le" => each(&|v| v.to_le_bytes().to_vec()),
        "i16 be" => each(&|v| (v as i16).to_be_bytes().to_vec()),
        "i32 be" => each(&|v| (v as i32).to_be_bytes().to_vec()),
        "i64 be" => each(&|v| v.to_be_bytes().to_vec()),
        "f32" => each(&|v| (v as f32).to_le_bytes().to_vec()),
        "f64" => each(&|v| (v as f64).to_le_bytes().to_vec()),
        "digits" if values.iter().all(|v| (0..10).contains(v)) => {
            each(&|v| v.to_string().into_bytes())
        }
        "lines" => each(&|v| format!("{v}\n").into_bytes()),
        "2 bits" => return bits(2),
        "1 bit" => return bits(1),
        _ => return None,
    })
}

/// What it is, and its bytes.
type Needle = (String, Vec<u8>);

/// What is searched for, by length and then by hash.
#[derive(Default)]
pub struct Needles {
    by_length: HashMap<usize, HashMap<u64, Vec<Needle>>>,
    pub count: usize,
}

const BASE: u64 = 0x0100_0000_01b3;

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |h, &b| push(h, b))
}

fn push(hash: u64, byte: u8) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1)
}

/// Where a hash stands in a table of flags.
fn slot(hash: u64) -> usize {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 42) as usize
}

impl Needles {
    pub fn add(&mut self, what: &str, bytes: Vec<u8>) {
        self.count += 1;
        let same_length = self.by_length.entry(bytes.len()).or_default();
        same_length.entry(hash(&bytes)).or_default().push((what.to_owned(), bytes));
    }

    /// Adds the pieces of a sequence in every encoding. A piece in which nearly everybody has the same number is left out:
    /// it is found where nothing leaked.
    pub fn add_sequence(&mut self, what: &str, values: &[i64]) {
        for encoding in ENCODINGS {
            for piece in values.chunks_exact(piece(encoding)) {
                let most = piece.iter().map(|v| piece.iter().filter(|w| *w == v).count()).max();
                if piece.len() - most.unwrap_or(0) < piece.len() / 4 {
                    continue;
                }
                if let Some(mut bytes) = encode(encoding, piece) {
                    // Lines of one or two characters: the same length for all, as every length is a search of its own.
                    bytes.truncate(if encoding == "lines" { 48 } else { usize::MAX });
                    self.add(&format!("{what} as {encoding}"), bytes);
                }
            }
        }
    }

    /// What of it stands somewhere in `haystack`.
    pub fn find(&self, haystack: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (&length, needles) in &self.by_length {
            if haystack.len() < length {
                continue;
            }
            let mut flags = vec![false; 1 << 22];
            needles.keys().for_each(|&h| flags[slot(h)] = true);
            let oldest = (1..length).fold(1u64, |power, _| power.wrapping_mul(BASE));
            let mut h = hash(&haystack[..length - 1]);
            for (end, &byte) in haystack.iter().enumerate().skip(length - 1) {
                h = push(h, byte);
                let start = end + 1 - length;
                if flags[slot(h)]
                    && let Some(candidates) = needles.get(&h)
                {
                    let there = &haystack[start..=end];
                    found.extend(candidates.iter().filter(|c| c.1 == there).map(|c| c.0.as_str()));
                }
                let gone = u64::from(haystack[start]) + 1;
                h = h.wrapping_sub(gone.wrapping_mul(oldest));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[test]
fn the_search_finds_what_is_there_and_nothing_else() {
    let values: Vec<i64> = (0..200).map(|i| i * i / 7 % 3).collect();
    let mut needles = Needles::default();
    needles.add_sequence("x", &values);
    let noise: Vec<u8> =
        (0..10_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(needles.find(&noise).is_empty());
    for encoding in ENCODINGS.iter().filter(|e| **e != "1 bit") {
        let bytes = encode(encoding, &values).unwrap();
        let haystack = [&noise[..777], &bytes, &noise[777..]].concat();
        assert!(
            needles.find(&haystack).contains(&format!("x as {encoding}").as_str()),
            "{encoding}"
        );
        // Half a sequence that starts in the middle of one is enough.
        let half = &bytes[bytes.len() / 3..][..bytes.len() / 2];
        assert!(!needles.find(half).is_empty(), "{encoding}");
    }
}
