//! What the record must hold, whatever happened to the service and its database.

use std::collections::HashSet;

use tokio_postgres::Client;

use super::load::{Outcome, Told};
use super::{TestDatabase, eventually};

/// Checks that everything acknowledged is on the record under its id, once, and that nothing is there in part:
/// every id is in both tables, every request is there with all its rows or with none, and with none twice.
///
/// Returns how many requests were acknowledged.
pub(crate) async fn check_record(database: &Client, told: &[Told]) -> usize {
    quiet(database).await;
    assert_eq!(lone_rows(database).await, 0, "a row of one table without the row of the other");
    let partial = "select count(*) from (
            select from raw_data where petal_length = floor(petal_length) and petal_length > 0
            group by sepal_length, petal_length
            having count(*) <> petal_length or count(distinct sepal_width) <> petal_length
        ) as partial";
    assert_eq!(count(database, partial).await, 0, "requests that are recorded in part, or twice");

    let mut ids = Vec::new();
    let mut tags = Vec::new();
    let mut requests = 0;
    for Told { ask, answer, .. } in told {
        match answer {
            Outcome::Recorded(of_request) => {
                requests += 1;
                ids.extend_from_slice(of_request);
                tags.extend(of_request.iter().map(|_| ask.tag));
            }
            Outcome::Wrong(what) => panic!("{what}"),
            Outcome::Unavailable | Outcome::Lost => {}
        }
    }
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an id was given twice");
    let missing = "select count(*) from unnest($1::uuid[], $2::float8[]) as told (id, tag)
        left join raw_data using (id) left join prediction using (id)
        where prediction.id is null or raw_data.sepal_length is distinct from told.tag";
    let row = database.query_one(missing, &[&ids, &tags]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "acknowledged rows that are not on the record");
    requests
}

/// How many ids are in one of the two tables only, or in both with different times.
pub(crate) async fn lone_rows(database: &Client) -> i64 {
    let lone = "select count(*) from raw_data full join prediction using (id)
                where raw_data.\"timestamp\" is distinct from prediction.\"timestamp\"";
    count(database, lone).await
}

pub(crate) async fn count(database: &Client, sql: &str) -> i64 {
    database.query_one(sql, &[]).await.unwrap().get(0)
}

/// Ends every other session of the database, as an administrator may.
pub(crate) async fn end_sessions(database: &Client) -> i64 {
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()";
    count(database, end).await
}

/// Waits until no statement of anybody else is under way: one may outlive the service that sent it.
async fn quiet(database: &Client) {
    let busy = "select count(*) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'";
    eventually("no statement is under way", async || count(database, busy).await == 0).await;
}

/// A lock on the record: as long as it is held, nothing is written or read.
#[derive(Debug)]
pub(crate) struct TableLock(Client);

impl TableLock {
    pub(crate) async fn take(database: &TestDatabase) -> Self {
        Self::of(database, "raw_data").await
    }

    /// A lock on this table alone.
    pub(crate) async fn of(database: &TestDatabase, table: &str) -> Self {
        let session = database.connect().await;
        let lock = format!("begin; lock table {table} in access exclusive mode");
        session.batch_execute(&lock).await.unwrap();
        Self(session)
    }

    pub(crate) async fn release(self) {
        self.0.batch_execute("commit").await.unwrap();
    }
}
