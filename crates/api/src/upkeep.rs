//! The upkeep of the record, now and again.

mod last_pass;
mod steady;
mod troubles;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use domain::Causes;
use storage::{Done, TooLong, Undone, Upkeep};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::clock;
pub(crate) use last_pass::LastPass;
use steady::Steady;
use troubles::Troubles;

/// How often it is seen to. The record needs it once a day at most; keys are free again soon after they expired.
const INTERVAL: Duration = Duration::from_secs(15);

/// For how long the command waits for tables that somebody holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The step that follows a pass.
const REMOVE: &str = "remove what has left the record";

/// What to do about a user who may not.
const DENIED: &str = "this user may not keep the record up: partitions, retention and expired answers are left to \
                      a user who may, named by MAINTENANCE_DATABASE_URL or running `onrecord upkeep`";

/// Sees to it before anything is served. That it fails is no reason not to serve: partitions are made days ahead.
pub(crate) async fn first(upkeep: &Upkeep) -> Arc<LastPass> {
    let last = Arc::new(LastPass::default());
    let now = clock::now();
    match upkeep.pass_in_turn(now).await {
        // The log speaks of long partitions and failing steps after the next pass.
        Ok(done) => {
            tell(&done);
            if done.undone.is_empty() {
                last.set(now);
            }
            if done.undone.iter().any(|it| it.error.is_denied()) {
                info!("{DENIED}");
            }
        }
        Err(error) => complain(&whole(error), Duration::ZERO),
    }
    last
}

/// Sees to it for as long as the service runs.
pub(crate) async fn keep_on(upkeep: Upkeep, last: Arc<LastPass>) {
    let mut troubles = Troubles::default();
    let mut rests_until = Instant::now();
    let (mut clock, mut is_steady) = (Steady::default(), true);
    let mut told = HashSet::new();
    loop {
        sleep(INTERVAL).await;
        let now = clock::now();
        if let Err(jump) = clock.check(now, std::time::Instant::now()) {
            if is_steady {
                warn!(
                    "the clock has jumped by {} h, to {now}: no partition is made or dropped until it is back, or has \
                     been steady for an hour",
                    jump.num_hours()
                );
            }
            is_steady = false;
            continue;
        }
        is_steady = true;
        let undone = match upkeep.pass(now).await {
            // Another process is at it.
            Ok(None) => continue,
            Ok(Some(done)) => {
                tell(&done);
                for part in &done.too_long {
                    if told.insert(part.suffix.clone()) {
                        tell_too_long(part);
                    }
                }
                let mut undone = done.undone;
                if rests_until < Instant::now() {
                    match upkeep.remove().await {
                        Ok(rest) => rests_until = Instant::now() + rest.unwrap_or_default(),
                        Err(error) => undone.push(Undone { step: REMOVE.to_owned(), error }),
                    }
                }
                undone
            }
            Err(error) => vec![whole(error)],
        };
        if undone.is_empty() {
            last.set(now);
        }
        for (undone, lasts) in troubles.meet(&undone, Instant::now()) {
            complain(undone, lasts);
        }
    }
}

/// Sees to it once, until nothing is left to do. For a while it tries again to have the tables that somebody holds.
pub(crate) async fn all(upkeep: &Upkeep) -> anyhow::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let done = upkeep.pass_in_turn(clock::now()).await?;
        tell(&done);
        let is_held = |it: &Undone| it.error.is_locked_out();
        if Instant::now() < give_up && done.undone.iter().any(is_held) {
            sleep(Duration::from_secs(1)).await;
            continue;
        }
        done.too_long.iter().for_each(tell_too_long);
        done.undone.iter().for_each(|undone| complain(undone, Duration::ZERO));
        ensure!(done.undone.is_empty(), "steps of the upkeep failed, which the log names");
        break;
    }
    while let Some(rest) = upkeep.remove().await.context(REMOVE)? {
        debug!("something is left to be removed; the disk rests for {rest:?}");
        sleep(rest).await;
    }
    Ok(())
}

/// A pass that failed as a whole.
fn whole(error: storage::Error) -> Undone {
    Undone { step: "keep the record up".to_owned(), error }
}

/// Says what was done.
fn tell(done: &Done) {
    let Done { made, left, moved, deleted, forgotten, too_long: _, undone: _ } = done;
    for part in made {
        info!("made the partition {}", part.trim_start_matches('_'));
    }
    for part in left {
        info!(
            "the partition {} left the record: it is older than is kept",
            part.trim_start_matches('_')
        );
    }
    if *moved > 0 {
        warn!(
            rows = moved,
            "no partition was there in time for these rows; they are in theirs now"
        );
    }
    if *deleted > 0 {
        info!(
            rows = deleted,
            "deleted old rows, which were in partitions of another length or in the default"
        );
    }
    if *forgotten > 0 {
        debug!("deleted {forgotten} expired answers");
    }
}

/// Says that old records leave in a dear way.
fn tell_too_long(part: &TooLong) {
    let TooLong { suffix, from, to } = part;
    let from = from.map_or_else(|| "the beginning".to_owned(), |from| from.to_string());
    warn!(
        "the partition {} takes records from {from} to {to}, more than the rules say: the rules have changed, or a clock was \
         wrong; when its records are old they are deleted row by row, which takes longer than to drop it",
        suffix.trim_start_matches('_')
    );
}

fn complain(undone: &Undone, lasts: Duration) {
    let Undone { step, error } = undone;
    let since = if lasts.is_zero() {
        String::new()
    } else {
        format!(" since {} min", lasts.as_secs() / 60)
    };
    warn!("the upkeep of the record could not {step}{since}; it tries again: {}", Causes(error));
}
