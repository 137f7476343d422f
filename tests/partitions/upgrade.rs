//! A record that was written before there were partitions becomes one of them, and loses nothing on the way.

use std::path::Path;

use chrono::{TimeDelta, Utc};
use refinery::{Runner, Target};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{insert, insert_under, paged, partition_of, random_id};
use crate::support::{Service, TestDatabase, count, flower};

/// The last version of the schema without partitions.
const BEFORE: i32 = 2;

/// A database as an older service left it.
async fn older(database: &TestDatabase) -> Client {
    let mut sql = database.connect().await;
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let migrations = refinery::load_sql_migrations(files).unwrap();
    let runner = Runner::new(&migrations).set_target(Target::Version(BEFORE));
    runner.run_async(&mut sql).await.unwrap();
    sql
}

/// The whole record in one number, and how many rows it has.
async fn contents(sql: &Client) -> (i64, i64) {
    let contents = "select count(*), coalesce(sum(hashtextextended(log::text, 0)), 0)::text from prediction_log as log";
    let row = sql.query_one(contents, &[]).await.unwrap();
    let hash: String = row.get(1);
    (row.get(0), hash.bytes().fold(7, |hash, byte| hash * 31 % 1_000_000_007 + i64::from(byte)))
}

#[tokio::test]
async fn an_existing_record_becomes_a_partition() {
    let database = TestDatabase::create().await;
    let sql = older(&database).await;
    let mut ids = Vec::new();
    for days in 0..200 {
        ids.push(insert(&sql, Utc::now() - TimeDelta::days(days)).await);
    }
    sql.execute("insert into truth select id, 2 from prediction limit 50", &[]).await.unwrap();
    let role = format!("reader_{}", random_id().simple());
    let grants = format!("create role {role}; grant select on raw_data, prediction_log to {role};
                          grant insert on truth to {role}; grant select on idempotency_key to public");
    sql.batch_execute(&grants).await.unwrap();
    let before = contents(&sql).await;

    let service = Service::start(&database).await;
    assert_eq!(contents(&sql).await, before);
    assert_eq!(paged(&service, 70).await, ids);
    assert!(partition_of(&sql, ids[0]).await.starts_with("raw_data_until_"));
    let new = service.predict(&flower()).await;
    assert_eq!(paged(&service, 1_000).await.len(), 201, "{new}");
    let kept = format!(
        "select has_table_privilege('{role}', 'raw_data', 'select')::int + has_table_privilege('{role}', 'truth', 'insert')::int
                + has_table_privilege('{role}', 'prediction_log', 'select')::int"
    );
    assert_eq!(sql.query_one(&kept, &[]).await.unwrap().get::<_, i32>(0), 3);
    // What held before still holds.
    for refused in [
        format!("insert into truth values ('{}', 1)", random_id()),
        format!("insert into truth values ('{}', 1)", ids[0]),
        format!("insert into raw_data values ('{}', now(), 1, 2, 3, 101)", random_id()),
    ] {
        let truths = count(&sql, "select count(*) from truth").await;
        assert!(truths == 50 && sql.batch_execute(&refused).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn rows_under_ids_of_another_kind_come_along() {
    let database = TestDatabase::create().await;
    let sql = older(&database).await;
    let mut ids = vec![insert(&sql, Utc::now()).await];
    for _ in 0..20 {
        let id = random_id();
        insert_under(&sql, id, Utc::now()).await;
        ids.push(id);
    }
    sql.execute("insert into truth select id, 2 from prediction", &[]).await.unwrap();
    let before = contents(&sql).await;
    let service = Service::start(&database).await;
    assert_eq!(contents(&sql).await, before);
    ids.sort();
    ids.reverse();
    assert_eq!(paged(&service, 4).await, ids);
}

/// An older service works on while the schema is brought up to date: what it sends is written before or after each step.
#[tokio::test]
async fn whoever_writes_meanwhile_loses_nothing() {
    let database = TestDatabase::create().await;
    let sql = older(&database).await;
    for _ in 0..100 {
        insert(&sql, Utc::now() - TimeDelta::days(1)).await;
    }
    let mut writers = Vec::new();
    for _ in 0..4 {
        let writer = database.connect().await;
        writers.push(tokio::spawn(async move {
            // As that service does: one prepared statement for both tables.
            let write = "with input as (insert into raw_data select $1::uuid, $2::timestamptz, 3.5, 5.1, 0.2, 1.4 on conflict (id) do nothing)
                         insert into prediction select $1, $2, 0, '{1,0,0}', 'before' on conflict (id) do nothing";
            let write = writer.prepare(write).await.unwrap();
            let mut written = 0;
            let mut is_new = false;
            while !is_new || written % 100 != 0 {
                let now = Utc::now();
                let id = Uuid::from_u128(super::first_id_at(now).as_u128() | u128::from(rand::random::<u64>()));
                writer.execute(&write, &[&id, &now]).await.unwrap();
                written += 1;
                let partitioned = "select relkind = 'p' from pg_class where oid = 'raw_data'::regclass";
                is_new = writer.query_one(partitioned, &[]).await.unwrap().get(0);
            }
            written
        }));
    }
    let _service = Service::start(&database).await;
    let mut written = 100;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert_eq!(database.counts().await, (written, written, written));
    assert_eq!(count(&sql, "select count(*) from prediction_log").await, written);
}
