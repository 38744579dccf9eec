//! Three kinds of contribution that meet in the same sums.

use gwas::presence::Presence;
use gwas::wire::{
    Bitmap, Dataset, JobInput, JobResult, Participation, Phenotype, PlaneKind, SharePhase, Totals,
};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::grant::SwitchingKey;
use he_core::kernel::Engine;
use he_core::layout::Unit;
use he_core::places::Places;
use he_core::result::SwitchedUnit;
use he_core::sum::{ChunkSource, UnitInput, WeightInput, sum_totals, sum_unit};
use he_core::totals::EncryptedTotals;

use crate::common::consortium::{Site, few_planes, put_chunk};
use crate::common::objects::envelope;
use crate::common::{Consortium, Party, Running, World, config};

/// Chunks in memory, as a holder that replays the server's work has them.
struct Held<'a>(&'a [axum::body::Bytes]);

impl ChunkSource for Held<'_> {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let start = he_core::codec::HEADER_LEN + offset as usize;
        buffer.copy_from_slice(&self.0[chunk][start..start + buffer.len()]);
        Ok(())
    }
}

/// What the server should compute for one unit or for the totals: the same from outside, with he-core alone.
fn replay(
    c: &Consortium,
    sites: &[&Site],
    totals: Option<&(Totals, Vec<axum::body::Bytes>)>,
    (plane, group): (u8, u32),
) -> SwitchedUnit {
    let (plan, params) = (c.study.plan, c.study.plan.params());
    let (ring, engine) = (Ring::new(params), Engine::detect());
    let is_totals = plane == JobResult::TOTALS_PLANE;
    // Inputs in the order of the job.
    let mut inputs: Vec<(Digest, Option<&Site>)> =
        sites.iter().map(|s| (s.dataset_id, Some(*s))).collect();
    inputs.extend(totals.map(|(t, _)| (envelope(t, &[]).0, None)));
    inputs.sort_by_key(|(id, _)| *id);
    let absent: Vec<Option<&Bitmap>> = inputs
        .iter()
        .map(|(_, site)| match site {
            Some(site) => site.dataset.absent.as_ref(),
            None => totals.unwrap().0.absent.as_ref(),
        })
        .collect();
    let presence = Presence::new(c.study.variants, &absent);
    let mut sum: Option<SwitchedUnit> = None;
    for (number, (_, site)) in inputs.iter().enumerate() {
        let places = (0..presence.patterns()).filter(|p| presence.contains(*p, number));
        let places = Places::new(&ring, places.map(|p| p as usize));
        let unit = match site {
            Some(site) => {
                let weights = Held(&site.weights);
                let weights = WeightInput {
                    shape: site.phenotype.shape(),
                    mask_seed: site.phenotype.mask_seed,
                    source: &weights,
                };
                let key = SwitchingKey::from_bytes(&site.key, params, c.study_id).unwrap();
                let rows: Vec<u32> = (0..site.dataset.rows).collect();
                if is_totals {
                    let sums =
                        sum_totals(Engine::detect(), &weights, &rows).unwrap().placed(&places);
                    key.switch_totals(engine, &ring, &plan, &sums)
                } else {
                    let source = Held(&site.genotypes);
                    let (shape, mask_seed) = (site.dataset.shape(), site.dataset.mask_seed);
                    let unit = Unit { plane, group };
                    let input =
                        UnitInput { shape, mask_seed, source: &source, unit, weights, rows: &rows };
                    let sums = sum_unit(engine, &input).unwrap();
                    match c.study.participation {
                        Participation::Public => key.switch_unit(engine, &ring, &plan, &sums),
                        Participation::Encrypted => key.switch_weighted(engine, &ring, &sums),
                    }
                }
            }
            None => {
                let (totals, objects) = totals.unwrap();
                let units = totals.units.iter().position(|u| (u.plane, u.group) == (plane, group));
                let object = &objects[units.unwrap_or(objects.len() - 1)];
                let read = EncryptedTotals::from_bytes(object, params, c.study_id, plane, group);
                let unit = read.unwrap().into_unit();
                if is_totals { unit.placed(&places) } else { unit }
            }
        };
        match &mut sum {
            None => sum = Some(unit),
            Some(sum) => sum.add(&plan, &unit).unwrap(),
        }
    }
    sum.unwrap()
}

/// Every object of a result is what a replay gives, bit for bit.
async fn is_replayed(
    url: &str,
    c: &Consortium,
    result: &JobResult,
    sites: &[&Site],
    totals: Option<&(Totals, Vec<axum::body::Bytes>)>,
) {
    let job = result.job.short();
    let objects = [SharePhase::Totals, SharePhase::Sums].map(|p| result.objects(p));
    for (object, plane, group) in objects.into_iter().flatten() {
        let expected = replay(c, sites, totals, (plane, group)).to_bytes(job, plane, group);
        assert_eq!(object.digest, Digest::of(&expected), "plane {plane}, group {group}");
        let path = format!("/v1/chunks/{}", object.digest);
        assert_eq!(c.analyst.get(url, &path).await.ok(200).body, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_totals_and_a_donor_meet_in_one_result() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::new(5, 40_000, few_planes));
    c.push_key(&url).await;
    let absent = |from: u32, to: u32| Some(Bitmap::new(40_000, |v| (from..to).contains(&v)));
    let sites = [
        c.site(&c.owners[0], 3, 10, None),
        c.site(&c.owners[1], 2, 11, absent(5, 30)),
        c.site(&c.owners[2], 4, 12, absent(20, 35_000)),
        c.site(&c.owners[3], 1, 13, None),
    ];
    for site in &sites {
        site.push(&url, &c).await;
    }
    let totals = c.totals(9, 90, absent(0, 1));
    let totals_id = c.push_totals(&url, &c.owners[4], &totals).await;
    let all: Vec<&Site> = sites.iter().collect();
    let mut inputs: Vec<JobInput> = sites.iter().map(Site::input).collect();
    inputs.push(JobInput::Totals { totals: totals_id });
    let result = c.run(&url, &c.job(inputs.clone(), 1)).await;
    assert_eq!(result.people, 3 + 2 + 4 + 1 + 9);
    is_replayed(&url, &c, &result, &all, Some(&totals)).await;
    // Five presence patterns: all inputs, then by first variant 0, 5 to 19, 20 to 29, 30 to 34,999.
    let owners_read = format!("/v1/jobs/{}/result", result.job);
    for owner in &c.owners {
        owner.get(&url, &owners_read).await.ok(200);
    }
    Party::new().get(&url, &owners_read).await.refused(404, "not-found");
    // Without the last two the result is that of the others.
    let few = c.run(&url, &c.job(inputs[..3].to_vec(), 2)).await;
    is_replayed(&url, &c, &few, &all[..3], None).await;
    assert_ne!(few.units[0].chunk.digest, result.units[0].chunk.digest);

    // Holders replay, so they may read what the server reads, as long as the grant is in force.
    let (holder, site) = (&c.holders[1], &sites[0]);
    let readable = [
        format!("/v1/datasets/{}", site.dataset_id),
        format!("/v1/phenotypes/{}", site.phenotype_id),
        format!("/v1/grants/{}", site.grant_id),
        format!("/v1/chunks/{}", Digest::of(&site.genotypes[0])),
        format!("/v1/chunks/{}", Digest::of(&site.weights[0])),
        format!("/v1/chunks/{}", Digest::of(&site.key)),
    ];
    let (manifests, chunks) = readable.split_at(3);
    for path in &readable {
        holder.get(&url, path).await.ok(200);
        c.owners[1].get(&url, path).await.refused(404, "not-found");
        Party::new().get(&url, path).await.refused(404, "not-found");
    }
    // Analysts are shown what the inputs are, and nothing encrypted.
    for path in manifests {
        c.analyst.get(&url, path).await.ok(200);
    }
    for path in chunks {
        c.analyst.get(&url, path).await.refused(404, "not-found");
    }
    c.analyst.delete(&url, &readable[0]).await.refused(403, "forbidden");
    let totals_path = format!("/v1/totals/{totals_id}");
    let totals_chunk = format!("/v1/chunks/{}", Digest::of(&totals.1[0]));
    holder.get(&url, &totals_path).await.ok(200);
    holder.get(&url, &totals_chunk).await.ok(200);
    c.analyst.get(&url, &totals_path).await.ok(200);
    c.analyst.get(&url, &totals_chunk).await.refused(404, "not-found");
    c.owners[0].get(&url, &totals_path).await.refused(404, "not-found");
    // With the grant goes the right to the ciphertexts. What a job's inputs were is still shown: its result needs it.
    site.owner.delete(&url, &readable[2]).await.ok(200);
    for party in [holder, &c.analyst] {
        for path in [&readable[2]].into_iter().chain(chunks) {
            party.get(&url, path).await.refused(404, "not-found");
        }
        for path in &manifests[..2] {
            party.get(&url, path).await.ok(200);
        }
    }
    site.owner.get(&url, &readable[3]).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_for_jobs_are_shown_what_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    // A sole key holder is lent no ciphertext.
    let (url, c) = (server.url(), Consortium::with_holders(1, 2, 10, sole));
    c.push_key(&url).await;
    let (site, other) = (c.site(&c.owners[0], 3, 40, None), c.site(&c.owners[1], 2, 41, None));
    site.push_data(&url, &c).await;
    other.push(&url, &c).await;
    let lists = ["datasets", "phenotypes", "grants"];
    let listed = async |party: &Party, what: &str| -> Vec<Digest> {
        let body = party.get(&url, &format!("/v1/{what}")).await.ok(200).body;
        let listed: Vec<gwas::wire::status::Listed> = serde_json::from_slice(&body).unwrap();
        listed.into_iter().map(|l| l.id).collect()
    };
    let parties = [&c.coordinator, &c.holders[0], &c.analyst];
    for party in parties {
        assert_eq!(listed(party, "datasets").await, [other.dataset_id], "not granted, not shown");
    }
    site.put_grant(&url).await.ok(201);
    // A later phenotype, and one that the study can't sum.
    let owner = &site.owner;
    let later = Phenotype { name: "later".into(), ..site.phenotype.clone() };
    World::put_message(&url, owner, "phenotypes", &later, &[owner]).await.ok(201);
    let open = Consortium {
        study: gwas::wire::Study { participation: Participation::Encrypted, ..c.study.clone() },
        ..c
    };
    let weighted = open.site(owner, 3, 40, None);
    for chunk in &weighted.weights {
        put_chunk(&url, owner, chunk).await;
    }
    World::put_message(&url, owner, "phenotypes", &weighted.phenotype, &[owner]).await.ok(201);
    let c = open;
    let shown = [site.phenotype_id, envelope(&later, &[]).0];
    for party in [&c.coordinator, &c.holders[0], &c.analyst] {
        for (what, id) in lists.iter().zip([site.dataset_id, site.phenotype_id, site.grant_id]) {
            assert!(listed(party, what).await.contains(&id), "{what}");
            party.get(&url, &format!("/v1/{what}/{id}")).await.ok(200);
        }
        let phenotypes = listed(party, "phenotypes").await;
        assert!(shown.iter().all(|id| phenotypes.contains(id)));
        assert!(!phenotypes.contains(&weighted.phenotype_id));
        for chunk in [&site.genotypes[0], &site.weights[0]] {
            let path = format!("/v1/chunks/{}", Digest::of(chunk));
            party.get(&url, &path).await.refused(404, "not-found");
        }
    }
    for outsider in [&other.owner, &Party::new()] {
        assert!(!listed(outsider, "datasets").await.contains(&site.dataset_id));
        let path = format!("/v1/datasets/{}", site.dataset_id);
        outsider.get(&url, &path).await.refused(404, "not-found");
    }
    // Without a job nothing is shown once the grant is gone.
    let grant = format!("/v1/grants/{}", site.grant_id);
    owner.delete(&url, &grant).await.ok(200);
    for party in [&c.coordinator, &c.holders[0], &c.analyst] {
        for (what, id) in lists.iter().zip([site.dataset_id, shown[0], site.grant_id]) {
            party.get(&url, &format!("/v1/{what}/{id}")).await.refused(404, "not-found");
        }
        assert!(!listed(party, "phenotypes").await.contains(&shown[1]));
    }
}

/// A study of one key holder.
fn sole(study: &mut gwas::wire::Study) {
    few_planes(study);
    study.plan = he_core::Plan::new(he_core::PlanRequest {
        datasets: 6,
        ..he_core::PlanRequest::sole_holder(100)
    })
    .unwrap();
    study.sealing_keys.retain(|key| study.analysts.contains(&key.party));
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_participation_has_no_plain_sums() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let encrypted = |s: &mut gwas::wire::Study| {
        few_planes(s);
        s.participation = Participation::Encrypted;
    };
    let (url, c) = (server.url(), Consortium::new(3, 10, encrypted));
    c.push_key(&url).await;
    let sites = [c.site(&c.owners[0], 3, 20, None), c.site(&c.owners[1], 2, 21, None)];
    for site in &sites {
        site.push(&url, &c).await;
    }
    let totals = c.totals(5, 95, None);
    let totals_id = c.push_totals(&url, &c.owners[2], &totals).await;
    let mut inputs: Vec<JobInput> = sites.iter().map(Site::input).collect();
    inputs.push(JobInput::Totals { totals: totals_id });
    let result = c.run(&url, &c.job(inputs, 1)).await;
    is_replayed(&url, &c, &result, &[&sites[0], &sites[1]], Some(&totals)).await;
    let (params, short) = (c.study.plan.params(), result.job.short());
    let path = format!("/v1/chunks/{}", result.units[0].chunk.digest);
    let bytes = c.analyst.get(&url, &path).await.ok(200).body;
    let unit = SwitchedUnit::from_bytes(&bytes, params, short, 0, 0).unwrap();
    assert_eq!((unit.channels(), unit.contributions()), (2, 3), "m and y, no plain sum");
    let path = format!("/v1/chunks/{}", result.totals[0].digest);
    let bytes = c.analyst.get(&url, &path).await.ok(200).body;
    let unit = SwitchedUnit::from_bytes(&bytes, params, short, JobResult::TOTALS_PLANE, 0).unwrap();
    assert_eq!(unit.channels(), 2);
    // A phenotype of the other mode, and one that leaves rows out openly.
    let site = &sites[0];
    let open = Consortium {
        study: gwas::wire::Study { participation: Participation::Public, ..c.study.clone() },
        ..c
    };
    let public = open.site(&site.owner, 3, 20, None);
    for chunk in &public.weights {
        put_chunk(&url, &site.owner, chunk).await;
    }
    let rows = gwas::wire::RowSet::new(3, |row| row > 0);
    let some = Phenotype { participating: rows, ..site.phenotype.clone() };
    for phenotype in [&public.phenotype, &some] {
        World::put_message(&url, &site.owner, "phenotypes", phenotype, &[&site.owner])
            .await
            .ok(201);
        let phenotype = envelope(phenotype, &[]).0;
        let (dataset, grant) = (site.dataset_id, site.grant_id);
        let job = open.job(vec![JobInput::Rows { dataset, phenotype, grant }], 2);
        open.put_job(&url, &job).await.refused(422, "inconsistent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_the_study_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::new(2, 10, |_| {}));
    c.push_key(&url).await;
    let owner = &c.owners[0];
    let site = c.site(owner, 3, 30, None);
    site.push(&url, &c).await;
    let (good, objects) = c.totals(5, 97, None);
    let put =
        async |totals: &Totals| World::put_message(&url, owner, "totals", totals, &[owner]).await;
    put(&good).await.refused(409, "missing"); // no objects yet
    for object in &objects {
        put_chunk(&url, owner, object).await.ok(201);
    }
    let units = |units: &[gwas::wire::UnitResult]| Totals { units: units.to_vec(), ..good.clone() };
    put(&units(&good.units[..1])).await.refused(422, "inconsistent");
    let mut swapped = good.units.clone();
    (swapped[0].chunk, swapped[1].chunk) = (swapped[1].chunk, swapped[0].chunk);
    put(&units(&swapped)).await.refused(422, "inconsistent");
    put(&Totals { totals: good.units[0].chunk, ..good.clone() }).await.refused(422, "inconsistent");
    put(&Totals { people: 101, ..good.clone() }).await.refused(422, "inconsistent");
    put(&Totals { study: Digest::of(b"x"), ..good.clone() }).await.refused(409, "missing");
    let absent = Some(Bitmap::new(300, |v| v == 299));
    put(&Totals { absent, ..good.clone() }).await.refused(422, "inconsistent");
    let chunk = gwas::wire::ChunkRef { digest: Digest::of(&site.key), ..good.totals };
    put(&Totals { totals: chunk, ..good.clone() }).await.refused(422, "inconsistent");
    for party in [&c.holders[0], &c.analyst] {
        for object in &objects {
            put_chunk(&url, party, object).await.ok(201);
        }
        let put = World::put_message(&url, party, "totals", &good, &[party]).await;
        put.refused(403, "forbidden");
    }
    let stranger = Party::new();
    World::put_message(&url, &stranger, "totals", &good, &[&stranger])
        .await
        .refused(409, "missing");
    put(&good).await.ok(201);
    put(&good).await.ok(200);
    // Objects of totals that can't be any.
    let mut bad = objects[0].to_vec();
    bad[60] = 3; // channels
    put_chunk(&url, owner, &bad.into()).await.refused(400, "malformed");
    let mut bad = objects[0].to_vec();
    bad[64..71].fill(255);
    put_chunk(&url, owner, &bad.into()).await.refused(400, "malformed");

    // Datasets for another plan, without a plane, of somebody without a role.
    let dataset = Dataset { planes: vec![PlaneKind::Dosage], ..site.dataset.clone() };
    assert_ne!(dataset.shape(), site.dataset.shape());
    let mut few = Consortium::new(2, 10, few_planes);
    few.study_id = c.study_id;
    let lacking = few.site(owner, 3, 31, None);
    lacking.push_data(&url, &c).await;
    lacking.put_grant(&url).await.refused(422, "inconsistent");
    let mut small = Consortium::new(2, 10, |s| {
        s.plan =
            he_core::Plan::new(he_core::PlanRequest { people: 99, ..s.plan.request() }).unwrap()
    });
    small.study_id = c.study_id;
    let other = small.site(owner, 3, 32, None);
    other.push_data(&url, &c).await;
    let refused = other.put_grant(&url).await.refused(422, "inconsistent");
    assert!(refused.detail.contains("plans"), "{refused:?}");
    let foreign = c.site(&c.holders[0], 3, 33, None);
    foreign.push_data(&url, &c).await;
    foreign.put_grant(&url).await.refused(403, "forbidden");
    let foreign = c.site(&stranger, 3, 34, None);
    foreign.push_data(&url, &c).await;
    foreign.put_grant(&url).await.refused(409, "missing");
}
