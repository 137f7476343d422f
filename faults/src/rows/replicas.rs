//! Row 37: two replicas get the same request with the same key at the same time.

use anyhow::Context;
use rand::Rng;
use tokio::task::JoinSet;

use crate::finding::{Allowed, Finding};
use crate::ledger::Outcome;
use crate::run::Run;
use crate::scene::{Scene, Setup};
use crate::service::Service;

/// How many pairs of requests are under way at once.
const AT_ONCE: usize = 8;

pub(super) async fn same_key(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("same key");
    let scene = Scene::set(&run, Setup::default()).await?;
    let mut other = Service::new(scene.service.launch.clone(), run.log());
    other.start().await?;
    let urls = [scene.client.address().url(""), other.address().url("")];
    let keys = run.scaled(1_000, 200);
    let mut replayed = 0;
    let mut pairs = JoinSet::new();
    for number in 0..keys {
        let attempt = scene.client.ledger().attempt(random.random_range(1..5), Some("pair"));
        let (client, urls) = (scene.client.clone(), urls.clone());
        pairs.spawn(async move {
            let place = client.ledger().note(&attempt)?;
            let told = tokio::join!(
                client.tell_at(&urls[0], &attempt),
                client.tell_at(&urls[1], &attempt)
            );
            client.ledger().settle(place, told.0.outcome.clone())?;
            anyhow::Ok(told)
        });
        while pairs.len() >= AT_ONCE || (number + 1 == keys && !pairs.is_empty()) {
            let (one, two) = pairs.join_next().await.context("no pair")???;
            let same = match (&one.outcome, &two.outcome) {
                (Outcome::Acknowledged(_, one), Outcome::Acknowledged(_, two)) => one == two,
                _ => false,
            };
            finding.require(same && one.replayed != two.replayed, || {
                format!("one was told {one:?}, the other {two:?}")
            });
            replayed += usize::from(one.replayed || two.replayed);
        }
    }
    finding.note(format!("{keys} keys, {replayed} answers replayed"));
    scene.judge(None, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}
