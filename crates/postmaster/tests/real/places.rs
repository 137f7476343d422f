//! Unusual paths, users and machines.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use postmaster::{Error, Postmaster, Stop};

use crate::support::{Home, as_root, pid_of, sql};

/// Starts, stops and starts again in a data directory of this name, whose socket must be in `/tmp`.
fn check_moved_socket(name: &str) {
    let home = Home::named(name);
    let postmaster = home.start();
    let socket_dir = postmaster.socket_dir().to_owned();
    assert!(socket_dir.starts_with("/tmp"), "{}", socket_dir.display());
    assert!(!postmaster.psql().contains(['"', '\\']), "{}", postmaster.psql());
    sql(&postmaster, "create table kept (n int); insert into kept values (42)");
    postmaster.stop().unwrap();
    assert!(!socket_dir.exists());
    let postmaster = home.start();
    assert_eq!(postmaster.socket_dir(), socket_dir);
    assert_eq!(sql(&postmaster, "select n from kept"), "42");
}

#[test]
fn a_long_path_has_its_socket_elsewhere() {
    check_moved_socket(&["long"; 30].join("-"));
}

#[test]
fn a_path_with_a_space_and_quotes_works() {
    check_moved_socket("it's \"my\" data");
}

#[test]
fn a_short_path_has_its_socket_inside() {
    let home = Home::new();
    assert_eq!(
        home.start().socket_dir(),
        fs::canonicalize(home.data_dir()).unwrap().join("socket")
    );
}

#[test]
fn a_socket_directory_that_somebody_else_made_is_passed_over() {
    let home = Home::named("a b");
    let postmaster = home.start();
    let squatted = postmaster.socket_dir().to_owned();
    postmaster.stop().unwrap();
    symlink(home.path(), &squatted).unwrap();
    let started = Postmaster::start(&home.settings(), &Stop::default());
    fs::remove_file(&squatted).unwrap();
    let postmaster = started.unwrap();
    let other = postmaster.socket_dir().to_owned();
    assert_ne!(other, squatted);
    assert_eq!(sql(&postmaster, "select 1"), "1");
    postmaster.stop().unwrap();
    // From now on this is the one.
    assert_eq!(home.start().socket_dir(), other);
}

fn refused(home: &Home) -> Error {
    Postmaster::start(&home.settings(), &Stop::default()).unwrap_err()
}

#[test]
fn a_data_directory_that_everybody_can_write_is_refused() {
    let home = Home::new();
    fs::create_dir(home.data_dir()).unwrap();
    for mode in [0o757, 0o777, 0o1777] {
        fs::set_permissions(home.data_dir(), Permissions::from_mode(mode)).unwrap();
        let error = refused(&home);
        assert!(matches!(error, Error::OpenDirectory { .. }), "{mode:o}: {error}");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        assert_eq!(fs::read_dir(home.data_dir()).unwrap().count(), 0);
    }
}

#[test]
fn a_data_directory_that_a_group_can_write_keeps_its_mode() {
    if !as_root() {
        return;
    }
    let home = Home::new();
    fs::create_dir(home.data_dir()).unwrap();
    fs::set_permissions(home.data_dir(), Permissions::from_mode(0o775)).unwrap();
    let mode = || fs::metadata(home.data_dir()).unwrap().mode() & 0o777;
    // A group that may have members.
    chown(home.data_dir(), None, Some(12_345)).unwrap();
    let error = refused(&home);
    assert!(matches!(error, Error::OpenDirectory { .. }), "{error}");
    assert_eq!((mode(), fs::read_dir(home.data_dir()).unwrap().count()), (0o775, 0));
    // Root's own, which has none.
    chown(home.data_dir(), None, Some(0)).unwrap();
    home.start().stop().unwrap();
    assert_eq!(mode(), 0o775);
}

#[test]
fn a_directory_in_the_place_of_the_sockets_keeps_its_mode_and_owner() {
    let home = Home::new();
    let socket = home.data_dir().join("socket");
    fs::create_dir_all(&socket).unwrap();
    let user = fs::metadata(&socket).unwrap().uid();
    for mode in [0o755, 0o777] {
        fs::set_permissions(&socket, Permissions::from_mode(mode)).unwrap();
        let started = Postmaster::start(&home.settings(), &Stop::default());
        // Root's is not that of the user who runs PostgreSQL.
        if mode == 0o777 || user == 0 {
            let error = started.unwrap_err();
            assert!(matches!(error, Error::UnsafeSocketDirectory { .. }), "{error}");
        } else {
            started.unwrap().stop().unwrap();
        }
        let metadata = fs::metadata(&socket).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.uid()), (mode, user));
    }
    fs::remove_dir(&socket).unwrap();
    assert_eq!(sql(&home.start(), "select 1"), "1");
}

#[test]
fn a_data_directory_of_somebody_else_is_refused() {
    if !as_root() {
        return;
    }
    let home = Home::new();
    fs::create_dir(home.data_dir()).unwrap();
    chown(home.data_dir(), Some(12_345), None).unwrap();
    let error = refused(&home);
    assert!(matches!(error, Error::ForeignDirectory { owner: 12_345, .. }), "{error}");
    assert_eq!(fs::read_dir(home.data_dir()).unwrap().count(), 0);
}

#[test]
fn a_link_in_the_place_of_the_lock_is_not_followed() {
    let home = Home::new();
    let precious = home.path().join("precious");
    fs::write(&precious, "contents").unwrap();
    fs::create_dir(home.data_dir()).unwrap();
    symlink(&precious, home.data_dir().join("lock")).unwrap();
    let error = refused(&home);
    assert!(matches!(error, Error::File { action: "open", .. }), "{error}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "contents");
}

#[test]
fn what_is_made_is_for_its_owner() {
    let home = Home::new();
    let _postmaster = home.start();
    let mode = |path| fs::metadata(path).unwrap().mode() & 0o777;
    let lock = home.data_dir().join("lock");
    // Root's is entered by the user who runs PostgreSQL.
    let expected = if nix::unistd::geteuid().is_root() { 0o755 } else { 0o700 };
    assert_eq!((mode(home.data_dir()), mode(lock)), (expected, 0o600));
}

#[test]
fn what_is_not_a_cluster_is_left_alone() {
    let home = Home::new();
    fs::create_dir_all(home.cluster_dir().join("photos")).unwrap();
    let error = Postmaster::start(&home.settings(), &Stop::default()).unwrap_err();
    assert!(matches!(error, Error::NotACluster { .. }), "{error}");
    assert!(home.cluster_dir().join("photos").exists());
}

#[test]
fn an_empty_volume_in_the_place_of_the_cluster_is_used() {
    let home = Home::new();
    fs::create_dir_all(home.cluster_dir()).unwrap();
    assert_eq!(sql(&home.start(), "select 1"), "1");
}

#[test]
fn without_programs_the_message_says_what_to_do() {
    let home = Home::new();
    let empty = tempfile::tempdir().unwrap();
    let mut settings = home.settings();
    settings.programs = Some(empty.path().to_owned());
    let message = Postmaster::start(&settings, &Stop::default()).unwrap_err().to_string();
    for part in ["no PostgreSQL", "install it", "DATABASE_URL", empty.path().to_str().unwrap()] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn root_hands_over_to_an_ordinary_user() {
    if !as_root() {
        return;
    }
    let home = Home::new();
    let postmaster = home.start();
    let owner = fs::metadata(home.cluster_dir()).unwrap().uid();
    assert_ne!(owner, 0);
    assert_eq!(fs::metadata(home.data_dir()).unwrap().uid(), 0);
    let status = fs::read_to_string(format!("/proc/{}/status", pid_of(&postmaster))).unwrap();
    let line = |key| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
    assert_eq!(line("Uid:"), [owner.to_string().as_str(); 4].join("\t"));
    assert_eq!(line("Groups:"), "");
}

#[test]
fn where_that_user_cannot_go_the_cluster_lives_elsewhere() {
    if !as_root() {
        return;
    }
    let home = Home::new();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let postmaster = home.start();
    let place = postmaster.cluster_dir().parent().unwrap().to_owned();
    let cleaner = Cleaner(&place);
    assert_eq!(place.parent(), Some(Path::new("/var/lib/onrecord")));
    assert!(!home.cluster_dir().exists());
    let named = fs::read_to_string(home.data_dir().join("cluster-elsewhere")).unwrap();
    assert_eq!(named.lines().last(), place.to_str(), "{named}");
    sql(&postmaster, "create table kept (n int); insert into kept values (42)");
    postmaster.stop().unwrap();

    // Found again, even though the data directory could be reached now.
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let postmaster = home.start();
    assert_eq!(postmaster.cluster_dir().parent(), Some(place.as_path()));
    assert_eq!(sql(&postmaster, "select n from kept"), "42");
    postmaster.stop().unwrap();
    drop(cleaner);
}

/// Removes the place at the end, and `/var/lib/onrecord` if nothing else is in it.
struct Cleaner<'a>(&'a Path);

impl Drop for Cleaner<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0);
        let _ = fs::remove_dir("/var/lib/onrecord");
    }
}

#[test]
fn a_cluster_that_became_unreachable_is_not_passed_over() {
    if !as_root() {
        return;
    }
    let home = Home::new();
    home.start().stop().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let error = Postmaster::start(&home.settings(), &Stop::default()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
