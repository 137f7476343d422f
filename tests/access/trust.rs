//! The key file is believed only while nobody else can change it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{Keyed, id, new_key};
use crate::support::{Scrape, Service, TestDatabase, eventually};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory that is open to all, with a key file in it.
fn open_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("keys.toml"), "").unwrap();
    set_mode(&directory.path().join("keys.toml"), 0o600);
    set_mode(directory.path(), 0o777);
    directory
}

#[tokio::test]
async fn keys_that_others_may_change_let_nobody_in() {
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    let file = keyed.file.clone();
    let directory = file.parent().unwrap();
    let elsewhere = open_directory();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(elsewhere.path().join("keys.toml"), &text).unwrap();
    let real = file.with_file_name("real");
    let link = |target: &Path| {
        fs::remove_file(&file).unwrap();
        symlink(target, &file).unwrap();
    };
    type Act<'a> = &'a dyn Fn();
    let cases: [(&str, Act<'_>, Act<'_>); 3] = [
        ("a file that others may write", &|| set_mode(&file, 0o620), &|| set_mode(&file, 0o600)),
        ("a directory that others may write", &|| set_mode(directory, 0o733), &|| {
            set_mode(directory, 0o700);
        }),
        ("a link to such a directory", &|| link(&elsewhere.path().join("keys.toml")), &|| {
            fs::write(&real, &text).unwrap();
            set_mode(&real, 0o600);
            link(&real);
        }),
    ];
    for (case, open, close) in cases {
        let status = async || keyed.answer(keyed.predict(&secret)).await.status;
        assert_eq!(status().await, 200, "{case}");
        open();
        eventually(case, async || status().await == 503).await;
        close();
        eventually(case, async || status().await == 200).await;
    }
    let lines = keyed.service.log().lines();
    let told = lines.iter().filter(|line| line.contains("is not safe to read keys from"));
    assert_eq!(told.count(), 3, "{lines:?}");
}

#[tokio::test]
async fn a_service_whose_keys_others_may_change_does_not_start() {
    let database = TestDatabase::create().await;
    let directory = open_directory();
    let file = directory.path().join("keys.toml");
    let refused = |expected: &str| {
        let mut command = Service::command();
        command.env("DATABASE_URL", database.url()).env("API_KEYS_FILE", &file);
        let output = command.output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains("the keys cannot be used") && log.contains(expected), "{log}");
    };
    refused("chmod go-w");
    set_mode(directory.path(), 0o700);
    set_mode(&file, 0o606);
    refused("chmod go-w");
}

#[tokio::test]
async fn a_change_names_the_keys_and_the_figures_say_when_they_were_read() {
    let mut keyed = Keyed::start().await;
    let admin = keyed.key(&["--scope", "admin"]).await;
    let second = new_key(&keyed.file, &["--scope", "predict"]);
    let line = keyed.service.log().wait_for(&format!("\"came\":\"{}\"", id(&second))).await;
    assert!(line.contains("there are other keys"), "{line}");

    let scrape = Scrape::with(&keyed.service, &admin).await;
    let ago = scrape.value("onrecord_keys_read_ago_seconds", &[]);
    assert!((0.0..5.0).contains(&ago), "{ago}");
    for task in ["keys", "record", "upkeep"] {
        let restarts = "onrecord_background_task_restarts_total";
        assert_eq!(scrape.value(restarts, &[("task", task)]), 0.0, "{task}");
    }
}
