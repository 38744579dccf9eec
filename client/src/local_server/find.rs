//! Where the `hegwas-server` program is.
//!
//! `$HEGWAS_SERVER`, because somebody set it; then beside this program; then the PATH. In a checkout it is built first when
//! it is not there, and when cargo runs this program (`cargo demo`), so that it is never an older one. A program that is
//! started by itself builds nothing over what it finds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::LocalServerError;
use crate::console::Console;

const PROGRAM: &str = "hegwas-server";

/// The program's path.
///
/// # Errors
/// When there is none, or it can't be built.
pub fn find(console: &Console) -> Result<PathBuf, LocalServerError> {
    if let Some(named) = std::env::var_os("HEGWAS_SERVER").filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    let folder = own_folder();
    if let Some((folder, root)) = folder.as_deref().and_then(|f| Some((f, checkout(f)?)))
        && (run_by_cargo() || !folder.join(PROGRAM).is_file())
    {
        build(&root, folder, console)?;
    }
    let beside = folder.map(|f| f.join(PROGRAM)).filter(|p| p.is_file());
    beside.or_else(on_path).ok_or(LocalServerError::NotFound)
}

/// Whether `cargo run` or `cargo test` started this process: cargo says so in the environment.
fn run_by_cargo() -> bool {
    std::env::var_os("CARGO").is_some()
}

/// The folder of this program; for a test, that of the programs it tests.
fn own_folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    Some(if folder.ends_with("deps") { folder.parent()?.to_owned() } else { folder.to_owned() })
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|p| p.is_file())
}

/// The checkout that this program was built in, if it still runs from that build's folder.
fn checkout(folder: &Path) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let built_here = folder.parent()?.join(".rustc_info.json").is_file();
    (built_here && root.join("server/Cargo.toml").is_file()).then(|| root.to_owned())
}

/// Builds the program beside this one, in the same profile; a moment if it is up to date.
fn build(root: &Path, folder: &Path, console: &Console) -> Result<(), LocalServerError> {
    let (Some(target), Some(profile)) = (folder.parent(), folder.file_name()) else {
        return Ok(());
    };
    let fresh = folder.join(PROGRAM).is_file();
    if !fresh {
        console.note("building hegwas-server (once; this takes minutes)");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--package", PROGRAM, "--bin", PROGRAM]);
    command.arg("--manifest-path").arg(root.join("Cargo.toml")).arg("--target-dir").arg(target);
    match profile.to_str() {
        Some("debug") | None => {}
        Some(name) => {
            command.args(["--profile", name]);
        }
    }
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        // Without cargo, what is there has to do.
        Err(_) => Ok(()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let first =
                text.lines().find(|l| l.starts_with("error")).unwrap_or("cargo failed").to_owned();
            Err(LocalServerError::Build(first))
        }
    }
}
