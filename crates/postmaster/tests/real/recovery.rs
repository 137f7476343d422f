//! Killed, orphaned, half-made: it comes back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postmaster::{Postmaster, Stop};

use crate::support::{Home, Service, as_root, ask, await_that, is_postgres, pid_in, pid_of, sql};

const FILL: &str = "create table kept (n int); insert into kept values (42)";

fn kill_postgres(postmaster: &Postmaster) {
    kill(pid_of(postmaster), Signal::SIGKILL).unwrap();
}

fn await_the_row(psql: &str) {
    await_that("the row is back", || ask(psql, "select n from kept").is_ok_and(|n| n == "42"));
}

#[test]
fn a_killed_postgres_comes_back_with_its_rows() {
    let home = Home::new();
    let postmaster = home.start();
    sql(&postmaster, FILL);
    for _ in 0..2 {
        let pid = pid_of(&postmaster);
        kill_postgres(&postmaster);
        await_that("another runs", || pid_in(&home.cluster_dir()).is_some_and(|new| new != pid));
        await_the_row(&postmaster.psql());
    }
}

#[test]
fn a_killed_postgres_comes_back_though_a_session_is_busy() {
    let home = Home::new();
    let postmaster = home.start();
    let psql = postmaster.psql();
    sql(&postmaster, FILL);
    std::thread::scope(|scope| {
        // This one would not notice the end of its postmaster for a long while.
        let busy =
            scope.spawn(|| ask(&psql, "select count(*) from generate_series(1, 100000000000)"));
        let find = "select count(*) from pg_stat_activity where query like '%generate_series%' and pid <> pg_backend_pid()";
        await_that("it is busy", || ask(&psql, find).is_ok_and(|n| n == "1"));
        let pid = pid_of(&postmaster);
        kill_postgres(&postmaster);
        await_that("another runs", || pid_in(&home.cluster_dir()).is_some_and(|new| new != pid));
        await_the_row(&psql);
        assert!(busy.join().unwrap().is_err());
    });
}

#[test]
fn it_can_be_stopped_while_it_is_down() {
    let home = Home::new();
    let postmaster = home.start();
    sql(&postmaster, FILL);
    kill_postgres(&postmaster);
    postmaster.stop().unwrap();
    let postmaster = home.start();
    await_the_row(&postmaster.psql());
}

#[test]
fn it_can_be_stopped_while_it_cannot_be_restarted() {
    let home = Home::new();
    let postmaster = home.start();
    let control = home.cluster_dir().join("global/pg_control");
    let aside = home.path().join("pg_control");
    fs::rename(&control, &aside).unwrap();
    kill_postgres(&postmaster);
    // Whatever the watcher is at, it hears the wish.
    postmaster.stop().unwrap();
    assert!(!pid_in(&home.cluster_dir()).is_some_and(is_postgres));
    let error = Postmaster::start(&home.settings(), &Stop::default()).unwrap_err();
    assert!(error.to_string().contains("ended while starting"), "{error}");
    fs::rename(&aside, &control).unwrap();
    assert_eq!(sql(&home.start(), "select 1"), "1");
}

#[test]
fn an_orphan_is_stopped_by_the_next_start() {
    let home = Home::new();
    let (mut service, psql) = Service::start(&home);
    ask(&psql, FILL).unwrap();
    let orphan = pid_in(&home.cluster_dir()).unwrap();
    // Whoever would end it ends first.
    service.kill_holder();
    service.kill();
    assert!(is_postgres(orphan));
    let postmaster = home.start();
    assert!(!is_postgres(orphan));
    assert_eq!(sql(&postmaster, "select n from kept"), "42");
}

#[test]
fn service_and_postgres_may_both_be_killed() {
    let home = Home::new();
    let (mut service, psql) = Service::start(&home);
    ask(&psql, FILL).unwrap();
    service.kill();
    kill(pid_in(&home.cluster_dir()).unwrap(), Signal::SIGKILL).unwrap();
    let postmaster = home.start();
    assert_eq!(sql(&postmaster, "select n from kept"), "42");
}

#[test]
fn a_service_killed_in_the_first_start_leaves_nothing_half_made() {
    let unfinished = |home: &Home| {
        let entries = fs::read_dir(home.data_dir()).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("postgres.new-"))
            .count()
    };
    let home = Home::new();
    let mut service = Service::spawn(&home);
    await_that("initdb is at work", || unfinished(&home) == 1);
    service.kill();
    assert!(!home.cluster_dir().exists());
    await_that("initdb is gone", || home.processes() == 0);
    let postmaster = home.start();
    assert_eq!(sql(&postmaster, "select 1"), "1");
    assert_eq!(unfinished(&home), 0);
}

#[test]
fn a_stale_pid_file_does_not_prevent_a_start() {
    let home = Home::new();
    let postmaster = home.start();
    sql(&postmaster, FILL);
    let mut pid_file = fs::read_to_string(home.cluster_dir().join("postmaster.pid")).unwrap();
    let socket_lock = postmaster.socket_dir().join(".s.PGSQL.5432.lock");
    postmaster.stop().unwrap();

    // A process of PostgreSQL's own user, to whom PostgreSQL alone would give way; and ourselves.
    let owner = fs::metadata(home.cluster_dir()).unwrap().uid();
    let mut foreign = Command::new("sleep").arg("600").uid(owner).spawn().unwrap();
    for pid in [foreign.id(), std::process::id()] {
        let rest = pid_file.split_once('\n').unwrap().1;
        pid_file = format!("{pid}\n{rest}");
        fs::write(home.cluster_dir().join("postmaster.pid"), &pid_file).unwrap();
        fs::write(&socket_lock, &pid_file).unwrap();
        let started = Postmaster::start(&home.settings(), &Stop::default())
            .map(|postmaster| sql(&postmaster, "select n from kept"));
        let alive = foreign.try_wait().unwrap().is_none();
        if pid == std::process::id() {
            foreign.kill().unwrap();
            foreign.wait().unwrap();
        }
        assert_eq!(started.unwrap(), "42");
        assert!(alive);
    }
}

#[test]
fn a_process_of_another_user_that_looks_like_postgres_keeps_nobody_down() {
    if !as_root() {
        return;
    }
    let home = Home::new();
    let postmaster = home.start();
    let pid = pid_of(&postmaster).to_string();
    let command = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid]).output().unwrap();
    let command = String::from_utf8(command.stdout).unwrap();
    let mark = command.split_whitespace().next_back().unwrap();
    assert!(mark.starts_with("cluster_name="), "{command}");
    // A shell by that name, whose last words are those of PostgreSQL.
    let program = home.path().join("postgres");
    fs::copy("/bin/sh", &program).unwrap();
    let mut mallory = Command::new(&program);
    mallory.args(["-c", "sleep 600; :", "sh", "-c", mark]).uid(12_345).process_group(0);
    let mut mallory = mallory.spawn().unwrap();

    let killed = pid_of(&postmaster);
    kill_postgres(&postmaster);
    await_that("another runs", || pid_in(&home.cluster_dir()).is_some_and(|new| new != killed));
    await_that("it answers", || ask(&postmaster.psql(), "select 1").is_ok());
    assert!(mallory.try_wait().unwrap().is_none());
    kill(Pid::from_raw(-mallory.id().cast_signed()), Signal::SIGKILL).unwrap();
    mallory.wait().unwrap();
}
