//! The way to PostgreSQL is watched: a socket that is removed comes back.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postmaster::Postmaster;

use crate::support::{Home, Service, as_root, ask, await_that, pid_in, pid_of, sql};

/// A PostgreSQL whose socket is in `/tmp`, with a row.
fn start(home: &Home) -> (Postmaster, Pid) {
    let postmaster = home.start();
    assert!(postmaster.socket_dir().starts_with("/tmp"));
    sql(&postmaster, "create table kept (n int); insert into kept values (42)");
    let pid = pid_of(&postmaster);
    (postmaster, pid)
}

fn await_another(postmaster: &Postmaster, before: Pid) {
    await_that("another PostgreSQL runs", || {
        pid_in(postmaster.cluster_dir()).is_some_and(|pid| pid != before)
    });
    await_that("the row is back", || {
        ask(&postmaster.psql(), "select n from kept").is_ok_and(|n| n == "42")
    });
}

#[test]
fn a_directory_that_is_removed_is_made_again() {
    let home = Home::named("a b");
    let (postmaster, before) = start(&home);
    let owner = fs::metadata(postmaster.socket_dir()).unwrap().uid();
    fs::remove_dir_all(postmaster.socket_dir()).unwrap();
    await_another(&postmaster, before);
    let metadata = fs::metadata(postmaster.socket_dir()).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (owner, 0o700));
    postmaster.stop().unwrap();
}

#[test]
fn a_socket_that_is_removed_is_made_again() {
    for name in ["a b", "data"] {
        let home = Home::named(name);
        let postmaster = home.start();
        sql(&postmaster, "create table kept (n int); insert into kept values (42)");
        let before = pid_of(&postmaster);
        fs::remove_file(postmaster.socket_dir().join(".s.PGSQL.5432")).unwrap();
        await_another(&postmaster, before);
    }
}

#[test]
fn a_directory_that_somebody_else_has_made_is_not_trusted() {
    if !as_root() {
        return;
    }
    let home = Home::named("a b");
    let (mut service, psql) = Service::start(&home);
    ask(&psql, "create table kept (n int); insert into kept values (42)").unwrap();
    let before = pid_in(&home.cluster_dir()).unwrap();
    let theirs = psql.split("host=").nth(1).unwrap().split(' ').next().unwrap();
    let theirs = Path::new(theirs);
    let socket = theirs.join(".s.PGSQL.5432");
    fs::remove_dir_all(theirs).unwrap();
    fs::create_dir(theirs).unwrap();
    fs::set_permissions(theirs, Permissions::from_mode(0o755)).unwrap();
    fs::write(&socket, "theirs").unwrap();
    chown(theirs, Some(12_345), None).unwrap();
    await_that("it is noticed", || service.log().contains("belongs to somebody else"));
    let untouched = || {
        let metadata = fs::metadata(theirs).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (12_345, 0o755));
        assert_eq!(fs::read_to_string(&socket).unwrap(), "theirs");
    };
    untouched();
    // Sessions that are connected go on; when PostgreSQL ends, it is not started again there.
    assert_eq!(pid_in(&home.cluster_dir()), Some(before));
    kill(before, Signal::SIGKILL).unwrap();
    await_that("it is not restarted there", || {
        service.log().contains("that nobody else can write")
    });
    untouched();
    // The administrator does as the log says.
    fs::remove_dir_all(theirs).unwrap();
    await_that("the row is back", || ask(&psql, "select n from kept").is_ok_and(|n| n == "42"));
    service.stop();
}
