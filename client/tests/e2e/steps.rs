//! Step by step, as the README says, with a passphrase; and what every command says of itself.

use clap::CommandFactory as _;
use hegwas::cli::Cli;

use crate::common::{hegwas, run};
use crate::site::{Site, Typing, files, fixture, new_key, plaintext_table, refused};

const ALL_TESTS: [&str; 2] = ["--test", "allelic,trend,geno,dom,rec"];

#[test]
fn every_step_with_a_key_file_and_a_passphrase_file() {
    let site = Site::new();
    // The same key under a passphrase.
    let [secret, sealed] = ["secret.txt", "sealed.key"].map(|f| site.path(f));
    std::fs::write(&secret, "correct horse battery staple\n").unwrap();
    let mut backup = hegwas();
    backup.args(["key", "backup"]).arg(&site.key).arg("--out").arg(&sealed);
    run(backup.arg("--new-passphrase-file").arg(&secret));
    let mut asked = hegwas();
    asked.args(["key", "show"]).arg(&sealed);
    refused(&asked.output().unwrap(), 4, &["passphrase", "no terminal"]);
    // The steps of the README with it: no command asks. (To open it takes a second each time, so listings do without.)
    let sealed = |args: &[&str]| -> String {
        let mut command = site.command(args);
        command.env("HEGWAS_KEY", &sealed).env("HEGWAS_PASSPHRASE_FILE", &secret);
        run(&mut command).trim().to_owned()
    };
    let sealed_json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&sealed(&[&["--json"], args].concat())).unwrap()
    };
    let step = |args: &[&str]| site.run(args);
    let json = |args: &[&str]| site.json(args);

    let (bfile, pheno, out) =
        (fixture("small"), fixture("small.pheno.tsv"), site.path("encrypted"));
    let mut encrypt = vec!["encrypt", "--bfile", bfile.to_str().unwrap(), "--pheno"];
    encrypt.extend([
        pheno.to_str().unwrap(),
        "--pheno-name",
        "CASE",
        "--out",
        out.to_str().unwrap(),
    ]);
    let made = sealed_json(&[&encrypt[..], &ALL_TESTS].concat());
    let [dataset, phenotype] =
        ["dataset", "phenotype"].map(|n| made[n].as_str().unwrap().to_owned());
    assert_eq!((&made["people"], &made["variants"]), (&120.into(), &400.into()));
    let folders = ["dataset", "phenotype"].map(|n| out.join(n).to_str().unwrap().to_owned());
    let pushed = sealed_json(&["push", &folders[0], &folders[1]]);
    assert_eq!((&pushed[0]["id"], &pushed[1]["id"]), (&made["dataset"], &made["phenotype"]));
    assert!(pushed[0]["uploaded_bytes"].as_u64().unwrap() > 1 << 20);
    // Once more: nothing has to be sent.
    assert_eq!(json(&["push", &folders[0]])[0]["uploaded_bytes"], 0);

    let study = sealed(&[
        "study",
        "new",
        "--dataset",
        &dataset,
        "--name",
        "Pilot",
        "--purpose",
        "Known loci",
    ]);
    let grant = sealed(&["grant", "new", "--dataset", &dataset, "--study", &study, "--for", "90d"]);
    let job = sealed(&[
        "run",
        "new",
        "--study",
        &study,
        "--dataset",
        &dataset,
        "--phenotype",
        &phenotype,
        "--grant",
        &grant,
    ]);

    // Listings, each as text and as JSON.
    let listed = json(&["study", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&study.as_str().into(), &"Pilot".into()));
    assert_eq!(json(&["grant", "list"])[0]["id"], grant.as_str());
    assert_eq!(json(&["run", "list"])[0]["job"], job.as_str());
    let status = json(&["run", "status", &job]);
    assert_eq!((&status["state"], &status["done"]), (&"computed".into(), &status["total"]));
    assert_eq!(json(&["run", "watch", &job])["state"], "computed");
    let shown = json(&["study", "show", &study]);
    assert_eq!((&shown["purpose"], &shown["variants"]), (&"Known loci".into(), &400.into()));
    for (command, id) in [("study", &study), ("grant", &grant), ("run", &job)] {
        assert!(step(&[command, "list"]).starts_with(id.as_str()), "{command}");
    }
    assert!(step(&["study", "show", &study]).contains("purpose\tKnown loci"));

    // The result with the key, and with a share made from it.
    let table =
        |prefix: &str| std::fs::read(site.path(prefix).with_extension("assoc.tsv")).unwrap();
    let path = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let result = ["result", &job, "--plot", "png,svg", "--out", &path("pilot")];
    let written = sealed_json(&[&result[..], &ALL_TESTS].concat());
    assert_eq!(written.as_array().unwrap().len(), 1 + 5 * 2 * 2, "{written}");
    for file in written.as_array().unwrap() {
        assert!(std::fs::metadata(file.as_str().unwrap()).unwrap().len() > 1000, "{file}");
    }
    assert!(table("pilot") == plaintext_table("small", site.dir.path(), &ALL_TESTS));
    sealed(&["share", &job, "--out", &path("pilot.share")]);
    let result = ["result", &job, "--share", &path("pilot.share"), "--out", &path("shared")];
    step(&[&result[..], &ALL_TESTS].concat());
    assert!(table("pilot") == table("shared"));
    // A share is never overwritten.
    site.refused(&["share", &job, "--out", &path("pilot.share")], 8, &["pilot.share", "exist"]);

    // What is in the files, as text and as JSON; never a person.
    for (file, kind) in [
        ("encrypted/dataset/manifest.hegwas", "dataset"),
        ("encrypted/phenotype/manifest.hegwas", "phenotype"),
        ("pilot.assoc.tsv", "table"),
        ("plain.run.json", "record"),
        ("sealed.key", "age"),
        ("pilot.share", "decryption shares of a result"),
    ] {
        let text = run(hegwas().arg("inspect").arg(site.path(file)));
        assert!(text.contains(kind) && !text.contains("P000001"), "{file}: {text}");
        let report = run(hegwas().args(["--json", "inspect"]).arg(site.path(file)));
        let _json: serde_json::Value = serde_json::from_str(&report).unwrap();
    }

    // A withdrawn grant is gone.
    step(&["grant", "withdraw", &grant]);
    assert_eq!(json(&["grant", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn a_panel_and_a_further_phenotype() {
    let site = Site::new();
    let panel = site.path("panel.tsv");
    let mut command = site.command(&["panel", "--maf", "0.05", "--bfile"]);
    let digest = run(command.arg(fixture("small")).arg("--out").arg(&panel));
    assert_eq!(digest.trim().len(), 64);
    let mut command = site.command(&["encrypt", "--bfile"]);
    command.arg(fixture("small")).arg("--panel").arg(&panel).arg("--out").arg(site.path("first"));
    let first = run(&mut command);
    assert!(!first.contains("phenotype"), "{first}");
    let mut command = site.command(&["encrypt", "--dataset"]);
    command.arg(site.path("first/dataset")).arg("--pheno").arg(fixture("small.pheno.tsv"));
    let second = run(command.arg("--out").arg(site.path("second")));
    assert!(second.starts_with(first.trim()) && second.contains("phenotype\t"), "{second}");
    let shown = run(hegwas().arg("inspect").arg(site.path("first/dataset/manifest.hegwas")));
    assert!(shown.contains(digest.trim()), "{shown}");
    // On another cohort's variants the panel does not fit.
    let mut command = site.command(&["encrypt", "--bfile"]);
    command.arg(fixture("edge")).arg("--panel").arg(&panel).arg("--out").arg(site.path("third"));
    refused(&command.output().unwrap(), 3, &["panel.tsv", "provide none of the panel"]);
    assert!(files(&site.path("third")).is_empty());
}

#[test]
fn every_subcommand_explains_itself_with_an_example() {
    fn walk(command: &clap::Command, path: &[String]) {
        if !path.is_empty() {
            let output = run(hegwas().args(path).arg("--help"));
            assert!(output.contains("Usage: hegwas"), "{path:?}");
            assert!(
                output.contains("\nExample") && output.contains("  hegwas "),
                "{path:?}: {output}"
            );
        }
        for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
            walk(sub, &[path, &[sub.get_name().to_owned()]].concat());
        }
    }
    walk(&Cli::command(), &[]);
}

#[test]
fn keys_are_made_once_and_show_who_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("me.key");
    let did = new_key(&key);
    assert!(did.starts_with("did:key:z6Mk"), "{did}");
    let output =
        hegwas().args(["key", "new", "--no-passphrase", "--out"]).arg(&key).output().unwrap();
    refused(&output, 4, &["me.key", "exists already"]);
    let json = run(hegwas().args(["--json", "key", "show"]).arg(&key));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json.to_string().contains(&did));
}

#[test]
fn the_demo_of_a_consortium_ends_with_the_check_and_names_who_is_awaited() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo");
    let mut command = hegwas();
    command.args(["demo", "consortium", "--people", "120", "--variants", "500", "--out"]);
    let output = command.arg(&out).output().unwrap();
    let said = crate::common::text(&output);
    assert!(output.status.success(), "{said}");
    for words in [
        "CHROM",
        "identical, byte for byte",
        "holder-3: check and commit to shares of the totals",
        "amber       $ hegwas encrypt",
        "cedar       $ hegwas encrypt",
        "MB of bytes such as",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for party in ["amber", "birch", "cedar", "holder-1", "holder-2", "holder-3", "analyst"] {
        assert!(out.join(party).join("me.key").exists(), "{party}");
    }
    assert!(out.join("analyst/result.trend.qq.svg").exists());
    // A folder that is there is not written to.
    let mut again = hegwas();
    again.args(["demo", "consortium", "--out"]).arg(&out);
    refused(&again.output().unwrap(), 3, &["exists", "--out"]);
}

#[test]
fn the_demo_ends_with_the_check_and_the_top_hits() {
    let dir = tempfile::tempdir().unwrap();
    let demo = |out: &str, json: &[&str]| {
        let mut command = hegwas();
        command.args(json).args(["demo", "--people", "400", "--variants", "3000", "--out"]);
        run(command.arg(dir.path().join(out)))
    };
    let said = demo("text", &[]);
    assert!(said.contains("CHROM") && said.contains("identical, byte for byte"), "{said}");
    for file in [
        "result.assoc.tsv",
        "result.run.json",
        "result.allelic.manhattan.png",
        "result.trend.qq.svg",
    ] {
        assert!(dir.path().join("text").join(file).exists(), "{file}");
    }
    let json: serde_json::Value = serde_json::from_str(&demo("json", &["--json"])).unwrap();
    assert_eq!((&json["identical"], json["planted"].as_array().unwrap().len()), (&true.into(), 6));
    let run = &json["run"];
    assert!(run["server"]["pid"].is_u64() && run["bytes_uploaded"].as_u64().unwrap() > 1 << 20);
    let stages: Vec<&str> =
        run["stages"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    for name in ["read", "encrypt and upload", "compute", "decrypt", "report"] {
        assert!(stages.contains(&name), "{stages:?}");
    }
    if cfg!(target_os = "linux") {
        for place in [run, &run["server"]] {
            let peak = |name: &str| place[name].as_u64().unwrap();
            assert!(peak("peak_anonymous_memory") > 1 << 20);
            assert!(peak("peak_anonymous_memory") <= peak("peak_memory"), "{place}");
            assert!(place["cpu_seconds"].as_f64().unwrap() > 0.0);
        }
    }
}
