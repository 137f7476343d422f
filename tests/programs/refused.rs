//! What a start says that gets no PostgreSQL, how soon, and that it leaves nothing.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::starting::check_refused;
use crate::support::{Bare, measured, package};

/// Promised where nothing is fetched, and where the network is away.
const AT_ONCE: Duration = Duration::from_secs(5);
const OFFLINE: Duration = Duration::from_secs(30);

async fn check(bare: &Bare, command: Command, within: Duration, said: &[&str]) {
    let started = Instant::now();
    let always =
        ["no PostgreSQL (initdb and postgres", "install it", "DATABASE_URL", "--pg-archive"];
    let log = check_refused(command, &[&always, said].concat()).await;
    measured("no PostgreSQL, and said so", started.elapsed());
    assert!(started.elapsed() < within, "{:?}: {log}", started.elapsed());
    assert_eq!(bare.left_behind(), [""; 0], "{log}");
}

#[tokio::test]
async fn nothing_is_fetched_where_that_is_forbidden() {
    let Some(bare) = Bare::of_root() else { return };
    bare.put("pip", "exit 0");
    for value in ["1", "true", "yes"] {
        let mut command = bare.command();
        command.env("NO_DOWNLOAD", value);
        check(&bare, command, AT_ONCE, &["--no-download (or NO_DOWNLOAD) forbids"]).await;
    }
    assert_eq!(bare.notes(), "");
}

#[tokio::test]
async fn a_machine_without_a_client_is_told_which_would_do() {
    for bare in [Bare::of_root(), Bare::of_somebody()].into_iter().flatten() {
        let said = ["none of pip, pip3, python3 or npm is in PATH", "pip download --no-deps"];
        check(&bare, bare.command(), AT_ONCE, &said).await;
    }
}

/// And what was there before stays: a directory that somebody has made for it, as for a container.
#[tokio::test]
async fn a_data_directory_that_was_there_stays_empty() {
    let Some(bare) = Bare::of_root() else { return };
    fs::create_dir(bare.data_dir()).unwrap();
    check_refused(bare.command(), &["none of pip"]).await;
    assert_eq!(fs::read_dir(bare.data_dir()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_the_clients_said_is_said() {
    let Some(bare) = Bare::of_root() else { return };
    let offline = "echo 'No route'; echo 'ERROR: No matching distribution found' >&2; exit 1";
    bare.put("pip", offline);
    bare.put("pip3", offline);
    bare.put("python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    bare.put("npm", "echo 'npm error ENOTFOUND'; echo 'npm error A complete log of this'; exit 7");
    let said = [
        "with pip and pip3, and that failed (exit status: 1): ERROR: No matching distribution",
        "with python3 -m pip, and that failed (exit status: 1): /usr/bin/python3: No module named",
        "with npm, and that failed (exit status: 7): npm error ENOTFOUND. ",
    ];
    check(&bare, bare.command(), OFFLINE, &said).await;
    let notes = bare.notes();
    let names: Vec<_> = notes.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["pip", "pip3", "python3", "npm"], "{notes}");
}

#[tokio::test]
async fn a_client_that_brings_nothing_is_given_up() {
    let Some(bare) = Bare::of_root() else { return };
    bare.put("pip", "echo 'Looking in indexes'; sleep 1000 & sleep 1000");
    bare.put("pip3", "exit 0");
    let said = ["with pip, and nothing arrived within 25 s: Looking in indexes"];
    check(&bare, bare.command(), OFFLINE, &said).await;
    // There was no time left for another.
    assert!(!bare.notes().contains("pip3"), "{}", bare.notes());
}

#[tokio::test]
async fn a_package_with_one_byte_changed_is_refused_whoever_brings_it() {
    let (Some(bare), Some(package)) = (Bare::of_root(), package()) else { return };
    let mut content = fs::read(package).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    let changed = bare.path("bin").join("changed.whl");
    fs::write(&changed, &content).unwrap();
    let mut command = bare.command();
    command.arg("--pg-archive").arg(&changed);
    let said = ["changed.whl has ", "the SHA-256 ", "is not used", "18.6.3 (SHA-256 "];
    check(&bare, command, AT_ONCE, &said).await;

    let copy = format!("for last; do :; done; cp {} \"$last/x.whl\"", changed.display());
    bare.put("pip", &copy);
    check(&bare, bare.command(), OFFLINE, &["x.whl has ", "is not used"]).await;

    for (content, said) in [(&content[..1000], "has 1000 bytes"), (&[], "has 0 bytes")] {
        fs::write(&changed, content).unwrap();
        check(&bare, bare.command(), OFFLINE, &[said, "is not used"]).await;
    }
}

#[tokio::test]
async fn a_package_that_is_not_there_is_named() {
    let Some(bare) = Bare::of_root() else { return };
    let mut command = bare.command();
    command.env("PG_ARCHIVE", bare.path("missing.whl"));
    check_refused(command, &["failed to open the package ", "missing.whl", "No such file"]).await;
    assert_eq!(bare.left_behind(), [""; 0]);
}
