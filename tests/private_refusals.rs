//! A private PostgreSQL that cannot be had: the message says why, and what to do.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::starting::check_refused;
use crate::support::{Service, flower, home, wrapped};

/// The service on this data directory.
fn on(data_dir: &Path) -> Command {
    let mut command = Service::command();
    command.env("DATA_DIR", data_dir);
    command
}

/// The same command, run by this user, who may not enter where the tests are built.
fn as_user(uid: u32, command: &Command, home: &Path) -> Command {
    let program = home.join("onrecord");
    if !program.exists() {
        fs::copy(command.get_program(), &program).unwrap();
    }
    let mut copy = Command::new(program);
    copy.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let (user, group) = (format!("--reuid={uid}"), format!("--regid={uid}"));
    wrapped(&["setpriv", &user, &group, "--clear-groups"], &copy)
}

#[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        eprintln!("not applicable: it takes root");
    }
    is_root
}

/// A directory of this user in a home.
fn directory_of(uid: u32, home: &TempDir, name: &str) -> PathBuf {
    let directory = home.path().join(name);
    fs::create_dir(&directory).unwrap();
    chown(&directory, Some(uid), Some(uid)).unwrap();
    directory
}

#[tokio::test]
async fn what_stands_in_the_place_of_the_data_directory_is_named() {
    let home = home();
    let (link, file) = (home.path().join("link"), home.path().join("file"));
    symlink("/nowhere/at all", &link).unwrap();
    fs::write(&file, "").unwrap();
    let link_says = "is a link to /nowhere/at all, which does not exist";
    for (data_dir, what) in [
        (link.clone(), link_says),
        (link.join("data"), link_says),
        (file.clone(), "is a file"),
        (file.join("data"), "is a file"),
    ] {
        let what = format!("{} {what}", if what == link_says { &link } else { &file }.display());
        check_refused(on(&data_dir), &[&what, "--data-dir"]).await;
    }
}

#[tokio::test]
async fn a_place_of_somebody_else_is_refused_with_who_and_whose() {
    if !is_root() {
        return;
    }
    let home = home();
    let (data_dir, nobody) = (home.path().join("data"), 65_534);
    let service = Service::start_private(&data_dir).await;
    assert_eq!(service.stop().await.code(), Some(0));
    // Made by root, started by another.
    let said =
        ["user id 65534 runs the service", "belongs to user id 0", "chown -R 65534 ", "--data-dir"];
    check_refused(as_user(nobody, &on(&data_dir), home.path()), &said).await;
    // As somebody does who starts it where only root may write.
    let inside = home.path().join("new/data");
    let said = ["cannot be created", "in a directory of yours", "--data-dir", "Permission denied"];
    check_refused(as_user(nobody, &on(&inside), home.path()), &said).await;
}

#[tokio::test]
async fn a_cluster_that_root_has_copied_is_served_once_the_advice_is_followed() {
    if !is_root() {
        return;
    }
    let home = home();
    let (data_dir, copy) = (home.path().join("data"), home.path().join("copy"));
    let service = Service::start_private(&data_dir).await;
    service.predict(&flower()).await;
    assert_eq!(service.stop().await.code(), Some(0));
    let copied = Command::new("cp").arg("-r").args([&data_dir, &copy]).status().unwrap();
    assert!(copied.success());
    let log = check_refused(on(&copy), &["belongs to root", "refuses to run"]).await;
    let advice = log.split('`').find(|part| part.starts_with("chown ")).unwrap();
    assert!(Command::new("sh").args(["-c", advice]).status().unwrap().success(), "{advice}");
    let mut service = Service::start_private(&copy).await;
    service.log().wait_for("the record holds 1 prediction").await;
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_user_without_a_name_is_told_to_get_one() {
    const UID: u32 = 54_321;
    if !is_root() {
        return;
    }
    let home = home();
    let data_dir = directory_of(UID, &home, "data");
    let said = ["user id 54321", "onrecord:x:54321:54321:", "/etc/passwd", "DATABASE_URL"];
    check_refused(as_user(UID, &on(&data_dir), home.path()), &said).await;
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
async fn the_root_of_a_user_namespace_is_told_to_be_an_ordinary_user() {
    const ENTER: [&str; 3] = ["unshare", "--user", "--map-root-user"];
    let works = wrapped(&ENTER, &Command::new("true")).output();
    if !works.as_ref().is_ok_and(|it| it.status.success()) {
        eprintln!("NOT TESTED: there is no user namespace here: {works:?}");
        return;
    }
    let home = home();
    let said = ["switching to the user", "Invalid argument", "as an ordinary user", "DATABASE_URL"];
    check_refused(wrapped(&ENTER, &on(&home.path().join("data"))), &said).await;
}

#[tokio::test]
async fn too_few_descriptors_are_named_as_such_and_nothing_is_fetched() {
    let home = home();
    for limit in [12, 14, 16, 18, 20, 24] {
        let limited = format!("ulimit -n {limit} && exec \"$0\"");
        let command = wrapped(&["sh", "-c", &limited], &on(&home.path().join("data")));
        let log = check_refused(command, &["Too many open files", "limit"]).await;
        assert!(!log.contains("no PostgreSQL"), "{limit}: {log}");
    }
}

#[tokio::test]
async fn programs_that_do_not_run_are_named() {
    let home = home();
    let programs = home.path().join("bin");
    fs::create_dir(&programs).unwrap();
    for name in ["initdb", "postgres"] {
        let program = programs.join(name);
        fs::write(&program, "#!/bin/sh\necho 'libssl.so.9: cannot open' >&2\nexit 127\n").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = on(&home.path().join("data"));
    command.env("PG_BIN", AsRef::<OsStr>::as_ref(&programs));
    check_refused(command, &["does not run: libssl.so.9: cannot open", "DATABASE_URL"]).await;
}
