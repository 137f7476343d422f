//! While the database is away nobody waits for it, and what is in doubt is made certain when it is back.

use std::time::{Duration, Instant};

use chrono::Utc;
use recorder::{Error, Limits, Recorder};
use storage::deadlines;

use crate::database::TestDatabase;
use crate::support::{
    FLOWER, PATIENT, hold_writes, let_go, queue_and_forget, record, recorder, tally, until,
    until_a_write_is_held_up,
};

#[tokio::test]
async fn what_is_in_doubt_is_written_when_the_database_is_back() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    let held = hold_writes(&database).await;
    let in_doubt = record(&recorder, Utc::now(), vec![FLOWER; 3]).await;
    assert!(matches!(in_doubt, Err(Error::InDoubt(_) | Error::Unavailable(_))), "{in_doubt:?}");
    // The statement has timed out here and there; now nobody waits.
    until(&recorder, "away", |recorder| {
        tally(recorder).refused > 0 || {
            queue_and_forget_quickly(recorder);
            false
        }
    })
    .await;
    let asked = Instant::now();
    let refused = record(&recorder, Utc::now(), vec![FLOWER]).await;
    assert!(matches!(refused, Err(Error::Away)), "{refused:?}");
    assert!(asked.elapsed() < deadlines::WRITE, "told at once");

    let_go(held).await;
    until(&recorder, "nothing waits", |recorder| tally(recorder).waiting == 0).await;
    let committed = tally(&recorder).committed;
    let counts = database.counts().await;
    assert_eq!(u64::try_from(counts.0).unwrap(), committed);
    assert_eq!((counts.0, counts.0), (counts.1, counts.2));
    until(&recorder, "served again", |recorder| {
        tally(recorder).committed > committed || {
            queue_and_forget_quickly(recorder);
            false
        }
    })
    .await;
    recorder.close(PATIENT).await;
}

/// Sends a row without waiting for what becomes of it.
fn queue_and_forget_quickly(recorder: &Recorder) {
    let recorder = recorder.clone();
    tokio::spawn(async move { record(&recorder, Utc::now(), vec![FLOWER]).await });
}

#[tokio::test]
async fn a_recorder_with_rows_in_doubt_still_closes() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    let held = hold_writes(&database).await;
    queue_and_forget(&recorder, vec![FLOWER; 2]);
    until_a_write_is_held_up(&database).await;
    let asked = Instant::now();
    recorder.close(Duration::from_millis(200)).await;
    assert!(asked.elapsed() < deadlines::WRITE);
    assert_eq!(tally(&recorder).waiting, 2);
    let_go(held).await;
}
