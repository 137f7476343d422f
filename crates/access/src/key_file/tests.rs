//! The file is made, replaced and read with care.

use std::thread;

use super::*;
use crate::{Scope, Standing};

fn order() -> Order {
    Order { scopes: [Scope::Predict].into_iter().collect(), ..Order::default() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn it_is_made_for_its_owner_only_and_keeps_the_mode_that_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::at(directory.path().join("keys.toml"));
    file.add(order()).unwrap();
    assert_eq!(mode(file.path()), 0o600);
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
    file.add(order()).unwrap();
    assert_eq!(mode(file.path()), 0o640);
    let names = fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name());
    let names: HashSet<_> = names.collect();
    assert_eq!(names, ["keys.toml", ".keys.toml.lock"].map(Into::into).into());
    assert_eq!(mode(&directory.path().join(".keys.toml.lock")), 0o600);
}

#[test]
fn a_link_to_it_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let (real, link) = (directory.path().join("real"), directory.path().join("link"));
    KeyFile::at(&real).add(order()).unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    KeyFile::at(&link).add(order()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(KeyFile::at(&real).keys().unwrap().len(), 2);
}

#[test]
fn it_holds_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::at(directory.path().join("keys.toml"));
    let secret = file.add(order()).unwrap();
    let random = &secret.expose()[13..];
    let text = file.text().unwrap();
    assert!(!text.contains(random), "{text}");
    assert!(text.contains(&secret.digest().to_string()), "{text}");
}

#[test]
fn whoever_adds_keys_at_once_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::at(directory.path().join("keys.toml"));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| drop(file.add(order()).unwrap())));
        }
    });
    assert_eq!(file.keys().unwrap().len(), 40);
}

/// Every user who can open a file can hold its lock; so nobody else can open it, and it is not waited for without end.
#[test]
fn a_lock_that_is_held_is_told_of_and_given_up() {
    static TOLD: std::sync::Mutex<Vec<PathBuf>> = std::sync::Mutex::new(Vec::new());
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    let file = KeyFile::at(real.join("keys.toml"))
        .telling(|lock| TOLD.lock().unwrap().push(lock.to_owned()));
    let secret = file.add(order()).unwrap();
    let lock = real.join(".keys.toml.lock");
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    let started = std::time::Instant::now();
    let refused = file.revoke(secret.id().unwrap(), Utc::now()).unwrap_err();
    assert!(started.elapsed() < std::time::Duration::from_secs(8), "{:?}", started.elapsed());
    let words = refused.to_string();
    assert!(matches!(&refused, Error::Locked { path, .. } if *path == lock), "{refused:?}");
    assert!(words.contains("fuser") && words.contains("revoked ="), "{words}");
    assert_eq!(*TOLD.lock().unwrap(), [lock]);
    assert_eq!(file.keys().unwrap()[0].standing(Utc::now()), Standing::Valid);
    drop(held);
    file.revoke(secret.id().unwrap(), Utc::now()).unwrap();
}

#[test]
fn the_locks_of_the_directory_and_of_the_file_are_nothing_to_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::at(directory.path().join("keys.toml"));
    let secret = file.add(order()).unwrap();
    let held = [directory.path(), file.path()].map(|path| File::open(path).unwrap());
    for file in &held {
        file.lock().unwrap();
    }
    file.add(order()).unwrap();
    file.revoke(secret.id().unwrap(), Utc::now()).unwrap();
}

#[test]
fn one_that_is_not_understood_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::at(directory.path().join("keys.toml"));
    for text in ["[[key]]\n", "\u{1}", "keys = 3"] {
        fs::write(file.path(), text).unwrap();
        let error = file.add(order()).unwrap_err();
        assert!(matches!(error, Error::Misfit { line: 1, .. }), "{error}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
    }
    fs::write(file.path(), b"# \n\xff").unwrap();
    assert!(matches!(file.keys().unwrap_err(), Error::Misfit { line: 2, .. }));
}

#[test]
fn what_is_no_file_of_keys_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    assert!(matches!(KeyFile::at(&path).keys(), Err(Error::File { .. })));
    for special in [directory.path(), Path::new("/dev/zero")] {
        let read = KeyFile::at(special).keys();
        assert!(matches!(read, Err(Error::NotAKeyFile { .. })), "{read:?}");
    }
    File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
    assert!(matches!(KeyFile::at(&path).keys(), Err(Error::NotAKeyFile { .. })));
}

#[test]
fn only_a_key_that_is_there_can_be_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::at(directory.path().join("keys.toml"));
    let nobody = KeyId::parse(b"00000000").unwrap();
    let refused = file.revoke(nobody, Utc::now());
    assert!(matches!(refused, Err(Error::NoSuchKey { .. })), "{refused:?}");
    assert!(!file.path().exists());
    let secret = file.add(order()).unwrap();
    assert!(file.revoke(nobody, Utc::now()).is_err());
    file.revoke(secret.id().unwrap(), Utc::now()).unwrap();
    assert_eq!(file.keys().unwrap()[0].standing(Utc::now()), Standing::Revoked);
}
