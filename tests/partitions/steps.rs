//! Each step of the upkeep is by itself: one that fails is named, and does not stop the others.

use chrono::{NaiveTime, TimeDelta, Utc};
use tokio_postgres::Client;

use super::{TABLES, first_id_at, insert, suffixes};
use crate::support::{Service, TestDatabase, count, eventually};

/// A record with something to do for each step: no partition for the next days, one that is old enough to leave and one with old
/// rows, old rows in the default, and an answer that has expired.
async fn neglected() -> (TestDatabase, Client) {
    let database = TestDatabase::create().await;
    Service::start_with(&database, [("RETAIN_DAYS", "1")]).await.stop().await;
    let (sql, now) = (database.connect().await, Utc::now());
    let today = now.date_naive().and_time(NaiveTime::MIN).and_utc();
    let bounds = [now - TimeDelta::days(40), now - TimeDelta::days(20), today];
    let [least, old, end] = bounds.map(first_id_at);
    for table in TABLES {
        for suffix in suffixes(&sql, table).await.iter().filter(|it| *it != "_default") {
            sql.batch_execute(&format!("drop table {table}{suffix}")).await.unwrap();
        }
        sql.batch_execute(&format!(
            "create table {table}_old partition of {table} for values from ('{least}') to ('{old}');
             create table {table}_long partition of {table} for values from ('{old}') to ('{end}')"
        ))
        .await
        .unwrap();
    }
    for days in [30, 10, 50] {
        insert(&sql, now - TimeDelta::days(days)).await;
    }
    insert(&sql, now).await;
    sql.batch_execute(
        "insert into idempotency_key (caller, key, fingerprint, answer, created_at)
         values ('a', 'b', decode(repeat('00', 32), 'hex'), '', now() - interval '30 days')",
    )
    .await
    .unwrap();
    (database, sql)
}

/// The steps that are left to do.
async fn left_to_do(sql: &Client) -> Vec<&'static str> {
    let parts = suffixes(sql, "prediction").await;
    let today = Utc::now().format("_%Y%m%d").to_string();
    let rows = async |table: &str| count(sql, &format!("select count(*) from {table}")).await;
    let mut left = Vec::new();
    if !parts.iter().any(|it| it.starts_with(&today)) {
        left.push("make");
    }
    if parts.contains(&"_old".to_owned()) {
        left.push("take out");
    }
    if parts.contains(&"_long".to_owned()) && rows("prediction_long").await > 0 {
        left.push("delete");
    }
    if count(
        sql,
        "select count(*) from prediction_default where \"timestamp\" < now() - interval '2 days'",
    )
    .await
        > 0
    {
        left.push("delete from the default");
    }
    if rows("idempotency_key").await > 0 {
        left.push("forget");
    }
    left
}

/// The command's log, and whether it succeeded.
async fn upkeep(database: &TestDatabase) -> (bool, String) {
    let mut command = Service::command();
    command.arg("upkeep").env("DATABASE_URL", database.url()).env("RETAIN_DAYS", "1");
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (done.status.success(), String::from_utf8(done.stderr).unwrap())
}

#[tokio::test]
async fn a_step_that_fails_is_named_and_stops_no_other() {
    let (database, sql) = neglected().await;
    let all = ["make", "take out", "delete", "delete from the default", "forget"];
    assert_eq!(left_to_do(&sql).await, all);
    assert!(upkeep(&database).await.0);
    assert!(left_to_do(&sql).await.is_empty());

    let today = Utc::now().format("%Y%m%d");
    let refuse = "create function refuse() returns trigger language plpgsql as $$begin raise 'not this one'; end$$;";
    let refusing = |table: &str, when: &str| {
        format!(
            "{refuse} create trigger theirs before delete on {table} for each row {when} execute function refuse()"
        )
    };
    let old = "when (old.\"timestamp\" < now() - interval '2 days')";
    let obstacles = [
        ("make", format!("create table truth_{today} (theirs int)"), "make the partition"),
        (
            "take out",
            "create table truth_old_left (theirs int)".to_owned(),
            "take the partition old out",
        ),
        ("delete", refusing("prediction_long", old), "delete the old rows of the partition long"),
        ("delete from the default", refusing("raw_data_default", old), "of the default partition"),
        ("forget", refusing("idempotency_key", ""), "delete expired answers"),
    ];
    for (step, obstacle, named) in obstacles {
        let (database, sql) = neglected().await;
        sql.batch_execute(&obstacle).await.unwrap();
        let (succeeded, log) = upkeep(&database).await;
        assert!(!succeeded && log.contains(named), "{step}: {log}");
        assert_eq!(log.matches("the upkeep of the record could not").count(), 1, "{log}");
        assert_eq!(left_to_do(&sql).await, [step], "{log}");
    }
}

#[tokio::test]
async fn the_command_waits_for_a_table_that_somebody_holds() {
    let (database, sql) = neglected().await;
    let holder = database.connect().await;
    holder.batch_execute("begin; select count(*) from prediction_log").await.unwrap();
    let doing = tokio::spawn(async move { upkeep(&database).await });
    // Steps that do not need the held tables are done meanwhile.
    eventually("the other steps are done", async || left_to_do(&sql).await == ["make", "take out"])
        .await;
    holder.batch_execute("commit").await.unwrap();
    let (succeeded, log) = doing.await.unwrap();
    assert!(succeeded, "{log}");
    assert!(left_to_do(&sql).await.is_empty());
}
