//! The upkeep of the record, now and again.

mod steady;

use std::collections::HashSet;
use std::time::Duration;

use domain::Causes;
use storage::{Done, TooLong, Upkeep};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::clock;
use steady::Steady;

/// How often it is seen to. The record needs it once a day at most; keys are free again soon after they expired.
const INTERVAL: Duration = Duration::from_secs(15);

/// What to do about a user who may not.
const DENIED: &str = "this user may not keep the record up: partitions, retention and expired answers are left to \
                      whoever has MAINTENANCE_DATABASE_URL, or to `api upkeep`";

/// Sees to it before anything is served. That it fails is no reason not to serve: partitions are made days ahead.
pub(crate) async fn first(upkeep: &Upkeep) {
    match upkeep.pass_in_turn(clock::now()).await {
        // What is too long is said by what keeps on.
        Ok(done) => tell(&done),
        Err(error) if error.is_denied() => info!("{DENIED}"),
        Err(error) => complain(&error),
    }
}

/// Sees to it for as long as the service runs.
pub(crate) async fn keep_on(upkeep: Upkeep) {
    // What went wrong is said once, until it goes well.
    let mut is_well = true;
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
        let seen_to = async {
            let done = upkeep.pass(now).await?.unwrap_or_default();
            tell(&done);
            for part in &done.too_long {
                if told.insert(part.suffix.clone()) {
                    tell_too_long(part);
                }
            }
            if rests_until < Instant::now() {
                let rest = upkeep.remove().await?.unwrap_or_default();
                rests_until = Instant::now() + rest;
            }
            Ok::<_, storage::Error>(())
        };
        match seen_to.await {
            Ok(()) => is_well = true,
            // Somebody reads for long, or the user may not, as was said at the start.
            Err(error) if error.is_locked_out() || error.is_denied() => {
                debug!(error = %Causes(&error), "upkeep");
            }
            Err(error) => {
                if is_well {
                    complain(&error);
                }
                is_well = false;
            }
        }
    }
}

/// Sees to it once, until nothing is left to do.
pub(crate) async fn all(upkeep: &Upkeep) -> Result<(), storage::Error> {
    let done = upkeep.pass_in_turn(clock::now()).await?;
    tell(&done);
    done.too_long.iter().for_each(tell_too_long);
    while let Some(rest) = upkeep.remove().await? {
        debug!("something is left to be removed; the disk rests for {rest:?}");
        sleep(rest).await;
    }
    Ok(())
}

/// Says what was done.
fn tell(done: &Done) {
    let Done { made, left, moved, deleted, forgotten, too_long: _ } = done;
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
        info!(rows = deleted, "deleted rows of the default partition: they are older than is kept");
    }
    if *forgotten > 0 {
        debug!("deleted {forgotten} expired answers");
    }
}

/// Says that records will leave late.
fn tell_too_long(part: &TooLong) {
    let TooLong { suffix, from, to } = part;
    let from = from.map_or_else(|| "the beginning".to_owned(), |from| from.to_string());
    warn!(
        "the partition {} takes records from {from} to {to}, much longer than it should: they leave late; \
         the rules may have changed, or a clock was wrong",
        suffix.trim_start_matches('_')
    );
}

fn complain(error: &storage::Error) {
    warn!("the record was not kept up; trying again: {}", Causes(error));
}
