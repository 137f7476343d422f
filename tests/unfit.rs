//! A database that may not keep the record, or cannot for the moment, is told apart from one that does.

use std::time::Duration;

use tokio_postgres::Client;

use crate::support::{OwnPostgres, Service, eventually, flower, measured, spawn, unavailable};

/// How soon all is well once the database is.
const PROMISED: Duration = Duration::from_secs(2);

/// Executes statements one by one: some may not stand in a transaction.
async fn execute(admin: &Client, statements: &[&str]) {
    for statement in statements {
        admin.batch_execute(statement).await.unwrap();
    }
}

/// Whether a prediction is answered; if not, it must be refused as it should be.
async fn predicts(service: &Service) -> bool {
    let response = service.post("/predict", &flower()).send().await.unwrap();
    if response.status() == 200 {
        return true;
    }
    unavailable(response).await.unwrap();
    false
}

async fn is_ready(service: &Service) -> bool {
    service.get("/health/ready").await.status() == 200
}

/// Does this to the database: predictions are refused and the service is not ready, until it is undone.
async fn check(harm: &[&str], undo: &[&str]) {
    let postgres = OwnPostgres::start().await;
    let service = Service::start_at(postgres.url()).await;
    assert!(predicts(&service).await && is_ready(&service).await);
    let admin = postgres.try_connect().await.unwrap();

    execute(&admin, harm).await;
    eventually("predictions are refused", async || !predicts(&service).await).await;
    eventually("it is not ready", async || !is_ready(&service).await).await;
    let before = service.get_json("/ledger").await;
    for _ in 0..20 {
        assert!(!predicts(&service).await);
    }
    assert_eq!(service.get_json("/ledger").await["committed"], before["committed"]);
    assert_eq!(service.get("/health/live").await.status(), 200);

    execute(&admin, undo).await;
    let recovery = eventually("predictions are answered", async || predicts(&service).await).await;
    measured("answered again after", recovery);
    assert!(recovery < PROMISED, "{recovery:?}");
    eventually("it is ready", async || is_ready(&service).await).await;
}

#[tokio::test]
async fn a_database_that_became_read_only_is_left_alone_until_it_is_writable() {
    check(
        &["alter system set default_transaction_read_only = on", "select pg_reload_conf()"],
        &[
            "set default_transaction_read_only = off",
            "alter system reset default_transaction_read_only",
            "select pg_reload_conf()",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_record_whose_table_is_away_is_found_when_it_is_back() {
    check(&["alter table raw_data rename to moved"], &["alter table moved rename to raw_data"])
        .await;
}

#[tokio::test]
async fn a_record_that_cannot_be_added_to_is_found_when_it_can() {
    // As a full disk does: reading goes on, and every write is refused for a reason that is not the data's.
    let full = "create function full_disk() returns trigger language plpgsql as
                $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$";
    let trigger =
        "create trigger full_disk before insert on prediction execute function full_disk()";
    let postgres = OwnPostgres::start().await;
    let service = Service::start_at(postgres.url()).await;
    let admin = postgres.try_connect().await.unwrap();
    execute(&admin, &[full, trigger]).await;
    for _ in 0..20 {
        assert!(!predicts(&service).await);
    }
    execute(&admin, &["drop trigger full_disk on prediction"]).await;
    let recovery = eventually("predictions are answered", async || predicts(&service).await).await;
    assert!(recovery < PROMISED, "{recovery:?}");
    let ledger = service.get_json("/ledger").await;
    assert_eq!((&ledger["committed"], &ledger["waiting"]), (&1.into(), &0.into()), "{ledger}");
}

#[tokio::test]
async fn a_server_without_connections_to_give_is_used_as_soon_as_it_has_some() {
    let postgres = OwnPostgres::start().await;
    let service = Service::start_at(postgres.url()).await;
    let admin = postgres.try_connect().await.unwrap();
    // Sessions of others, until there is no room for any more; then those of the service are ended.
    let mut others = Vec::new();
    while let Some(other) = postgres.try_connect().await {
        others.push(other);
    }
    let pids: Vec<i32> = {
        let rows = admin
            .query("select pid from pg_stat_activity where application_name = 'onrecord'", &[]);
        rows.await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    for pid in pids {
        admin.execute("select pg_terminate_backend($1, 5000)", &[&pid]).await.unwrap();
        others.extend(postgres.try_connect().await);
    }
    eventually("predictions are refused", async || !predicts(&service).await).await;
    drop(others);
    let recovery = eventually("predictions are answered", async || predicts(&service).await).await;
    measured("answered again after", recovery);
    assert!(recovery < PROMISED, "{recovery:?}");
}

#[tokio::test]
async fn a_server_that_does_not_flush_is_refused() {
    for setting in ["fsync", "full_page_writes"] {
        let mut postgres = OwnPostgres::start().await;
        let service = Service::start_at(postgres.url()).await;
        assert!(predicts(&service).await);
        postgres.crash().await;
        postgres.start_with(&format!("-c {setting}=off")).await;
        eventually("it is not ready", async || !is_ready(&service).await).await;
        for _ in 0..20 {
            assert!(!predicts(&service).await && !is_ready(&service).await);
        }

        let mut command = Service::command();
        command.env("DATABASE_URL", postgres.url());
        let (mut process, mut log) = spawn(command);
        let said = log.wait_for("is not fit to keep the record").await;
        assert!(said.contains(&format!("{setting} is off")), "{said}");
        assert!(!process.wait().unwrap().success());

        postgres.crash().await;
        postgres.start_with(&format!("-c {setting}=on")).await;
        eventually("predictions are answered", async || predicts(&service).await).await;
    }
}
