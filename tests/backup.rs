//! The commands of `deploy/backup.md`, as they stand there: each is run, and does what the page says.

mod compose;
mod moment;
mod newer_postgres;
mod page;
mod shell;

use std::fs;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio_postgres::Config;

use crate::support::{
    OwnPostgres, Service, TestDatabase, count, eventually, flower, home, lone_rows,
};
use page::{HEADINGS, blocks};
use shell::Shell;

#[test]
fn every_command_of_the_page_is_tried() {
    assert_eq!(page::headings_with_blocks(), HEADINGS);
}

/// A shell for the administrator of this server.
fn shell(postgres: &OwnPostgres, directory: &TempDir) -> Shell {
    let config: Config = postgres.url().parse().unwrap();
    let socket = postgres.url().split_once("host=").unwrap().1.split('&').next().unwrap();
    let shell = Shell::new(directory.path()).with("PGHOST", socket);
    let shell = shell.with("PGPORT", &config.get_ports()[0].to_string());
    shell.with("PGUSER", config.get_user().unwrap())
}

/// Reads back what the service says of a row.
async fn recorded(service: &Service, id: &str) -> u16 {
    service.get(&format!("/predictions/{id}")).await.status().as_u16()
}

async fn predict(service: &Service) -> String {
    service.predict(&flower()).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_backed_up_is_restored_under_a_running_service() {
    let (postgres, directory) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let shell = shell(&postgres, &directory);
    let [back_up] = blocks("Back up");
    let [beside, in_place, roles] = blocks("Restore");
    shell.run(&roles).await;
    let service = Service::start_at(postgres.url()).await;
    let kept = predict(&service).await;
    shell.run(&back_up).await;
    let lost = predict(&service).await;

    let said = shell.run(&beside).await;
    assert!(said.contains("1 | 20"), "{said}");
    assert_eq!(recorded(&service, &lost).await, 200);
    shell.run(&in_place).await;
    shell.run(&roles).await;

    eventually("the service is back", async || recorded(&service, &kept).await == 200).await;
    assert_eq!(recorded(&service, &lost).await, 404);
    eventually("rows are taken", async || {
        service.post("/predict", &flower()).send().await.unwrap().status() == 200
    })
    .await;
    eventually("it is ready", async || service.get("/health/ready").await.status() == 200).await;
    let record = postgres.try_connect().await.unwrap();
    assert_eq!(lone_rows(&record).await, 0);
    let settings =
        "select count(*) from pg_db_role_setting join pg_database d on d.oid = setdatabase
                    where datname = 'onrecord'";
    assert_eq!(count(&record, settings).await, 3);
    service.stop().await;

    // On a server that knows none of the roles.
    let another = OwnPostgres::start().await;
    let shell = self::shell(&another, &directory);
    let (create, rest) = beside.split_once('\n').unwrap();
    shell.run(create).await;
    shell.run(&roles.replace("-d onrecord", "-d restored")).await;
    shell.run(rest).await;
    shell.run(&in_place).await;
    shell.run(&roles).await;
    let service = Service::start_at(another.url()).await;
    assert_eq!(recorded(&service, &kept).await, 200);
}

#[tokio::test]
async fn the_files_of_a_private_database_are_copied_and_put_back() {
    let home = home();
    let data = home.path().join("data");
    let shell = Shell::new(home.path());
    let [copy, put_back] = blocks("A private database");
    let service = Service::start_private(&data).await;
    let kept = predict(&service).await;
    assert_eq!(service.stop().await.code(), Some(0));
    shell.run(&copy).await;
    // A second copy into the same place would lie in the first, and look like it.
    let said = shell.fail(&copy).await;
    assert!(said.contains("exists"), "{said}");
    let service = Service::start_private(&data).await;
    let lost = predict(&service).await;
    assert_eq!(service.stop().await.code(), Some(0));
    shell.run(&put_back).await;
    let service = Service::start_private(&data).await;
    assert_eq!((recorded(&service, &kept).await, recorded(&service, &lost).await), (200, 404));
}

#[tokio::test]
async fn a_spool_is_brought_to_the_record_by_another_service_and_replaces_none() {
    let (mut postgres, directory) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let place = |name: &str| directory.path().join(name).display().to_string();
    let start = async |postgres: &OwnPostgres, name: &str| {
        fs::create_dir_all(place(name)).unwrap();
        let mut command = Service::command();
        command.env("DATABASE_URL", postgres.url()).env("SPOOL_DIR", place(name));
        Service::spawn(command, false).await
    };
    let shell = |name: &str| Shell::new(directory.path()).with("SPOOL_DIR", &place(name));
    let drain = async |postgres: &OwnPostgres, name: &str, rows: &[&str]| {
        let service = start(postgres, name).await;
        eventually("the spool is empty", async || {
            service.get_json("/ledger").await["spool"]["rows"] == 0
        })
        .await;
        for row in rows {
            assert_eq!(recorded(&service, row).await, 200);
        }
        service.stop().await;
    };
    let [copy, bring, aside] = blocks("The spool");

    let (first, second) = (start(&postgres, "first").await, start(&postgres, "second").await);
    postgres.crash().await;
    let mut rows = Vec::new();
    for service in [first, second] {
        let row = service.predict(&flower()).await;
        assert_eq!(row["stored"], "spooled");
        rows.push(row["id"].as_str().unwrap().to_owned());
        service.stop().await;
    }
    let [row, other] = rows.try_into().unwrap();
    shell("first").run(&copy).await;
    let said = shell("second").fail(&copy).await;
    assert!(said.contains("exists"), "{said}");
    postgres.start_again().await;

    fs::create_dir(place("third")).unwrap();
    shell("third").run(&bring).await;
    drain(&postgres, "third", &[&row]).await;

    // Where there is a spool: it stays as it is, is brought to the record, and only then makes room.
    let said = shell("second").fail(&bring).await;
    assert!(said.contains("exists"), "{said}");
    drain(&postgres, "second", &[&other]).await;
    shell("second").run(&aside).await;
    shell("second").run(&bring).await;
    // For the second time: a copy that is too old does no harm.
    drain(&postgres, "second", &[&row, &other]).await;
    let record = postgres.try_connect().await.unwrap();
    assert_eq!(count(&record, "select count(*) from prediction").await, 2);
}

#[tokio::test]
async fn keys_that_were_put_back_count_again() {
    let (database, directory) = (TestDatabase::create().await, TempDir::new().unwrap());
    let keys = directory.path().join("keys.toml").display().to_string();
    let shell = Shell::new(directory.path()).with("API_KEYS_FILE", &keys);
    let [copy, put_back] = blocks("The keys");
    let secret = shell.run("onrecord key new --scope read 2> /dev/null").await;
    shell.run(&copy).await;
    let service = Service::start_with(&database, [("API_KEYS_FILE", &keys)]).await;
    let answers = async |status: u16| {
        let asked = service.client.get(service.url("/ledger")).bearer_auth(secret.trim());
        asked.send().await.unwrap().status() == status
    };
    assert!(answers(200).await);
    let id = secret.split('_').nth(1).unwrap();
    shell.run(&format!("onrecord key revoke {id}")).await;
    service.signal(Signal::SIGHUP);
    eventually("the key is refused", async || answers(401).await).await;
    shell.run(&put_back).await;
    eventually("the key counts again", async || answers(200).await).await;
}
