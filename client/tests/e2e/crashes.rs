//! Servers that die, disks that are full, requests that are repeated by somebody else.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::common::{hegwas, run, text};
use crate::proxy::Proxy;
use crate::site::{Site, Typing, files, fixture, plaintext_table, refused};

const ALL_TESTS: [&str; 2] = ["--test", "allelic,trend,geno,dom,rec"];

/// Kills process after process when half of an upload has passed; says when.
fn kill_halfway(proxy: &Proxy, bytes: usize, processes: Vec<u32>) -> std::sync::mpsc::Receiver<()> {
    let (send, killed) = std::sync::mpsc::channel();
    proxy.after(bytes / 2, move || {
        for process in processes {
            let status = Command::new("kill").args(["-KILL", &process.to_string()]).status();
            assert!(status.unwrap().success());
        }
        send.send(()).unwrap();
    });
    killed
}

#[test]
fn an_upload_survives_the_death_of_the_server_and_its_own() {
    let proxy = Proxy::start();
    let mut site = Site::behind(&proxy);
    let (dataset, _) = site.encrypt("small", "encrypted");
    let chunks = files(&site.path("encrypted/dataset/chunks"));
    let (count, bytes) = (chunks.len(), chunks.iter().map(|c| c.1.len()).sum::<usize>());
    assert!(count >= 3, "{count} chunks");
    let folder = site.path("encrypted/dataset");
    // One connection, so that a first chunk has arrived when a second one is cut.
    let push = ["push", folder.to_str().unwrap(), "--connections", "1"];

    // Both die in the middle. The same command sends the rest, and only that.
    let mut pushing = site.command(&push).stderr(Stdio::null()).spawn().unwrap();
    let killed = kill_halfway(&proxy, bytes, vec![site.server.id(), pushing.id()]);
    killed.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(!pushing.wait().unwrap().success());
    site.restart(&proxy);
    let pushed = &site.json(&push)[0];
    assert_eq!((&pushed["id"], &pushed["chunks"]), (&dataset.as_str().into(), &count.into()));
    let rest = pushed["uploaded_chunks"].as_u64().unwrap() as usize;
    assert!((1..count).contains(&rest), "{pushed}");
    site.run(&["study", "new", "--dataset", &dataset, "--name", "S", "--purpose", "P"]);

    // The server alone dies, and is back before the command gives up: nobody notices.
    site.encrypt("small", "again");
    let folder = site.path("again/dataset");
    let killed = kill_halfway(&proxy, bytes, vec![site.server.id()]);
    let mut pushing = site
        .command(&["--quiet", "push", folder.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    killed.recv_timeout(Duration::from_secs(60)).unwrap();
    site.restart(&proxy);
    assert!(pushing.wait().unwrap().success());
}

/// That the result's bytes are the same too is a test of the server's; a user sees the same table.
#[test]
fn a_server_killed_in_the_middle_of_a_job_finishes_it_after_a_restart() {
    let proxy = Proxy::start();
    let mut site = Site::behind(&proxy);
    let ids = site.prepare("small");
    let job = site.run(&[&Site::job_arguments(&ids)[..], &["--detach"]].concat());
    site.server.kill();
    site.restart(&proxy);
    assert_eq!(site.json(&["run", "watch", &job])["state"], "computed");
    let out = site.path("x");
    run(site.command(&["result", &job]).args(ALL_TESTS).arg("--out").arg(&out));
    let table = fs::read(out.with_extension("assoc.tsv")).unwrap();
    assert!(table == plaintext_table("small", site.dir.path(), &ALL_TESTS));
}

#[test]
fn recorded_requests_are_worth_nothing() {
    let proxy = Proxy::start();
    let site = Site::behind(&proxy);
    site.run(&["study", "list"]);
    let requests = proxy.recorded();
    let request = requests.iter().find(|r| r.starts_with(b"GET /v1/studies ")).unwrap();
    let request = String::from_utf8(request.clone()).unwrap();
    let answer = |request: &str| {
        let mut stream = TcpStream::connect(&site.server.address).unwrap();
        let last = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        stream.write_all(last.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let replayed = answer(&request);
    assert!(replayed.starts_with("HTTP/1.1 401 ") && replayed.contains("replay"), "{replayed}");
    let elsewhere = answer(&request.replacen("/v1/studies", "/v1/datasets", 1));
    assert!(
        elsewhere.starts_with("HTTP/1.1 401 ") && elsewhere.contains("signature"),
        "{elsewhere}"
    );
    let unsigned: Vec<&str> =
        request.split("\r\n").filter(|l| !l.to_lowercase().starts_with("signature")).collect();
    let unsigned = answer(&unsigned.join("\r\n"));
    assert!(unsigned.starts_with("HTTP/1.1 401 ") && unsigned.contains("remedy"), "{unsigned}");
}

/// Runs a command that can write no file larger than so many blocks of 512 bytes: a full disk at will.
fn limited(blocks: u32, command: &Command) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let site = Site::new();
    let mut encrypt = site.command(&["encrypt", "--bfile"]);
    encrypt.arg(fixture("small")).arg("--pheno").arg(fixture("small.pheno.tsv"));
    encrypt.arg("--out").arg(site.path("encrypted"));
    refused(
        &limited(1000, &encrypt),
        8,
        &["cannot write", "encrypted/dataset", "help: free some space"],
    );
    assert!(!site.path("encrypted").exists());
    // With room the same command runs: nothing stands in its way.
    run(&mut encrypt);

    let mut assoc = hegwas();
    assoc.args(["assoc", "--plaintext", "--bfile"]).arg(fixture("small"));
    assoc.arg("--out").arg(site.path("small"));
    refused(&limited(16, &assoc), 8, &["cannot write", "small.assoc.tsv", "help: free some space"]);
    assert!(!site.path("small.assoc.tsv").exists());
    let left: Vec<String> =
        files(site.dir.path()).iter().map(|f| f.0.display().to_string()).collect();
    assert!(!left.iter().any(|f| f.contains("/small") || f.contains(".part-")), "{left:?}");

    // The server that `assoc` starts meets the same limit, says so, and is gone with its store.
    let temporary = site.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut assoc = hegwas();
    assoc.args(["assoc", "--bfile"]).arg(fixture("small")).arg("--out").arg(site.path("x"));
    assoc.arg("--temp-dir").arg(&temporary);
    let output = limited(1000, &assoc);
    assert!(!output.status.success(), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("full") && said.contains("help: "), "{said}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!site.path("x.assoc.tsv").exists());
}

#[test]
fn a_quota_is_said_before_anything_is_stored() {
    let site = Site::with("127.0.0.1:0", &["--quota", "1M"]);
    site.encrypt("small", "encrypted");
    let folder = site.path("encrypted/dataset");
    let output = site.command(&["push", folder.to_str().unwrap()]).output().unwrap();
    let said = text(&output);
    assert!(
        !output.status.success() && said.contains("quota") && said.contains("help: "),
        "{said}"
    );
    assert!(files(&site.path("data/objects/chunks")).is_empty());
}
