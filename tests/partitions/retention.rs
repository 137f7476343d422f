//! What is older than is kept leaves, a partition at a time, and nobody waits for it.

use chrono::{TimeDelta, Utc};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{TABLES, first_id_at, id_of, insert, insert_under, paged, random_id, suffixes};
use crate::support::{Service, TestDatabase, count, eventually, flower};

const MONTH: [(&str, &str); 1] = [("RETAIN_DAYS", "30")];

/// A database whose oldest partition ended so many days ago, with a row in it and one after it.
async fn aged(days: i64) -> (TestDatabase, Client, [Uuid; 2]) {
    let database = TestDatabase::create().await;
    Service::start_with(&database, MONTH).await.stop().await;
    let sql = database.connect().await;
    let end = first_id_at(Utc::now() - TimeDelta::days(days));
    for table in TABLES {
        let first = &suffixes(&sql, table).await[0];
        let anew = format!(
            "alter table {table} detach partition {table}{first};
             alter table {table}{first} rename to {table}_20190101;
             alter table {table} attach partition {table}_20190101 for values from (minvalue) to ('{end}')"
        );
        sql.batch_execute(&anew).await.unwrap();
    }
    let old = insert(&sql, Utc::now() - TimeDelta::hours(24 * days + 12)).await;
    sql.execute("insert into truth values ($1, 1)", &[&old]).await.unwrap();
    // No partition takes it until the service makes the one that is missing.
    let young = insert(&sql, Utc::now() - TimeDelta::days(days - 1)).await;
    (database, sql, [old, young])
}

#[tokio::test]
async fn old_records_leave_with_their_partition() {
    let (database, sql, [old, young]) = aged(31).await;
    let before = suffixes(&sql, "prediction").await;
    let mut service = Service::start_with(&database, MONTH).await;
    service.log().wait_for("left the record").await;
    for table in TABLES {
        let left = suffixes(&sql, table).await;
        assert!(!left.contains(&before[0]), "{table}: {left:?}");
        let found = format!("select count(*) from {table} where id = '{old}'");
        assert_eq!(count(&sql, &found).await, 0);
    }
    assert_eq!(service.get(&format!("/predictions/{old}")).await.status(), 404);
    let new = id_of(&service.predict(&flower()).await);
    assert_eq!(paged(&service, 1).await, [new, young]);
    assert_eq!(count(&sql, "select count(*) from raw_data_default").await, 0);
}

#[tokio::test]
async fn what_left_gives_its_room_back_and_nothing_else_is_removed() {
    let (database, sql, _) = aged(31).await;
    sql.batch_execute("create table prediction_20200101_left (id int primary key)").await.unwrap();
    let oldest = suffixes(&sql, "prediction").await.remove(0);
    let mut upkeep = Service::command();
    upkeep.arg("upkeep").env("DATABASE_URL", database.url()).envs(MONTH);
    let done = tokio::task::spawn_blocking(move || upkeep.output().unwrap()).await.unwrap();
    assert!(done.status.success(), "{done:?}");
    let tables = "select coalesce(string_agg(relname, ' ' order by relname), '') from pg_class
                  where relkind = 'r' and (relname like '%_left' or relname = any($1))";
    let was_there: Vec<String> = TABLES.iter().map(|table| format!("{table}{oldest}")).collect();
    let left: String = sql.query_one(tables, &[&was_there]).await.unwrap().get(0);
    assert_eq!(left, "prediction_20200101_left");
}

#[tokio::test]
async fn what_is_young_enough_stays() {
    let (database, sql, [old, young]) = aged(29).await;
    let service = Service::start_with(&database, MONTH).await;
    assert_eq!(paged(&service, 10).await, [young, old]);
    // Without the setting everything stays.
    service.stop().await;
    let service = Service::start(&database).await;
    assert_eq!(paged(&service, 10).await, [young, old]);
    assert_eq!(count(&sql, "select count(*) from truth").await, 1);
}

#[tokio::test]
async fn old_rows_that_are_in_no_partition_leave_too() {
    let database = TestDatabase::create().await;
    Service::start_with(&database, MONTH).await.stop().await;
    let sql = database.connect().await;
    let (old, young) = (random_id(), random_id());
    insert_under(&sql, old, Utc::now() - TimeDelta::days(31)).await;
    insert_under(&sql, young, Utc::now() - TimeDelta::days(29)).await;
    let service = Service::start_with(&database, MONTH).await;
    assert_eq!(paged(&service, 10).await, [young]);
}

#[tokio::test]
async fn predictions_do_not_wait_for_a_partition_that_somebody_reads() {
    let (database, sql, [old, _]) = aged(31).await;
    let reader = database.connect().await;
    reader.batch_execute("begin").await.unwrap();
    reader.query("select count(*) from prediction_log", &[]).await.unwrap();
    let service = Service::start_with(&database, MONTH).await;
    let there = format!("select count(*) from prediction where id = '{old}'");
    for _ in 0..50 {
        service.predict(&flower()).await;
    }
    assert_eq!(count(&sql, &there).await, 1);
    reader.batch_execute("commit").await.unwrap();
    eventually("the partition is dropped", async || {
        service.predict(&flower()).await;
        count(&sql, &there).await == 0
    })
    .await;
}

/// How many rows each table has that are older than this many hours.
async fn older(sql: &Client, hours: i32) -> Vec<i64> {
    let mut found = Vec::new();
    for table in ["raw_data", "prediction"] {
        let older = format!(
            "select count(*) from {table} where \"timestamp\" < now() - interval '{hours} hours'"
        );
        found.push(count(sql, &older).await);
    }
    found
}

/// As when it is introduced, or lowered: the partitions that are there span more time than the rule says.
#[tokio::test]
async fn retention_keeps_its_word_in_partitions_of_another_length() {
    for before in [None, Some("3650"), Some("60")] {
        let database = TestDatabase::create().await;
        let days = before.map(|days| ("RETAIN_DAYS", days));
        let service = Service::start_with(&database, days).await;
        service.predict(&flower()).await;
        service.stop().await;
        let sql = database.connect().await;
        let now = Utc::now();
        // More of them than are deleted at once, and one that has a truth.
        for hours in [30 * 24, 72, 49, 47, 25, 1] {
            let id = insert(&sql, now - TimeDelta::hours(hours)).await;
            sql.execute("insert into truth values ($1, 1)", &[&id]).await.unwrap();
        }
        let many = "with time as (select number, now() - interval '60 hours' + number * interval '1 ms' as at
                                  from generate_series(1, 12000) as number),
                    row as materialized (select (lpad(to_hex((extract(epoch from at) * 1000)::int8), 12, '0') || '70008000'
                                                 || lpad(to_hex(number), 12, '0'))::uuid as id, at from time),
                    output as (insert into prediction select id, at, 0, '{1,0,0}', 'before' from row)
                    insert into raw_data select id, at, 3.5, 5.1, 0.2, 1.4 from row";
        sql.batch_execute(many).await.unwrap();
        assert_eq!(older(&sql, 48).await, [12_003; 2]);
        let mut service = Service::start_with(&database, [("RETAIN_DAYS", "1")]).await;
        service.log().wait_for("deleted old rows").await;
        // A day, and one more, as long as a partition spans.
        assert_eq!(older(&sql, 48).await, [0; 2], "{before:?}");
        assert_eq!(count(&sql, "select count(*) from truth").await, 3);
        assert_eq!(paged(&service, 100).await.len(), 4, "{before:?}");
    }
}
