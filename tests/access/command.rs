//! `onrecord key …`.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::{id, keys_in, new_key, run_key};
use crate::support::Service;

#[test]
fn a_secret_is_printed_once_and_its_hash_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    let output = run_key(&file, &["new", "--scope", "predict", "--scope", "read"]);
    assert!(output.status.success(), "{output:?}");
    let secret = String::from_utf8(output.stdout).unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    assert_eq!(secret.lines().count(), 1, "{secret}");
    let secret = secret.trim_end();
    assert_eq!(secret.len(), 53, "{secret}");
    assert!(secret.starts_with("onr_"), "{secret}");
    assert!(notes.contains("Authorization: Bearer"), "{notes}");
    assert!(!notes.contains(&secret[13..]), "{notes}");

    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&secret[13..]), "{text}");
    assert!(text.contains(&format!("id = \"{}\"", id(secret))), "{text}");
    assert!(text.contains("scopes = [\"predict\", \"read\"]"), "{text}");
    assert!(!text.contains("expires") && !text.contains("rate"), "{text}");
}

#[test]
fn a_key_is_added_to_those_that_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    let ours = "# ours, do not touch\n";
    std::fs::write(&file, ours).unwrap();
    let first = new_key(&file, &["--scope", "predict"]);
    let before = std::fs::read_to_string(&file).unwrap();
    let more = ["--scope", "label", "--name", "hall 3", "--expires", "90d", "--rate", "5"];
    let second = new_key(&file, &more);
    assert_ne!(first, second);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(&before) && before.starts_with(ours), "{text}");
    for field in ["name = \"hall 3\"", "expires = \"20", "rate = 5"] {
        assert!(text[before.len()..].contains(field), "{text}");
    }
}

#[test]
fn keys_made_at_once_are_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    let secrets: BTreeSet<_> = std::thread::scope(|scope| {
        let making = || new_key(&file, &["--scope", "predict"]);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(making)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((secrets.len(), keys_in(&file)), (8, 8));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(secrets.iter().all(|secret| text.contains(id(secret))), "{text}");
    // The file and its lock, and nothing that was half written.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn keys_are_listed_without_their_hashes_and_can_be_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    let secret = new_key(&file, &["--scope", "read", "--scope", "admin", "--name", "hall 3"]);
    let list = || String::from_utf8(run_key(&file, &["list"]).stdout).unwrap();
    let listed = list();
    let line = listed.lines().nth(1).unwrap();
    for part in [id(&secret), "valid", "read admin", "hall 3"] {
        assert!(line.contains(part), "{listed}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let hash = text.lines().find_map(|line| line.strip_prefix("sha256 = ")).unwrap();
    assert!(!listed.contains(hash.trim_matches('"')), "{listed}");

    assert!(run_key(&file, &["revoke", id(&secret)]).status.success());
    assert!(list().contains("revoked"), "{}", list());
    for unknown in ["00000000", "x"] {
        assert!(!run_key(&file, &["revoke", unknown]).status.success());
    }
}

/// Whoever can open a file or a directory can hold its lock: those of the key file and its directory are no locks of ours.
#[test]
fn a_key_is_revoked_whoever_holds_the_directory_and_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    let secret = new_key(&file, &["--scope", "read"]);
    let held = [directory.path(), &file].map(|path| File::open(path).unwrap());
    for file in &held {
        file.lock().unwrap();
    }
    let revoked = run_key(&file, &["revoke", id(&secret)]);
    assert!(revoked.status.success(), "{revoked:?}");
    let lock = std::fs::metadata(directory.path().join(".keys.toml.lock")).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o600, "nobody else can open it");
}

#[test]
fn a_lock_that_is_held_is_named_and_waited_for_five_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    let secret = new_key(&file, &["--scope", "read"]);
    let lock = directory.path().join(".keys.toml.lock");
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    for arguments in [&["revoke", id(&secret)][..], &["new", "--scope", "read"]] {
        let started = Instant::now();
        let refused = run_key(&file, arguments);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{told}");
        let name = lock.to_str().unwrap();
        assert!(told.starts_with("waiting for another process, which holds the lock"), "{told}");
        assert!(told.matches(name).count() >= 2 && told.contains("fuser"), "{told}");
    }
    drop(held);
    assert!(run_key(&file, &["revoke", id(&secret)]).status.success());
}

#[test]
fn what_is_no_order_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    for arguments in [
        &["new"][..],
        &["new", "--scope", "write"],
        &["new", "--scope", "predict", "--expires", "yesterday"],
        &["new", "--scope", "predict", "--expires", "2026-01-01T00:00:00Z"],
        &["new", "--scope", "predict", "--rate", "0"],
        &["new", "--scope", "predict", "--name", "\u{1b}[2J"],
        &["list"],
        &["revoke", "00000000"],
    ] {
        let output = run_key(&file, arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    assert!(!file.exists());
    let output = Service::command().args(["key", "new", "--scope", "predict"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("--api-keys-file"), "{told}");
}
