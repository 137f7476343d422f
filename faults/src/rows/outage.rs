//! What most rows have in common: under load the database goes away, and comes back.

use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::finding::Finding;
use crate::ledger::{Entry, Outcome};
use crate::nemesis::Fault;
use crate::resources::Usage;
use crate::scene::{Scene, Work};

/// How many clients there are, unless a row says otherwise.
pub(super) const CLIENTS: usize = 16;

/// How long a fault may take to have its effect on all sessions: each reads changed settings when it comes to it.
const EFFECT: Duration = Duration::from_millis(250);

/// When the database was away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Away {
    /// From here on it might be.
    pub(super) struck: Instant,
    /// From here on it was.
    pub(super) gone: Instant,
    /// From here on it was being brought back.
    pub(super) back: Instant,
    /// From here on all was well.
    pub(super) well: Instant,
}

/// Lets the fault strike, waits, heals it, and waits until all is well, which must be soon.
pub(super) async fn outage(
    scene: &mut Scene,
    work: &Work,
    fault: Fault,
    lasts: Duration,
    random: &mut ChaCha8Rng,
    finding: &mut Finding,
) -> anyhow::Result<Away> {
    work.load.acknowledged(50).await?;
    let before = scene.service.usage().ok();
    let begun = Instant::now();
    let struck = fault.strike(scene, random).await?;
    let gone = Instant::now() + EFFECT;
    sleep(lasts).await;
    if let (Some(before), Ok(during)) = (before, scene.service.usage()) {
        flat(&before, &during, &format!("{fault:?}"), finding);
    }
    let back = Instant::now();
    struck.heal(scene).await?;
    let recovery = scene.well(&work.load).await?;
    finding.recovered(&format!("{fault:?}"), recovery);
    Ok(Away { struck: begun, gone, back, well: Instant::now() })
}

/// Requires that a fault piles up neither memory nor threads nor descriptors.
pub(super) fn flat(before: &Usage, during: &Usage, what: &str, finding: &mut Finding) {
    let grown = during.resident_kb.saturating_sub(before.resident_kb);
    finding.require(grown <= 30 << 10, || format!("{what}: resident memory grew by {grown} kB"));
    finding.require(during.threads <= before.threads + 4, || {
        format!("{what}: from {} threads to {}", before.threads, during.threads)
    });
    finding.require(during.descriptors <= before.descriptors + 20, || {
        format!("{what}: from {} descriptors to {}", before.descriptors, during.descriptors)
    });
}

/// Requires what outages mean to each client: no 200 to what was sent and answered within one, if it refuses all, and no
/// refusal of what was sent and answered between two of them, once all was well.
pub(super) fn check_windows(entries: &[Entry], outages: &[(Away, bool)], finding: &mut Finding) {
    let mut acknowledged = 0;
    let mut late = 0;
    for Entry { sent, took, outcome, resolved, .. } in entries {
        // Of what was in doubt, what counts here is that it was.
        let is_acknowledged = matches!(outcome, Outcome::Acknowledged(..)) && !resolved;
        let Some(last) = outages.iter().rposition(|(away, _)| away.struck <= *sent) else {
            continue;
        };
        let (away, refuses) = &outages[last];
        let within = *sent >= away.gone && *sent + *took <= away.back;
        acknowledged += usize::from(*refuses && within && is_acknowledged);
        let before_next =
            outages.get(last + 1).is_none_or(|(next, _)| *sent + *took <= next.struck);
        late += usize::from(*sent >= away.well && before_next && !is_acknowledged);
    }
    finding.require(acknowledged == 0, || {
        format!("{acknowledged} answers 200 while the database was away")
    });
    finding
        .require_in_time(late == 0, || format!("{late} requests were refused after all was well"));
}
