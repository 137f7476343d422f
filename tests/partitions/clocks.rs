//! A clock that is wrong for a while leaves nothing behind.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use storage::{Database, Rules, Upkeep, Variables};

use super::{TABLES, first_id_at, insert, suffixes};
use crate::support::{Service, TestDatabase, count};

fn upkeep(database: &TestDatabase, retain_days: Option<u16>) -> Upkeep {
    let database = Database::from_url(&database.url(), &Variables::default()).unwrap();
    let rules = Rules { retain_days, answers_kept: Duration::from_secs(60) };
    Upkeep::new(database, rules).unwrap()
}

#[tokio::test]
async fn while_the_clocks_differ_nothing_is_made_moved_or_dropped() {
    // One time for all, so that no midnight comes between.
    let now = Utc::now();
    for retain_days in [None, Some(30)] {
        let database = TestDatabase::create().await;
        let upkeep = upkeep(&database, retain_days);
        upkeep.migrate().await.unwrap();
        upkeep.pass_in_turn(now).await.unwrap();
        let sql = database.connect().await;
        let before = suffixes(&sql, "prediction").await;
        assert!(before.len() > 1, "{before:?}");
        // What no partition takes yet is not moved either.
        insert(&sql, now + TimeDelta::days(390)).await;
        for wrong in [TimeDelta::days(400), TimeDelta::days(-400), TimeDelta::hours(2)] {
            let refused = upkeep.pass_in_turn(now + wrong).await.unwrap_err();
            let words = refused.to_string();
            assert!(matches!(refused, storage::Error::ClocksApart { .. }), "{words}");
            assert!(words.contains("no partition is made or dropped"), "{words}");
        }
        for table in TABLES {
            assert_eq!(suffixes(&sql, table).await, before, "{table}");
        }
        assert_eq!(count(&sql, "select count(*) from prediction_default").await, 1);
        // It is right again, and there is nothing to be mended.
        let done = upkeep.pass_in_turn(now).await.unwrap();
        assert_eq!((done.made, done.too_long), (vec![], vec![]));
    }
}

/// As after two months without upkeep, or with a clock that was wrong when the service started.
#[tokio::test]
async fn after_a_long_pause_rows_get_partitions_of_the_usual_length() {
    let (database, now) = (TestDatabase::create().await, Utc::now());
    let upkeep = upkeep(&database, Some(900));
    upkeep.migrate().await.unwrap();
    let sql = database.connect().await;
    let end = first_id_at(now - TimeDelta::days(200));
    for table in TABLES {
        let oldest = format!(
            "create table {table}_oldest partition of {table} for values from (minvalue) to ('{end}')"
        );
        sql.batch_execute(&oldest).await.unwrap();
    }
    for days in [190, 189, 120, 2] {
        let id = insert(&sql, now - TimeDelta::days(days)).await;
        sql.execute("insert into truth values ($1, 1)", &[&id]).await.unwrap();
    }
    let done = upkeep.pass_in_turn(now).await.unwrap();
    assert_eq!((done.moved, done.too_long), (4, vec![]));
    assert_eq!(done.made.len(), 4, "today, and three for what came: {:?}", done.made);
    for table in TABLES {
        assert_eq!(count(&sql, &format!("select count(*) from {table}")).await, 4, "{table}");
        assert_eq!(count(&sql, &format!("select count(*) from {table}_default")).await, 0);
    }
    let again = upkeep.pass_in_turn(now).await.unwrap();
    assert_eq!(again.made, Vec::<String>::new());
}

#[tokio::test]
async fn a_partition_that_takes_a_year_is_reported_with_its_bounds() {
    let database = TestDatabase::create().await;
    Service::start(&database).await.stop().await;
    let sql = database.connect().await;
    let [from, to] = [100, 500].map(|days| first_id_at(Utc::now() + TimeDelta::days(days)));
    for table in TABLES {
        let long = format!(
            "create table {table}_long partition of {table} for values from ('{from}') to ('{to}')"
        );
        sql.batch_execute(&long).await.unwrap();
    }
    let mut command = Service::command();
    command.arg("upkeep").env("DATABASE_URL", database.url());
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let log = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{log}");
    let line = log.lines().find(|line| line.contains("the partition long takes records")).unwrap();
    let year = (Utc::now() + TimeDelta::days(500)).format("%Y-%m-").to_string();
    assert!(line.contains("WARN") && line.contains(&year), "{line}");
}
