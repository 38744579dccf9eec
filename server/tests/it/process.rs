//! The program itself: its ready line, kill -9 in the middle of a job, signals, exit codes, limits of the system.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gwas::wire::status::JobState;

use crate::common::{Party, World};
use crate::flow::run;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hegwas-server");

/// A server process; killed when dropped.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    /// Starts `command` and waits for its ready line.
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(ready["pid"], child.id());
        Self { child, url: ready["listening"].as_str().unwrap().to_owned() }
    }

    /// The same with a pipe as its standard input, and its log kept.
    fn start_listened(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        Self::start(command)
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(data: &Path, party: &Party) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--listen", "127.0.0.1:0", "--threads", "2"]);
    command.arg("--data").arg(data).args(["--allow", &party.did.to_string()]);
    command.stderr(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_job_it_finishes_with_the_same_bytes() {
    let world = World::new(Party::new(), 300_000, 3, 60);
    let clean = tempfile::tempdir().unwrap();
    let undisturbed = Process::start(serve(clean.path(), &world.owner));
    world.push(&undisturbed.url).await;
    let expected = run(&undisturbed.url, &world).await;
    drop(undisturbed);

    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(serve(folder.path(), &world.owner));
    world.push(&process.url).await;
    world.put_job(&process.url).await.ok(201);
    let mut done = 0;
    for kill in ["-KILL", "-TERM", "-KILL"] {
        let status = world.owner.wait(&process.url, &world.job_id, |s| s.done > done + 1).await;
        assert_eq!(status.state, JobState::Running, "killed too late: make the job longer");
        done = status.done;
        process.signal(kill);
        let exit = process.child.wait().unwrap();
        assert_eq!(exit.success(), kill == "-TERM");
        process = Process::start(serve(folder.path(), &world.owner));
        // What was finished is not computed again.
        let status = world.owner.wait(&process.url, &world.job_id, |_| true).await;
        assert!(status.done >= done);
    }
    let status = world.owner.wait(&process.url, &world.job_id, |s| s.state.is_final()).await;
    assert_eq!((status.state, status.error), (JobState::Computed, None));
    let memory = peak_memory(process.child.id());
    assert!(memory < 400 << 20, "{memory} bytes");
    let path = format!("/v1/jobs/{}/result", world.job_id);
    let bytes = world.owner.get(&process.url, &path).await.ok(200).body;
    let result: gwas::wire::JobResult = he_core::codec::decode(&bytes).unwrap();
    assert_eq!(result, expected.0);
}

/// Most bytes of memory that a process has used.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_with_the_largest_parameters() {
    // A switching key of 56 MB, two grants of it at once, and a job.
    let mut wide = (0..=128).map(|smudging_bits| he_core::PlanRequest {
        smudging_bits,
        ..he_core::PlanRequest::sole_holder(1000)
    });
    let largest = |r: &he_core::PlanRequest| {
        he_core::Plan::new(*r).is_ok_and(|p| p.params() == he_core::Params::N8192Q200)
    };
    let request = wide.find(largest).unwrap();
    let owner = Party::new();
    let world = World::with_organiser(owner.clone(), &owner, request, 20_000, 40, 62);
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(serve(folder.path(), &world.owner));
    world.push(&process.url).await;
    let later = gwas::wire::GrantTerms { expires: world.grant.expires + 1, ..world.grant };
    let latest = gwas::wire::GrantTerms { expires: world.grant.expires + 2, ..world.grant };
    let signers = [&owner];
    let (job, one, two) = tokio::join!(
        world.put_job(&process.url),
        World::put_message(&process.url, &owner, "grants", &later, &signers),
        World::put_message(&process.url, &owner, "grants", &latest, &signers),
    );
    assert_eq!([job.status, one.status, two.status], [201; 3]);
    let status = owner.wait(&process.url, &world.job_id, |s| s.state.is_final()).await;
    assert_eq!((status.state, status.error), (JobState::Computed, None));
    let memory = peak_memory(process.child.id());
    assert!(memory < 400 << 20, "{memory} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_file_sizes_is_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    // One group of eight bodies, 40 rows: a chunk of 4 MiB, over the limit of 1 MiB.
    let world = World::new(Party::new(), 8 * 2048, 40, 61);
    assert!(world.genotypes[0].len() > 2 << 20);
    let mut shell = Command::new("sh");
    let inner = "trap '' XFSZ; ulimit -f 2048; exec \"$@\"";
    shell.args(["-c", inner, "sh", PROGRAM, "serve", "--listen", "127.0.0.1:0", "--data"]);
    shell.arg(folder.path()).args(["--allow", &world.owner.did.to_string()]);
    let process = Process::start(shell);
    let problem = world.put_chunk(&process.url, &world.genotypes[0]).await.refused(507, "full");
    assert!(problem.remedy.contains("nothing was stored"));
    assert_eq!(crate::uploads::files(folder.path()), 0);
    world.put_panel(&process.url, &world.owner).await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_with_its_parent_and_logs_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let party = Party::new();
    let mut command = serve(folder.path(), &party);
    command.args(["--exit-with-parent", "--ephemeral", "--log-format", "json"]);
    let mut process = Process::start_listened(command);
    let draft = party.draft(&process.url, "GET", "/v1/datasets?token=hush", "");
    let (nonce, signature) = (draft.header("signature-input"), draft.header("signature"));
    draft.send().await.ok(200);
    party.post(&process.url, "/v1/chunks/missing", "{\"quiet\": 1}").await.refused(400, "json");
    drop(process.child.stdin.take());
    assert!(process.child.wait().unwrap().success());
    let mut log = String::new();
    process.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = |line: &&serde_json::Value| line["fields"]["message"] == "answered";
    let answers: Vec<_> = lines.iter().filter(answered).collect();
    assert_eq!(answers.len(), 2, "{log}");
    assert_eq!(answers[0]["span"]["route"], "/v1/datasets");
    assert_eq!(answers[0]["span"]["party"], party.did.to_string());
    assert_eq!(answers[1]["fields"]["status"], 400);
    let nonce = nonce.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    for secret in ["hush", "quiet", nonce, &signature] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn exit_codes_and_messages() {
    let folder = tempfile::tempdir().unwrap();
    let party = Party::new();
    let outcome = |command: &mut Command| {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (child.wait().unwrap().code(), text)
    };
    let plain = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(args).arg("--data").arg(folder.path());
        command
    };
    let (code, text) = outcome(&mut plain(&[]));
    assert!(code == Some(3) && text.contains("--allow"), "{code:?} {text}");
    let (code, text) = outcome(&mut plain(&["--open-registration", "--tls-cert", "x"]));
    assert!(code == Some(3) && text.contains("--tls-key"), "{code:?} {text}");
    let (code, _) = outcome(&mut plain(&["--no-such-option"]));
    assert_eq!(code, Some(2));
    let process = Process::start(serve(folder.path(), &party));
    let (code, text) = outcome(&mut serve(folder.path(), &party));
    assert!(code == Some(5) && text.contains(&process.child.id().to_string()), "{code:?} {text}");
    let port = process.url.rsplit_once(':').unwrap().1;
    let other = tempfile::tempdir().unwrap();
    let mut taken = serve(other.path(), &party);
    let (code, text) = outcome(taken.args(["--admin-listen", &format!("127.0.0.1:{port}")]));
    assert!(code == Some(1) && text.contains("--admin-listen"), "{code:?} {text}");
    drop(process);
    let (code, _) = outcome(&mut plain(&["verify"]));
    assert_eq!(code, Some(0));
    let damaged = folder.path().join("objects/chunks/ab");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("c".repeat(62)), b"x").unwrap();
    let (code, _) = outcome(&mut plain(&["verify"]));
    assert_eq!(code, Some(4));
    for shell in ["bash", "zsh", "fish"] {
        let (code, _) = outcome(Command::new(PROGRAM).args(["completions", shell]));
        assert_eq!(code, Some(0));
    }
}
