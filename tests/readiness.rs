//! Probes tell the truth about the recorder, cost nothing, and do not wait behind those who read.

use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::support::{Service, TableLock, TestDatabase, count, eventually, flower};

/// Lists that look at every row, more of them than there are sessions for reading.
fn searches(service: &Service) -> JoinSet<Option<StatusCode>> {
    let mut lists = JoinSet::new();
    for _ in 0..30 {
        let request = service.client.get(service.url("/predictions?model_version=nope"));
        lists.spawn(async { Some(request.send().await.ok()?.status()) });
    }
    lists
}

#[tokio::test]
async fn readers_that_hold_every_session_do_not_make_the_service_unready() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    service.predict(&flower()).await;
    let observer = database.connect().await;
    let lock = TableLock::of(&database, "prediction_default").await;
    let mut lists = searches(&service);
    eventually("lists wait for the table", async || waiting(&observer).await > 0).await;
    // Until the last of them is refused.
    while !lists.is_empty() {
        assert_eq!(service.get("/health/ready").await.status(), 200);
        while lists.try_join_next().is_some() {}
    }
    lock.release().await;
}

#[tokio::test]
async fn searches_leave_half_of_the_sessions_to_others() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let answer = service.predict(&flower()).await;
    let path = format!("/predictions/{}", answer["id"].as_str().unwrap());
    service.get_json(&path).await;
    let observer = database.connect().await;
    // What is found by its id is in another partition.
    let lock = TableLock::of(&database, "prediction_default").await;
    let lists = searches(&service);
    eventually("lists wait for the table", async || waiting(&observer).await > 1).await;
    for _ in 0..20 {
        service.get_json(&path).await;
    }
    assert!(!lists.is_empty());
    lock.release().await;
}

#[tokio::test]
async fn one_look_a_second_is_for_everybody_who_asks() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    service.predict(&flower()).await;
    let observer = database.connect().await;
    let looks = async || {
        count(
            &observer,
            "select sum(xact_commit)::int8 from pg_stat_database where datname = current_database()",
        )
        .await
    };
    let before = looks().await;
    for _ in 0..2_000 {
        assert_eq!(service.get("/health/ready").await.status(), 200);
    }
    // Sessions report what they did when they end at the latest.
    assert_eq!(service.stop().await.code(), Some(0));
    eventually("all sessions have ended", async || {
        count(
            &observer,
            "select count(*) from pg_stat_activity where application_name = 'onrecord' \
                          and datname = current_database()",
        )
        .await
            == 0
    })
    .await;
    let after = looks().await;
    assert!(after - before < 500, "{before}, then {after}");
}

#[tokio::test]
async fn a_database_that_goes_away_and_comes_back_is_noticed() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let observer = database.connect().await;
    observer.batch_execute("alter table raw_data rename to hidden").await.unwrap();
    eventually("it is not ready", async || service.get("/health/ready").await.status() == 503)
        .await;
    observer.batch_execute("alter table hidden rename to raw_data").await.unwrap();
    eventually("it is ready again", async || service.get("/health/ready").await.status() == 200)
        .await;
}

/// How many sessions wait for a lock.
async fn waiting(observer: &tokio_postgres::Client) -> i64 {
    count(observer, "select count(*) from pg_locks where not granted").await
}
