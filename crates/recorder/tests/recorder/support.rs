//! What the tests of the recorder share.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::{Measurements, Record};
use inference::Model;
use recorder::{Error, Limits, Recorded, Recorder, Stored, Tally};
use storage::{Database, Rules, Store, Upkeep, Variables};
use tokio_postgres::Client;

use crate::database::TestDatabase;

/// How long answers are kept.
pub(crate) const KEPT: Duration = Duration::from_secs(3_600);

/// For how long closing may take.
pub(crate) const PATIENT: Duration = Duration::from_secs(10);

pub(crate) const FLOWER: Measurements = Measurements::from_row([3.5, 5.1, 0.2, 1.4]);

pub(crate) async fn recorder(database: &TestDatabase, limits: Limits) -> (Recorder, Store) {
    let store = store_in(database).await;
    let model = Arc::new(Model::embedded().unwrap());
    let writer = store.writer().unwrap();
    let (recorder, _writing) = Recorder::start(model, writer, None, limits, Arc::new(()));
    (recorder, store)
}

/// An empty record in this database.
pub(crate) async fn store_in(database: &TestDatabase) -> Store {
    let database = Database::from_url(&database.url(), &Variables::default()).unwrap();
    let store = Store::new(database).unwrap();
    let upkeep = upkeep(store.database());
    upkeep.migrate().await.unwrap();
    upkeep.pass_in_turn(Utc::now()).await.unwrap();
    store
}

/// Whoever keeps it up.
pub(crate) fn upkeep(database: &Database) -> Upkeep {
    Upkeep::new(database.clone(), Rules { retain_days: None, answers_kept: KEPT }).unwrap()
}

/// Holds up every write until the client commits.
pub(crate) async fn hold_writes(database: &TestDatabase) -> Client {
    let client = database.connect().await;
    client.batch_execute("begin; lock table raw_data in access exclusive mode").await.unwrap();
    client
}

pub(crate) async fn let_go(client: Client) {
    client.batch_execute("commit").await.unwrap();
}

/// Waits until a write is held up by the lock.
pub(crate) async fn until_a_write_is_held_up(database: &TestDatabase) {
    let client = database.connect().await;
    let waiting = "select exists (select from pg_locks where not granted
                   and database = (select oid from pg_database where datname = current_database()))";
    while !client.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Queues a request without waiting for its answer, as when a client hangs up at once.
pub(crate) fn queue_and_forget(recorder: &Recorder, rows: Vec<Measurements>) {
    let mut request = pin!(recorder.record(Utc::now(), rows, None));
    assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Records a request without a key.
pub(crate) async fn record(
    recorder: &Recorder,
    arrived: DateTime<Utc>,
    rows: Vec<Measurements>,
) -> Result<Vec<Record>, Error> {
    match recorder.record(arrived, rows, None).await? {
        Recorded::Records { records, stored: Stored::Committed } => Ok(records),
        other => panic!("{other:?}"),
    }
}

/// The tally, which must add up.
pub(crate) fn tally(recorder: &Recorder) -> Tally {
    let tally = recorder.tally();
    let Tally { received, committed, spooled, refused, failed, waiting, .. } = tally;
    assert_eq!(received, committed + spooled + refused + failed + waiting, "{tally:?}");
    tally
}

/// Waits until this holds.
pub(crate) async fn until(recorder: &Recorder, what: &str, holds: impl Fn(&Recorder) -> bool) {
    let started = Instant::now();
    while !holds(recorder) {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: {:?}", recorder.tally());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
