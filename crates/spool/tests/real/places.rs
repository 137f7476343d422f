//! The directory: who may read it, and who may have it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use nix::sys::stat::{Mode, umask};
use spool::{Error, Limits, Spool};

use crate::support::{Copy, DATABASE, Home, LOG, request, told};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_can_read_what_people_sent() {
    // The other tests do not mind.
    umask(Mode::empty());
    let home = Home::new();
    let nested = home.path().join("deeper");
    let (spool, _) = Spool::open(&nested, Limits::default()).unwrap();
    spool.append(vec![request(7)]).await.unwrap();
    assert_eq!((mode(&home.path()), mode(&nested)), (0o700, 0o700));
    let names: Vec<_> = crate::support::sizes(&nested).into_keys().collect();
    assert_eq!(names, ["lock", DATABASE, LOG]);
    for name in names {
        assert_eq!(mode(&nested.join(&name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn files_that_were_open_to_others_are_closed_and_their_directory_is_left() {
    let home = Home::new();
    home.open().0.close().await;
    let database = home.path().join(DATABASE);
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    let (_spool, _) = home.open();
    assert_eq!((mode(&home.path()), mode(&database)), (0o755, 0o600));
}

#[tokio::test]
async fn in_a_directory_of_others_it_has_one_of_its_own() {
    let home = Home::new();
    fs::create_dir(home.path()).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    fs::write(home.path().join("theirs"), "contents").unwrap();
    for rows in [0, 1] {
        let (spool, found) = Spool::open_in(&home.path(), Limits::default()).unwrap();
        assert_eq!(found.rows, rows);
        if rows == 0 {
            spool.append(vec![request(0)]).await.unwrap();
        }
        spool.close().await;
    }
    let own = home.path().join("onrecord-spool");
    assert_eq!((mode(&home.path()), mode(&own)), (0o755, 0o700));
    let names: Vec<_> = crate::support::sizes(&home.path()).into_keys().collect();
    assert_eq!(names, ["onrecord-spool", "theirs"]);
}

#[tokio::test]
async fn a_spool_of_an_earlier_version_is_found_where_that_has_put_it() {
    let home = Home::new();
    let (before, _) = home.open();
    before.append(vec![request(0)]).await.unwrap();
    before.close().await;
    let (spool, found) = Spool::open_in(&home.path(), Limits::default()).unwrap();
    assert_eq!(found.rows, 1);
    spool.close().await;
    assert!(!home.path().join("onrecord-spool").exists());

    // Both versions in turns would forget what the other has put aside.
    let own = home.path().join("onrecord-spool");
    Spool::open(&own, Limits::default()).unwrap().0.close().await;
    let refused = Spool::open_in(&home.path(), Limits::default()).unwrap_err();
    assert!(matches!(&refused, Error::TwoSpools { .. }), "{refused:?}");
    // As it says.
    Spool::open_in(&own, Limits::default()).unwrap().0.close().await;
    fs::remove_dir_all(&own).unwrap();
    assert_eq!(Spool::open_in(&home.path(), Limits::default()).unwrap().1.rows, 1);
}

#[tokio::test]
async fn a_directory_that_everybody_can_write_is_refused() {
    let home = Home::new();
    home.make();
    for mode in [0o777, 0o1777] {
        fs::set_permissions(home.path(), Permissions::from_mode(mode)).unwrap();
        let refused = Spool::open(&home.path(), Limits::default()).unwrap_err();
        assert!(matches!(refused, Error::OpenDirectory { .. }), "{mode:o}: {refused:?}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
async fn a_directory_of_somebody_else_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not applicable: it takes root");
        return;
    }
    let home = Home::new();
    home.make();
    chown(home.path(), Some(12_345), None).unwrap();
    let refused = Spool::open(&home.path(), Limits::default()).unwrap_err();
    assert!(matches!(refused, Error::ForeignDirectory { owner: 12_345, .. }), "{refused:?}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn no_link_is_followed() {
    for name in ["lock", DATABASE, LOG] {
        let home = Home::new();
        home.make();
        let precious = home.path().with_file_name("precious");
        fs::write(&precious, "contents").unwrap();
        symlink(&precious, home.path().join(name)).unwrap();
        let refused = Spool::open(&home.path(), Limits::default()).unwrap_err();
        assert!(matches!(refused, Error::File { .. }), "{name}: {refused:?}");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "contents", "{name}");
        // Nor is a file made where one leads.
        fs::remove_file(&precious).unwrap();
        Spool::open(&home.path(), Limits::default()).unwrap_err();
        assert!(!precious.exists(), "{name}");
    }
}

#[tokio::test]
async fn a_second_spool_is_refused_and_told_the_holder() {
    let home = Home::new();
    let (_first, _) = home.open();
    let refused = Spool::open(&home.path(), Limits::default()).unwrap_err();
    let own = Some(std::process::id());
    assert!(matches!(&refused, Error::InUse { pid, .. } if *pid == own), "{refused:?}");
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_killed() {
    let home = Home::new();
    let mut holder = Copy::start("places::hold", &home.path());
    holder.line("open").unwrap();
    let refused = Spool::open(&home.path(), Limits::default()).unwrap_err();
    let pid = Some(holder.pid());
    assert!(matches!(&refused, Error::InUse { pid: found, .. } if *found == pid), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        format!(
            "the spool {} is in use by another process (process {})",
            home.path().canonicalize().unwrap().display(),
            holder.pid()
        )
    );
    holder.kill();
    home.open().0.close().await;
}

/// What the copy in [`a_second_process_is_refused_until_the_first_is_killed`] does; a test that does nothing otherwise.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "this is how a copy speaks")]
async fn hold() {
    if let Some(directory) = told() {
        let _spool = Spool::open(&directory, Limits::default()).unwrap();
        println!("\nopen");
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_an_error_that_says_so() {
    // Not even root can make a directory in a file.
    let home = Home::new();
    fs::write(home.path(), "a file").unwrap();
    let refused = Spool::open(&home.path().join("spool"), Limits::default()).unwrap_err();
    assert!(matches!(&refused, Error::File { action: "create", .. }), "{refused:?}");
    // Nor in this file system.
    let refused = Spool::open("/proc/spool".as_ref(), Limits::default()).unwrap_err();
    assert!(matches!(&refused, Error::File { action: "create", .. }), "{refused:?}");
}
