//! Disks that fill up, bytes that rot, an index that is lost.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gwas::wire::status::{ChunkQuery, JobState, JobStatus, KeyContribution};
use he_core::Digest;
use hegwas_server::maintain::{check, reindex, verify};
use hegwas_server::server::Data;
use hegwas_server::store::{Class, Object, ObjectStore, Upload};

use crate::common::{Party, Running, World, config};
use crate::flow::run;
use crate::uploads::files;

/// A store whose disk is full when it is told so: half of a write succeeds.
struct Filling {
    inner: Arc<dyn ObjectStore>,
    full: Arc<AtomicBool>,
}

struct FillingUpload {
    inner: Box<dyn Upload>,
    full: Arc<AtomicBool>,
}

impl Upload for FillingUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            self.inner.write(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.write(bytes)
    }

    fn commit(self: Box<Self>, name: &Digest) -> io::Result<()> {
        self.inner.commit(name)
    }
}

impl ObjectStore for Filling {
    fn begin(&self, class: Class, length: u64) -> io::Result<Box<dyn Upload>> {
        let (inner, full) = (self.inner.begin(class, length)?, Arc::clone(&self.full));
        Ok(Box::new(FillingUpload { inner, full }))
    }
    fn open(&self, class: Class, name: &Digest) -> io::Result<Box<dyn Object>> {
        self.inner.open(class, name)
    }
    fn delete(&self, class: Class, name: &Digest) -> io::Result<()> {
        self.inner.delete(class, name)
    }
    fn list(&self, class: Class, each: &mut dyn FnMut(Digest) -> io::Result<()>) -> io::Result<()> {
        self.inner.list(class, each)
    }
    fn free_space(&self) -> io::Result<u64> {
        self.inner.free_space()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut data = Data::open(&config.data, 0, false).await.unwrap();
    let full = Arc::new(AtomicBool::new(false));
    data.store = Arc::new(Filling { inner: data.store, full: Arc::clone(&full) });
    let server = Running::start_on(config, data).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 30));
    let owner = &world.owner;
    let (on, off) =
        (|| full.store(true, Ordering::Relaxed), || full.store(false, Ordering::Relaxed));
    on();
    world.put_panel(&url, owner).await.refused(507, "full");
    world.put_chunk(&url, &world.genotypes[0]).await.refused(507, "full");
    assert_eq!(files(folder.path()), 0);
    off();
    world.push_data(&url).await;
    let stored = files(folder.path());
    on();
    World::put_message(&url, owner, "studies", &world.study, &[owner]).await.refused(507, "full");
    assert_eq!(files(folder.path()), stored);
    off();
    world.push_study(&url, owner).await;
    world.push_grant(&url).await;
    let stored = files(folder.path());
    // A job fails, says why, and goes on when it is sent again.
    let (id, bytes) = crate::common::objects::envelope(&world.job, &[owner]);
    let path = format!("/v1/jobs/{id}");
    owner.put(&url, &path, bytes.clone()).await.ok(201);
    let computed = owner.wait(&url, &id, |s| s.state.is_final()).await;
    assert_eq!(computed.state, JobState::Computed);
    let mut second = World { job: gwas::wire::Job { created: 5, ..world.job.clone() }, ..world };
    second.rename();
    let (id, bytes) = crate::common::objects::envelope(&second.job, &[&second.owner]);
    let path = format!("/v1/jobs/{id}");
    let app = Arc::clone(&server.server.app);
    let watched = Arc::clone(&full);
    // The disk fills up between the job's arrival and its first result.
    let filled = tokio::spawn(async move {
        while app.index.manifest(&id).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        watched.store(true, Ordering::Relaxed);
    });
    second.owner.put(&url, &path, bytes.clone()).await.ok(201);
    filled.await.unwrap();
    let failed: JobStatus = second.owner.wait(&url, &id, |s| s.state.is_final()).await;
    if failed.state == JobState::Failed {
        assert!(failed.error.unwrap().contains("no space left"));
        off();
        second.owner.put(&url, &path, bytes).await.ok(200);
        let again = second.owner.wait(&url, &id, |s| s.state.is_final()).await;
        assert_eq!(again.state, JobState::Computed);
    }
    assert!(files(folder.path()) > stored);
}

fn path_of(data: &Path, class: &str, name: &Digest) -> PathBuf {
    let name = name.to_string();
    data.join("objects").join(class).join(&name[..2]).join(&name[2..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_chunk_fails_the_job_until_it_is_pushed_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 31));
    let owner = &world.owner;
    world.push(&url).await;
    let victim = Digest::of(&world.genotypes[0]);
    let path = path_of(folder.path(), "chunks", &victim);
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    for damage in [&flip as &dyn Fn(&Path), &|path: &Path| std::fs::remove_file(path).unwrap()] {
        damage(&path);
        let answer = world.put_job(&url).await;
        assert!(matches!(answer.status, 200 | 201));
        let status = owner.wait(&url, &world.job_id, |s| s.state.is_final()).await;
        if status.state == JobState::Computed {
            return; // the second round finds every unit stored: nothing to read any more
        }
        assert_eq!(status.state, JobState::Failed);
        let error = status.error.unwrap();
        assert!(error.contains(&victim.to_string()) && error.contains("push it again"), "{error}");
        // The client's next push finds out by itself.
        let query = serde_json::to_vec(&ChunkQuery { digests: vec![victim] }).unwrap();
        let missing = owner.post(&url, "/v1/chunks/missing", query).await.ok(200);
        assert_eq!(missing.json::<ChunkQuery>().digests, [victim]);
        world.put_chunk(&url, &world.genotypes[0]).await.ok(200);
        world.put_job(&url).await.ok(200);
        let status = owner.wait(&url, &world.job_id, |s| s.state.is_final()).await;
        assert_eq!((status.state, status.error), (JobState::Computed, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_later_limb_are_checked_before_use() {
    // Two limbs: at upload only the first limb's prime bounds the words.
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    let request =
        he_core::PlanRequest { weight_max: 1023, ..he_core::PlanRequest::sole_holder(500_000) };
    let owner = Party::new();
    let mut world = World::with_organiser(owner.clone(), &owner, request, 10, 4, 32);
    let mut bytes = world.genotypes[0].to_vec();
    let middle = 64 + (bytes.len() - 64) / 2;
    let mut words = [0; 8];
    words[0] = he_core::params::PRIMES[1];
    he_core::arith::pack::pack(&words, &mut bytes[middle..middle + 50]);
    world.genotypes[0] = bytes.into();
    world.dataset.chunks[0] = crate::common::objects::named(&world.genotypes[0]);
    world.dataset_id = crate::common::objects::envelope(&world.dataset, &[]).0;
    world.phenotype.dataset = world.dataset_id;
    world.grant.dataset = world.dataset_id;
    world.rename();
    world.push(&url).await;
    world.put_job(&url).await.ok(201);
    let status = world.owner.wait(&url, &world.job_id, |s| s.state.is_final()).await;
    assert_eq!(status.state, JobState::Failed);
    assert!(status.error.unwrap().contains(&Digest::of(&world.genotypes[0]).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    let (owner, organiser) = (Party::new(), Party::new());
    let request = he_core::PlanRequest::sole_holder(100);
    let world = World::with_organiser(owner.clone(), &organiser, request, 10, 4, 33);
    world.push_data(&url).await;
    world.push_study(&url, &organiser).await;
    world.push_grant(&url).await;
    let (result, objects) = run(&url, &world).await;
    // A second job is cancelled before anybody computes it; a third party's upload is never named.
    let mut second = World { job: gwas::wire::Job { created: 7, ..world.job.clone() }, ..world };
    second.rename();
    second.put_job(&url).await.ok(201);
    let cancel = format!("/v1/jobs/{}/cancel", second.job_id);
    let cancelled = owner.post(&url, &cancel, "").await.status == 200;
    let loose = World::new(Party::new(), 10, 4, 34);
    loose.put_chunk(&url, &loose.genotypes[0]).await.ok(201);
    let usage = server.server.app.index.usage(&owner.did).await.unwrap();
    server.server.stop().await.unwrap();

    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("index.sqlite{suffix}")));
    }
    let lost = hegwas_server::Server::start(config(folder.path())).await.err().unwrap().to_string();
    assert!(lost.contains("hegwas-server reindex"), "{lost}");
    let report = reindex(folder.path(), true).await.unwrap();
    assert_eq!((report.skipped.as_slice(), report.manifests), (&[][..], 7));
    assert_eq!((report.unnamed, report.pruned), (1, true));

    let server = Running::start(config(folder.path())).await;
    let url = server.url();
    assert_eq!(server.server.app.index.usage(&owner.did).await.unwrap(), usage);
    let path = format!("/v1/jobs/{}/result", result.job);
    let bytes = organiser.get(&url, &path).await.ok(200).body;
    assert_eq!(he_core::codec::decode::<gwas::wire::JobResult>(&bytes).unwrap(), result);
    let totals = format!("/v1/chunks/{}", result.totals[0].digest);
    assert_eq!(organiser.get(&url, &totals).await.ok(200).body, objects.last().unwrap()[..]);
    let stranger = Party::new();
    stranger.get(&url, &totals).await.refused(404, "not-found");
    let dataset = format!("/v1/datasets/{}", second.dataset_id);
    stranger.get(&url, &dataset).await.refused(404, "not-found");
    let genotypes = format!("/v1/chunks/{}", Digest::of(&second.genotypes[0]));
    organiser.get(&url, &genotypes).await.refused(404, "not-found");
    for path in [&dataset, &genotypes] {
        owner.get(&url, path).await.ok(200);
    }
    organiser.get(&url, &dataset).await.ok(200);
    let keys = format!("/v1/studies/{}/keys", second.study_id);
    assert_eq!(owner.get(&url, &keys).await.ok(200).json::<Vec<KeyContribution>>().len(), 1);
    if cancelled {
        let status = owner.wait(&url, &second.job_id, |_| true).await;
        assert_eq!(status.state, JobState::Cancelled);
    }
    // New work on the rebuilt index.
    let mut third = World { job: gwas::wire::Job { created: 8, ..second.job.clone() }, ..second };
    third.rename();
    run(&url, &third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_finds_damage_and_checks_find_none() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let server = Running::start(config.clone()).await;
    let (url, world) = (server.url(), World::new(Party::new(), 10, 4, 35));
    world.push(&url).await;
    // Beside a running server: reads, marks nothing. A second server is refused.
    let report = verify(folder.path()).await.unwrap();
    assert!(report.damaged.is_empty() && report.objects > 6 && !report.marked);
    assert!(check(&config).await.unwrap_err().to_string().contains("in use"));
    server.server.stop().await.unwrap();
    assert!(check(&config).await.unwrap().objects > 0);

    let victim = Digest::of(&world.genotypes[0]);
    std::fs::write(path_of(folder.path(), "chunks", &victim), b"x").unwrap();
    std::fs::write(path_of(folder.path(), "manifests", &world.study_id), b"x").unwrap();
    std::fs::write(path_of(folder.path(), "panels", &world.panel), b"x").unwrap();
    let report = verify(folder.path()).await.unwrap();
    let expected = [
        format!("chunks/{victim}"),
        format!("panels/{}", world.panel),
        format!("manifests/{}", world.study_id),
    ];
    assert_eq!(report.damaged, expected);
    assert!(report.marked);
    let server = Running::start(config).await;
    let query = serde_json::to_vec(&ChunkQuery { digests: vec![victim] }).unwrap();
    let missing = world.owner.post(&server.url(), "/v1/chunks/missing", query).await.ok(200);
    assert_eq!(missing.json::<ChunkQuery>().digests, [victim]);
}
