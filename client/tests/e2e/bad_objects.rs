//! Encrypted objects, keys and ids that don't fit: what the commands and the server say to them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gwas::wire::{Dataset, Envelope};
use he_core::Digest;
use he_core::codec::decode;
use hegwas::bundle::{CHUNKS, MANIFEST};
use hegwas::keys::{Identity, PassphraseSource};

use crate::common::{hegwas, run};
use crate::site::{Server, Site, Typing, files, fixture, new_key, refused};

/// The files of chunks of an encrypted dataset, in the manifest's order.
fn chunks(folder: &Path) -> Vec<PathBuf> {
    let dataset: Dataset = open(folder);
    dataset.chunks.iter().map(|c| folder.join(CHUNKS).join(c.digest.to_string())).collect()
}

fn open(folder: &Path) -> Dataset {
    let bytes = fs::read(folder.join(MANIFEST)).unwrap();
    let opened: gwas::wire::Opened<Dataset> = Envelope::open(&bytes).unwrap();
    opened.message
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Changes a chunk and everything that names it, as somebody would who holds the key: digests and signature fit.
fn forge(site: &Site, folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut dataset = open(folder);
    let old = chunks(folder).remove(0);
    let mut bytes = fs::read(&old).unwrap();
    change(&mut bytes);
    let digest = Digest::of(&bytes);
    dataset.chunks[0].digest = digest;
    dataset.chunks[0].length = bytes.len() as u64;
    fs::write(old.with_file_name(digest.to_string()), bytes).unwrap();
    let me = Identity::load(&site.key, &PassphraseSource::Terminal).unwrap();
    let mut envelope = Envelope::new(&dataset).unwrap();
    envelope.sign(me.did(), |bytes| me.sign(bytes));
    fs::write(folder.join(MANIFEST), envelope.to_bytes().unwrap()).unwrap();
}

#[test]
fn damaged_and_forged_ciphertexts() {
    let site = Site::new();
    let stored = || files(&site.path("data/objects/chunks")).len();
    let attempt = |name: &str, code: i32, words: &[&str], damage: &dyn Fn(&Path)| {
        site.encrypt("small", name);
        let folder = site.path(name).join("dataset");
        damage(&folder);
        site.refused(&["push", folder.to_str().unwrap()], code, words);
        assert_eq!(site.json(&["study", "list"]).as_array().unwrap().len(), 0);
    };
    let flip = |folder: &Path| edit(&chunks(folder)[0], |b| b[5000] ^= 1);
    attempt("flipped", 7, &["flipped/dataset/chunks/", "is damaged", "help: encrypt again"], &flip);
    let cut = |folder: &Path| edit(&chunks(folder)[0], |b| b.truncate(b.len() - 1));
    attempt("cut", 7, &["cut/dataset/chunks/", "is damaged", "help: encrypt again"], &cut);
    let gone = |folder: &Path| fs::remove_file(&chunks(folder)[0]).unwrap();
    attempt("gone", 3, &["gone/dataset/chunks/", "No such file", "help: "], &gone);
    let unsigned = |folder: &Path| edit(&folder.join(MANIFEST), |b| b[200] ^= 1);
    attempt("unsigned", 7, &["unsigned/dataset/manifest.hegwas", "help: encrypt again"], &unsigned);
    let panel = |folder: &Path| edit(&folder.join("panel.tsv"), |b| b.truncate(b.len() / 2));
    attempt("panel", 7, &["panel/dataset/panel.tsv", "help: encrypt again"], &panel);
    let before = stored();
    // Digests and signature fit, the bytes don't: the server looks at them.
    let parameters = |folder: &Path| forge(&site, folder, |b| b[16] ^= 1);
    attempt("parameters", 6, &["the server refused", "parameter", "help: "], &parameters);
    let magic = |folder: &Path| forge(&site, folder, |b| b[0] = b'H');
    attempt("magic", 6, &["the server refused", "help: "], &magic);
    let residue = |folder: &Path| forge(&site, folder, |b| b[64..128].fill(0xff));
    attempt("residue", 6, &["the server refused", "help: "], &residue);
    // Of a dataset that is refused nothing can be used, and what was bad was not stored at all.
    for (path, bytes) in files(&site.path("data/objects/chunks")) {
        assert!(he_core::codec::Header::parse(&bytes).is_ok(), "{}", path.display());
    }
    assert!(stored() >= before);
    let nothing: Vec<String> = site.run(&["run", "list"]).lines().map(str::to_owned).collect();
    assert!(nothing.is_empty());
    let _decoded: Envelope =
        decode(&fs::read(site.path("magic/dataset").join(MANIFEST)).unwrap()).unwrap();
}

#[test]
fn key_files_and_passphrases() {
    let site = Site::new();
    let loose =
        |mode: u32| fs::set_permissions(&site.key, fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        loose(mode);
        let mode = format!("mode {mode:04o}");
        for args in [&["study", "list"][..], &["key", "show"]] {
            site.refused(args, 4, &["me.key", "other users", &mode, "help: chmod 600"]);
        }
        let mut assoc = site.command(&["assoc", "--bfile"]);
        assoc.arg(fixture("small")).arg("--out").arg(site.path("x")).arg("--key").arg(&site.key);
        refused(&assoc.output().unwrap(), 4, &["me.key", "help: chmod 600"]);
        assert!(!site.path("x.assoc.tsv").exists());
    }
    loose(0o600);
    site.run(&["study", "list"]);
    // Damage of any kind is a bad key, never another key.
    edit(&site.key, |b| {
        let middle = b.len() / 2;
        b[middle] ^= 1;
    });
    site.refused(&["key", "show"], 4, &["me.key", "help: "]);
    edit(&site.key, |b| b.truncate(40));
    site.refused(&["key", "show"], 4, &["me.key", "help: "]);

    let (plain, sealed) = (site.path("other.key"), site.path("sealed.key"));
    new_key(&plain);
    let [right, wrong] = ["right", "wrong"].map(|word| {
        let path = site.path(word);
        fs::write(&path, format!("a {word} passphrase\n")).unwrap();
        path
    });
    let mut backup = hegwas();
    backup.args(["key", "backup"]).arg(&plain).arg("--out").arg(&sealed);
    run(backup.arg("--new-passphrase-file").arg(&right));
    let show = |file: Option<&Path>| {
        let mut command = hegwas();
        command.args(["key", "show"]).arg(&sealed);
        file.map(|file| command.arg("--passphrase-file").arg(file));
        command.output().unwrap()
    };
    assert!(show(Some(&right)).status.success());
    refused(&show(Some(&wrong)), 4, &["wrong passphrase for", "sealed.key", "help: "]);
    refused(&show(None), 4, &["no terminal", "help: ", "--passphrase-file"]);
    refused(&show(Some(&site.path("none"))), 4, &["none", "help: "]);
}

/// A second party of the same server: to it, nothing of the first one's is there, and nothing can be done with it.
#[test]
fn strangers_and_wrong_keys() {
    let dir = tempfile::tempdir().unwrap();
    let [mine, theirs] = ["me.key", "stranger.key"].map(|name| dir.path().join(name));
    let parties = [&mine, &theirs].map(|path| new_key(path)).join(",");
    let server = Server::start(&dir.path().join("data"), "127.0.0.1:0", &parties, &[]);
    let url = server.url.clone();
    let mut site = Site { dir, server, key: mine, url };
    let ids = site.prepare("small");
    let job = site.compute(&ids);
    let share = site.path("a.share");
    site.run(&["share", &job, "--out", share.to_str().unwrap()]);
    let folder = |name: &str| site.path("encrypted").join(name).to_str().unwrap().to_owned();
    let (dataset, phenotype, out) = (folder("dataset"), folder("phenotype"), site.path("x"));
    let out = out.to_str().unwrap().to_owned();

    let me = std::mem::replace(&mut site.key, theirs);
    let unknown = ["the server refused", "that you may read", "help: "];
    site.refused(
        &["study", "new", "--dataset", &ids.dataset, "--name", "S", "--purpose", "P"],
        6,
        &unknown,
    );
    site.refused(&["study", "show", &ids.study], 6, &unknown);
    site.refused(&["grant", "new", "--dataset", &ids.dataset, "--study", &ids.study], 6, &unknown);
    site.refused(&["grant", "withdraw", &ids.grant], 6, &unknown);
    site.refused(&["run", "status", &job], 6, &unknown);
    site.refused(&["run", "cancel", &job], 6, &unknown);
    site.refused(&Site::job_arguments(&ids), 6, &["the server refused", "help: "]);
    site.refused(&["result", &job, "--out", &out], 6, &unknown);
    // Holding the share is not enough: the ciphertext is not to be had.
    let with_share = ["result", &job, "--share", share.to_str().unwrap(), "--out", &out];
    site.refused(&with_share, 6, &unknown);
    for list in ["study", "grant", "run"] {
        assert_eq!(site.json(&[list, "list"]), serde_json::json!([]), "{list}");
    }
    // Another's dataset can be neither uploaded as one's own nor given a phenotype.
    site.refused(&["push", &dataset], 6, &["the server refused", "sign", "help: "]);
    site.refused(&["push", &phenotype], 6, &["the server refused", "help: "]);
    let mut further = site.command(&["encrypt", "--dataset", &dataset, "--pheno"]);
    further.arg(fixture("small.pheno.tsv")).arg("--out").arg(site.path("further"));
    refused(
        &further.output().unwrap(),
        3,
        &["encrypted with another key", "help: use the key file"],
    );
    assert!(!site.path("further").exists());

    // A third party, whom the server does not know.
    let stranger = site.path("third.key");
    new_key(&stranger);
    site.key = stranger;
    site.refused(&["study", "list"], 6, &["the server refused", "help: "]);

    // With the right key everything is still there; a share that is damaged or of another job is refused.
    site.key = me;
    let spoiled = site.path("spoiled.share");
    let with_share = ["result", &job, "--share", spoiled.to_str().unwrap(), "--out", &out];
    let good = fs::read(&share).unwrap();
    for (at, words) in
        [(good.len() - 1000, "noise"), (100, "noise"), (5, "spoiled.share"), (24, "spoiled.share")]
    {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        fs::write(&spoiled, bytes).unwrap();
        let output = site.command(&with_share).output().unwrap();
        assert_eq!(output.status.code(), Some(7), "{at} {words}: {}", crate::common::text(&output));
        assert!(!site.path("x.assoc.tsv").exists());
    }
    fs::write(&spoiled, &good[..good.len() - 1]).unwrap();
    site.refused(&with_share, 7, &["spoiled.share", "cut off", "help: make the share again"]);
    let again = site.compute(&ids);
    let other = ["result", &again, "--share", share.to_str().unwrap(), "--out", &out];
    if again != job {
        site.refused(&other, 7, &["holds no share of this result", "help: make the share again"]);
    }
    site.run(&["result", &job, "--out", &out]);
}

#[test]
fn grants_end_and_ids_must_fit_together() {
    let site = Site::new();
    let ids = site.prepare("small");
    // Of the right form, but nobody's.
    let nobody = "0".repeat(64);
    site.refused(&["run", "status", &nobody], 6, &["that you may read", "help: "]);
    let mut mixed = Site::job_arguments(&ids);
    mixed[7] = &ids.dataset;
    site.refused(&mixed, 6, &["the server refused", "help: "]);
    let short = ["grant", "new", "--dataset", &ids.dataset, "--study", &ids.study, "--for", "5s"];
    let grant = site.run(&short);
    std::thread::sleep(std::time::Duration::from_millis(6100));
    let mut late = Site::job_arguments(&ids);
    late[9] = &grant;
    site.refused(&late, 6, &["the server refused", "expired", "help: "]);
    site.run(&["grant", "withdraw", &ids.grant]);
    site.refused(&Site::job_arguments(&ids), 6, &["the server refused", "help: "]);
}
