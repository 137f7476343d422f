//! The record is cut into partitions by time: made ahead, dropped when they are old enough, and otherwise not noticed.

mod backlog;
mod clocks;
mod retention;
mod steps;
mod upgrade;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use storage::{Database, Store, Variables};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{Service, TestDatabase, count, eventually, flower};

const TABLES: [&str; 3] = ["raw_data", "prediction", "truth"];

/// The partitions of a table, by name, without what the table's own name is.
async fn suffixes(sql: &Client, table: &str) -> Vec<String> {
    let list = "select substr(inhrelid::regclass::text, length($1) + 1) from pg_inherits
                where inhparent = $1::text::regclass order by 1";
    let rows = sql.query(list, &[&table]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The partition that holds the input with this id.
async fn partition_of(sql: &Client, id: Uuid) -> String {
    // Sent whole: what was prepared before a partition was made would not find it.
    let of = format!("select tableoid::regclass::text from raw_data where id = '{id}'");
    sql.query_one(&of, &[]).await.unwrap().get(0)
}

fn id_of(answer: &Value) -> Uuid {
    answer["id"].as_str().unwrap().parse().unwrap()
}

/// The smallest id of an instant.
fn first_id_at(time: DateTime<Utc>) -> Uuid {
    Uuid::from_u128(u128::try_from(time.timestamp_millis()).unwrap() << 80)
}

/// An id of another kind, that of nobody's time.
fn random_id() -> Uuid {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid()
}

/// Writes a row as the service would have at this time.
async fn insert(sql: &Client, time: DateTime<Utc>) -> Uuid {
    let id = Uuid::from_u128(first_id_at(time).as_u128() | u128::from(rand::random::<u64>()));
    insert_under(sql, id, time).await;
    id
}

async fn insert_under(sql: &Client, id: Uuid, time: DateTime<Utc>) {
    let input = "insert into raw_data values ($1, $2, 3.5, 5.1, 0.2, 1.4)";
    sql.execute(input, &[&id, &time]).await.unwrap();
    let output = "insert into prediction values ($1, $2, 0, '{1,0,0}', 'before')";
    sql.execute(output, &[&id, &time]).await.unwrap();
}

/// Every id of the record, as its pages give them.
async fn paged(service: &Service, limit: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = service.get_json(&format!("/predictions?limit={limit}{cursor}")).await;
        ids.extend(page["predictions"].as_array().unwrap().iter().map(id_of));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn partitions_are_made_ahead_and_take_what_is_written() {
    for (days, spans) in [(None, 1), (Some("30"), 3), (Some("90"), 1)] {
        let database = TestDatabase::create().await;
        let service = Service::start_with(&database, days.map(|days| ("RETAIN_DAYS", days))).await;
        let sql = database.connect().await;
        let made = suffixes(&sql, "raw_data").await;
        assert!(made.len() > spans && made.contains(&"_default".to_owned()), "{made:?}");
        for table in TABLES {
            assert_eq!(suffixes(&sql, table).await, made);
        }
        let id = id_of(&service.predict(&flower()).await);
        assert_ne!(partition_of(&sql, id).await, "raw_data_default");
        // So are rows of the next days, and of any time before.
        for days in [-10_000, -1, 1, 2] {
            let id = insert(&sql, Utc::now() + TimeDelta::days(days)).await;
            assert_ne!(partition_of(&sql, id).await, "raw_data_default", "{days}");
        }
    }
}

#[tokio::test]
async fn a_lookup_by_id_touches_one_partition() {
    let database = TestDatabase::create().await;
    let service = Service::start_with(&database, [("RETAIN_DAYS", "30")]).await;
    let sql = database.connect().await;
    let id = id_of(&service.predict(&flower()).await);
    let explain = format!("explain select * from prediction_log where id = '{id}'");
    let plan = sql.query(&explain, &[]).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let scans = plan.iter().filter(|line| line.contains("Scan")).count();
    assert_eq!(scans, 3, "one of each table: {plan:#?}");

    // The service itself names the partition, so that PostgreSQL need not look at the others.
    service.get_json(&format!("/predictions/{id}")).await;
    let asked = "select query from pg_stat_activity
                 where datname = current_database() and application_name = 'onrecord' and query like '%where id = $1'";
    let asked: String = sql.query_one(asked, &[]).await.unwrap().get(0);
    let part = partition_of(&sql, id).await;
    assert!(asked.contains(&format!("from prediction{}", &part["raw_data".len()..])), "{asked}");
}

#[tokio::test]
async fn what_no_partition_takes_is_found_all_the_same() {
    let database = TestDatabase::create().await;
    let service = Service::start_with(&database, [("RETAIN_DAYS", "30")]).await;
    let sql = database.connect().await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(match n % 4 {
            0 => id_of(&service.predict(&flower()).await),
            1 => insert(&sql, Utc::now() - TimeDelta::days(n)).await,
            2 => insert(&sql, Utc::now() + TimeDelta::days(n)).await,
            _ => {
                let id = random_id();
                insert_under(&sql, id, Utc::now()).await;
                id
            }
        });
    }
    let strays = count(&sql, "select count(*) from raw_data_default").await;
    assert!(strays >= 10, "{strays}");
    ids.sort();
    ids.reverse();
    for limit in [1, 7, 1_000] {
        assert_eq!(paged(&service, limit).await, ids, "{limit}");
    }
    for id in ids {
        let found = service.get_json(&format!("/predictions/{id}")).await;
        assert_eq!(id_of(&found), id);
    }
    let unknown = service.get(&format!("/predictions/{}", random_id())).await;
    assert_eq!(unknown.status(), 404);
}

/// As after a long pause of whoever keeps the record up.
#[tokio::test]
async fn what_comes_before_its_partition_is_moved_there() {
    let database = TestDatabase::create().await;
    let service = Service::start_with(&database, [("RETAIN_DAYS", "30")]).await;
    let sql = database.connect().await;
    service.predict(&flower()).await;
    for table in TABLES {
        for suffix in suffixes(&sql, table).await.iter().filter(|it| *it != "_default") {
            sql.batch_execute(&format!("drop table {table}{suffix}")).await.unwrap();
        }
    }
    // Columns of the owner: one that PostgreSQL computes, and one whose values are moved along.
    sql.batch_execute(
        "alter table prediction add column sure bool generated always as (probabilities[iris_class + 1] > 0.9) stored;
         alter table raw_data add column note text not null default 'theirs'",
    )
    .await
    .unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(id_of(&service.predict(&flower()).await));
    }
    let truth = "insert into truth values ($1, 1)";
    sql.execute(truth, &[&ids[2]]).await.unwrap();
    ids.reverse();
    eventually("their partition is made", async || {
        // Whatever is done meanwhile, all of them are found.
        assert_eq!(paged(&service, 2).await, ids);
        count(&sql, "select count(*) from raw_data_default").await == 0
    })
    .await;
    assert_eq!(paged(&service, 2).await, ids);
    let theirs =
        "select count(*) from raw_data join prediction using (id) where note = 'theirs' and sure";
    assert_eq!(count(&sql, theirs).await, 5);
    for table in TABLES {
        let strays = count(&sql, &format!("select count(*) from {table}_default")).await;
        assert_eq!(strays, 0, "{table}");
    }
    let found = service.get_json(&format!("/predictions/{}", ids[2])).await;
    assert_eq!(found["truth"], 1);
}

/// Whoever alters a table takes it first and its partitions then. Who waits for the table must not have a partition.
#[tokio::test]
async fn a_look_at_the_record_stands_in_nobodys_way() {
    let database = TestDatabase::create().await;
    Service::start(&database).await.stop().await;
    let store = {
        let database = Database::from_url(&database.url(), &Variables::default()).unwrap();
        Store::new(database).unwrap()
    };
    let sql = database.connect().await;
    for table in TABLES {
        sql.batch_execute(&format!("begin; lock table only {table}")).await.unwrap();
        let look = tokio::spawn({
            let store = store.clone();
            async move { store.look().await }
        });
        eventually("the look waits", async || {
            let waiting =
                "select count(*) from pg_locks join pg_database on pg_database.oid = database
                           where datname = current_database() and not granted";
            count(&sql, waiting).await == 1
        })
        .await;
        sql.batch_execute(&format!("lock table {table}; rollback")).await.unwrap();
        assert!(look.await.unwrap().unwrap().bytes > 0, "{table}");
    }
}
