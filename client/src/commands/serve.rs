//! `hegwas serve`.

use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cleanup::Guard;
use crate::cli::serve::ServeArgs;
use crate::console::Console;
use crate::local_server::{LocalServerError, command, find};
use crate::{Error, Result};

/// Runs the server program until it ends or this process is interrupted; its output is ours.
///
/// # Errors
/// When the program can't be found or started, or fails.
pub fn serve(args: &ServeArgs, console: &Console) -> Result<()> {
    let open = args.allow.is_empty();
    if open && !args.listen.ip().is_loopback() {
        return Err(Error::usage(
            "whoever can reach the server could use it",
            "name the parties who may, with --allow DID (hegwas key show prints yours)",
        ));
    }
    let program = find(console)?;
    let mut command = command(&program);
    command.arg("serve").arg("--data").arg(&args.data).args(["--listen", &args.listen.to_string()]);
    command.args(["--threads", &args.threads.count().to_string(), "--exit-with-parent"]);
    for party in &args.allow {
        command.args(["--allow", &party.to_string()]);
    }
    if open {
        command.arg("--open-registration");
    }
    let start = |source| LocalServerError::Start { program: program.display().to_string(), source };
    let mut child =
        command.stdout(Stdio::inherit()).stderr(Stdio::inherit()).spawn().map_err(start)?;
    // Closing its standard input asks the server to finish what it is writing and stop.
    let input = Arc::new(Mutex::new(child.stdin.take()));
    let ended = Arc::new(Mutex::new(child));
    let (close, wait) = (Arc::clone(&input), Arc::clone(&ended));
    let _guard = Guard::new(move || {
        drop(close.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _status = wait_for(&wait);
    });
    let status = wait_for(&ended).map_err(Error::file("run", &program))?;
    if status.success() {
        return Ok(());
    }
    Err(LocalServerError::NotReady {
        reason: format!("it ended with {status}"),
        tail: String::new(),
    }
    .into())
}

/// Waits without keeping the lock, so that a signal's clean-up can wait too.
fn wait_for(child: &Mutex<Child>) -> std::io::Result<std::process::ExitStatus> {
    loop {
        let ended = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
        match ended {
            Some(status) => return Ok(status),
            None => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
}
