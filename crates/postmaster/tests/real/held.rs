//! PostgreSQL ends with its service, and a start ends when that is wished.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use postmaster::{Error, Postmaster, Stop};

use crate::support::{Home, Service, ask, await_that, is_postgres, pid_in, pid_of, sql};

/// How long PostgreSQL may take to end after its service.
const PROMISED: Duration = Duration::from_secs(15);

/// Waits until no process of the cluster is left, for as long as is promised.
fn await_the_end(home: &Home) {
    let began = Instant::now();
    await_that("PostgreSQL is gone", || home.processes() == 0);
    assert!(began.elapsed() < PROMISED, "{:?}", began.elapsed());
}

#[test]
fn it_ends_with_its_service_however_that_ends() {
    let home = Home::new();
    for signal in [Signal::SIGKILL, Signal::SIGABRT, Signal::SIGHUP] {
        let (mut service, psql) = Service::start(&home);
        ask(&psql, "create table if not exists kept (n int)").unwrap();
        let postgres = pid_in(&home.cluster_dir()).unwrap();
        service.end_by(signal);
        await_the_end(&home);
        assert!(!is_postgres(postgres), "{signal}");
        assert!(service.holders().is_empty(), "{signal}");
        // It ended in good order: there is nothing to clear away.
        assert_eq!(pid_in(&home.cluster_dir()), None, "{signal}");
    }
    assert_eq!(sql(&home.start(), "select count(*) from kept"), "0");
}

#[test]
fn a_session_that_is_busy_does_not_keep_it_alive() {
    let home = Home::new();
    let (mut service, psql) = Service::start(&home);
    thread::scope(|scope| {
        let busy = scope.spawn(|| ask(&psql, "select pg_sleep(600)"));
        let find = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)' and pid <> pg_backend_pid()";
        await_that("it is busy", || ask(&psql, find).is_ok_and(|n| n == "1"));
        service.kill();
        await_the_end(&home);
        assert!(busy.join().unwrap().is_err());
    });
}

#[test]
fn it_ends_with_a_service_that_is_killed_in_the_start() {
    let home = Home::new();
    home.start().stop().unwrap();
    // From the first moment that there is a process, in steps.
    for milliseconds in [0, 1, 3, 10, 30, 100] {
        let mut service = Service::spawn(&home);
        await_that("there is a process", || home.processes() > 0);
        thread::sleep(Duration::from_millis(milliseconds));
        service.kill();
        await_the_end(&home);
    }
    assert_eq!(sql(&home.start(), "select 1"), "1");
}

#[test]
fn its_holder_ignores_what_terminals_and_supervisors_send() {
    let home = Home::new();
    let (mut service, _) = Service::start(&home);
    let holders = service.holders();
    assert_eq!(holders.len(), 1);
    let signals =
        [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGTSTP];
    for signal in signals {
        kill(holders[0], signal).unwrap();
    }
    assert_eq!(service.holders(), holders);
    service.kill();
    await_the_end(&home);
}

#[test]
fn its_holder_ends_with_it() {
    let home = Home::new();
    let (mut service, psql) = Service::start(&home);
    let (postgres, holders) = (pid_in(&home.cluster_dir()).unwrap(), service.holders());
    kill(postgres, Signal::SIGKILL).unwrap();
    await_that("another PostgreSQL answers", || {
        pid_in(&home.cluster_dir()).is_some_and(|pid| pid != postgres)
            && ask(&psql, "select 1").is_ok()
    });
    let others = service.holders();
    assert_eq!((others.len(), others == holders), (1, false));
    service.stop();
    assert!(kill(others[0], None).is_err());
}

#[test]
fn a_creation_is_called_off() {
    let home = Home::new();
    let stop = Stop::default();
    thread::scope(|scope| {
        let starting = scope.spawn(|| Postmaster::start(&home.settings(), &stop));
        await_that("initdb is at work", || home.processes() > 0);
        stop.wish();
        let error = starting.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::CalledOff), "{error}");
    });
    assert_eq!(home.processes(), 0);
    assert!(!home.cluster_dir().exists());
    assert_eq!(sql(&home.start(), "select 1"), "1");
}

#[test]
fn a_start_is_called_off() {
    let home = Home::new();
    home.start().stop().unwrap();
    let stop = Stop::default();
    thread::scope(|scope| {
        let starting = scope.spawn(|| Postmaster::start(&home.settings(), &stop));
        await_that("it is started", || pid_in(&home.cluster_dir()).is_some());
        // Frozen, it is as one that recovers for long.
        let pid = pid_in(&home.cluster_dir()).unwrap();
        kill(pid, Signal::SIGSTOP).unwrap();
        stop.wish();
        kill(pid, Signal::SIGCONT).unwrap();
        // It may have been ready in between.
        match starting.join().unwrap() {
            Err(Error::CalledOff) => {}
            Ok(postmaster) => postmaster.stop().unwrap(),
            Err(error) => panic!("{error}"),
        }
    });
    assert_eq!(home.processes(), 0);
}

#[test]
fn the_wish_to_stop_stops_one_that_runs() {
    let home = Home::new();
    let stop = Stop::default();
    let postmaster = Postmaster::start(&home.settings(), &stop).unwrap();
    let pid = pid_of(&postmaster);
    stop.wish();
    await_that("it is stopped", || !is_postgres(pid));
    postmaster.stop().unwrap();
}
