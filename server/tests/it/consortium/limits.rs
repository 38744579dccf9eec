//! What a study never does, as far as the server sees it.

use gwas::wire::status::JobState;
use gwas::wire::{JobInput, Phenotype, RowSet};

use crate::common::consortium::{Site, few_planes, put_chunk};
use crate::common::objects::envelope;
use crate::common::{Consortium, Running, World, config};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_stay_within_the_limits_of_their_study() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let limited = |s: &mut gwas::wire::Study| {
        few_planes(s);
        s.limits.min_people = 5;
        s.limits.min_sites = 2;
        s.limits.min_changed_rows = 3;
        s.limits.max_jobs = 3;
        s.limits.max_donors = 1;
    };
    let (url, c) = (server.url(), Consortium::new(5, 10, limited));
    c.push_key(&url).await;
    let site = |n: usize, rows| c.site(&c.owners[n], rows, 40 + n as u8, None);
    let sites = [site(0, 6), site(1, 2), site(2, 4), site(3, 1)];
    for site in &sites {
        site.push(&url, &c).await;
    }
    // One donor is enough.
    let second_donor = site(4, 1);
    second_donor.push_data(&url, &c).await;
    let refused = second_donor.put_grant(&url).await.refused(422, "inconsistent");
    assert!(refused.detail.contains("single person"), "{refused:?}");
    let refused = async |inputs: Vec<JobInput>, why: &str| {
        let refused = c.put_job(&url, &c.job(inputs, 7)).await.refused(422, "inconsistent");
        assert!(refused.detail.contains(why), "{refused:?}");
    };
    let inputs = |numbers: &[usize]| numbers.iter().map(|n| sites[*n].input()).collect::<Vec<_>>();
    refused(inputs(&[1, 3]), "3 people").await;
    refused(inputs(&[0]), "1 data owners").await;
    // The totals of one owner are that owner's data: no second site.
    let totals = c.totals(94, 60, None);
    let totals_id = c.push_totals(&url, &c.owners[0], &totals).await;
    let with_totals = [inputs(&[0]), vec![JobInput::Totals { totals: totals_id }]].concat();
    refused(with_totals.clone(), "1 data owners").await;
    refused([inputs(&[1]), with_totals].concat(), "plan is made for 100").await;

    let first = c.job(inputs(&[0, 1]), 1);
    c.run(&url, &first).await;
    c.put_job(&url, &first).await.ok(200);
    // One donor more, or two people of another site less: few people's difference.
    refused(inputs(&[0, 1, 3]), "by 1;").await;
    // Three people of others instead of two: five rows differ, which is enough.
    c.run(&url, &c.job(inputs(&[0, 2]), 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_changed_rows_are_refused_also_after_a_withdrawal() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let limited = |s: &mut gwas::wire::Study| {
        few_planes(s);
        s.limits.min_changed_rows = 3;
        s.limits.max_jobs = 3;
    };
    let (url, c) = (server.url(), Consortium::new(3, 10, limited));
    c.push_key(&url).await;
    let sites: Vec<Site> = [6, 1, 3]
        .iter()
        .enumerate()
        .map(|(n, rows)| c.site(&c.owners[n], *rows, 50 + n as u8, None))
        .collect();
    for site in &sites {
        site.push(&url, &c).await;
    }
    let inputs = |numbers: &[usize]| numbers.iter().map(|n| sites[*n].input()).collect::<Vec<_>>();
    let refused = async |inputs: Vec<JobInput>, why: &str| {
        let refused = c.put_job(&url, &c.job(inputs, 9)).await.refused(422, "inconsistent");
        assert!(refused.detail.contains(why), "{refused:?}");
    };
    let first = c.run(&url, &c.job(inputs(&[0, 1]), 1)).await;
    refused(inputs(&[0]), "by 1;").await;
    // The donor leaves, and takes everything along: the earlier result stays what it is.
    let donor = &sites[1];
    donor.owner.delete(&url, &format!("/v1/grants/{}", donor.grant_id)).await.ok(200);
    refused(inputs(&[0]), "by 1;").await;
    donor.owner.delete(&url, &format!("/v1/datasets/{}", donor.dataset_id)).await.ok(200);
    refused(inputs(&[0]), "by 1;").await;
    // The result can't be made unseen.
    let job = format!("/v1/jobs/{}", first.job);
    c.coordinator.delete(&url, &job).await.refused(409, "conflict");
    // Rows of one site that differ by one.
    let site = &sites[0];
    let rows = RowSet::new(6, |row| row != 2);
    let fewer = Phenotype { participating: rows, ..site.phenotype.clone() };
    for chunk in &site.weights {
        put_chunk(&url, &site.owner, chunk).await.ok(200);
    }
    World::put_message(&url, &site.owner, "phenotypes", &fewer, &[&site.owner]).await.ok(201);
    let (dataset, grant) = (site.dataset_id, site.grant_id);
    let phenotype = envelope(&fewer, &[]).0;
    refused(vec![JobInput::Rows { dataset, phenotype, grant }], "by 2;").await;
    // Nor do the rows get lost with their phenotype: which they were nobody can tell any more, so they may be all but one.
    c.run(&url, &c.job(inputs(&[0, 2]), 5)).await;
    let phenotype = format!("/v1/phenotypes/{}", site.phenotype_id);
    site.owner.delete(&url, &phenotype).await.ok(200);
    let phenotype = envelope(&fewer, &[]).0;
    let with = |other: &Site| vec![JobInput::Rows { dataset, phenotype, grant }, other.input()];
    refused(with(&sites[2]), "by 1;").await;
    for chunk in &site.weights {
        put_chunk(&url, &site.owner, chunk).await;
    }
    World::put_message(&url, &site.owner, "phenotypes", &site.phenotype, &[&site.owner])
        .await
        .ok(201);
    // With three others it is a new question; the same rows again are one, too: another phenotype, say.
    let third = c.run(&url, &c.job(inputs(&[0, 2]), 3)).await;
    refused(inputs(&[0, 2]), "budget of 3 jobs").await;
    let status = c.coordinator.wait(&url, &third.job, |_| true).await;
    assert_eq!(status.state, JobState::Computed);
}
