//! A server process with its data folder, and somebody who works with it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::common::{hegwas, run, text};
use crate::proxy::Proxy;

/// A prefix of committed synthetic files.
pub fn fixture(name: &str) -> PathBuf {
    hegwas_fixtures::committed::data_folder().join(name)
}

/// A `hegwas-server` process; killed when dropped.
pub struct Server {
    child: Child,
    /// What clients know it by.
    pub url: String,
    /// Host and port that it listens on.
    pub address: String,
}

impl Server {
    /// Starts one on `data`, listening on `listen`, for the parties of `allow`.
    pub fn start(data: &Path, listen: &str, allow: &str, more: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_hegwas")).with_file_name("hegwas-server");
        let mut command = Command::new(program);
        command.args(["serve", "--listen", listen, "--threads", "2", "--allow", allow]);
        command.arg("--data").arg(data).args(more);
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = ready["listening"].as_str().unwrap().to_owned();
        let address = if listen.ends_with(":0") { &url["http://".len()..] } else { listen };
        Self { child, address: address.to_owned(), url }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server and a party with a key file without passphrase.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub server: Server,
    pub key: PathBuf,
    /// The address that the commands use.
    pub url: String,
}

/// The ids of what a run needs.
pub struct Ids {
    pub dataset: String,
    pub phenotype: String,
    pub study: String,
    pub grant: String,
}

pub fn new_key(path: &Path) -> String {
    run(hegwas().args(["key", "new", "--no-passphrase", "--out"]).arg(path));
    run(hegwas().args(["key", "show"]).arg(path)).trim().to_owned()
}

/// A port that nobody listens on at the moment.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Somebody who types commands.
pub trait Typing {
    /// A command of theirs, with their key, to their server.
    fn command(&self, args: &[&str]) -> Command;

    fn run(&self, args: &[&str]) -> String {
        run(&mut self.command(args)).trim().to_owned()
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.run(&[&["--json"], args].concat())).unwrap()
    }

    /// A command that must fail with this exit code, saying all of `words` and what to do.
    fn refused(&self, args: &[&str], code: i32, words: &[&str]) {
        refused(&self.command(args).output().unwrap(), code, words);
    }
}

impl Typing for Site {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = hegwas();
        command.env("HEGWAS_KEY", &self.key).env("HEGWAS_URL", &self.url).args(args);
        command
    }
}

impl Site {
    pub fn new() -> Self {
        Self::with("127.0.0.1:0", &[])
    }

    /// With further options of the server.
    pub fn with(listen: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("me.key");
        let did = new_key(&key);
        let server = Server::start(&dir.path().join("data"), listen, &did, more);
        let url = server.url.clone();
        Self { dir, server, key, url }
    }

    /// With everything between commands and server going through a proxy.
    pub fn behind(proxy: &Proxy) -> Self {
        let site = Self::with(&free_address(), &["--public-url", &proxy.url]);
        proxy.connect(&site.server);
        site
    }

    /// Starts the server again on the same folder, after its death.
    pub fn restart(&mut self, proxy: &Proxy) {
        // Whoever killed it may not have waited for its end, and its folder is locked until then.
        self.server.kill();
        let did = run(hegwas().args(["key", "show"]).arg(&self.key));
        let public = ["--public-url", &proxy.url];
        self.server = Server::start(&self.path("data"), &free_address(), did.trim(), &public);
        proxy.connect(&self.server);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Encrypts committed files with every test into the folder `out`; the ids of dataset and phenotype.
    pub fn encrypt(&self, name: &str, out: &str) -> (String, String) {
        let (bfile, pheno) = (fixture(name), fixture(&format!("{name}.pheno.tsv")));
        let mut command = self.command(&["encrypt", "--test", "allelic,trend,geno,dom,rec"]);
        command
            .arg("--bfile")
            .arg(bfile)
            .arg("--pheno")
            .arg(pheno)
            .arg("--out")
            .arg(self.path(out));
        let said = run(&mut command);
        let id = |word: &str| {
            let line = said.lines().find_map(|l| l.strip_prefix(word)).expect(word);
            line.trim().to_owned()
        };
        (id("dataset\t"), id("phenotype\t"))
    }

    /// Everything up to the grant.
    pub fn prepare(&self, name: &str) -> Ids {
        let (dataset, phenotype) = self.encrypt(name, "encrypted");
        let [one, two] = ["dataset", "phenotype"].map(|f| self.path("encrypted").join(f));
        self.run(&["push", one.to_str().unwrap(), two.to_str().unwrap()]);
        let study =
            self.run(&["study", "new", "--dataset", &dataset, "--name", "S", "--purpose", "P"]);
        let grant = self.run(&["grant", "new", "--dataset", &dataset, "--study", &study]);
        Ids { dataset, phenotype, study, grant }
    }

    /// Arguments of `run new`.
    pub fn job_arguments(ids: &Ids) -> [&str; 10] {
        let Ids { dataset, phenotype, study, grant } = ids;
        [
            "run",
            "new",
            "--study",
            study,
            "--dataset",
            dataset,
            "--phenotype",
            phenotype,
            "--grant",
            grant,
        ]
    }

    /// Computes; the job's id.
    pub fn compute(&self, ids: &Ids) -> String {
        self.run(&Self::job_arguments(ids))
    }
}

/// Checks a failure: exit code, what is said (place and remedy among it), nothing on standard output.
pub fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = text(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(said.contains("error: ") && output.stdout.is_empty(), "{said}");
}

/// Every file below a folder, with its bytes.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// The table without encryption, as bytes.
pub fn plaintext_table(name: &str, folder: &Path, more: &[&str]) -> Vec<u8> {
    let out = folder.join("plain");
    let mut command = hegwas();
    command.args(["assoc", "--plaintext", "--bfile"]).arg(fixture(name)).arg("--pheno");
    command.arg(fixture(&format!("{name}.pheno.tsv"))).arg("--out").arg(&out).args(more);
    run(&mut command);
    std::fs::read(out.with_extension("assoc.tsv")).unwrap()
}
