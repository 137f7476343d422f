//! Pages do not depend on luck: few rows are touched for one, whatever PostgreSQL knows of its tables, and rare rows are found.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{Service, TestDatabase, count, end_sessions, eventually, flower};

/// Writes as many rows as this, one for each second before this time; each thousandth is of class 2.
async fn fill(sql: &Client, rows: i32, before: DateTime<Utc>) {
    const FILL: &str = "
        with row as materialized (
            select number, $2::timestamptz - number * interval '1 s' as time from generate_series(1, $1::int4) as number
        ), named as materialized (
            select number, time, (lpad(to_hex((extract(epoch from time) * 1000)::int8), 12, '0') || '70008000'
                                  || lpad(to_hex(number), 12, '0'))::uuid as id from row
        ), output as (
            insert into prediction select id, time, case when number % 1000 = 0 then 2 else 0 end, '{0.5,0.25,0.25}', 'filled'
            from named
        )
        insert into raw_data select id, time, 3.5, 5.1, 0.2, 1.4 from named";
    sql.execute(FILL, &[&rows, &before]).await.unwrap();
}

/// Every id that passes, as pages of this length give them, and the number of pages.
async fn walk(service: &Service, filter: &str, limit: usize) -> (Vec<Uuid>, usize) {
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page: Value =
            service.get_json(&format!("/predictions?limit={limit}{filter}{cursor}")).await;
        pages += 1;
        let rows = page["predictions"].as_array().unwrap();
        assert!(rows.len() <= limit);
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().parse::<Uuid>().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (ids, pages),
        }
    }
}

/// How many rows of the record's tables were read since they were made. Sessions tell that when they end.
async fn touched(sql: &Client) -> i64 {
    const OTHERS: &str = "select array_agg(pid) from pg_stat_activity
                          where datname = current_database() and application_name = 'onrecord'";
    const TOUCHED: &str =
        "select (sum(seq_tup_read) + sum(idx_tup_fetch))::int8 from pg_stat_user_tables
                           where relname ~ '^(prediction|raw_data|truth)'";
    let others: Vec<i32> = sql.query_one(OTHERS, &[]).await.unwrap().get(0);
    end_sessions(sql).await;
    eventually("they have ended", async || {
        let there = "select count(*) from pg_stat_activity where pid = any ($1)";
        sql.query_one(there, &[&others]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    count(sql, TOUCHED).await
}

#[tokio::test]
async fn a_page_touches_few_rows_even_without_statistics() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let sql = database.connect().await;
    sql.batch_execute(
        "do $$ declare part regclass; begin
             for part in select inhrelid from pg_inherits join pg_class on oid = inhrelid where relkind = 'r' loop
                 execute format('alter table %s set (autovacuum_enabled = off)', part);
             end loop;
         end $$",
    )
    .await
    .unwrap();
    let mut before = touched(&sql).await;
    // The session plans while the tables are empty.
    assert_eq!(walk(&service, "", 50).await.0.len(), 0);
    fill(&sql, 30_000, Utc::now()).await;
    for filter in ["", "&min_confidence=0.1", "&iris_class=0"] {
        for _ in 0..10 {
            service.get_json(&format!("/predictions?limit=50{filter}")).await;
        }
        let now = touched(&sql).await;
        let more = now - before;
        assert!((1_000..20_000).contains(&more), "{filter}: {more} rows for 10 pages of 50");
        before = now;
    }
}

#[tokio::test]
async fn rare_rows_are_found_wherever_they_are() {
    let database = TestDatabase::create().await;
    let service = Service::start_with(&database, [("RETAIN_DAYS", "3650")]).await;
    let sql = database.connect().await;
    let now = Utc::now();
    fill(&sql, 30_000, now).await;
    // Those have no partition but the default.
    fill(&sql, 5_000, now + TimeDelta::days(3_000)).await;
    assert_eq!(count(&sql, "select count(*) from prediction_default").await, 5_000);
    service.predict(&flower()).await;
    for (filter, condition) in [
        ("&iris_class=2", "iris_class = 2"),
        ("&model_version=filled&iris_class=2", "iris_class = 2"),
        ("&min_confidence=0.9", "confidence >= 0.9"),
        ("&model_version=nobody", "false"),
        ("&max_confidence=0.5&iris_class=2", "iris_class = 2"),
    ] {
        let expected = format!("select id from prediction_log where {condition} order by id desc");
        let expected = sql.query(&expected, &[]).await.unwrap();
        let expected: Vec<Uuid> = expected.iter().map(|row| row.get(0)).collect();
        for limit in [1, 7, 1000] {
            let (found, _) = walk(&service, filter, limit).await;
            assert_eq!(found, expected, "{filter} {limit}");
        }
    }
    let (all, _) = walk(&service, "&iris_class=0", 1_000).await;
    let of_class = "select count(*) from prediction where iris_class = 0";
    assert_eq!(i64::try_from(all.len()).unwrap(), count(&sql, of_class).await);
}
