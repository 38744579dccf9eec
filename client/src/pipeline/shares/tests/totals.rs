//! Totals of a site that are none: nobody can check them before they are decrypted, so nobody reads more than the counts.

use gwas::wire::{Job, JobInput, JobResult, Opened, Totals};
use he_core::share::{CombineError, combine, combine_readable, measure_noise};
use he_core_secret::{Totals as Values, encrypt_totals};

use super::super::inputs::Input;
use super::super::receive::{Received, Subject};
use super::*;

/// An object of encrypted totals with these values, stored for the owner.
fn object(world: &World, place: (u8, u32), channels: usize, values: &[i64]) -> ChunkRef {
    let (client, study) = (world.client("owner"), world.terms());
    let ring = Ring::new(study.message.plan.params());
    let public = remote::combined_key(&client, &ring, (study.id, &study.message)).unwrap();
    let (plane, group) = place;
    let totals = Values { people: 200, plane, group, channels, values };
    let entropy = remote::entropy().unwrap();
    let made = encrypt_totals(&ring, &study.message.plan, &public, &entropy, &totals).unwrap();
    let bytes = made.to_bytes(study.id, plane, group);
    let digest = Digest::of(&bytes);
    client.put_chunk(&digest, &bytes).unwrap();
    ChunkRef { digest, length: bytes.len() as u64 }
}

/// Honest totals of the small cohort.
fn honest(world: &World) -> Opened<Totals> {
    let [bfile, pheno] = &world.files;
    let (study, out) = (world.study.to_string(), world.path("out"));
    let encrypt = ["encrypt", "--study", &study, "--bfile", bfile, "--pheno", pheno];
    let more = ["--pheno-name", "CASE", "--palindromic", "keep", "--totals", "--out", &out];
    world.run("owner", &[&encrypt[..], &more].concat()).unwrap();
    let client = world.client("owner");
    let id = client.list(Collection::Totals).unwrap()[0].id;
    client.get_manifest(Collection::Totals, &id).unwrap()
}

/// A computed job over totals.
fn compute(world: &World, totals: &Digest) -> Digest {
    let (study, totals) = (world.study.to_string(), totals.to_string());
    world.run("coordinator", &["run", "new", "--study", &study, "--totals", &totals]).unwrap();
    let client = world.client("coordinator");
    let of_totals = |job: &&gwas::wire::status::JobStatus| {
        let job = client.get_manifest::<Job>(Collection::Jobs, &job.job).unwrap().message;
        job.inputs == [JobInput::Totals { totals: totals.parse().unwrap() }]
    };
    client.list_jobs().unwrap().iter().find(of_totals).unwrap().job
}

#[test]
fn totals_of_another_shape_are_refused() {
    let world = World::new();
    let totals = honest(&world);
    let job = compute(&world, &totals.id);
    let client = world.client("owner");
    let (_, result) = result_of(&client, &client.job_status(&job).unwrap()).unwrap();
    let load = || Inputs::load(&client, &job).unwrap();
    let (ring, quiet) = (Ring::new(load().params()), Console::silent());
    let again = |inputs: &Inputs| {
        let progress = quiet.progress("replay", 0, Unit::Bytes);
        replay(&client, &ring, inputs, &result, &progress)
    };
    again(&load()).unwrap();
    // The server looks at the shape when they are sent; here it does not.
    let degree = ring.params().degree();
    let place = (JobResult::TOTALS_PLANE, 0);
    for (bodies, channels) in [(2, 1), (1, 2), (8, 2)] {
        let mut inputs = load();
        let chunk = object(&world, place, channels, &vec![0; bodies * channels * degree]);
        inputs.list =
            vec![Input::Totals(Box::new(Totals { totals: chunk, ..totals.message.clone() }))];
        let said = again(&inputs).unwrap_err().to_string();
        let shape = format!("{bodies} bodies and {channels} channels where the study has 1 and 1");
        assert!(said.contains(&shape), "{said}");
    }
    for (bodies, channels) in [(2, 2), (1, 1), (1, 3)] {
        let mut inputs = load();
        let mut message = totals.message.clone();
        message.units[0].chunk =
            object(&world, (0, 0), channels, &vec![0; bodies * channels * degree]);
        inputs.list = vec![Input::Totals(Box::new(message))];
        let said = again(&inputs).unwrap_err().to_string();
        let shape = format!("{bodies} bodies and {channels} channels where the study has 1 and 2");
        assert!(said.contains(&shape), "{said}");
    }
}

#[test]
fn totals_that_are_none_show_their_recipients_the_counts_alone() {
    let world = World::new();
    let honest = honest(&world);
    let plan = world.terms().message.plan;
    let (ring, degree) = (Ring::new(plan.params()), plan.params().degree());
    // The owner wants to read more than a count: say, what it found in the place of another ciphertext.
    let cases = 53;
    let mut values: Vec<i64> = (0..degree as i64).map(|i| i % 190).collect();
    values[0] = cases;
    let chunk = object(&world, (JobResult::TOTALS_PLANE, 0), 1, &values);
    let owner = world.client("owner");
    let made = Totals { totals: chunk, ..honest.message };
    let envelope = sign(&made, owner.identity()).unwrap();
    owner.put_manifest(Collection::Totals, &envelope).unwrap();
    let job = compute(&world, &envelope.id());
    for _ in 0..4 {
        for holder in HOLDERS {
            world.agent(holder, &[]).unwrap();
        }
    }
    let analyst = world.client("coordinator");
    let status = analyst.job_status(&job).unwrap();
    assert_eq!(status.state, JobState::Released, "nothing is wrong with the count");
    let (id, result) = result_of(&analyst, &status).unwrap();
    let study = world.terms();
    let inputs = Inputs::load(&analyst, &job).unwrap();
    let place = (JobResult::TOTALS_PLANE, 0);
    let named = result.totals[0];
    let bytes = analyst.get_chunk(&named).unwrap();
    let unit = he_core::result::SwitchedUnit::from_bytes(
        &bytes,
        ring.params(),
        job.short(),
        place.0,
        place.1,
    )
    .unwrap();
    let scale = plan.delta_g() as f64 * plan.delta_y() as f64;
    for recipient in ["coordinator", "one"] {
        let client = world.client(recipient);
        let subject = Subject { client: &client, study: &study, result: &result, id, values: &[] };
        let received = Received::load(subject, SharePhase::Totals).unwrap();
        let shares = received.of_unit(&named, &unit).unwrap();
        let all = combine(&ring, &plan, &unit, &shares);
        assert_eq!(all, Err(CombineError::OutOfRange));
        let (rms, _) = measure_noise(&ring, &plan, &unit, &shares).unwrap();
        let ratio = rms / (scale / 12f64.sqrt());
        assert!((0.95..1.05).contains(&ratio), "uniform but for one: {ratio}");
        let readable = inputs.readable(0);
        let read = combine_readable(&ring, &plan, &unit, &shares, readable).unwrap();
        assert_eq!(read.get(0, 0)[0], cases);
        assert!(read.get(0, 0)[1..].iter().all(|value| *value == 0));
    }
    world.result(&job).unwrap();
}
