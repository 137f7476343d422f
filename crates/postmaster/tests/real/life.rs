//! From the first start to the last stop.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use nix::unistd::{getpgid, getpgrp};
use postmaster::{Error, Postmaster, Stop};

use crate::support::{Home, Service, ask, await_that, is_postgres, pid_of, sql};

#[test]
fn a_first_start_creates_and_later_starts_keep() {
    let home = Home::new();
    let began = Instant::now();
    let postmaster = home.start();
    eprintln!("first start: {} ms", began.elapsed().as_millis());
    assert_eq!(sql(&postmaster, "select 1"), "1");
    sql(&postmaster, "create table kept (n int); insert into kept values (42)");
    let pid = pid_of(&postmaster);
    let began = Instant::now();
    postmaster.stop().unwrap();
    eprintln!("stop: {} ms", began.elapsed().as_millis());
    assert!(!is_postgres(pid));

    let began = Instant::now();
    let postmaster = home.start();
    eprintln!("later start: {} ms", began.elapsed().as_millis());
    assert_eq!(sql(&postmaster, "select n from kept"), "42");
}

#[test]
fn a_drop_stops_it() {
    let home = Home::new();
    let pid = pid_of(&home.start());
    assert!(!is_postgres(pid));
}

#[test]
fn durability_is_on() {
    let home = Home::new();
    let postmaster = home.start();
    for setting in ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"] {
        assert_eq!(sql(&postmaster, &format!("show {setting}")), "on", "{setting}");
    }
    assert_eq!(sql(&postmaster, "show server_encoding"), "UTF8");
    let owner =
        "select pg_get_userbyid(datdba) from pg_database where datname = current_database()";
    assert_eq!(sql(&postmaster, owner), postmaster.user());
    assert_eq!(sql(&postmaster, "select current_database()"), postmaster.database());
}

#[test]
fn it_listens_on_nothing_but_a_private_socket() {
    let home = Home::new();
    let postmaster = home.start();
    assert_eq!(sql(&postmaster, "show listen_addresses"), "");
    let pid_file = fs::read_to_string(home.cluster_dir().join("postmaster.pid")).unwrap();
    assert_eq!(pid_file.lines().nth(5), Some(""), "{pid_file}");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(postmaster.socket_dir().to_owned()), 0o700);
    let socket = postmaster.socket_dir().join(format!(".s.PGSQL.{}", postmaster.port()));
    assert_eq!(mode(socket), 0o700);
}

#[test]
fn a_terminal_does_not_reach_it() {
    let home = Home::new();
    let postmaster = home.start();
    assert_ne!(getpgid(Some(pid_of(&postmaster))).unwrap(), getpgrp());
}

#[test]
fn a_second_start_on_one_directory_is_refused() {
    let home = Home::new();
    let (service, psql) = Service::start(&home);
    let error = Postmaster::start(&home.settings(), &Stop::default()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(home.data_dir().to_str().unwrap()), "{message}");
    assert!(message.contains(&format!("(process {})", service.pid())), "{message}");
    assert_eq!(ask(&psql, "select 1").unwrap(), "1");
}

#[test]
fn a_second_start_in_one_process_is_refused() {
    let home = Home::new();
    let first = home.start();
    let error = Postmaster::start(&home.settings(), &Stop::default()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(sql(&first, "select 1"), "1");
}

#[test]
fn no_value_of_a_row_is_logged() {
    let home = Home::new();
    let (mut service, psql) = Service::start(&home);
    ask(&psql, "create table t (n int primary key, v text check (v <> 'secret'))").unwrap();
    ask(&psql, "insert into t values (747474, 'fine')").unwrap();
    for statement in [
        "insert into t values (1, 'secret')",
        "insert into t values (747474, 'fine')",
        "select 'secret'::int",
        "select 'secret' from nowhere",
    ] {
        assert!(ask(&psql, statement).is_err(), "{statement}");
    }
    // A statement is also shown when its process is killed.
    let killed = "select 'secret', pg_sleep(60)";
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| ask(&psql, killed));
        let find = "select pid from pg_stat_activity where query like '%pg_sleep(60)' and pid <> pg_backend_pid()";
        await_that("it sleeps", || ask(&psql, find).is_ok_and(|pid| !pid.is_empty()));
        let pid = ask(&psql, find).unwrap().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
        assert!(sleeper.join().unwrap().is_err());
    });
    await_that("it is back", || ask(&psql, "select 1").is_ok());
    service.stop();
    let log = service.log();
    assert!(log.contains("PostgreSQL is ready after"), "{log}");
    assert!(log.contains("terminated by signal 9"), "{log}");
    assert!(!log.contains("secret") && !log.contains("747474"), "{log}");
}
