//! The log, across restarts, crashes, rebuilt indexes and dishonest servers.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gwas::wire::log::{Event, Head, LogEntry, LogError, verify};
use gwas::wire::status::{StudyPhase, StudyStatus};
use he_core::Digest;
use hegwas_server::maintain::reindex;

use crate::common::consortium::{few_planes, share_commitment, shares};
use crate::common::{Consortium, Party, Running, World, config};

async fn log(url: &str, c: &Consortium, after: u64) -> Vec<LogEntry> {
    let path = c.path(&format!("/log?after={after}"));
    c.analyst.get(url, &path).await.ok(200).json()
}

fn file(folder: &Path, c: &Consortium) -> PathBuf {
    folder.join("logs").join(format!("{}.log", c.study_id))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_stands_in_the_log_once_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::new(2, 10, few_planes));
    c.push_key(&url).await;
    let site = c.site(&c.owners[0], 2, 100, None);
    site.push(&url, &c).await;
    let totals = c.totals(3, 101, None);
    let totals_id = c.push_totals(&url, &c.owners[1], &totals).await;
    let inputs = vec![site.input(), gwas::wire::JobInput::Totals { totals: totals_id }];
    let job = c.job(inputs, 1);
    c.run(&url, &job).await;
    c.put_job(&url, &job).await.ok(200);
    site.put_grant(&url).await.ok(200);
    let seen = log(&url, &c, 0).await;
    let events: Vec<Event> = seen.iter().map(|e| e.event).collect();
    use Event::*;
    let expected = [
        vec![Signed; 4],
        vec![Committed; 3],
        vec![Revealed; 3],
        vec![Uploaded, Granted, Uploaded, Uploaded, Submitted, Computed],
    ];
    assert_eq!(events, expected.concat());
    assert_eq!(seen[0].party, c.coordinator.did);
    assert_eq!(seen[11].digests, [site.grant_id, site.dataset_id]);
    let head = verify(&c.study_id, None, &seen).unwrap();
    // Erasing leaves a receipt.
    let dataset = format!("/v1/datasets/{}", site.dataset_id);
    site.owner.delete(&url, &dataset).await.ok(200);
    c.owners[1].delete(&url, &format!("/v1/totals/{totals_id}")).await.ok(200);
    let more = log(&url, &c, head.seq - 1).await;
    let head = verify(&c.study_id, Some(head), &more).unwrap();
    let events: Vec<(Event, Digest)> = more[1..].iter().map(|e| (e.event, e.digests[0])).collect();
    let expected = [
        (Withdrawn, site.grant_id),
        (Erased, site.phenotype_id),
        (Erased, site.dataset_id),
        (Erased, totals_id),
    ];
    assert_eq!(events, expected);
    assert!(log(&url, &c, head.seq).await.is_empty());
    let bad = c.path("/log?after=x");
    c.analyst.get(&url, &bad).await.refused(400, "query");
    Party::new().get(&url, &c.path("/log")).await.refused(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_or_altered_log_and_a_fork_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::new(1, 10, few_planes));
    c.push_key(&url).await;
    let seen = log(&url, &c, 0).await;
    let head = verify(&c.study_id, None, &seen).unwrap();
    server.server.stop().await.unwrap();
    let path = file(folder.path(), &c);
    let whole = std::fs::read(&path).unwrap();

    // A crash in the middle of a line: the server writes it again, for the event is stored.
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let server = Running::start(config(folder.path())).await;
    let again = log(&server.url(), &c, 0).await;
    assert_eq!(again.len(), seen.len());
    assert_eq!(again[..again.len() - 1], seen[..seen.len() - 1]);
    let last = |entries: &[LogEntry]| entries.last().map(|e| (e.event, e.party, e.digests.clone()));
    assert_eq!(last(&again), last(&seen));
    server.server.stop().await.unwrap();

    // Altered in the middle: the server says so, and goes on with everything else.
    let text = String::from_utf8(whole.clone()).unwrap();
    let altered = text.replacen("committed", "revealed", 1);
    std::fs::write(&path, altered).unwrap();
    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    c.analyst.get(&url, &c.path("/log")).await.refused(500, "internal");
    c.analyst.get(&url, &c.path("/status")).await.ok(200);
    c.analyst.get(&url, "/v1/studies").await.ok(200);
    server.server.stop().await.unwrap();

    // A server that writes another past is caught by everybody who saw the first.
    let mut forked = seen.clone();
    let mut before = Head::genesis(&c.study_id);
    for entry in &mut forked {
        (entry.time, entry.prev) = (entry.time + 1, before.hash);
        before = before.after(entry).unwrap();
    }
    let lines: Vec<String> =
        forked.iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect();
    std::fs::write(&path, lines.concat()).unwrap();
    let server = Running::start(config(folder.path())).await;
    let shown = log(&server.url(), &c, head.seq - 1).await;
    assert_eq!(verify(&c.study_id, Some(head), &shown), Err(LogError::Fork { seq: head.seq }));
    verify(&c.study_id, None, &log(&server.url(), &c, 0).await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_index_knows_the_consortium_and_keeps_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::new(2, 10, few_planes));
    c.push_key(&url).await;
    let site = c.site(&c.owners[0], 2, 110, None);
    site.push(&url, &c).await;
    let totals = c.totals(3, 111, None);
    let totals_id = c.push_totals(&url, &c.owners[1], &totals).await;
    let inputs = vec![site.input(), gwas::wire::JobInput::Totals { totals: totals_id }];
    let result = c.run(&url, &c.job(inputs.clone(), 1)).await;
    let result_id = Digest::of(&he_core::codec::encode(&result).unwrap());
    let phase = gwas::wire::SharePhase::Totals;
    for holder in &c.holders {
        let commitment = share_commitment(holder, (&result, result_id), phase);
        World::put_message(&url, holder, "share-commitments", &commitment, &[holder]).await.ok(201);
    }
    let holder = &c.holders[0];
    let (message, objects) = shares(&c.study, holder, &result, phase);
    for object in &objects {
        crate::common::consortium::put_chunk(&url, holder, object).await.ok(201);
    }
    World::put_message(&url, holder, "shares", &message, &[holder]).await.ok(201);
    let before: StudyStatus = c.analyst.get(&url, &c.path("/status")).await.ok(200).json();
    let seen = log(&url, &c, 0).await;
    server.server.stop().await.unwrap();
    std::fs::remove_file(folder.path().join("index.sqlite")).unwrap();
    let report = reindex(folder.path(), true).await.unwrap();
    assert!(report.skipped.is_empty(), "{report:?}");
    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    let mut after: StudyStatus = c.analyst.get(&url, &c.path("/status")).await.ok(200).json();
    for (now, then) in after.jobs.iter_mut().zip(&before.jobs) {
        now.seconds = then.seconds;
    }
    for (now, then) in after.totals.iter_mut().zip(&before.totals) {
        now.created.clone_from(&then.created);
    }
    assert_eq!(after, before);
    assert_eq!(log(&url, &c, 0).await, seen);
    // Who was shown manifests alone still is.
    let [data, chunk] = [
        format!("datasets/{}", site.dataset_id),
        format!("chunks/{}", Digest::of(&site.genotypes[0])),
    ];
    c.analyst.get(&url, &format!("/v1/{data}")).await.ok(200);
    c.analyst.get(&url, &format!("/v1/{chunk}")).await.refused(404, "not-found");
    // What was said once is still said.
    let mut second = share_commitment(holder, (&result, result_id), phase);
    second.commitments[0][80] ^= 1;
    let put = World::put_message(&url, holder, "share-commitments", &second, &[holder]).await;
    put.refused(409, "conflict");
    c.run(&url, &c.job(inputs, 2)).await;
}

/// A server process that is killed when dropped.
struct Process(Child, String);

impl Process {
    fn start(folder: &Path) -> Self {
        use std::io::BufRead as _;
        let mut command = Command::new(env!("CARGO_BIN_EXE_hegwas-server"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--threads", "2", "--open-registration"]);
        command.arg("--data").arg(folder).stderr(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self(child, ready["listening"].as_str().unwrap().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // SIGKILL
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_the_server_goes_on() {
    use gwas::wire::SharePhase::{Sums, Totals};
    let folder = tempfile::tempdir().unwrap();
    let c = Consortium::new(1, 10, few_planes);
    let site = c.site(&c.owners[0], 2, 120, None);
    let mut head: Option<Head> = None;
    // Before each step the server is a new process on what the killed one left.
    let mut process = Process::start(folder.path());
    let mut steps = 0;
    macro_rules! step {
        (|$url:ident| $work:expr) => {{
            process = {
                drop(process);
                Process::start(folder.path())
            };
            let $url = &process.1;
            let value = $work;
            if steps > 0 {
                let after = head.map_or(0, |h| h.seq - 1);
                head = Some(verify(&c.study_id, head, &log($url, &c, after).await).unwrap());
            }
            steps += 1;
            value
        }};
    }
    step!(|url| c.push_study(url).await);
    for holder in &c.holders {
        step!(|url| c.sign(url, holder).await.ok(201));
    }
    for holder in &c.holders {
        step!(|url| c.commit(url, holder).await.ok(201));
        step!(|url| c.commit(url, holder).await.ok(200));
    }
    for number in 0..3 {
        step!(|url| c.reveal(url, number).await.ok(201));
    }
    step!(|url| site.push_data(url, &c).await);
    step!(|url| site.put_grant(url).await.ok(201));
    let job = c.job(vec![site.input()], 1);
    step!(|url| c.put_job(url, &job).await.ok(201));
    let result = step!(|url| {
        let id = crate::common::objects::envelope(&job, &[]).0;
        let computed = |s: &gwas::wire::status::JobStatus| s.result.is_some();
        c.coordinator.wait(url, &id, computed).await;
        let path = format!("/v1/jobs/{id}/result");
        let bytes = c.coordinator.get(url, &path).await.ok(200).body;
        he_core::codec::decode::<gwas::wire::JobResult>(&bytes).unwrap()
    });
    let id = Digest::of(&he_core::codec::encode(&result).unwrap());
    for phase in [Totals, Sums] {
        for holder in &c.holders {
            let message = share_commitment(holder, (&result, id), phase);
            step!(|url| {
                World::put_message(url, holder, "share-commitments", &message, &[holder])
                    .await
                    .ok(201)
            });
        }
        for holder in &c.holders {
            let (message, objects) = shares(&c.study, holder, &result, phase);
            step!(|url| {
                for object in &objects {
                    crate::common::consortium::put_chunk(url, holder, object).await.ok(201);
                }
            });
            step!(|url| {
                World::put_message(url, holder, "shares", &message, &[holder]).await.ok(201)
            });
        }
    }
    let (status, entries) = step!(|url| {
        let status = c.analyst.get(url, &c.path("/status")).await.ok(200);
        (status.json::<StudyStatus>(), log(url, &c, 0).await)
    });
    assert_eq!(status.phase, StudyPhase::Ready);
    assert!(status.todo.is_empty(), "{status:?}");
    assert_eq!(status.jobs[0].state, gwas::wire::status::JobState::Released);
    let count = |event| entries.iter().filter(|e: &&LogEntry| e.event == event).count();
    use Event::*;
    let events = [Signed, Committed, Revealed, Granted, Submitted, Computed, Shared, Released];
    assert_eq!(events.map(count), [4, 3, 3, 1, 1, 1, 6, 1]);
    assert!(steps > 25 && head.is_some());
}
