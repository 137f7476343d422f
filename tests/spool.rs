//! With a spool, an outage of the database costs no answer: predictions wait on the local disk, and reach the record once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Ask, Load, Outcome, OwnPostgres, Service, check_record, count, eventually, flower, home, spawn,
    turn,
};

/// A service that puts aside what the database does not take.
async fn start(postgres: &OwnPostgres, spool: &Path) -> Service {
    let mut command = Service::command();
    command.env("DATABASE_URL", postgres.url()).env("SPOOL_DIR", spool);
    Service::spawn(command, false).await
}

async fn ledger(service: &Service) -> Value {
    service.get_json("/ledger").await
}

async fn until_all_is_committed(service: &Service) {
    eventually("nothing is spooled", async || {
        let ledger = ledger(service).await;
        ledger["spooled"] == 0 && ledger["waiting"] == 0
    })
    .await;
}

#[tokio::test]
async fn an_outage_costs_no_answer_and_no_row() {
    let _turn = turn().await;
    let (mut postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let service = start(&postgres, spool.path()).await;
    let mut load = Load::start(&service, 16);
    load.acknowledged(200).await;
    assert_eq!(service.predict(&flower()).await["stored"], "committed");

    postgres.crash().await;
    load.acknowledged(1_000).await;
    assert_eq!(service.predict(&flower()).await["stored"], "spooled");
    assert_eq!(service.get("/health/ready").await.status(), 200);
    let mut told = load.finish().await;
    let away = ledger(&service).await;
    assert!(away["spooled"].as_u64().unwrap() > 1_000, "{away}");
    assert_eq!(away["spool"]["rows"], away["spooled"]);
    // A request with a key needs the database.
    let keyed = service.post("/predict", &flower()).header("Idempotency-Key", "k");
    assert_eq!(keyed.send().await.unwrap().status(), 503);

    let mut load = Load::start(&service, 16);
    load.acknowledged(200).await;
    postgres.start_again().await;
    load.acknowledged(200).await;
    told.extend(load.finish().await);
    until_all_is_committed(&service).await;
    assert_eq!(service.predict(&flower()).await["stored"], "committed");
    let record = postgres.try_connect().await.unwrap();
    let acknowledged = check_record(&record, &told).await;
    assert_eq!(acknowledged, told.len(), "some requests were not answered with 200");
    let recorded = count(&record, "select count(*) from prediction").await;
    assert_eq!(ledger(&service).await["committed"], recorded);
}

#[tokio::test]
async fn a_frozen_database_is_bridged_as_well() {
    let _turn = turn().await;
    let (postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let service = start(&postgres, spool.path()).await;
    let mut load = Load::start(&service, 16);
    load.acknowledged(200).await;
    postgres.freeze();
    load.acknowledged(500).await;
    postgres.thaw();
    load.acknowledged(200).await;
    let told = load.finish().await;
    until_all_is_committed(&service).await;
    let acknowledged = check_record(&postgres.try_connect().await.unwrap(), &told).await;
    assert_eq!(acknowledged, told.len(), "some requests were not answered with 200");
}

#[tokio::test]
async fn what_is_spooled_survives_kill_9_even_amid_the_way_back() {
    let _turn = turn().await;
    let (mut postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let mut told = Vec::new();
    for round in 0..4 {
        let service = start(&postgres, spool.path()).await;
        let mut load = Load::start(&service, 16);
        load.acknowledged(50).await;
        postgres.crash().await;
        load.acknowledged(300 + 50 * round).await;
        postgres.start_again().await;
        // Somewhere on the way back.
        load.acknowledged(20 * round).await;
        service.signal(Signal::SIGKILL);
        service.ended().await;
        told.extend(load.finish().await);
    }
    let service = start(&postgres, spool.path()).await;
    until_all_is_committed(&service).await;
    let acknowledged = check_record(&postgres.try_connect().await.unwrap(), &told).await;
    assert!(acknowledged > 1_000, "{acknowledged}");
}

#[tokio::test]
async fn what_is_spooled_when_it_stops_is_brought_back_by_the_next_start() {
    let (mut postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let mut service = start(&postgres, spool.path()).await;
    postgres.crash().await;
    let ask = Ask::of(7);
    let told = ask.send(&service.client, &service.url("")).await;
    assert!(matches!(told.answer, Outcome::Recorded(_)), "{told:?}");
    service.signal(Signal::SIGTERM);
    service.log().wait_for("the next start brings them to the database").await;
    assert_eq!(service.ended().await.code(), Some(0));

    postgres.start_again().await;
    let service = start(&postgres, spool.path()).await;
    until_all_is_committed(&service).await;
    let ledger = ledger(&service).await;
    assert_eq!((&ledger["received"], &ledger["committed"]), (&json!(7), &json!(7)));
    check_record(&postgres.try_connect().await.unwrap(), &[told]).await;
}

#[tokio::test]
async fn who_has_no_room_for_more_is_not_ready_without_a_database() {
    let (mut postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let mut command = Service::command();
    command.env("DATABASE_URL", postgres.url()).env("SPOOL_DIR", spool.path());
    command.env("SPOOL_BYTES", (1 << 20).to_string());
    let service = Service::spawn(command, false).await;
    let ready = async || service.get("/health/ready").await.status() == 200;
    let room = async || ledger(&service).await["spool"]["room"].as_u64().unwrap();
    postgres.crash().await;
    let empty = room().await;
    assert!(empty > 1 << 19, "{empty}");

    let mut told = Vec::new();
    for rows in [100, 10, 1] {
        let mut taken = true;
        while taken {
            told.push(Ask::of(rows).send(&service.client, &service.url("")).await);
            taken = matches!(told[told.len() - 1].answer, Outcome::Recorded(_));
        }
    }
    assert!(told.len() > 10, "{told:?}");
    assert_eq!(room().await, 0);
    eventually("it is not ready", async || !ready().await).await;

    postgres.start_again().await;
    until_all_is_committed(&service).await;
    eventually("it is ready", ready).await;
    check_record(&postgres.try_connect().await.unwrap(), &told).await;
}

#[tokio::test]
async fn a_spool_in_use_is_refused_at_the_start() {
    let (postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let _service = start(&postgres, spool.path()).await;
    let mut command = Service::command();
    command.env("DATABASE_URL", postgres.url()).env("SPOOL_DIR", spool.path());
    let (mut process, mut log) = spawn(command);
    let said = log.wait_for("the spool cannot be used").await;
    assert!(said.contains("is in use by another process"), "{said}");
    assert!(!process.wait().unwrap().success());
}

#[tokio::test]
async fn a_directory_that_holds_other_things_stays_open_to_others() {
    let (mut postgres, directory) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    fs::set_permissions(directory.path(), Permissions::from_mode(0o2755)).unwrap();
    fs::write(directory.path().join("theirs"), "contents").unwrap();
    let service = start(&postgres, directory.path()).await;
    postgres.crash().await;
    eventually("it is spooled", async || {
        let answered = service.post("/predict", &flower()).send().await.unwrap();
        answered.status() == 200
    })
    .await;
    assert_eq!(mode(directory.path()), 0o2755);
    assert_eq!(mode(&directory.path().join("onrecord-spool")) & 0o777, 0o700);
    postgres.start_again().await;
    until_all_is_committed(&service).await;
}

/// Each would be closed to whoever needs the other.
#[tokio::test]
async fn a_spool_among_the_files_of_the_private_postgres_is_refused() {
    let home = home();
    let data_dir = home.path().join("data");
    for spool in ["data", "data/postgres", "data/postgres/spool", "."] {
        let mut command = Service::command();
        command.env("DATA_DIR", &data_dir).env("SPOOL_DIR", home.path().join(spool));
        let (mut process, mut log) = spawn(command);
        let said = log.wait_for("the spool cannot be in").await;
        assert!(
            said.contains("neither may hold the other") && said.contains("--spool-dir"),
            "{said}"
        );
        assert!(!process.wait().unwrap().success());
        assert!(!data_dir.exists(), "{spool}");
    }
    let mut command = Service::command();
    command.env("DATA_DIR", &data_dir).env("SPOOL_DIR", data_dir.join("spool"));
    let service = Service::spawn(command, true).await;
    service.predict(&flower()).await;
}
