//! A service that can be reached from elsewhere has keys, or was told to do without.

use std::process::Command;

use crate::support::{Service, TestDatabase, spawn};

/// The program, told to listen there; the database does not exist, so that nothing can be done to it.
fn exposed(listen: &str) -> Command {
    let mut command = Service::command();
    command.env("LISTEN", listen).env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere");
    command
}

#[test]
fn without_keys_it_does_not_listen_beyond_loopback() {
    for listen in
        ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"]
    {
        let output = exposed(listen).output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{listen}: {log}");
        assert!(log.contains("--insecure") && log.contains("--api-keys-file"), "{log}");
        assert!(!log.contains("database"), "{log}");
    }
}

#[tokio::test]
async fn it_does_when_told_to_and_warns() {
    let database = TestDatabase::create().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    std::fs::write(&file, "").unwrap();
    let keys = file.to_str().unwrap();
    for (name, value, warning) in
        [("INSECURE", "1", "there are no keys"), ("API_KEYS_FILE", keys, "there is no TLS")]
    {
        let mut command = exposed("0.0.0.0:0");
        command.env("DATABASE_URL", database.url()).env(name, value);
        let mut service = Service::spawn(command, false).await;
        service.log().wait_for(warning).await;
        assert_eq!(service.stop().await.code(), Some(0));
    }
    let mut command = exposed("0.0.0.0:0");
    command.arg("--insecure").env("DATABASE_URL", database.url());
    let mut service = Service::spawn(command, false).await;
    service.log().wait_for("there are no keys").await;
}

#[tokio::test]
async fn loopback_is_enough_by_itself_and_the_log_says_who_is_let_in() {
    let database = TestDatabase::create().await;
    for listen in ["127.0.0.1:0", "127.1.2.3:0", "[::ffff:127.0.0.1]:0"] {
        let mut command = exposed(listen);
        command.env("DATABASE_URL", database.url());
        let (mut process, mut log) = spawn(command);
        log.wait_for("listening on").await;
        log.wait_for("no API keys: every user and program of this machine can predict").await;
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn an_empty_name_of_a_file_is_not_no_file() {
    let output = exposed("127.0.0.1:0").env("API_KEYS_FILE", "").output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && log.contains("--api-keys-file"), "{log}");
}
