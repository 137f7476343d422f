//! Requests become records: in batches, whole, and in time.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use domain::{Measurements, Record};
use futures_util::future::join_all;
use recorder::{Error, Limits};
use storage::deadlines;
use tokio::time::sleep;

use crate::database::TestDatabase;
use crate::support::{
    FLOWER, PATIENT, hold_writes, let_go, queue_and_forget, record, recorder,
    until_a_write_is_held_up,
};

#[tokio::test]
async fn a_record_is_in_the_database_when_it_is_returned() {
    let database = TestDatabase::create().await;
    let (recorder, store) = recorder(&database, Limits::default()).await;
    let arrived: DateTime<Utc> = "2026-11-23T10:00:00.123456789Z".parse().unwrap();
    let records = record(&recorder, arrived, vec![FLOWER; 3]).await.unwrap();
    assert_eq!(records.len(), 3);
    for record in &records {
        assert_eq!(record.timestamp, arrived.trunc_subsecs(6));
        assert_eq!(record.measurements, FLOWER);
        assert_eq!(store.record(record.id).await.unwrap().as_ref(), Some(record));
    }
}

#[tokio::test]
async fn what_waits_is_written_by_one_commit() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    let held = hold_writes(&database).await;
    queue_and_forget(&recorder, vec![FLOWER]);
    until_a_write_is_held_up(&database).await;
    for _ in 0..100 {
        queue_and_forget(&recorder, vec![FLOWER; 2]);
    }
    let_go(held).await;
    recorder.close(PATIENT).await;
    let transactions = "select count(*), count(distinct xmin::text) from prediction";
    let row = database.connect().await.query_one(transactions, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (201, 2));
}

#[tokio::test]
async fn a_batch_is_cut_at_its_limit_but_a_request_never_is() {
    let database = TestDatabase::create().await;
    let limits = Limits { batch_rows: 10, ..Limits::default() };
    let (recorder, _store) = recorder(&database, limits).await;
    let held = hold_writes(&database).await;
    queue_and_forget(&recorder, vec![FLOWER]);
    until_a_write_is_held_up(&database).await;
    for rows in [4, 6, 25, 9, 1] {
        queue_and_forget(&recorder, vec![FLOWER; rows]);
    }
    let_go(held).await;
    recorder.close(PATIENT).await;
    let sizes = "select array_agg(n order by first) from
                 (select count(*) n, min(xmin::text::int) first from prediction group by xmin::text) sizes";
    let row = database.connect().await.query_one(sizes, &[]).await.unwrap();
    assert_eq!(row.get::<_, Vec<i64>>(0), [1, 10, 25, 10]);
}

#[tokio::test]
async fn a_caller_that_goes_away_changes_nothing() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    for _ in 0..50 {
        queue_and_forget(&recorder, vec![FLOWER]);
    }
    recorder.close(PATIENT).await;
    assert_eq!(database.counts().await, (50, 50, 50));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_takes_again_when_there_is_room() {
    let database = TestDatabase::create().await;
    let limits = Limits { rows: 10, ..Limits::default() };
    let (recorder, _store) = recorder(&database, limits).await;
    let held = hold_writes(&database).await;
    queue_and_forget(&recorder, vec![FLOWER; 8]);
    let refused = record(&recorder, Utc::now(), vec![FLOWER; 3]).await;
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    queue_and_forget(&recorder, vec![FLOWER; 2]);
    let_go(held).await;
    recorder.close(PATIENT).await;
    assert_eq!(database.counts().await, (10, 10, 10));
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_told_so_and_not_written_afterwards() {
    let database = TestDatabase::create().await;
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::default() };
    let (recorder, _store) = recorder(&database, limits).await;
    let held = hold_writes(&database).await;
    let began = Instant::now();
    let being_written = record(&recorder, Utc::now(), vec![FLOWER]);
    let queued = async {
        until_a_write_is_held_up(&database).await;
        record(&recorder, Utc::now(), vec![FLOWER; 5]).await
    };
    let (being_written, queued) = tokio::join!(being_written, queued);
    assert!(matches!(being_written, Err(Error::InDoubt(None))), "{being_written:?}");
    assert!(matches!(queued, Err(Error::TimedOut)), "{queued:?}");
    assert!(began.elapsed() < deadlines::WRITE, "told only when the write gave up");
    let_go(held).await;
    recorder.close(PATIENT).await;
    // The first was in doubt when its time ran out; the five were never sent.
    assert_eq!(database.counts().await, (1, 1, 1));
}

/// A queue that takes longer than its callers wait has every row written just after its caller gave up.
#[tokio::test]
async fn of_more_than_a_slow_database_can_take_what_is_taken_is_in_time() {
    let database = TestDatabase::create().await;
    let limits = Limits { rows: 1_000, batch_rows: 10, deadline: Duration::from_secs(1) };
    let (recorder, _store) = recorder(&database, limits).await;
    let slow = "create function slow() returns trigger language plpgsql
                    as 'begin perform pg_sleep(0.05); return null; end';
                create trigger slow before insert on raw_data execute function slow()";
    database.connect().await.batch_execute(slow).await.unwrap();
    let end = Instant::now() + Duration::from_secs(4);
    let callers = (0..1_000).map(|_| async {
        let (mut recorded, mut doubted) = (0, 0);
        while Instant::now() < end {
            match record(&recorder, Utc::now(), vec![FLOWER]).await {
                Ok(_) => recorded += 1,
                Err(Error::InDoubt(_)) => doubted += 1,
                Err(Error::Full | Error::TimedOut) => sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error:?}"),
            }
        }
        (recorded, doubted)
    });
    let told = join_all(callers).await;
    let (recorded, doubted) =
        told.iter().fold((0, 0), |sum, told| (sum.0 + told.0, sum.1 + told.1));
    assert!(doubted * 4 < recorded, "{doubted} in doubt, {recorded} recorded");
}

#[tokio::test]
async fn refused_rows_sink_only_their_own_request() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    let client = database.connect().await;
    client.batch_execute("alter table raw_data add check (petal_length <> 42)").await.unwrap();
    let bad = Measurements { petal_length: 42.0, ..FLOWER };
    let held = hold_writes(&database).await;
    let requests: Vec<_> = (0..20)
        .map(|n| if n % 7 == 3 { vec![FLOWER, bad] } else { vec![FLOWER; 2] })
        .map(|rows| {
            let recorder = recorder.clone();
            tokio::spawn(async move { record(&recorder, Utc::now(), rows).await })
        })
        .collect();
    until_a_write_is_held_up(&database).await;
    let_go(held).await;
    for (n, request) in requests.into_iter().enumerate() {
        let outcome = request.await.unwrap();
        if n % 7 == 3 {
            assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
        } else {
            assert!(outcome.is_ok(), "{outcome:?}");
        }
    }
    assert_eq!(database.counts().await, (34, 34, 34));
}

#[tokio::test]
async fn a_large_request_is_recorded_whole_or_not_at_all() {
    let database = TestDatabase::create().await;
    let (recorder, store) = recorder(&database, Limits::default()).await;
    let client = database.connect().await;
    client.batch_execute("alter table prediction add check (iris_class <> 2)").await.unwrap();

    let mut rows = vec![FLOWER; 5_000];
    let records = record(&recorder, Utc::now(), rows.clone()).await.unwrap();
    for record in [&records[0], &records[4_999]] {
        assert_eq!(store.record(record.id).await.unwrap().as_ref(), Some(record));
    }
    assert_eq!(database.counts().await, (5_000, 5_000, 5_000));

    // The last of the predictions is refused when all the inputs are there already.
    rows[4_999] = Measurements::from_row([3.0, 6.5, 2.2, 5.8]);
    let outcome = record(&recorder, Utc::now(), rows).await;
    assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
    assert_eq!(database.counts().await, (5_000, 5_000, 5_000));
    record(&recorder, Utc::now(), vec![FLOWER]).await.expect("the connection goes on");
}

#[tokio::test]
async fn writing_again_adds_only_what_is_missing() {
    let database = TestDatabase::create().await;
    let (recorder, store) = recorder(&database, Limits::default()).await;
    let mut records: Vec<Record> = record(&recorder, Utc::now(), vec![FLOWER; 4]).await.unwrap();
    let client = database.connect().await;
    let gone = records[1].id;
    client.execute("delete from raw_data where id = $1", &[&gone]).await.unwrap();
    client.execute("delete from prediction where id = $1", &[&gone]).await.unwrap();
    let writer = store.writer().unwrap();
    assert!(writer.write(&records).await.unwrap_err().is_refusal());
    writer.write_again(&records).await.unwrap();
    assert_eq!(database.counts().await, (4, 4, 4));
    for record in records.drain(..) {
        assert_eq!(store.record(record.id).await.unwrap(), Some(record));
    }
}

#[tokio::test]
async fn a_closed_recorder_refuses() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    recorder.close(PATIENT).await;
    let refused = record(&recorder, Utc::now(), vec![FLOWER]).await;
    assert!(matches!(refused, Err(Error::Stopped)), "{refused:?}");
}
