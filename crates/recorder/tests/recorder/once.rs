//! Requests that are recorded once, however often they are sent.

use std::sync::Arc;

use chrono::Utc;
use domain::Measurements;
use recorder::{Error, Limits, Once, Recorded, Recorder};
use storage::Claim;

use crate::database::TestDatabase;
use crate::support::{
    FLOWER, PATIENT, hold_writes, let_go, record, recorder, tally, until_a_write_is_held_up, upkeep,
};

/// Sends rows under a key; the answer consists of the ids.
async fn send(
    recorder: &Recorder,
    key: &str,
    rows: Vec<Measurements>,
) -> Result<(String, bool), Error> {
    let fingerprint = [rows[0].petal_length.to_bits().to_le_bytes()[6]; 32];
    let once = Once {
        caller: Arc::from("ada"),
        key: key.to_owned(),
        fingerprint,
        render: Box::new(|records| {
            let ids: Vec<_> = records.iter().map(|record| record.id.to_string()).collect();
            ids.join(",").into_bytes()
        }),
    };
    match recorder.record(Utc::now(), rows, Some(once)).await? {
        Recorded::Answer { answer, replayed } => Ok((String::from_utf8(answer).unwrap(), replayed)),
        other @ Recorded::Records { .. } => panic!("{other:?}"),
    }
}

fn spawn(
    recorder: &Recorder,
    key: String,
    rows: Vec<Measurements>,
) -> tokio::task::JoinHandle<Result<(String, bool), Error>> {
    let recorder = recorder.clone();
    tokio::spawn(async move { send(&recorder, &key, rows).await })
}

#[tokio::test]
async fn what_is_sent_again_is_recorded_once_and_answered_alike() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    let (answer, replayed) = send(&recorder, "k", vec![FLOWER; 3]).await.unwrap();
    assert!(!replayed);
    for _ in 0..3 {
        let again = send(&recorder, "k", vec![FLOWER; 3]).await.unwrap();
        assert_eq!(again, (answer.clone(), true));
    }
    assert_eq!(database.counts().await, (3, 3, 3));
    let tally = tally(&recorder);
    assert_eq!((tally.received, tally.committed, tally.replayed), (3, 3, 9));

    let (other, replayed) = send(&recorder, "another key", vec![FLOWER; 3]).await.unwrap();
    assert!(other != answer && !replayed);
    assert_eq!(database.counts().await, (6, 6, 6));
}

#[tokio::test]
async fn a_key_that_was_used_for_another_request_is_refused() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    send(&recorder, "k", vec![FLOWER]).await.unwrap();
    let another = Measurements { petal_length: 5.0, ..FLOWER };
    let refused = send(&recorder, "k", vec![another]).await;
    assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
    assert_eq!(database.counts().await, (1, 1, 1));
    assert_eq!(tally(&recorder).refused, 1);
}

#[tokio::test]
async fn of_many_at_once_one_is_recorded_whatever_batch_they_are_in() {
    let database = TestDatabase::create().await;
    let (recorder, _store) =
        recorder(&database, Limits { batch_rows: 30, ..Limits::default() }).await;
    let held = hold_writes(&database).await;
    let first = spawn(&recorder, "key 0".to_owned(), vec![FLOWER]);
    until_a_write_is_held_up(&database).await;
    let rest: Vec<_> =
        (0..100).map(|n| spawn(&recorder, format!("key {}", n % 10), vec![FLOWER])).collect();
    let plain = {
        let recorder = recorder.clone();
        tokio::spawn(async move { record(&recorder, Utc::now(), vec![FLOWER; 5]).await })
    };
    let_go(held).await;
    let mut answers = vec![first.await.unwrap().unwrap()];
    for one in rest {
        answers.push(one.await.unwrap().unwrap());
    }
    plain.await.unwrap().unwrap();
    assert_eq!(answers.iter().filter(|(_, replayed)| !replayed).count(), 10);
    let mut distinct: Vec<_> = answers.into_iter().map(|(answer, _)| answer).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 10);
    assert_eq!(database.counts().await, (15, 15, 15));
    assert_eq!((tally(&recorder).committed, tally(&recorder).replayed), (15, 91));
}

#[tokio::test]
async fn two_services_that_get_the_same_keys_at_once_record_each_once() {
    let database = TestDatabase::create().await;
    let (one, _store) = recorder(&database, Limits::default()).await;
    let (other, _store) = recorder(&database, Limits::default()).await;
    let mut pairs = Vec::new();
    for n in 0..300 {
        let key = format!("key {n}");
        pairs
            .push((spawn(&one, key.clone(), vec![FLOWER; 2]), spawn(&other, key, vec![FLOWER; 2])));
    }
    for (one, other) in pairs {
        let (one, other) = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
        assert_eq!(one.0, other.0);
        assert!(one.1 != other.1, "one of the two is the first");
    }
    assert_eq!(database.counts().await, (600, 600, 600));
}

#[tokio::test]
async fn a_refused_request_with_a_key_sinks_alone_and_leaves_no_key() {
    let database = TestDatabase::create().await;
    let (recorder, _store) = recorder(&database, Limits::default()).await;
    let client = database.connect().await;
    client
        .batch_execute("alter table prediction add constraint no check (iris_class <> 2)")
        .await
        .unwrap();
    let bad = Measurements::from_row([3.0, 6.5, 2.2, 5.8]);
    let held = hold_writes(&database).await;
    let first = spawn(&recorder, "first".to_owned(), vec![FLOWER]);
    until_a_write_is_held_up(&database).await;
    let rest: Vec<_> = (0..9)
        .map(|n| spawn(&recorder, n.to_string(), vec![if n == 4 { bad } else { FLOWER }]))
        .collect();
    let_go(held).await;
    first.await.unwrap().unwrap();
    for (n, one) in rest.into_iter().enumerate() {
        let outcome = one.await.unwrap();
        assert_eq!(matches!(outcome, Err(Error::Refused(_))), n == 4, "{outcome:?}");
    }
    assert_eq!(database.counts().await, (9, 9, 9));
    client.batch_execute("alter table prediction drop constraint no").await.unwrap();
    let (_, replayed) = send(&recorder, "4", vec![bad]).await.unwrap();
    assert!(!replayed);
}

#[tokio::test]
async fn a_key_that_has_expired_is_deleted_in_time_and_is_free_then() {
    let database = TestDatabase::create().await;
    let (recorder, store) = recorder(&database, Limits::default()).await;
    let (first, _) = send(&recorder, "k", vec![FLOWER]).await.unwrap();
    let client = database.connect().await;
    let age = "update idempotency_key set created_at = created_at - interval '2 hours'";
    client.execute(age, &[]).await.unwrap();
    let old = "insert into idempotency_key
               select 'ada', 'old ' || n, sha256(''), '', now() - interval '2 hours' from generate_series(1, 2500) n";
    client.execute(old, &[]).await.unwrap();

    let upkeep = upkeep(store.database());
    let forgotten = async || upkeep.pass_in_turn(Utc::now()).await.unwrap().forgotten;
    assert_eq!((forgotten().await, forgotten().await), (2_501, 0));
    let (second, replayed) = send(&recorder, "k", vec![FLOWER]).await.unwrap();
    assert!(!replayed && first != second);
    assert_eq!(send(&recorder, "k", vec![FLOWER]).await.unwrap(), (second, true));
    assert_eq!(forgotten().await, 0);
    recorder.close(PATIENT).await;
}

#[tokio::test]
async fn what_was_written_already_is_known_to_be_its_own() {
    let database = TestDatabase::create().await;
    let (recorder, store) = recorder(&database, Limits::default()).await;
    let records = record(&recorder, Utc::now(), vec![FLOWER; 3]).await.unwrap();
    let client = database.connect().await;
    client.batch_execute("truncate prediction, raw_data cascade").await.unwrap();

    let writer = store.writer().unwrap();
    let claim =
        |key, rows| Claim { caller: "", key, fingerprint: &[7; 32], answer: b"so it was", rows };
    let claims = [claim("b", 1..2), claim("a", 2..3)];
    assert_eq!(writer.write_once(&records, &claims, false).await.unwrap(), [true, true]);
    assert_eq!(writer.write_once(&records, &claims, true).await.unwrap(), [false, false]);
    assert_eq!(database.counts().await, (3, 3, 3));
    for kept in writer.kept(&claims).await.unwrap() {
        let kept = kept.unwrap();
        assert_eq!(
            (kept.answer.as_slice(), kept.fingerprint.as_slice()),
            (&b"so it was"[..], &[7; 32][..])
        );
    }
    assert_eq!(writer.kept(&[claim("c", 0..0)]).await.unwrap(), [None]);
}
