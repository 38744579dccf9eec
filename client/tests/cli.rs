//! The command as users meet it: help, errors and exit codes.
//!
//! What is printed is compared with the snapshots in `tests/cmd`. After an intended change write them anew with
//! `TRYCMD=overwrite cargo test -p hegwas --test cli` and read the difference.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use he_core::kernel::Engine;

const VARIABLES: [&str; 5] =
    ["HEGWAS_KEY", "HEGWAS_PASSPHRASE_FILE", "HEGWAS_URL", "HEGWAS_SERVER", "TMPDIR"];

/// The program, with none of the variables that it reads.
fn hegwas(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hegwas"));
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    hegwas(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn snapshots() {
    trycmd::TestCases::new()
        .env("COLUMNS", "100")
        .case("tests/cmd/help/*.trycmd")
        .case("tests/cmd/*.trycmd");
}

#[test]
fn the_version_names_the_engine() {
    let long = output(&["--version"]);
    let expected = format!(
        "hegwas {}\nprotocol 1, object format 1\nengine {}\n",
        env!("CARGO_PKG_VERSION"),
        Engine::detect().name()
    );
    assert_eq!(text(&long.stdout), expected);
    assert_eq!(text(&output(&["-V"]).stdout), format!("hegwas {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let out = output(&["completions", shell]);
        let script = text(&out.stdout);
        assert!(out.status.success() && out.stderr.is_empty(), "{shell}");
        for word in ["assoc", "inspect", "plaintext"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    assert_eq!(output(&["completions", "dos"]).status.code(), Some(2));
}

#[test]
fn bash_accepts_its_completions() {
    let script = output(&["completions", "bash"]).stdout;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hegwas");
    fs::write(&file, script).unwrap();
    // What bash does on `hegwas ins<TAB>`.
    let probe = format!(
        "source '{}'; COMP_WORDS=(hegwas ins); COMP_CWORD=1; _hegwas hegwas ins hegwas; echo ${{COMPREPLY[@]}}",
        file.display()
    );
    let Ok(out) = Command::new("bash").args(["--norc", "-c", &probe]).output() else {
        return; // no bash here
    };
    assert_eq!(text(&out.stdout), "inspect\n", "{}", text(&out.stderr));
}

#[test]
fn errors_go_to_standard_error_with_a_remedy() {
    for (args, code) in [
        (&["inspect", "/nonexistent/file"][..], 3),
        (&["plot", "/nonexistent/table", "--out", "x"][..], 3),
        (&["key", "show", "/nonexistent/key"][..], 4),
        (&["serve", "--data", "d", "--listen", "0.0.0.0:1"][..], 2),
        (&["help", "nothing"][..], 2),
    ] {
        let out = output(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}");
        assert!(out.stdout.is_empty(), "{args:?}");
        let said = text(&out.stderr);
        assert!(said.starts_with("error: ") && said.contains("\nhelp: "), "{args:?}: {said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = hegwas(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", text(&out.stderr));
}

const TABLE: &str =
    "#CHROM\tPOS\tID\tREF\tALT\tA1\tA1_FREQ\tA1_CASE_CT\tA1_CTRL_CT\tOBS_CT\tTEST\tCHISQ\tDF\tOR\t\
LOG(OR)_SE\tP\tNEG_LOG10_P\tERRCODE
1\t5\trs1\tA\tG\tG\t0.5\t3\t5\t8\tALLELIC\t1\t1\t0.5\t1.5\t0.3173\t0.4985\t.
1\t5\trs1\tA\tG\tG\t0.5\t3\t5\t8\tTREND\t1\t1\t0.5\t1.5\t0.3173\t0.4985\t.
2\t9\trs2\tC\tT\tT\t0.5\t5\t3\t8\tALLELIC\t4\t1\t2\t1.5\t0.0455\t1.342\t.
2\t9\trs2\tC\tT\tT\tNA\t0\t0\t0\tTREND\tNA\tNA\tNA\tNA\tNA\tNA\tNO_CALLS
";

#[test]
fn plots_are_drawn_from_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.assoc.tsv"), TABLE).unwrap();
    let out =
        output(&["plot", &path("a.assoc.tsv"), "--out", &path("b.c"), "--format", "svg,png,svg"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let written: Vec<&str> = text(&out.stdout).lines().collect();
    let mut expected = Vec::new();
    for test in ["allelic", "trend"] {
        for format in ["png", "svg"] {
            for plot in ["manhattan", "qq"] {
                expected.push(path(&format!("b.c.{test}.{plot}.{format}")));
            }
        }
    }
    assert_eq!(written, expected);
    for file in written {
        let bytes = fs::read(file).unwrap();
        let good = if file.ends_with("png") {
            bytes.starts_with(b"\x89PNG")
        } else {
            text(&bytes).contains("</svg>")
        };
        assert!(good, "{file}");
    }

    let before = fs::read_dir(folder.path()).unwrap().count();
    let (header, _) = TABLE.split_once('\n').unwrap();
    for bad in ["", "CHR\tSNP\n", &format!("{header}\n"), TABLE.trim_end()] {
        fs::write(path("a.assoc.tsv"), bad).unwrap();
        let out = output(&["plot", &path("a.assoc.tsv"), "--out", &path("bad")]);
        assert_eq!(out.status.code(), Some(3), "{bad}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "nothing half-written");
}

/// A script in the place of the server program.
fn script(folder: &Path, body: &str) -> std::path::PathBuf {
    let file = folder.join("server");
    fs::write(&file, format!("#!/bin/sh\ncd '{}'\n{body}\n", folder.display())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing happened");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const DID: &str = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";

#[test]
fn serve_passes_its_arguments_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let server = script(folder.path(), "echo \"$@\" >args; env >env; echo ready");
    let out = hegwas(&["serve", "--data", "store", "--allow", DID, "--threads", "3"])
        .env("HEGWAS_SERVER", &server)
        .env("HEGWAS_PASSPHRASE_FILE", "/somewhere")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(text(&out.stdout), "ready\n");
    let args = fs::read_to_string(folder.path().join("args")).unwrap();
    for part in ["serve ", "--data store", "--listen 127.0.0.1:8750", "--threads 3", "--allow did:"]
    {
        assert!(args.contains(part), "{args}");
    }
    assert!(!args.contains("open-registration"), "{args}");
    assert!(!fs::read_to_string(folder.path().join("env")).unwrap().contains("HEGWAS_"));
}

#[test]
fn an_interrupted_serve_takes_the_server_along() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        script(folder.path(), "echo $$ >pid.new; mv pid.new pid; cat >/dev/null; echo >bye");
    let mut child = hegwas(&["serve", "--data", "store"])
        .env("HEGWAS_SERVER", &server)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| folder.path().join("pid").exists());
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    wait_for(|| folder.path().join("bye").exists());
}

#[test]
fn a_server_that_fails_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let server = script(folder.path(), "echo 'address in use' >&2; exit 1");
    let out = hegwas(&["serve", "--data", "s"]).env("HEGWAS_SERVER", &server).output().unwrap();
    assert!(!out.status.success());
    let said = text(&out.stderr);
    assert!(said.contains("address in use\n") && said.contains("error: "), "{said}");

    let missing =
        hegwas(&["serve", "--data", "s"]).env("HEGWAS_SERVER", "/no/server").output().unwrap();
    assert!(text(&missing.stderr).contains("HEGWAS_SERVER"), "{}", text(&missing.stderr));
}
