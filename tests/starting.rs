//! Starting: alone, together, and with something wrong.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Service, TestDatabase, count, eventually, flower, measured, spawn};

/// Runs a command to its end; gives how it ended and what it said.
async fn run(command: Command) -> (ExitStatus, String) {
    let (mut process, mut log) = spawn(command);
    let pid = Pid::from_raw(process.id().cast_signed());
    let mut ended = tokio::task::spawn_blocking(move || process.wait().unwrap());
    let Ok(status) = tokio::time::timeout(Duration::from_secs(60), &mut ended).await else {
        kill(pid, Signal::SIGTERM).unwrap();
        let status = ended.await.unwrap();
        panic!("it does not end by itself ({status}):\n{}", log.lines().join("\n"));
    };
    let status = status.unwrap();
    log.ended().await;
    (status, log.lines().join("\n"))
}

/// The start fails, and says all of this.
pub(crate) async fn check_refused(command: Command, said: &[&str]) -> String {
    let (status, log) = run(command).await;
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {log}");
    for part in said {
        assert!(log.contains(part), "no «{part}» in the log:\n{log}");
    }
    log
}

fn with_url(url: &str) -> Command {
    let mut command = Service::command();
    command.env("DATABASE_URL", url);
    command
}

const HISTORY: &str = "select count(*) from refinery_schema_history";

#[tokio::test]
async fn eight_services_start_at_once_on_an_empty_database() {
    let database = TestDatabase::create().await;
    let services = join_all((0..8).map(|_| Service::start(&database))).await;
    let sql = database.connect().await;
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations")).unwrap();
    let files =
        files.filter(|file| file.as_ref().unwrap().file_name().as_encoded_bytes()[0] == b'V');
    assert_eq!(count(&sql, HISTORY).await, i64::try_from(files.count()).unwrap());
    let versions = "select count(distinct version) from refinery_schema_history";
    assert_eq!(count(&sql, versions).await, count(&sql, HISTORY).await);
    for service in &services {
        service.predict(&flower()).await;
    }
    assert_eq!(database.counts().await, (8, 8, 8));
}

#[tokio::test]
async fn a_database_that_refuses_connections_is_named_without_its_password() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgresql://ada:topsecret@127.0.0.1:{port}/flowers");
    let started = Instant::now();
    let named = format!("127.0.0.1:{port} database flowers user ada");
    let log = check_refused(with_url(&url), &[&named]).await;
    measured("gave up on a refusing database after", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(!log.contains("topsecret"), "{log}");
}

#[tokio::test]
async fn a_database_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgresql://ada:topsecret@127.0.0.1:{port}/flowers");
    let started = Instant::now();
    let log = check_refused(with_url(&url), &["database flowers"]).await;
    measured("gave up on a silent database after", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(!log.contains("topsecret"), "{log}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let url = TestDatabase::create().await.url().replace("/test_", "/no_such_");
    check_refused(
        with_url(&url),
        &["database no_such_", "does not exist", "create database no_such_"],
    )
    .await;
}

/// The commonest first failure since PostgreSQL 15: whoever may connect may not make tables in `public`.
#[tokio::test]
async fn a_user_without_rights_is_told_which_to_have() {
    let database = TestDatabase::create().await;
    let sql = database.connect().await;
    let role = format!("without_rights_{}", std::process::id());
    sql.batch_execute(&format!("create role {role} login")).await.unwrap();
    let (_, rest) =
        database.url().split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let command = with_url(&format!("postgresql://{role}@{rest}"));
    check_refused(
        command,
        &["may not create tables", &format!(" owner to {role}`"), "roles.sql", "onrecord migrate"],
    )
    .await;
    sql.batch_execute(&format!("drop role {role}")).await.unwrap();
}

/// The address as `SQLAlchemy` has it.
#[tokio::test]
async fn an_address_with_a_driver_is_told_what_to_leave_out() {
    let command = with_url("postgresql+psycopg2://ada:topsecret@127.0.0.1/x");
    let log = check_refused(command, &["DATABASE_URL", "leave out the +"]).await;
    assert!(!log.contains("topsecret"));
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_showing_it() {
    let log = check_refused(with_url("postgresql://ada:topsecret@host:port/x"), &["DATABASE_URL"]);
    assert!(!log.await.contains("topsecret"));
}

#[tokio::test]
async fn a_required_database_that_nothing_names_is_refused_and_nothing_is_created() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let mut command = with_url("");
    command.env("DATA_DIR", &data_dir).env("REQUIRE_DATABASE", "true");
    check_refused(command, &["--require-database forbids a private one", "DATABASE_URL_FILE"])
        .await;
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn the_variables_of_libpq_name_the_database() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let config: tokio_postgres::Config = url.parse().unwrap();
    let query = url.split_once("?host=").unwrap().1;
    let (host, port) = query.split_once("&port=").unwrap();
    let mut command = Service::command();
    command.env("PGHOST", host).env("PGPORT", port);
    command.env("PGUSER", config.get_user().unwrap());
    command.env("PGDATABASE", config.get_dbname().unwrap());
    let service = Service::spawn(command, false).await;
    service.predict(&flower()).await;
    assert_eq!(database.counts().await, (1, 1, 1));
}

#[tokio::test]
async fn migrating_can_be_done_ahead_and_again() {
    let database = TestDatabase::create().await;
    for said in ["applied migration", "the schema is up to date"] {
        let mut command = with_url(&database.url());
        command.arg("migrate");
        let (status, log) = run(command).await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains(said), "{log}");
        assert!(!log.contains("listening on"), "{log}");
    }
    let sql = database.connect().await;
    let before = count(&sql, HISTORY).await;
    Service::start(&database).await.predict(&flower()).await;
    assert_eq!(count(&sql, HISTORY).await, before);
}

#[tokio::test]
async fn a_service_that_waits_for_another_to_migrate_can_be_stopped() {
    let database = TestDatabase::create().await;
    let sql = database.connect().await;
    let lock = i64::from_be_bytes(*b"onrecord");
    sql.execute("select pg_advisory_lock($1)", &[&lock]).await.unwrap();
    let (mut process, _log) = spawn(with_url(&database.url()));
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event = 'advisory'";
    eventually("it waits", async || count(&sql, waiting).await == 1).await;

    kill(Pid::from_raw(process.id().cast_signed()), Signal::SIGTERM).unwrap();
    let asked = Instant::now();
    let mut status = None;
    while status.is_none() && asked.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        status = process.try_wait().unwrap();
    }
    let status = status.unwrap_or_else(|| {
        process.kill().unwrap();
        panic!("it was still waiting after {:?}: {}", asked.elapsed(), process.wait().unwrap())
    });
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_model_that_does_not_fit_is_refused_before_a_database_is_created() {
    let home = tempfile::tempdir().unwrap();
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/../../weights/iris-mlp.safetensors");
    let weights = fs::read(weights).unwrap();
    let cut = &weights[..weights.len() - 8];
    let files: [(&str, &[u8]); 4] =
        [("empty", b""), ("text", b"no model at all"), ("zeros", &[0; 4_096]), ("cut", cut)];
    for (name, bytes) in files {
        let model = home.path().join(name);
        fs::write(&model, bytes).unwrap();
        check_model_refused(&model, home.path()).await;
    }
    check_model_refused(&home.path().join("missing"), home.path()).await;
}

async fn check_model_refused(model: &std::path::Path, home: &std::path::Path) {
    let data_dir = home.join("data");
    let mut command = Service::command();
    command.env("DATA_DIR", &data_dir).arg("--model").arg(model);
    let named = format!("the model {} cannot be used: ", model.display());
    let log = check_refused(command, &[&named]).await;
    assert!(!log.contains("panicked"), "{log}");
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn an_address_in_use_is_refused_before_a_database_is_created() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let mut command = Service::command();
    command.env("LISTEN", &address).env("DATA_DIR", &data_dir);
    check_refused(
        command,
        &[&format!("cannot listen on {address}"), "in use", "--listen takes another address"],
    )
    .await;
    assert!(!data_dir.exists());
}
