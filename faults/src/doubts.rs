//! Ending doubts: what has a key is asked again, and must end as exactly one record and one answer.

use anyhow::Context;
use tokio::task::JoinSet;

use crate::attempt::Attempt;
use crate::client::Client;
use crate::finding::Finding;
use crate::ledger::Outcome;

/// How many acknowledged requests are asked again as well.
const SAMPLE: usize = 50;

/// How many are asked at once: half of the connections that a service of 64 descriptors has for one network, so that none is
/// closed to make room for another.
const AT_ONCE: usize = 8;

/// Asks every request with a key in doubt again, twice, and a sample of the others.
pub(crate) async fn resolve(client: &Client, finding: &mut Finding) -> anyhow::Result<()> {
    let (mut resolved, mut sampled) = (0, 0);
    let mut asking: JoinSet<Option<String>> = JoinSet::new();
    for (place, entry) in client.ledger().entries().into_iter().enumerate() {
        if entry.attempt.key.is_none() {
            continue;
        }
        match entry.outcome {
            Outcome::Acknowledged(_, body) if sampled < SAMPLE => {
                sampled += 1;
                let client = client.clone();
                asking.spawn(async move { replay(&client, &entry.attempt, body).await });
            }
            Outcome::Indeterminate(_) => {
                resolved += 1;
                let client = client.clone();
                asking.spawn(async move { end(&client, place, &entry.attempt).await });
            }
            _ => continue,
        }
        while asking.len() >= AT_ONCE {
            let failure = asking.join_next().await.context("nobody asks")??;
            finding.failures.extend(failure);
        }
    }
    finding.failures.extend(asking.join_all().await.into_iter().flatten());
    finding.failures.truncate(20);
    if resolved + sampled > 0 {
        finding
            .note(format!("{resolved} doubts ended and {sampled} answers replayed by their keys"));
    }
    Ok(())
}

/// Asks one in doubt again; what is wrong with the answers, if anything is.
async fn end(client: &Client, place: usize, attempt: &Attempt) -> Option<String> {
    let told = client.tell(attempt).await.outcome;
    let Outcome::Acknowledged(_, body) = &told else {
        return Some(format!("{attempt:?} asked again was told {told:?}"));
    };
    let body = body.clone();
    client.ledger().resolve(place, told);
    replay(client, attempt, body).await
}

/// Asks for an answer once more, which must be the same, and marked as given before.
async fn replay(client: &Client, attempt: &Attempt, first: Option<String>) -> Option<String> {
    let again = client.tell(attempt).await;
    let same = matches!(&again.outcome, Outcome::Acknowledged(_, body) if *body == first);
    (!same || !again.replayed)
        .then(|| format!("{attempt:?} was answered {first:?}, and then {again:?}"))
}
