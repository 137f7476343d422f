//! `onrecord check`: what would keep the service from starting is found without a start, and nothing is changed.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Service, TestDatabase, flower, home};

/// Runs it with these settings, as `NAME=value`.
fn check(settings: &[String]) -> Output {
    let mut command = Service::command();
    command.arg("check");
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap();
        command.env(name, value);
    }
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    format!("{lines}{}", String::from_utf8_lossy(&output.stderr))
}

/// A file with this text, which only its owner may read.
fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_good_set_up_is_found_good_before_and_after_its_first_start() {
    let database = TestDatabase::create().await;
    let url = format!("DATABASE_URL={}", database.url());
    let before = check(std::slice::from_ref(&url));
    assert!(before.status.success(), "{}", told(&before));
    assert!(
        told(&before)
            .contains("record       there is none; the start begins one in the schema public")
    );
    let service = Service::start(&database).await;
    service.predict(&flower()).await;
    let after = check(&[url]);
    assert!(after.status.success(), "{}", told(&after));
    assert!(told(&after).contains("record       it is in the schema public, and can be written"));
    assert_eq!(database.counts().await, (1, 1, 1));
    service.stop().await;
}

/// Before there is one, while one runs, and where there can be none.
#[tokio::test]
async fn a_private_database_is_looked_at_without_being_made() {
    let home = home();
    let data_dir = home.path().join("data");
    let at = |directory: &Path| format!("DATA_DIR={}", directory.display());
    let before = check(&[at(&data_dir)]);
    assert!(before.status.success(), "{}", told(&before));
    assert!(
        told(&before).contains("which the start makes, run by PostgreSQL "),
        "{}",
        told(&before)
    );
    assert!(!data_dir.exists());
    let service = Service::start_private(&data_dir).await;
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = home.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    for (settings, words) in [
        (vec![at(&data_dir)], "is in use by another service (process "),
        (vec![at(&file.join("data"))], "is a file, so the data directory"),
        (vec![at(&open)], "others can write in the data directory"),
        (
            vec![at(&home.path().join("new")), format!("PG_BIN={}", home.path().display())],
            "no PostgreSQL",
        ),
        (
            vec![
                at(&home.path().join("new")),
                format!("PG_PORT={}", taken.local_addr().unwrap().port()),
            ],
            "--pg-port takes another port",
        ),
    ] {
        let output = check(&settings);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{settings:?}: {told}");
        assert!(told.contains("FAILED  database ") && told.contains(words), "{settings:?}: {told}");
    }
    assert_eq!(service.stop().await.code(), Some(0));
    let after = check(&[at(&data_dir)]);
    assert!(after.status.success(), "{}", told(&after));
}

#[tokio::test]
async fn each_broken_set_up_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let database = TestDatabase::create().await;
    let admin = database.connect().await;
    let role = format!("limited_{}", std::process::id());
    admin.batch_execute(&format!("create role {role} login")).await.unwrap();
    let with_user = |user: &str| {
        let url = database.url();
        let (_, rest) = url.split_once('@').unwrap();
        format!("postgresql://{user}@{rest}")
    };
    let unfit = TestDatabase::create().await;
    Service::start(&unfit).await.stop().await;
    let owner = unfit.connect().await;
    owner.batch_execute("alter table idempotency_key set unlogged").await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = file(directory.path(), "text", "not what it should be");
    fs::create_dir(directory.path().join("open")).unwrap();
    fs::set_permissions(directory.path().join("open"), Permissions::from_mode(0o777)).unwrap();
    let url = format!("DATABASE_URL={}", database.url());
    let cases: Vec<(Vec<String>, &str, &str)> = vec![
        (vec![format!("MODEL={}", at("nothing"))], "model", "No such file"),
        (vec![format!("MODEL={text}")], "model", "cannot be used"),
        (vec![format!("API_KEYS_FILE={}", at("nothing"))], "keys", "nothing"),
        (vec![format!("API_KEYS_FILE={text}")], "keys", "the keys cannot be used"),
        (vec![format!("TLS_CERT={text}")], "certificate", "give --tls-key or TLS_KEY too"),
        (
            vec![format!("TLS_CERT={text}"), format!("TLS_KEY={text}")],
            "certificate",
            "cannot answer by HTTPS",
        ),
        (
            vec![format!("LISTEN={}", taken.local_addr().unwrap())],
            "address",
            "--listen takes another address",
        ),
        (vec!["LISTEN=0.0.0.0:0".to_owned()], "exposure", "can be reached from elsewhere"),
        (vec![format!("SPOOL_DIR={text}")], "spool", "not a directory"),
        (vec![format!("SPOOL_DIR={text}/spool")], "spool", "not a directory"),
        (vec![format!("SPOOL_DIR={}", at("open"))], "spool", "chmod"),
        (
            vec!["DATABASE_URL=postgresql://127.0.0.1:1/x".to_owned()],
            "database",
            "Connection refused",
        ),
        (vec!["DATABASE_URL=mysql://127.0.0.1/x".to_owned()], "database", "postgresql://"),
        (
            vec![format!("DATABASE_URL={}", database.url().replace("/test_", "/no_such_"))],
            "database",
            "create it with `create database no_such_",
        ),
        (vec![format!("DATABASE_URL={}", with_user("nobody_at_all"))], "database", "nobody_at_all"),
        (vec![format!("DATABASE_URL={}", with_user(&role))], "record", "may not create tables"),
        (
            vec![format!("MAINTENANCE_DATABASE_URL={}", unfit.url())],
            "record",
            "MAINTENANCE_DATABASE_URL leads to another database",
        ),
        (
            vec![format!("MAINTENANCE_DATABASE_URL={}", with_user(&role))],
            "record",
            "may not create tables",
        ),
        (vec![format!("DATABASE_URL={}", unfit.url())], "record", "idempotency_key is not logged"),
        (
            vec!["DATABASE_URL=".to_owned(), "REQUIRE_DATABASE=true".to_owned()],
            "database",
            "DATABASE_URL_FILE",
        ),
    ];
    assert!(cases.len() >= 12);
    for (settings, what, words) in cases {
        let mut all = vec![url.clone()];
        all.extend(settings);
        let output = check(&all);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{all:?}: {told}");
        let failed: Vec<_> = told.lines().filter(|line| line.starts_with("FAILED")).collect();
        let [line] = failed[..] else { panic!("{all:?}: {told}") };
        assert!(line.starts_with(&format!("FAILED  {what} ")), "{all:?}: {line}");
        assert!(line.contains(words), "{all:?}: {line}");
        assert!(told.contains("1 of "), "{told}");
    }
    assert!(!directory.path().join("data").exists());
    admin.batch_execute(&format!("drop role {role}")).await.unwrap();
}

/// The file of one is what the other takes.
#[test]
fn the_settings_in_effect_can_be_printed_and_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Service::command();
    command
        .args(["config", "--retain-days", "30d"])
        .env("DATABASE_URL", "postgresql://a:canary@h/n");
    let printed = command.output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("retain-days = \"30d\"") && !text.contains("canary"), "{text}");
    let path = file(directory.path(), "onrecord.toml", &text);
    let mut again: Command = Service::command();
    let output = again.args(["--config", &path, "config"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("retain-days = \"30d\"{:>29} # {path}", "")), "{text}");
}
