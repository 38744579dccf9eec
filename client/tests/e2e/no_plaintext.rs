//! Every byte that the server stores or receives in a whole run, its index and its log included, searched for plaintext.

use std::fs;

use crate::common::run;
use crate::proxy::Proxy;
use crate::scan::{ENCODINGS, Needles, encode};
use crate::site::{Site, Typing, files, fixture, plaintext_table};

const PEOPLE: usize = 120;

/// The plaintext of the committed cohort, as sequences of numbers with names.
struct Plaintext {
    sequences: Vec<(String, Vec<i64>)>,
    ids: Vec<String>,
}

impl Plaintext {
    fn read() -> Self {
        let bed = fs::read(fixture("small.bed")).unwrap();
        let codes: Vec<Vec<i64>> = bed[3..]
            .chunks(PEOPLE.div_ceil(4))
            .map(|row| (0..PEOPLE).map(|i| i64::from(row[i / 4] >> (2 * (i % 4)) & 3)).collect())
            .collect();
        let person = |i: usize| codes.iter().map(|row| row[i]).collect::<Vec<i64>>();
        let mut lines: Vec<(String, Vec<i64>)> = codes
            .iter()
            .enumerate()
            .map(|(v, row)| (format!("variant {v}"), row.clone()))
            .collect();
        lines.extend((0..PEOPLE).map(|i| (format!("person {i}"), person(i))));
        let mut sequences = Vec::new();
        for (name, codes) in lines {
            // Copies of ALT by PLINK's code (00 two, 01 missing, 10 one, 11 none), and what the planes hold.
            let plane = |f: [i64; 4]| codes.iter().map(|&c| f[c as usize]).collect::<Vec<_>>();
            sequences.push((format!("copies of {name}"), plane([2, 3, 1, 0])));
            sequences.push((format!("dosage of {name}"), plane([1, 0, 0, -1])));
            sequences.push((format!("homozygotes of {name}"), plane([1, 0, 0, 0])));
            sequences.push((format!("codes of {name}"), codes));
        }
        let table = fs::read_to_string(fixture("small.pheno.tsv")).unwrap();
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|l| l.split('\t').collect()).collect();
        let status: Vec<i64> = rows.iter().map(|r| r[2].parse().unwrap()).collect();
        sequences.push(("cases".into(), status.iter().map(|&s| i64::from(s == 2)).collect()));
        sequences.push(("phenotype".into(), status));
        Self { sequences, ids: rows.iter().map(|r| r[1].to_owned()).collect() }
    }

    fn needles(&self) -> Needles {
        let mut needles = Needles::default();
        for (name, values) in &self.sequences {
            needles.add_sequence(name, values);
        }
        for id in &self.ids {
            needles.add("a sample id", id.clone().into_bytes());
        }
        needles
    }
}

#[test]
fn the_server_stores_and_receives_no_plaintext() {
    let proxy = Proxy::start();
    let site = Site::behind(&proxy);
    let ids = site.prepare("small");
    let job = site.compute(&ids);
    let (out, all) = (site.path("x"), ["--test", "allelic,trend,geno,dom,rec"]);
    run(site.command(&["result", &job]).args(all).arg("--out").arg(&out));
    // It was a run, with the right result.
    let table = fs::read(out.with_extension("assoc.tsv")).unwrap();
    assert!(table == plaintext_table("small", site.dir.path(), &all));

    let stored = files(&site.path("data"));
    let log = fs::read(site.path("data.log")).unwrap();
    let received = proxy.recorded();
    let names: Vec<String> = stored.iter().map(|(path, _)| path.display().to_string()).collect();
    assert!(names.iter().any(|n| n.contains("index.sqlite")) && !log.is_empty(), "{names:?}");
    // What is looked through is what was sent: each chunk stands in the store and went over the wire, and the list of
    // variants, which is public, is found like any other text.
    let mut public = Needles::default();
    for (path, bytes) in files(&site.path("encrypted")) {
        if path.parent().unwrap().ends_with("chunks") {
            assert!(stored.iter().any(|(_, other)| *other == bytes), "{}", path.display());
            public.add("a chunk", bytes[1000..1100].to_vec());
        }
    }
    assert!(public.count >= 4);
    public.add("a variant", b"\trs1000001\t".to_vec());
    let find = |needles: &Needles, kind: &str| -> Vec<String> {
        let stored = stored.iter().map(|(path, bytes)| (path.display().to_string(), bytes));
        let received = received.iter().map(|bytes| ("the wire".to_owned(), bytes));
        let all = stored.chain(received).chain([("the log".to_owned(), &log)]);
        let all =
            all.filter(|(place, _)| kind.is_empty() || (place == "the wire") == (kind == "wire"));
        all.flat_map(|(place, bytes)| {
            needles
                .find(bytes)
                .into_iter()
                .map(move |what| format!("{what} in {place}"))
                .collect::<Vec<_>>()
        })
        .collect()
    };
    for kind in ["wire", "stored"] {
        let found = find(&public, kind);
        let count = |what: &str| found.iter().filter(|f| f.starts_with(what)).count();
        assert!(count("a chunk") >= 1 && count("a variant") >= 1, "{kind}: {found:?}");
    }

    let plaintext = Plaintext::read();
    let needles = plaintext.needles();
    assert!(needles.count > 20_000, "{}", needles.count);
    let found = find(&needles, "");
    assert!(found.is_empty(), "{} leaks, such as {:?}", found.len(), &found[..found.len().min(5)]);
}

/// The search is able to fail: it finds each kind of plaintext between the bytes of ciphertexts, and in the files of plaintext.
#[test]
fn leaks_would_be_found() {
    let plaintext = Plaintext::read();
    let needles = plaintext.needles();
    for file in ["small.bed", "small.fam", "small.pheno.tsv"] {
        assert!(!needles.find(&fs::read(fixture(file)).unwrap()).is_empty(), "{file}");
    }
    let site = Site::new();
    site.encrypt("small", "encrypted");
    let folder = files(&site.path("encrypted/dataset/chunks"));
    let ciphertext = &folder[0].1[..100_000];
    assert!(needles.find(ciphertext).is_empty());
    // The list of people is in the folder too, and never uploaded: it is found where it is.
    let people = fs::read(site.path("encrypted/dataset/people.tsv")).unwrap();
    assert_eq!(needles.find(&people), ["a sample id"]);
    let mut kinds = std::collections::BTreeSet::new();
    let chosen = plaintext.sequences.iter().filter(|(name, _)| {
        name == "cases"
            || name == "phenotype"
            || name.ends_with("person 60")
            || name.ends_with("variant 77")
    });
    for (name, values) in chosen {
        for encoding in ENCODINGS {
            let Some(leak) = encode(encoding, values) else { continue };
            let spoiled = [&ciphertext[..50_001], &leak, &ciphertext[50_001..]].concat();
            if needles.find(&spoiled).iter().any(|what| *what == format!("{name} as {encoding}")) {
                kinds.insert((name.split(' ').next().unwrap().to_owned(), encoding));
            }
        }
    }
    for encoding in ENCODINGS.into_iter().filter(|e| *e != "1 bit") {
        // A missing phenotype is -9, which is no digit and no two bits.
        let numbers = !["digits", "2 bits"].contains(&encoding);
        for sequence in ["copies", "codes", "phenotype"].iter().take(if numbers { 3 } else { 2 }) {
            assert!(
                kinds.contains(&((*sequence).to_owned(), encoding)),
                "{sequence} as {encoding}: {kinds:?}"
            );
        }
    }
    assert!(kinds.contains(&("cases".to_owned(), "1 bit")), "{kinds:?}");
}
