//! The child process.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::LocalServerError;
use crate::cleanup::Guard;
use crate::console::Console;
use crate::net::ServerUrl;

/// Longest wait for the ready line.
const READY: Duration = Duration::from_secs(60);
/// Lines of standard error that are kept for an error message.
const KEEP: usize = 12;
/// Longest line in bytes.
const MAX_LINE: u64 = 4096;

/// A server process, killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    id: u32,
    child: Arc<Mutex<Child>>,
    /// The server stops when this closes.
    _stdin: Option<ChildStdin>,
    _guard: Guard,
}

/// What the server prints when it is ready.
#[derive(Deserialize)]
struct Ready {
    listening: String,
}

impl Process {
    /// Starts the server and waits until it is ready.
    pub(super) fn start(
        mut command: Command,
        console: &Console,
    ) -> Result<(Self, ServerUrl), LocalServerError> {
        let program = command.get_program().to_string_lossy().into_owned();
        // A group of its own: Ctrl-C is for us, and we end it.
        let mut child = command
            .process_group(0)
            .spawn()
            .map_err(|source| LocalServerError::Start { program, source })?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let id = child.id();
        let child = Arc::new(Mutex::new(child));
        let killed = Arc::clone(&child);
        let guard = Guard::new(move || end(&mut lock(&killed)));
        let process = Self { id, child, _stdin: stdin, _guard: guard };
        let tail = follow(stderr, console);
        let url = ready(stdout).map_err(|reason| {
            end(&mut lock(&process.child));
            // Its last words may still be on their way.
            std::thread::sleep(Duration::from_millis(50));
            let tail = lock(&tail).iter().cloned().collect::<Vec<_>>().join("\n");
            LocalServerError::NotReady { reason, tail }
        })?;
        Ok((process, url))
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn kill(&self) {
        end(&mut lock(&self.child));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills and reaps; does nothing to a process that has been reaped.
fn end(child: &mut Child) {
    let _killed = child.kill();
    let _reaped = child.wait();
}

/// Waits for the ready line, then keeps standard output drained.
fn ready(stdout: Option<ChildStdout>) -> Result<ServerUrl, String> {
    let stdout = stdout.ok_or("it has no standard output")?;
    let (send, receive) = channel();
    let read = move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        let result = reader.by_ref().take(MAX_LINE).read_line(&mut line).map(|_| line);
        let _receiver_gone = send.send(result);
        let _drained = std::io::copy(&mut reader, &mut std::io::sink());
    };
    std::thread::Builder::new()
        .name("server output".into())
        .spawn(read)
        .map_err(|e| e.to_string())?;
    let line = match receive.recv_timeout(READY) {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(RecvTimeoutError::Timeout) => {
            return Err(format!("no answer within {} s", READY.as_secs()));
        }
        Err(RecvTimeoutError::Disconnected) => return Err("it ended".into()),
    };
    if line.is_empty() {
        return Err("it ended".into());
    }
    let ready: Ready = serde_json::from_str(&line)
        .map_err(|_| "its first line is not the one expected; is it of this version?")?;
    let url: Option<ServerUrl> = ready.listening.parse().ok();
    url.filter(ServerUrl::is_loopback)
        .ok_or_else(|| "it names no address of this machine that it listens on".into())
}

/// Keeps the last lines of standard error, and shows them with `--verbose`.
fn follow(stderr: Option<ChildStderr>, console: &Console) -> Arc<Mutex<VecDeque<String>>> {
    let tail = Arc::<Mutex<VecDeque<String>>>::default();
    let (kept, console) = (Arc::clone(&tail), console.clone());
    let read = move || {
        let Some(stderr) = stderr else { return };
        let mut reader = BufReader::new(stderr);
        loop {
            let mut line = Vec::new();
            match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(1..) => {}
                _ => return,
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            console.detail(format_args!("server: {line}"));
            let mut kept = lock(&kept);
            if kept.len() == KEEP {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    };
    // Without the thread the server's log is lost, nothing else: its pipe closes.
    let _started = std::thread::Builder::new().name("server log".into()).spawn(read);
    tail
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(script: &str) -> Result<(Process, ServerUrl), LocalServerError> {
        Process::start(sh(script), &Console::silent())
    }

    #[test]
    fn the_ready_line_says_where_it_listens_and_dropping_ends_it() {
        let (process, url) =
            start(r#"echo '{"listening":"http://127.0.0.1:4711","pid":1}'; exec sleep 600"#)
                .unwrap();
        assert_eq!(url.to_string(), "http://127.0.0.1:4711");
        let status = format!("/proc/{}/status", process.id());
        drop(process);
        assert!(!std::path::Path::new(&status).exists(), "killed and reaped");
    }

    #[test]
    fn a_server_that_fails_is_quoted() {
        for (script, expected) in [
            ("echo 'port in use' >&2; exit 3", "port in use"),
            ("echo hello", "is it of this version"),
            (r#"echo '{"listening":"nowhere"}'"#, "no address"),
            (r#"echo '{"listening":"http://192.0.2.1:80"}'"#, "no address of this machine"),
        ] {
            let error = start(script).map(drop).unwrap_err();
            assert!(
                matches!(error, LocalServerError::NotReady { .. })
                    && error.to_string().contains(expected),
                "{error}"
            );
        }
        let missing = Process::start(Command::new("/nonexistent/program"), &Console::silent());
        assert!(matches!(missing, Err(LocalServerError::Start { .. })));
    }
}
