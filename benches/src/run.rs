//! `record run`: the released program, end to end, as its users run it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use he_core::Params;
use he_core::layout::Shape;
use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};

use crate::clock::significant;
use crate::cohort::{Files, Workplace};
use crate::process::{self, Usage};
use crate::{Error, Result, pool, stream};

/// Size of the files of the disk measurement: that of a full chunk.
const FILE_BYTES: usize = 8 << 20;
/// Bytes of the read streams before and after.
const STREAM_BYTES: usize = 256 << 20;

/// A stage of the program's own record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Seconds it took.
    pub seconds: f64,
}

/// Costs of a whole run: client and server on one machine, over loopback HTTP, the server storing on disk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Parameter set.
    pub params: Params,
    /// People.
    pub people: u32,
    /// Variants.
    pub variants: u32,
    /// Threads of the client, and of the server.
    pub threads: usize,
    /// Seconds from start to end.
    pub wall_s: f64,
    /// The client.
    pub client: Usage,
    /// The server.
    pub server: Usage,
    /// Stages by their start.
    pub stages: Vec<Stage>,
    /// Bytes of bodies sent to the server.
    pub bytes_uploaded: u64,
    /// Seconds that the same disk takes to write as many bytes in files of a chunk's size, synchronised.
    pub disk_write_s: f64,
    /// Seconds that it takes to read them, not from the page cache.
    pub disk_read_s: f64,
    /// Read bandwidth of as many threads before the run, in 10^9 bytes per second.
    pub stream_before_gb_s: f64,
    /// The same after it.
    pub stream_after_gb_s: f64,
    /// What was checked.
    pub check: String,
}

impl Run {
    /// People x variants.
    #[must_use]
    pub fn genotypes(&self) -> f64 {
        f64::from(self.people) * f64::from(self.variants)
    }

    /// Bytes of genotype ciphertexts: what is uploaded without phenotype, grant and manifests.
    #[must_use]
    pub fn genotype_bytes(&self) -> u64 {
        let (params, rows) = (self.params, self.people);
        let blocks = self.variants.div_ceil(params.degree() as u32);
        Shape { params, rows, planes: 1, blocks }.body_bytes()
    }
}

/// What of `PREFIX.run.json` is used.
#[derive(Deserialize)]
struct OwnRecord {
    encryption: Encryption,
    stages: Vec<Stage>,
    bytes_uploaded: u64,
}

#[derive(Deserialize)]
struct Encryption {
    set: Params,
}

/// Runs `program assoc` on a cohort with and without encryption and compares the tables.
///
/// # Errors
/// When a run fails or the tables differ.
pub fn measure(program: &Path, place: &Workplace, files: &Files, threads: usize) -> Result<Run> {
    let streams = || {
        let memory = vec![1; STREAM_BYTES];
        Ok::<_, Error>(significant(pool(threads)?.install(|| stream::read(&[&memory]))))
    };
    let stream_before_gb_s = streams()?;
    let encrypted = place.folder().join("encrypted");
    let finished = process::run(&mut command(program, place, files, threads, &encrypted))?;
    let stream_after_gb_s = streams()?;

    let clear = place.folder().join("clear");
    process::run(command(program, place, files, threads, &clear).arg("--plaintext"))?;
    let table = |prefix: &Path| read(&prefix.with_extension("assoc.tsv"));
    if table(&encrypted)? != table(&clear)? {
        return Err(Error::Inexact("the table of the encrypted run"));
    }
    let own: OwnRecord = serde_json::from_slice(&read(&encrypted.with_extension("run.json"))?)
        .map_err(Error::step("reading the program's own record"))?;
    let (disk_write_s, disk_read_s) = disk(place.folder(), own.bytes_uploaded)?;
    let seconds = |s: Stage| Stage { seconds: significant(s.seconds), ..s };
    Ok(Run {
        params: own.encryption.set,
        people: files.people,
        variants: files.variants,
        threads,
        wall_s: finished.wall_s,
        client: finished.own,
        server: finished.child,
        stages: own.stages.into_iter().map(seconds).collect(),
        bytes_uploaded: own.bytes_uploaded,
        disk_write_s,
        disk_read_s,
        stream_before_gb_s,
        stream_after_gb_s,
        check: "table equals that of --plaintext, byte for byte".to_owned(),
    })
}

/// The programs beside this one.
///
/// # Errors
/// When they are not there.
pub fn find_program() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(Error::file(Path::new("hegwas-bench")))?;
    let program = own.with_file_name("hegwas");
    if program.is_file() && server_of(&program).is_file() {
        return Ok(program);
    }
    let why = "not beside this program; run `cargo build --release --locked -p hegwas -p hegwas-server`, or name it \
               with --program"
        .to_owned();
    Err(Error::Program { program: program.display().to_string(), why })
}

fn server_of(program: &Path) -> PathBuf {
    program.with_file_name("hegwas-server")
}

fn command(
    program: &Path,
    place: &Workplace,
    files: &Files,
    threads: usize,
    out: &Path,
) -> Command {
    let mut command = Command::new(program);
    // Named, so that the program does not ask cargo whether its server is up to date.
    command.env("HEGWAS_SERVER", server_of(program));
    let threads = threads.to_string();
    let paths: [(&str, &OsStr); 6] = [
        ("--bfile", files.prefix.as_os_str()),
        ("--pheno", files.phenotype.as_os_str()),
        ("--pheno-name", OsStr::new(hegwas_fixtures::PHENOTYPE_NAME)),
        ("--test", OsStr::new("allelic")),
        ("--threads", OsStr::new(&threads)),
        ("--temp-dir", place.folder().as_os_str()),
    ];
    command.args(["assoc", "--quiet"]);
    for (flag, value) in paths {
        command.arg(flag).arg(value);
    }
    command.arg("--out").arg(out);
    command
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::file(path))
}

/// Seconds in which the disk below `folder` writes and reads `bytes`.
///
/// # Errors
/// When it can't.
pub fn disk(folder: &Path, bytes: u64) -> Result<(f64, f64)> {
    let folder =
        tempfile::Builder::new().prefix("disk-").tempdir_in(folder).map_err(Error::file(folder))?;
    let mut buffer: Vec<u8> = (0..FILE_BYTES as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    let count = bytes.div_ceil(FILE_BYTES as u64);
    let paths: Vec<PathBuf> = (0..count).map(|i| folder.path().join(i.to_string())).collect();
    let start = Instant::now();
    for path in &paths {
        let write = || {
            let mut file = File::create(path)?;
            file.write_all(&buffer)?;
            file.sync_data()?;
            // The pages are clean now: the reading below finds none of them.
            Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
        };
        write().map_err(Error::file(path))?;
    }
    let written = start.elapsed();
    for path in &paths {
        let mut read = || File::open(path)?.read_exact(&mut buffer);
        read().map_err(Error::file(path))?;
    }
    let all = start.elapsed();
    Ok((significant(written.as_secs_f64()), significant((all - written).as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_measured_and_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        let (write, read) = disk(folder.path(), 9 << 20).unwrap();
        assert!(write > 0.0 && read > 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A program that answers as `hegwas assoc` does: `$8` is the prefix of its outputs.
    fn fake(folder: &Path, table: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let script = format!(
            "#!/bin/sh\nfor last; do case $last in --plaintext) clear=1;; *) out=$last;; esac; done\n\
             echo '{{\"encryption\":{{\"set\":\"n2048-q50\"}},\"bytes_uploaded\":700,\"other\":1,\
             \"stages\":[{{\"name\":\"compute\",\"start\":0.1,\"seconds\":0.123456}}]}}' > $out.run.json\n\
             {table} > $out.assoc.tsv\n"
        );
        let program = folder.join("hegwas");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn a_run_is_recorded_and_a_wrong_table_refused() {
        let place = Workplace::new(None).unwrap();
        let files = place.cohort(20, 50).unwrap();
        let program = fake(place.folder(), "echo same");
        let run = measure(&program, &place, &files, 2).unwrap();
        assert_eq!((run.params, run.bytes_uploaded), (Params::N2048Q50, 700));
        assert_eq!(run.stages, [Stage { name: "compute".into(), seconds: 0.1235 }]);
        assert_eq!((run.people, run.variants, run.threads), (20, 50, 2));
        assert_eq!(run.genotype_bytes(), 20 * 12_800);
        let program = fake(place.folder(), "echo $clear");
        assert!(matches!(measure(&program, &place, &files, 2), Err(Error::Inexact(_))));
    }
}
