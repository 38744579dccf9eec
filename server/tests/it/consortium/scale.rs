//! Twenty sites and ten key holders, from the manifest to the release.

use gwas::wire::status::{JobState, StudyStatus};
use gwas::wire::{JobInput, SharePhase};
use he_core::Digest;

use crate::common::consortium::{few_planes, put_chunk, share_commitment, shares};
use crate::common::{Consortium, Running, World, config};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sites_and_ten_key_holders_release_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(config(folder.path())).await;
    let (url, c) = (server.url(), Consortium::with_holders(10, 20, 10, few_planes));
    c.push_key(&url).await;
    // Two sites send rows, the others totals.
    let mut inputs = Vec::new();
    for (number, owner) in (0..).zip(&c.owners) {
        if number < 2 {
            let site = c.site(owner, 2, 130 + number, None);
            site.push(&url, &c).await;
            inputs.push(site.input());
        } else {
            let totals = c.push_totals(&url, owner, &c.totals(4, 140 + 3 * number, None)).await;
            inputs.push(JobInput::Totals { totals });
        }
    }
    let status: StudyStatus = c.analyst.get(&url, &c.path("/status")).await.ok(200).json();
    assert!(status.todo.is_empty(), "{:?}", status.todo);
    assert_eq!((status.grants.len(), status.totals.len()), (2, 18));
    let result = c.run(&url, &c.job(inputs.clone(), 1)).await;
    assert_eq!(result.people, 2 * 2 + 18 * 4);
    let id = Digest::of(&he_core::codec::encode(&result).unwrap());
    for phase in [SharePhase::Totals, SharePhase::Sums] {
        for holder in &c.holders {
            let message = share_commitment(holder, (&result, id), phase);
            World::put_message(&url, holder, "share-commitments", &message, &[holder])
                .await
                .ok(201);
        }
        for holder in &c.holders {
            let (message, objects) = shares(&c.study, holder, &result, phase);
            for object in &objects {
                put_chunk(&url, holder, object).await.ok(201);
            }
            World::put_message(&url, holder, "shares", &message, &[holder]).await.ok(201);
        }
    }
    let status = c.analyst.wait(&url, &result.job, |_| true).await;
    assert_eq!(status.state, JobState::Released);
    // One contribution more than the plan is made for.
    let more = c.push_totals(&url, &c.owners[0], &c.totals(4, 250, None)).await;
    inputs.push(JobInput::Totals { totals: more });
    let refused = c.put_job(&url, &c.job(inputs, 2)).await.refused(422, "inconsistent");
    assert!(refused.detail.contains("20 contributions"), "{refused:?}");
}
