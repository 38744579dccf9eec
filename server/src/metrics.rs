//! Counters for operators, in Prometheus' text format. Served on the admin address alone.

use std::sync::atomic::AtomicU64;

use gwas::wire::status::JobState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::index::state_name;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Request {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Ended {
    state: &'static str,
}

/// The counters.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    received: Counter,
    jobs: Family<Ended, Counter>,
    blocks: Histogram,
    objects: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("hegwas");
        let (requests, jobs) = (Family::default(), Family::default());
        let (received, objects, bytes) = (Counter::default(), Gauge::default(), Gauge::default());
        let blocks = Histogram::new(exponential_buckets(0.01, 4.0, 8));
        registry.register("requests", "Requests answered", Family::clone(&requests));
        registry.register_with_unit(
            "received",
            "Bodies received",
            Unit::Bytes,
            Counter::clone(&received),
        );
        registry.register("jobs", "Jobs ended, by state", Family::clone(&jobs));
        registry.register_with_unit(
            "block",
            "Time of one block of a job",
            Unit::Seconds,
            blocks.clone(),
        );
        registry.register("objects", "Objects in the index", Gauge::clone(&objects));
        registry.register_with_unit(
            "stored",
            "Objects in the index",
            Unit::Bytes,
            Gauge::clone(&bytes),
        );
        Self { registry, requests, received, jobs, blocks, objects, bytes }
    }
}

impl Metrics {
    /// Counts a request.
    pub fn request(&self, method: &str, route: &str, status: u16) {
        // Methods are free text: what nobody serves is counted together.
        let known = ["GET", "PUT", "POST", "DELETE", "HEAD"];
        let method = known.into_iter().find(|m| *m == method).unwrap_or("other").to_owned();
        self.requests.get_or_create(&Request { method, route: route.to_owned(), status }).inc();
    }

    /// Counts bytes of bodies.
    pub fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    /// Counts a job that ended.
    pub fn job(&self, state: JobState) {
        self.jobs.get_or_create(&Ended { state: state_name(state) }).inc();
    }

    /// Counts a block of a job.
    pub fn block(&self, seconds: f64) {
        self.blocks.observe(seconds);
    }

    /// The text, with the present numbers of objects and bytes.
    pub fn text(&self, (objects, bytes): (u64, u64)) -> String {
        self.objects.set(objects);
        self.bytes.set(bytes);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
