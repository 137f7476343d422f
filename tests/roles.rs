//! With the roles of `deploy/sql/roles.sql` the service can add to the record, and nobody can change it but its owner.

mod company;

use std::process::{Command, Output};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::support::{OwnPostgres, Service, count, flower};

const MIGRATOR: &str = "onrecord_migrator";
const WRITER: &str = "onrecord_writer";
const READER: &str = "onrecord_reader";

/// Runs the file as an operator does, and makes sure that it is content.
fn make_roles(postgres: &OwnPostgres) {
    let done = run_file(postgres, &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Runs the file with these options for psql.
fn run_file(postgres: &OwnPostgres, options: &[&str]) -> Output {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/sql/roles.sql");
    let mut psql = Command::new("psql");
    psql.arg(postgres.url()).args(["-v", "ON_ERROR_STOP=1", "-q", "-f", file]).args(options);
    psql.output().unwrap()
}

/// The address for this role; the server trusts whoever gets at its socket.
fn url(postgres: &OwnPostgres, role: &str) -> String {
    let (_, rest) = postgres.url().split_once('@').unwrap();
    format!("postgresql://{role}@{rest}")
}

async fn connect(postgres: &OwnPostgres, role: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&url(postgres, role), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A service that works as the writer, and has the migrator for the rest.
async fn service(postgres: &OwnPostgres) -> Service {
    let mut command = Service::command();
    command.env("DATABASE_URL", url(postgres, WRITER));
    command.env("MAINTENANCE_DATABASE_URL", url(postgres, MIGRATOR));
    Service::spawn(command, false).await
}

async fn check_refused(client: &Client, statement: &str) {
    let error = client.batch_execute(statement).await.expect_err(statement);
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error}");
}

#[tokio::test]
async fn the_record_is_append_only_to_the_service() {
    let postgres = OwnPostgres::start().await;
    make_roles(&postgres);
    let service = service(&postgres).await;
    let answer = service.predict(&flower()).await;
    let keyed = service.post("/predict", &flower()).header("Idempotency-Key", "k").send().await;
    assert_eq!(keyed.unwrap().status(), 200);
    let batch = serde_json::json!({ "instances": vec![flower(); 5_000] });
    assert_eq!(service.post("/predict/batch", &batch).send().await.unwrap().status(), 200);
    let id = answer["id"].as_str().unwrap();
    service.get_json(&format!("/predictions/{id}")).await;
    service.get_json("/predictions").await;
    assert_eq!(service.get("/health/ready").await.status(), 200);

    let writer = connect(&postgres, WRITER).await;
    let parts = "select relname from pg_class where relispartition and relkind = 'r'";
    let parts = writer.query(parts, &[]).await.unwrap();
    let parts: Vec<String> = parts.iter().map(|row| row.get(0)).collect();
    assert!(parts.len() >= 6, "{parts:?}");
    let tables = ["raw_data", "prediction", "truth", "idempotency_key", "refinery_schema_history"];
    let tables: Vec<_> = tables.into_iter().chain(parts.iter().map(String::as_str)).collect();
    for table in &tables {
        for statement in [
            format!("delete from {table}"),
            format!("truncate {table}"),
            format!("drop table {table}"),
            format!("alter table {table} add column more int"),
            format!("create index on {table} ((1))"),
            format!(
                "create trigger t before insert on {table} for each row execute function pg_catalog.suppress_redundant_updates_trigger()"
            ),
        ] {
            check_refused(&writer, &statement).await;
        }
    }
    for statement in [
        "update raw_data set sepal_width = 1",
        "update prediction set iris_class = 1",
        "update truth set iris_class = 1",
        "update idempotency_key set answer = ''",
        "insert into truth select id, 1 from prediction",
        "select lo_from_bytea(0, 'mine')",
        "select lo_create(0)",
        "select lowrite(0, 'mine')",
        "create temporary table mine (id int)",
        "insert into refinery_schema_history select 99, '', '', ''",
        "create table mine (id int)",
        "create view mine as select 1",
        "create function mine() returns int language sql as 'select 1'",
        "create schema mine",
        "drop view prediction_log",
        "drop function truth_needs_a_prediction()",
        "create or replace view prediction_log as select 1",
        "set role onrecord_migrator",
        "alter role onrecord_migrator password 'mine'",
        "create role mine",
        "alter system set fsync = off",
        "copy raw_data to program 'cat'",
        "select pg_read_file('/etc/passwd')",
    ] {
        check_refused(&writer, statement).await;
    }
    // A partition is added to through its table only.
    let part = parts.iter().find(|part| part.starts_with("raw_data_2")).unwrap();
    check_refused(&writer, &format!("insert into {part} select * from raw_data")).await;
    assert_eq!(count(&writer, "select count(*) from prediction_log").await, 5_002);
}

#[tokio::test]
async fn a_reader_reads_and_nothing_else() {
    let postgres = OwnPostgres::start().await;
    make_roles(&postgres);
    let service = service(&postgres).await;
    service.predict(&flower()).await;
    let reader = connect(&postgres, READER).await;
    assert_eq!(count(&reader, "select count(*) from prediction_log").await, 1);
    reader.batch_execute("set default_transaction_read_only = off").await.unwrap();
    for statement in [
        "insert into raw_data select * from raw_data",
        "insert into truth select id, 1 from prediction",
        "update prediction set iris_class = 1",
        "delete from prediction",
        "truncate prediction",
        "drop table prediction",
        "create table mine (id int)",
        "select * from idempotency_key",
        "select lo_from_bytea(0, 'mine')",
        "select lo_creat(0)",
        "create temporary table mine (id int)",
    ] {
        check_refused(&reader, statement).await;
    }
}

/// A role may change its own settings, and no privilege takes that away.
#[tokio::test]
async fn what_the_writer_sets_for_itself_stops_nobody() {
    let postgres = OwnPostgres::start().await;
    make_roles(&postgres);
    service(&postgres).await.stop().await;
    let writer = connect(&postgres, WRITER).await;
    for setting in [
        "default_transaction_read_only = on",
        "default_transaction_isolation = serializable",
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "idle_session_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "exit_on_error = on",
        "synchronous_commit = off",
        "local_preload_libraries = 'nothing_of_this_name'",
    ] {
        writer.batch_execute(&format!("alter role {WRITER} set {setting}")).await.unwrap();
    }
    let mut service = service(&postgres).await;
    let line = service.log().wait_for("has settings of its own").await;
    assert!(line.contains(WRITER) && line.contains("reset"), "{line}");
    let lines = service.log().lines().join("\n");
    assert!(lines.contains("default_transaction_read_only=on"), "{lines}");
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let batch = serde_json::json!({ "instances": vec![flower(); 5_000] });
    assert_eq!(service.post("/predict/batch", &batch).send().await.unwrap().status(), 200);
    service.get_json(&format!("/predictions/{id}")).await;
    assert_eq!(service.get("/health/ready").await.status(), 200);
}

/// With two users the first should be one that may do less; it is said if it is not.
#[tokio::test]
async fn a_service_that_can_change_the_record_says_so() {
    let postgres = OwnPostgres::start().await;
    make_roles(&postgres);
    let lines = async |user: &str| {
        let mut command = Service::command();
        command.env("DATABASE_URL", url(&postgres, user));
        command.env("MAINTENANCE_DATABASE_URL", url(&postgres, MIGRATOR));
        let mut service = Service::spawn(command, false).await;
        let lines = service.log().lines();
        lines.into_iter().filter(|line| line.contains("change and remove")).collect::<Vec<_>>()
    };
    assert_eq!(lines(WRITER).await, Vec::<String>::new());
    let owner = lines(MIGRATOR).await.join("");
    assert!(owner.contains("WARN") && owner.contains("owns the tables"), "{owner}");
    let (_, superuser) = postgres.url().split_once("://").unwrap();
    let superuser = lines(superuser.split('@').next().unwrap()).await.join("");
    assert!(superuser.contains("WARN") && superuser.contains("is a superuser"), "{superuser}");
}

#[tokio::test]
async fn roles_can_be_made_when_the_record_is_there_already() {
    let postgres = OwnPostgres::start().await;
    let before = Service::start_at(postgres.url()).await;
    before.predict(&flower()).await;
    let admin = postgres.try_connect().await.unwrap();
    // As a partition that leaves the record, and waits for its removal.
    const LEAVING: &str = "
        create table prediction_20200101_left (like prediction including all);
        comment on table prediction_20200101_left is 'Left the record, and is removed by those who keep it up'";
    admin.batch_execute(LEAVING).await.unwrap();
    make_roles(&postgres);
    make_roles(&postgres);
    const OF_OTHERS: &str = "
        select count(*) from pg_class where relnamespace = 'public'::regnamespace and relowner <> 'onrecord_migrator'::regrole";
    assert_eq!(count(&admin, OF_OTHERS).await, 0, "all that the migrations make is the migrator's");
    // The one that runs goes on, and so does one with less.
    before.predict(&flower()).await;
    let service = service(&postgres).await;
    service.predict(&flower()).await;
    let owner = connect(&postgres, MIGRATOR).await;
    assert_eq!(count(&owner, "select count(*) from prediction_log").await, 3);
    owner.batch_execute("alter table raw_data add column more int").await.unwrap();
    service.predict(&flower()).await;
}

/// A service whose user may only write needs somebody else for the rest, and says so.
#[tokio::test]
async fn a_writer_alone_serves_a_record_that_others_keep_up() {
    let postgres = OwnPostgres::start().await;
    make_roles(&postgres);
    let mut command = Service::command();
    command.env("DATABASE_URL", url(&postgres, WRITER));
    let (mut process, mut log) = crate::support::spawn(command);
    let told = log.wait_for("may not create tables").await;
    assert!(told.contains("Run `onrecord migrate` once") && told.contains(MIGRATOR), "{told}");
    assert!(!process.wait().unwrap().success(), "there is no schema, and it may not make one");

    let mut upkeep = Service::command();
    upkeep.arg("upkeep").env("DATABASE_URL", url(&postgres, MIGRATOR));
    let done = tokio::task::spawn_blocking(move || upkeep.output().unwrap()).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let mut command = Service::command();
    command.env("DATABASE_URL", url(&postgres, WRITER));
    let mut service = Service::spawn(command, false).await;
    service.log().wait_for("this user may not keep the record up").await;
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let writer = connect(&postgres, WRITER).await;
    let strays = count(&writer, "select count(*) from raw_data_default").await;
    assert_eq!(strays, 0, "its partition was made by the other");
    service.get_json(&format!("/predictions/{id}")).await;
}
