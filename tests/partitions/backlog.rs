//! Rows that no partition took are brought to theirs while everybody reads and writes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;

use super::{TABLES, insert, paged, suffixes};
use crate::support::{Service, TestDatabase, count, eventually, flower};

const BACKLOG: &str = "
    with row as materialized (
        select (lpad(to_hex((extract(epoch from at) * 1000)::int8), 12, '0') || '70008000'
                || lpad(to_hex(number), 12, '0'))::uuid as id, at
        from (select number, now() - number * interval '1 s' as at from generate_series(1, 20000) as number) as time
    ), output as (insert into prediction select id, at, 0, '{1,0,0}', 'before' from row)
    insert into raw_data select id, at, 3.5, 5.1, 0.2, 1.4 from row";

#[tokio::test]
async fn a_backlog_is_worked_off_while_everybody_reads_and_writes() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let sql = database.connect().await;
    for table in TABLES {
        for suffix in suffixes(&sql, table).await.iter().filter(|it| *it != "_default") {
            sql.batch_execute(&format!("drop table {table}{suffix}")).await.unwrap();
        }
    }
    sql.batch_execute(BACKLOG).await.unwrap();
    sql.batch_execute("insert into truth select id, 1 from prediction limit 1000").await.unwrap();
    let old: uuid::Uuid =
        sql.query_one("select id from prediction offset 10000 limit 1", &[]).await.unwrap().get(0);
    assert_eq!(count(&sql, "select count(*) from prediction_default").await, 20_000);

    let ends = AtomicBool::new(false);
    let caller = async || {
        let mut answered = 0;
        while !ends.load(Relaxed) {
            service.predict(&flower()).await;
            service.get_json(&format!("/predictions/{old}")).await;
            service.get_json("/predictions?limit=10").await;
            answered += 1;
        }
        answered
    };
    // Fifteen seconds is its interval.
    let worked_off = async {
        eventually("the default partition is empty", async || {
            count(&sql, "select count(*) from prediction_default").await == 0
        })
        .await;
        ends.store(true, Relaxed);
    };
    let (answered, ()) = tokio::join!(join_all((0..2).map(|_| caller())), worked_off);
    let answered: usize = answered.iter().sum();
    assert!(answered > 0);
    let all = i64::try_from(20_000 + answered).unwrap();
    for table in &TABLES[..2] {
        assert_eq!(count(&sql, &format!("select count(*) from {table}")).await, all, "{table}");
    }
    assert_eq!(count(&sql, "select count(truth) from prediction_log").await, 1_000);
    assert_eq!(paged(&service, 1_000).await.len(), 20_000 + answered);
    // PostgreSQL knows what was moved without waiting for its own upkeep.
    let known = "select count(*) from pg_class where relname ~ '^prediction_2' and relkind = 'r' and reltuples > 19999";
    eventually("there are statistics", async || count(&sql, known).await == 1).await;
}

/// As from a spool that is brought to the database at that moment.
#[tokio::test]
async fn a_row_that_comes_late_is_moved_with_the_others() {
    let database = TestDatabase::create().await;
    Service::start(&database).await.stop().await;
    let sql = database.connect().await;
    for table in TABLES {
        for suffix in suffixes(&sql, table).await.iter().filter(|it| *it != "_default") {
            sql.batch_execute(&format!("drop table {table}{suffix}")).await.unwrap();
        }
    }
    let late = insert(&sql, Utc::now() - TimeDelta::hours(1)).await;
    // The statement that moves the first row does not see the one that comes with it.
    sql.batch_execute(
        "create table late as select * from raw_data; create table late_output as select * from prediction;
         delete from raw_data; delete from prediction;
         create function bring() returns trigger language plpgsql as $$ begin
             with late as (delete from late returning *) insert into raw_data select * from late;
             with late as (delete from late_output returning *) insert into prediction select * from late;
             return null;
         end $$;
         create trigger bring after delete on raw_data_default for each row execute function bring()",
    )
    .await
    .unwrap();
    insert(&sql, Utc::now() - TimeDelta::hours(1)).await;
    let service = Service::start(&database).await;
    assert_eq!(count(&sql, "select count(*) from prediction_default").await, 0);
    assert_eq!(paged(&service, 100).await.len(), 2);
    service.get_json(&format!("/predictions/{late}")).await;
}
