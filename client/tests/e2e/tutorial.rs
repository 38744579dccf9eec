//! The tutorial, as it is written: every block of it in one shell, in an empty folder.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::text;
use crate::site::free_address;

/// What stands between ```sh and ```.
fn blocks(text: &str) -> String {
    let mut inside = false;
    let mut script = String::new();
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => script += &format!("{line}\n"),
            _ => {}
        }
    }
    script
}

#[test]
fn the_tutorial_for_a_consortium_works_as_it_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tutorial = std::fs::read_to_string(root.join("docs/tutorial-consortium.md")).unwrap();
    let script = blocks(&tutorial);
    assert!(script.lines().count() > 40 && script.contains("cmp "), "{script}");
    // Another port, in case that somebody is at the tutorial now.
    let script = script.replace("127.0.0.1:8750", &free_address());
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_hegwas")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    // However it ends, its server does too.
    bash.args([
        "-euo",
        "pipefail",
        "-c",
        &format!("trap 'kill $(jobs -p) || true' EXIT\n{script}"),
    ]);
    bash.current_dir(folder.path()).env("PATH", path).env("HOME", folder.path());
    for name in ["HEGWAS_KEY", "HEGWAS_URL", "HEGWAS_PASSPHRASE_FILE", "CARGO"] {
        bash.env_remove(name);
    }
    let output = bash.stdin(Stdio::null()).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for words in ["not yet", "check and commit to shares of the totals"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
