//! `hegwas demo consortium`: three sites, three key holders, and a server that none of them has to trust.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gwas::wire::status::{JobState, StudyPhase, StudyStatus};
use serde::Serialize;

use super::party::{Agent, Party};
use super::{Compared, HITS, assoc, generate, planted, read};
use crate::cli::demo::DemoArgs;
use crate::console::Console;
use crate::local_server::LocalServer;
use crate::{Error, Result};

const SITES: [&str; 3] = ["amber", "birch", "cedar"];
/// The site that sums its files itself.
const SUMS: &str = "cedar";
const HOLDERS: [&str; 3] = ["holder-1", "holder-2", "holder-3"];
const TESTS: [&str; 2] = ["--test", "allelic,trend"];
/// Longest wait for the agents.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Makes a folder that was not there, and names it in full.
fn folder(named: Option<&Path>) -> Result<PathBuf> {
    let mut numbered = (2..).map(|number| PathBuf::from(format!("hegwas-consortium-{number}")));
    let mut path = named.map_or_else(|| "hegwas-consortium".into(), Path::to_owned);
    while named.is_none() && path.exists() {
        path = numbered.next().unwrap_or_default();
    }
    if path.exists() {
        return Err(Error::input(format_args!("{} exists", path.display()))
            .with_remedy("remove it, or name another folder with --out"));
    }
    std::fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
    std::fs::canonicalize(&path).map_err(Error::file("read", &path))
}

/// Everybody who takes part.
struct World<'a> {
    console: &'a Console,
    server: LocalServer,
    coordinator: Party<'a>,
    sites: Vec<Party<'a>>,
    holders: Vec<Party<'a>>,
    analyst: Party<'a>,
}

/// What the demo says as JSON.
#[derive(Serialize)]
struct Told<'a> {
    /// Encrypted and plaintext tables are the same bytes; otherwise the demo fails.
    identical: bool,
    /// Their length.
    table_bytes: usize,
    /// Variants with the strongest allelic association, strongest first.
    top: Vec<&'a str>,
    /// Variants that were made to be associated.
    planted: Vec<&'a str>,
    /// The study.
    study: &'a str,
    /// The job.
    job: &'a str,
    /// Entries of the study's log.
    log_entries: usize,
    /// Folder of the files.
    out: String,
}

/// Runs the demo of several parties.
///
/// # Errors
/// When a step fails, the study is opened too early, or the encrypted table differs from the plaintext one.
pub(super) fn consortium(args: &DemoArgs, console: &Console) -> Result<()> {
    let silent = Console::silent();
    let said = if console.json() { &silent } else { console };
    let out = folder(args.out.as_deref())?;
    let (people, variants) = args.shape();
    said.note(format_args!(
        "1. The people: {people} of them, {variants} variants, {HITS} associated (seed {}). A third of them is at each of three\n   \
         sites; nobody has all their files but this demo, which compares at the end.",
        args.seed
    ));
    let cohort = generate(args, &out, said)?;
    let world = World::new(args, &out, said)?;
    world.hand_out(&out)?;
    let study = world.found(people)?;
    let agents = world.make_key(&study)?;
    world.contribute(&study)?;
    let job = world.compute(&study, &agents)?;
    let log = world.release(&study, &job, agents)?;

    said.note(
        "\n9. The same without encryption, over the files of all sites together, to compare.",
    );
    let plain = out.join("plaintext");
    let (files, pheno) = (out.join("cohort"), out.join("cohort.pheno.tsv"));
    assoc(&files, &pheno, &plain, &["--plaintext"], &silent)?;
    let compared = Compared::read(&world.analyst.folder.join("result"), &plain)?;
    let planted = planted(&cohort);
    if console.json() {
        return console.print_json(&Told {
            identical: true,
            table_bytes: compared.bytes,
            top: compared.top(),
            planted,
            study: &study,
            job: &job,
            log_entries: log,
            out: out.display().to_string(),
        });
    }
    compared.print(&planted, console)?;
    console.print(format_args!(
        "pooled encrypted table and plaintext table are identical, byte for byte ({} bytes)\n\
         table and plots: {}; every party's folder lies beside it",
        compared.bytes,
        world.analyst.folder.display()
    ))
}

impl<'a> World<'a> {
    /// Folders, keys, and a server process that lets the coordinator in.
    fn new(args: &DemoArgs, out: &Path, console: &'a Console) -> Result<Self> {
        console.note(
            "\n2. The parties: each has a folder with a key that nobody else has. All commands below run as processes of their own\n   \
             in these folders; parties hand invitations and lists of variants to each other; everything else goes through the server.",
        );
        let party = |name| Party::new(name, out, console);
        let mut coordinator = party("coordinator")?;
        let mut sites = SITES.into_iter().map(party).collect::<Result<Vec<_>>>()?;
        let mut holders = HOLDERS.into_iter().map(party).collect::<Result<Vec<_>>>()?;
        let mut analyst = party("analyst")?;
        let did = coordinator.did.parse().map_err(|_| Error::Internal("no party".into()))?;
        let server = LocalServer::start(did, args.threads.count(), Some(out), console)?;
        let url = server.url().to_string();
        for party in sites.iter_mut().chain(&mut holders).chain([&mut coordinator, &mut analyst]) {
            party.knows(&url);
        }
        let parties = [&SITES[..], &HOLDERS[..], &["coordinator", "analyst"]].concat();
        console.note(format_args!("   {}", parties.join(", ")));
        console.note(format_args!(
            "   The server is another process ({}), at {url}. It knows the coordinator's name and nobody's key.",
            server.pid()
        ));
        Ok(Self { console, server, coordinator, sites, holders, analyst })
    }

    /// A third of the people to each site.
    fn hand_out(&self, out: &Path) -> Result<()> {
        let text = |name: &str| {
            let bytes = read(&out.join(name))?;
            String::from_utf8(bytes).map_err(|e| Error::Internal(e.to_string()))
        };
        let (fam, bim, pheno) =
            (text("cohort.fam")?, text("cohort.bim")?, text("cohort.pheno.tsv")?);
        let bed = read(&out.join("cohort.bed"))?;
        let fam: Vec<&str> = fam.lines().collect();
        // Four people share a byte of a .bed file: sites begin with a whole one.
        let third = fam.len() / 12 * 4;
        let bounds = [0, third, 2 * third, fam.len()];
        for (site, ends) in self.sites.iter().zip(bounds.windows(2)) {
            let &[first, last] = ends else { continue };
            let mut codes = bed.get(..3).unwrap_or_default().to_vec();
            for row in bed.get(3..).unwrap_or_default().chunks(fam.len().div_ceil(4)) {
                codes.extend(row.get(first / 4..last.div_ceil(4)).unwrap_or_default());
            }
            let people = fam.get(first..last).unwrap_or_default();
            let ids = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect();
            let own: Vec<Vec<String>> = people.iter().map(|line| ids(line)).collect();
            let rows = pheno.lines().filter(|l| l.starts_with('#') || own.contains(&ids(l)));
            let rows: Vec<&str> = rows.collect();
            for (name, bytes) in [
                ("cohort.fam", (people.join("\n") + "\n").into_bytes()),
                ("cohort.bim", bim.clone().into_bytes()),
                ("cohort.bed", codes),
                ("pheno.tsv", (rows.join("\n") + "\n").into_bytes()),
            ] {
                let path = site.folder.join(name);
                std::fs::write(&path, bytes).map_err(Error::file("write", &path))?;
            }
        }
        Ok(())
    }

    /// Draft, invitations, panel, proposal, signatures; the study.
    fn found(&self, people: u32) -> Result<String> {
        let coordinator = &self.coordinator;
        self.console.note("\n3. The coordinator drafts a study and invites the others: an invitation is a file (handed over), good once.");
        let draft = ["study", "draft", "--name", "Demo", "--purpose", "A demonstration"];
        let draft = coordinator.types(&draft)?;
        let parties = self.holders.iter().map(|p| (p, "key-holder"));
        let parties = parties.chain(self.sites.iter().map(|p| (p, "data-owner")));
        for (party, role) in parties.chain([(&self.analyst, "analyst")]) {
            let file = format!("{}.invitation", party.name);
            coordinator.types(&["study", "invite", &draft, "--role", role, "--out", &file])?;
            party.types(&["study", "join", &handed(coordinator, &file)])?;
        }
        self.console.note("\n4. Sites hand over their lists of variants, which makes the panel; all key holders sign what is to be computed, and for whom.");
        let lists: Vec<String> = self.sites.iter().map(|site| handed(site, "cohort.bim")).collect();
        let mut panel = vec!["panel", "--mode", "union", "--palindromic", "keep", "--out", "panel"];
        panel.extend(lists.iter().flat_map(|list| ["--list", list]));
        coordinator.types(&panel)?;
        let people = people.to_string();
        let propose = ["study", "propose", &draft, "--panel", "panel", "--people", &people];
        let limits = ["--min-people", "20", "--min-cases", "2", "--min-controls", "2"];
        let study = coordinator.types(&[&propose[..], &limits, &TESTS].concat())?;
        for holder in &self.holders {
            holder.types(&["study", "sign", &study, "--yes"])?;
        }
        Ok(study)
    }

    /// Starts the agents of all holders but the last, who makes its part of the key by hand.
    fn make_key(&self, study: &str) -> Result<Vec<Agent>> {
        self.console.note(
            "\n5. The key: each holder draws a part, commits to it, and reveals its public half when all have committed. The secret halves\n   \
             are never together anywhere. Two holders leave that to an agent, the third does it by hand.",
        );
        let (last, others) = self.holders.split_last().ok_or_else(nobody)?;
        let agents: Vec<Agent> =
            others.iter().map(|holder| holder.agent(study)).collect::<Result<_>>()?;
        last.types(&["study", "advance", study])?;
        self.wait(study, &agents, |status| status.phase != StudyPhase::Committing)?;
        last.types(&["study", "advance", study])?;
        self.wait(study, &agents, |status| status.phase == StudyPhase::Ready)?;
        Ok(agents)
    }

    /// Two sites send encrypted rows, one encrypted sums.
    fn contribute(&self, study: &str) -> Result<()> {
        self.console.note(format_args!(
            "\n6. The sites encrypt on their own machines. {SUMS} sums its files itself and sends the encrypted sums; the others send encrypted rows,\n   \
             once for all phenotypes to come, and a grant: the switching key without which nothing of it can be decrypted."
        ));
        let url = self.server.url().to_string();
        for site in &self.sites {
            let encrypt = ["encrypt", "--study", study, "--server", &url, "--bfile", "cohort"];
            let pheno = ["--pheno", "pheno.tsv", "--palindromic", "keep", "--out", "encrypted"];
            let sums: &[&str] = if site.name == SUMS { &["--totals"] } else { &[] };
            let made = site.types(&[&encrypt[..], &pheno, sums].concat())?;
            if let Some(dataset) = made.lines().find_map(|line| line.strip_prefix("dataset\t")) {
                site.types(&["grant", "new", "--dataset", dataset, "--study", study])?;
            }
        }
        let (bytes, sample) = self.server.stored().map_err(|e| Error::Internal(e.to_string()))?;
        let sample: Vec<String> = sample.iter().map(|byte| format!("{byte:02x}")).collect();
        self.console.note(format_args!(
            "   What the server has of all that: who the parties are, the list of variants, sizes and times, and {:.1} MB of bytes such as\n   \
             {}",
            bytes as f64 / 1e6,
            sample.join(" ")
        ));
        Ok(())
    }

    /// The job, and what two of three holders can do with it: nothing.
    fn compute(&self, study: &str, agents: &[Agent]) -> Result<String> {
        let name = phenotype(&self.sites)?;
        self.console.note("\n7. The server multiplies and adds what it can't read. The agents recompute its result from its inputs before they share.");
        let job = ["run", "new", "--study", study, "--phenotype-name", &name];
        let job = self.coordinator.types(&job)?;
        let missing = self.holders.last().ok_or_else(nobody)?;
        let only_one = |status: &StudyStatus| {
            let mut waiting = status.todo.iter().filter(|todo| todo.job.is_some());
            let first = waiting.next();
            first.is_some_and(|todo| todo.party.to_string() == missing.did)
                && waiting.next().is_none()
        };
        self.wait(study, agents, only_one)?;
        self.console.note(
            "   Two of three have committed to their shares. Is that enough for the analyst?",
        );
        let said = self.analyst.fails(&["result", &job, "--out", "result"])?;
        if !said.contains(&missing.did) || !said.contains("can't be decrypted yet") {
            return Err(Error::Internal(said));
        }
        self.console
            .note("   No: nothing can be decrypted, and the study's status says who is awaited.");
        let status = self.analyst.types(&["study", "status", study])?;
        for line in status.lines().filter(|line| line.contains(&missing.did)) {
            self.console.note(format_args!("   {}", line.replace(&missing.did, missing.name)));
        }
        Ok(job)
    }

    /// The last holder shares, the analyst decrypts; entries of the log.
    fn release(&self, study: &str, job: &str, mut agents: Vec<Agent>) -> Result<usize> {
        self.console.note(format_args!(
            "   So {} starts its agent. Numbers of cases and controls come first and are checked against the limits, then the rest.",
            HOLDERS.last().unwrap_or(&"")
        ));
        agents.push(self.holders.last().ok_or_else(nobody)?.agent(study)?);
        let released =
            |status: &StudyStatus| status.jobs.iter().all(|job| job.state == JobState::Released);
        self.wait(study, &agents, released)?;
        self.console.note("\n8. The shares are sealed to the analyst, who alone can put them together. Everybody can verify what happened, in order.");
        let result = ["result", job, "--plot", "png,svg", "--out", "result"];
        self.analyst.types(&[&result[..], &TESTS].concat())?;
        let log = self.sites.first().ok_or_else(nobody)?;
        let verified = log.types(&["log", "verify", study])?;
        let (entries, hash) = verified.split_once('\t').unwrap_or((&verified, ""));
        self.console.note(format_args!(
            "   {entries} entries, each bound to the one before; the last is {hash}"
        ));
        let log = log.run(&["--json", "log", "verify", study])?;
        let log: serde_json::Value =
            serde_json::from_str(&log).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(log.get("seq").and_then(serde_json::Value::as_u64).unwrap_or(0) as usize)
    }

    /// Waits until the study's status is as it should be.
    fn wait(
        &self,
        study: &str,
        agents: &[Agent],
        is_so: impl Fn(&StudyStatus) -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        loop {
            let status = self.coordinator.run(&["--json", "study", "status", study])?;
            let status: StudyStatus =
                serde_json::from_str(&status).map_err(|e| Error::Internal(e.to_string()))?;
            if is_so(&status) {
                return Ok(());
            }
            agents.iter().try_for_each(Agent::check)?;
            if started.elapsed() > PATIENCE {
                return Err(Error::Internal("the agents do not get on".into()));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// A file that one party hands to another.
fn handed(from: &Party<'_>, name: &str) -> String {
    format!("../{}/{name}", from.name)
}

/// The name of the one phenotype.
fn phenotype(sites: &[Party<'_>]) -> Result<String> {
    let path = sites.first().ok_or_else(nobody)?.folder.join("pheno.tsv");
    let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    let name = text.lines().next().and_then(|line| line.split_whitespace().nth(2));
    Ok(name.unwrap_or_default().to_owned())
}

fn nobody() -> Error {
    Error::Internal("a demo without parties".into())
}
