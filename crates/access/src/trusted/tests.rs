//! Nobody but root and this user may have a hand in what is read.

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::*;

/// A directory with a file `keys` in it, both for this user alone.
fn closed() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("keys"), "").unwrap();
    set_mode(&directory.path().join("keys"), 0o600);
    directory
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The refusals on the way to this file.
fn refused(path: &Path) -> PathBuf {
    let checked = resolve(path).and_then(|place| check_file(&place.path, &place.file.unwrap()));
    match checked {
        Err(Error::Untrusted { path, .. }) => path,
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn a_way_that_is_closed_to_others_is_followed_with_its_links() {
    let directory = closed();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::create_dir(real.join("sub")).unwrap();
    symlink("sub/../keys", real.join("relative")).unwrap();
    symlink(real.join("relative"), real.join("absolute")).unwrap();
    for name in ["keys", "relative", "absolute", "sub/../keys", "./keys"] {
        let place = resolve(&real.join(name)).unwrap();
        assert_eq!((place.path, place.file.is_some()), (real.join("keys"), true), "{name}");
    }
    let place = resolve(&real.join("none")).unwrap();
    assert!(place.file.is_none(), "{place:?}");
    assert!(matches!(resolve(&real.join("none/keys")), Err(Error::File { .. })));
    symlink("round", real.join("round")).unwrap();
    assert!(matches!(resolve(&real.join("round")), Err(Error::File { .. })));
}

#[test]
fn what_others_may_write_is_refused() {
    for mode in [0o620, 0o602, 0o666] {
        let directory = closed();
        let keys = directory.path().join("keys");
        set_mode(&keys, mode);
        assert_eq!(refused(&keys), fs::canonicalize(&keys).unwrap(), "{mode:o}");
    }
    // A sticky directory keeps what is in it, but lets everybody make what is missing.
    for mode in [0o770, 0o707, 0o777, 0o1777] {
        let directory = closed();
        set_mode(directory.path(), mode);
        let real = fs::canonicalize(directory.path()).unwrap();
        assert_eq!(refused(&real.join("keys")), real, "{mode:o}");
        assert!(matches!(resolve(&real.join("none")), Err(Error::Untrusted { .. })));
        // Nor through a link from elsewhere, nor a link that is there.
        let elsewhere = closed();
        symlink(real.join("keys"), elsewhere.path().join("link")).unwrap();
        assert_eq!(refused(&elsewhere.path().join("link")), real, "{mode:o}");
        symlink(elsewhere.path().join("keys"), real.join("link")).unwrap();
        assert_eq!(refused(&real.join("link")), real, "{mode:o}");
    }
}

#[test]
fn a_directory_above_that_others_may_rename_is_refused() {
    let directory = closed();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::create_dir(real.join("sub")).unwrap();
    let keys = real.join("sub/keys");
    fs::write(&keys, "").unwrap();
    set_mode(&keys, 0o600);
    set_mode(&real.join("sub"), 0o755);
    set_mode(&real, 0o777);
    assert_eq!(refused(&keys), real);
    set_mode(&real, 0o1777);
    assert!(resolve(&keys).is_ok(), "as in /tmp");
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    if !geteuid().is_root() {
        // Only root can give files away.
        return;
    }
    let nobody = Some(65_534);
    let directory = closed();
    let real = fs::canonicalize(directory.path()).unwrap();
    let keys = real.join("keys");
    chown(&keys, nobody, None).unwrap();
    assert_eq!(refused(&keys), keys);
    chown(&keys, Some(0), None).unwrap();
    symlink("keys", real.join("link")).unwrap();
    std::os::unix::fs::lchown(real.join("link"), nobody, None).unwrap();
    assert_eq!(refused(&real.join("link")), real.join("link"));
    chown(&real, nobody, None).unwrap();
    assert_eq!(refused(&keys), real);
}
