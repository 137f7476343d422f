//! What is put aside while the database is away is brought to it when it is back: all of it, once, oldest first.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::Measurements;
use inference::Model;
use recorder::{Error, Limits, Once, Recorded, Recorder, Stored};
use spool::Spool;
use tempfile::TempDir;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::support::{FLOWER, PATIENT, hold_writes, let_go, store_in, tally, until};

async fn recorder(database: &TestDatabase, directory: &Path) -> (Recorder, Spool) {
    let store = store_in(database).await;
    let limits = spool::Limits { free_disk: 0.0, ..spool::Limits::default() };
    let (spool, _found) = Spool::open(directory, limits).unwrap();
    let model = Arc::new(Model::embedded().unwrap());
    let writer = store.writer().unwrap();
    let (recorder, _writing) =
        Recorder::start(model, writer, Some(spool.clone()), Limits::default(), Arc::new(()));
    (recorder, spool)
}

/// Records rows; where they are, and under which ids.
async fn send(
    recorder: &Recorder,
    rows: Vec<Measurements>,
) -> Result<(Stored, Vec<String>), Error> {
    match recorder.record(Utc::now(), rows, None).await? {
        Recorded::Records { records, stored } => {
            Ok((stored, records.iter().map(|record| record.id.to_string()).collect()))
        }
        other @ Recorded::Answer { .. } => panic!("{other:?}"),
    }
}

/// Takes the table away, until [`bring_back`].
async fn take_away(client: &Client) {
    client.batch_execute("alter table raw_data rename to moved").await.unwrap();
}

async fn bring_back(client: &Client) {
    client.batch_execute("alter table moved rename to raw_data").await.unwrap();
}

/// All ids in the order in which they were inserted.
async fn recorded(client: &Client) -> Vec<String> {
    let ids = client.query("select id::text from prediction order by xmin::text::int8, ctid", &[]);
    ids.await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn an_outage_is_bridged_and_everything_arrives_in_order() {
    let (database, directory) = (TestDatabase::create().await, TempDir::new().unwrap());
    let (recorder, spool) = recorder(&database, directory.path()).await;
    let client = database.connect().await;
    let (stored, mut ids) = send(&recorder, vec![FLOWER]).await.unwrap();
    assert_eq!(stored, Stored::Committed);

    take_away(&client).await;
    for n in 0..200 {
        let (stored, more) = send(&recorder, vec![FLOWER; 1 + n % 3]).await.unwrap();
        assert_eq!(stored, Stored::Spooled);
        ids.extend(more);
    }
    assert_eq!(tally(&recorder).spooled, ids.len() as u64 - 1);
    assert_eq!(spool.depth().rows, ids.len() as u64 - 1);

    bring_back(&client).await;
    until(&recorder, "nothing is aside", |recorder| tally(recorder).spooled == 0).await;
    assert_eq!(tally(&recorder).committed, ids.len() as u64);
    assert_eq!(recorded(&client).await, ids);
    assert_eq!(spool.depth().entries, 0);
    until_committed(&recorder).await;
}

/// Waits until rows are committed again at once.
async fn until_committed(recorder: &Recorder) {
    let started = Instant::now();
    while send(recorder, vec![FLOWER]).await.unwrap().0 != Stored::Committed {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn what_is_in_doubt_is_put_aside_and_recorded_once() {
    let (database, directory) = (TestDatabase::create().await, TempDir::new().unwrap());
    let (recorder, _spool) = recorder(&database, directory.path()).await;
    let held = hold_writes(&database).await;
    // The write is sent and times out; in the end the answer comes in time.
    let (stored, ids) = send(&recorder, vec![FLOWER; 4]).await.unwrap();
    assert_eq!(stored, Stored::Spooled);
    let_go(held).await;
    until(&recorder, "nothing is aside", |recorder| tally(recorder).spooled == 0).await;
    assert_eq!(recorded(&database.connect().await).await, ids);
    assert_eq!(database.counts().await, (4, 4, 4));
}

#[tokio::test]
async fn what_another_run_put_aside_is_brought_back_with_its_own_model_version() {
    let (database, directory) = (TestDatabase::create().await, TempDir::new().unwrap());
    let client = database.connect().await;
    let mut ids = Vec::new();
    {
        let (recorder, spool) = recorder(&database, directory.path()).await;
        take_away(&client).await;
        for _ in 0..10 {
            ids.extend(send(&recorder, vec![FLOWER; 2]).await.unwrap().1);
        }
        // One of them is of another model.
        let mut others = spool.oldest(1_000).await.unwrap();
        let mut of_another = others.swap_remove(5).records;
        for record in &mut of_another {
            record.model_version = "0.9.0+00000000".into();
            record.id = Uuid::from_u128(record.id.as_u128() ^ 0xffff);
            ids.push(record.id.to_string());
        }
        spool.append(vec![of_another]).await.unwrap();
        recorder.close(PATIENT).await;
        spool.close().await;
        bring_back(&client).await;
    }
    let (recorder, _spool) = recorder(&database, directory.path()).await;
    assert_eq!(tally(&recorder).received, 22);
    until(&recorder, "nothing is aside", |recorder| tally(recorder).spooled == 0).await;
    assert_eq!(tally(&recorder).committed, 22);
    assert_eq!(recorded(&client).await, ids);
    let of_another = "select count(*) from prediction where model_version = '0.9.0+00000000'";
    assert_eq!(client.query_one(of_another, &[]).await.unwrap().get::<_, i64>(0), 2);
}

#[tokio::test]
async fn what_the_database_refuses_is_kept_apart_and_holds_up_nothing() {
    let (database, directory) = (TestDatabase::create().await, TempDir::new().unwrap());
    let (recorder, spool) = recorder(&database, directory.path()).await;
    let client = database.connect().await;
    client.batch_execute("alter table raw_data add check (petal_length <> 42)").await.unwrap();
    take_away(&client).await;
    let bad = Measurements { petal_length: 42.0, ..FLOWER };
    for n in 0..40 {
        let rows = if n % 13 == 5 { vec![FLOWER, bad] } else { vec![FLOWER; 2] };
        send(&recorder, rows).await.unwrap();
    }
    bring_back(&client).await;
    until(&recorder, "nothing is aside", |recorder| tally(recorder).spooled == 0).await;
    let tally = tally(&recorder);
    assert_eq!((tally.committed, tally.failed), (74, 6));
    assert_eq!(spool.depth().quarantined, 3);
    assert_eq!(database.counts().await, (74, 74, 74));
}

#[tokio::test]
async fn a_request_with_a_key_is_refused_and_not_put_aside() {
    let (database, directory) = (TestDatabase::create().await, TempDir::new().unwrap());
    let (recorder, spool) = recorder(&database, directory.path()).await;
    let client = database.connect().await;
    take_away(&client).await;
    for _ in 0..2 {
        let once = Once {
            caller: Arc::from(""),
            key: "k".to_owned(),
            fingerprint: [0; 32],
            render: Box::new(|_| Vec::new()),
        };
        let refused = recorder.record(Utc::now(), vec![FLOWER], Some(once)).await;
        assert!(matches!(refused, Err(Error::Away | Error::Unavailable(_))), "{refused:?}");
    }
    assert_eq!((spool.depth().entries, tally(&recorder).refused), (0, 2));
    bring_back(&client).await;
}

#[tokio::test]
async fn a_spool_that_is_full_refuses_and_is_of_use_again_afterwards() {
    let (database, directory) = (TestDatabase::create().await, TempDir::new().unwrap());
    let store = store_in(&database).await;
    let limits = spool::Limits { free_disk: 0.0, bytes: 1 << 20 };
    let (spool, _found) = Spool::open(directory.path(), limits).unwrap();
    let model = Arc::new(Model::embedded().unwrap());
    let writer = store.writer().unwrap();
    let (recorder, _writing) =
        Recorder::start(model, writer, Some(spool), Limits::default(), Arc::new(()));
    let client = database.connect().await;
    for _ in 0..2 {
        take_away(&client).await;
        let mut spooled = 0;
        let refused = loop {
            match send(&recorder, vec![FLOWER; 500]).await {
                Ok((Stored::Spooled, ids)) => spooled += ids.len() as u64,
                Ok((Stored::Committed, _)) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, Error::Away | Error::Unavailable(_)), "{refused:?}");
        assert!(spooled > 2_000, "{spooled}");
        assert_eq!(tally(&recorder).spooled, spooled);
        bring_back(&client).await;
        until(&recorder, "nothing is aside", |recorder| tally(recorder).spooled == 0).await;
    }
    let tally = tally(&recorder);
    let counts = database.counts().await;
    assert_eq!(tally.committed, u64::try_from(counts.0).unwrap());
    assert_eq!((counts.0, counts.0), (counts.1, counts.2));
}
