use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};

use tempfile::TempDir;

use super::*;
use crate::fingerprint::fingerprint;
use crate::stand_in::POINTER;
use crate::{StandInError, lock, pointer};

/// A root for stand-ins, and data directories that PostgreSQL's user may enter unless they are closed.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        open(machine.0.path());
        machine.make("root");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        open(&path);
        path
    }

    fn find(&self, name: &str) -> Result<Place, Error> {
        Place::find_below(&self.path("root"), &self.path(name), false)
    }

    /// A data directory with a stand-in as a version has left them that wrote no names.
    fn before(&self, name: &str) -> (PathBuf, PathBuf) {
        let data_dir = self.make(name);
        let stand_in = self.path("root").join(fingerprint(&data_dir));
        fs::create_dir_all(&stand_in).unwrap();
        open(&stand_in);
        cluster(&stand_in);
        (data_dir, stand_in)
    }

    /// The same after a start of this version.
    fn used(&self, name: &str) -> (PathBuf, PathBuf) {
        let (data_dir, stand_in) = self.before(name);
        self.starts(name, &stand_in);
        (data_dir, stand_in)
    }

    /// Starts and stops the data directory, whose record must be there.
    fn starts(&self, name: &str, stand_in: &Path) {
        let place = self.find(name).unwrap();
        assert_eq!((place.directory.as_path(), place.version), (stand_in, Some(15)), "{name}");
        place.stand_in.unwrap().be_named(&self.path(name)).unwrap();
        assert_eq!(named_by(&self.path(name)).as_deref(), Some(stand_in), "{name}");
        assert_eq!(belongs_to(stand_in), Some(self.path(name)), "{name}");
    }
}

fn open(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
}

fn cluster(directory: &Path) {
    fs::create_dir(directory.join(CLUSTER)).unwrap();
    fs::write(directory.join(CLUSTER).join("PG_VERSION"), "15\n").unwrap();
    Account::choose(None).unwrap().own(&directory.join(CLUSTER)).unwrap();
}

fn named_by(data_dir: &Path) -> Option<PathBuf> {
    pointer::read(&data_dir.join(POINTER)).unwrap()
}

fn belongs_to(stand_in: &Path) -> Option<PathBuf> {
    pointer::read(&stand_in.join("data-directory")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    open(to);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn one_of_an_earlier_version_is_served_and_named() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    machine.starts("a", &stand_in);
    // A person is told, too.
    let words = fs::read_to_string(data_dir.join(POINTER)).unwrap();
    assert!(words.contains("A copy or a backup of this directory alone does not hold"), "{words}");
}

#[test]
fn one_that_is_moved_finds_its_record() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    fs::rename(&data_dir, machine.path("b")).unwrap();
    machine.starts("b", &stand_in);
    // And back.
    fs::rename(machine.path("b"), &data_dir).unwrap();
    machine.starts("a", &stand_in);
}

#[test]
fn a_copy_is_refused_as_long_as_the_original_is_there() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    copy(&data_dir, &machine.path("b"));
    let error = machine.find("b").unwrap_err();
    assert!(matches!(error, Error::StandIn(StandInError::CopiedDirectory { .. })), "{error}");
    for named in [&machine.path("b"), &data_dir, &stand_in] {
        assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
    }
    assert_eq!(belongs_to(&stand_in), Some(data_dir.clone()));
    machine.starts("a", &stand_in);
    // The original was never to come back.
    fs::remove_dir_all(&data_dir).unwrap();
    machine.starts("b", &stand_in);
}

#[test]
fn a_new_one_where_another_was_moved_away_finds_what_is_its_own() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    fs::rename(&data_dir, machine.path("b")).unwrap();
    machine.starts("b", &stand_in);
    machine.make("a");
    let place = machine.find("a").unwrap();
    assert_eq!((place.directory, place.version), (data_dir, None));
}

#[test]
fn one_that_was_deleted_and_made_again_has_its_record_and_a_moved_one_is_told_of_it() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    fs::rename(&data_dir, machine.path("b")).unwrap();
    machine.make("a");
    machine.starts("a", &stand_in);
    let error = machine.find("b").unwrap_err();
    assert!(matches!(error, Error::StandIn(StandInError::CopiedDirectory { .. })), "{error}");
}

#[test]
fn a_record_that_is_missing_is_not_begun_anew() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    for lost in [stand_in.join(CLUSTER), stand_in.clone()] {
        fs::remove_dir_all(lost).unwrap();
        let error = machine.find("a").unwrap_err();
        assert!(matches!(error, Error::StandIn(StandInError::MissingCluster { .. })), "{error}");
        for named in [&data_dir, &stand_in] {
            assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
        }
    }
    fs::remove_file(data_dir.join(POINTER)).unwrap();
    assert_eq!(machine.find("a").unwrap().version, None);
}

#[test]
fn two_records_of_one_are_refused() {
    let machine = Machine::new();
    let (data_dir, _) = machine.used("a");
    cluster(&data_dir);
    let error = machine.find("a").unwrap_err();
    assert!(matches!(error, Error::StandIn(StandInError::TwoClusters { .. })), "{error}");
}

#[test]
fn a_record_is_served_once_at_a_time() {
    let machine = Machine::new();
    let (data_dir, _) = machine.used("a");
    let held = machine.find("a").unwrap();
    fs::rename(&data_dir, machine.path("b")).unwrap();
    let error = machine.find("b").unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    drop(held);
    machine.find("b").unwrap();
}

#[test]
fn only_a_stand_in_that_others_cannot_have_made_is_trusted() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    for elsewhere in ["elsewhere", "root", "root/x/y", "root/.."] {
        let file = data_dir.join(POINTER);
        pointer::write(&file, "Words.", &machine.path(elsewhere)).unwrap();
        let error = machine.find("a").unwrap_err();
        assert!(
            matches!(error, Error::StandIn(StandInError::UntrustedPointer { .. })),
            "{elsewhere}: {error}"
        );
        fs::remove_file(file).unwrap();
    }
    for directory in [&stand_in, &machine.path("root")] {
        fs::set_permissions(directory, Permissions::from_mode(0o777)).unwrap();
        let error = machine.find("a").unwrap_err();
        assert!(matches!(error, Error::StandIn(StandInError::UnsafeStandIn { .. })), "{error}");
        open(directory);
        if geteuid().is_root() {
            chown(directory, Some(12_345), None).unwrap();
            let error = machine.find("a").unwrap_err();
            assert!(matches!(error, Error::StandIn(StandInError::UnsafeStandIn { .. })), "{error}");
            chown(directory, Some(0), None).unwrap();
        }
    }
    machine.starts("a", &stand_in);
}

#[test]
fn a_record_whose_owner_cannot_be_read_is_not_passed_over() {
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.used("a");
    fs::remove_file(data_dir.join(POINTER)).unwrap();
    fs::write(stand_in.join("data-directory"), "").unwrap();
    let error = machine.find("a").unwrap_err();
    assert!(matches!(error, Error::StandIn(StandInError::UntrustedPointer { .. })), "{error}");
}

#[test]
fn root_is_asked_for_the_record_of_one_that_an_earlier_version_has_used() {
    if !geteuid().is_root() {
        return;
    }
    let machine = Machine::new();
    let (data_dir, stand_in) = machine.before("a");
    fs::rename(&data_dir, machine.path("b")).unwrap();
    let find = || Place::find_below(&machine.path("root"), &machine.path("b"), true);
    let error = find().unwrap_err();
    assert!(matches!(error, Error::StandIn(StandInError::PerhapsMoved { .. })), "{error}");
    assert!(error.to_string().contains(stand_in.to_str().unwrap()), "{error}");
    // As it says.
    let file = machine.path("b").join(POINTER);
    fs::write(&file, format!("{}\n", stand_in.display())).unwrap();
    open(&file);
    machine.starts("b", &stand_in);
}

#[test]
fn root_makes_a_stand_in_where_postgres_may_not_enter_and_opens_nothing_that_is_there() {
    if !geteuid().is_root() {
        return;
    }
    let machine = Machine::new();
    let (data_dir, root) = (machine.make("a"), machine.path("root"));
    fs::set_permissions(&data_dir, Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
    let error = machine.find("a").unwrap_err();
    assert!(matches!(error, Error::StandIn(StandInError::UnreachableStandIn { .. })), "{error}");
    assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);

    fs::remove_dir(&root).unwrap();
    let place = machine.find("a").unwrap();
    assert_eq!(place.directory, root.join(fingerprint(&data_dir)));
    assert_eq!(belongs_to(&place.directory), Some(data_dir.clone()));
    // An interrupted start has not named it yet, and the next one takes it up.
    assert_eq!(named_by(&data_dir), None);
    let before = place.directory.clone();
    drop(place);
    let place = machine.find("a").unwrap();
    assert_eq!(place.directory, before);
    cluster(&place.directory);
    drop(place);
    machine.starts("a", &before);

    // Where it was moved away from, another one has another.
    fs::rename(&data_dir, machine.path("b")).unwrap();
    machine.starts("b", &before);
    fs::set_permissions(machine.make("a"), Permissions::from_mode(0o700)).unwrap();
    fs::write(lock::path(&data_dir), "").unwrap();
    let place = machine.find("a").unwrap();
    assert_eq!(place.directory, root.join(format!("{}-2", fingerprint(&data_dir))));
}
