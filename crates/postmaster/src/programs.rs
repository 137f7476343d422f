//! The programs of a PostgreSQL installation.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::children::undisturbed;
use crate::error::is_exhausted;
use crate::{Error, install};

/// The oldest major version that will do.
pub(crate) const OLDEST: u32 = 14;

/// Where installations live, besides `PATH`: a parent, the head of a name in it, and the way to the programs.
const USUAL: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/usr/lib", "postgresql", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// One installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Programs {
    directory: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds the best installation: of the major version `cluster` if given, else the first new enough.
    ///
    /// `chosen` is the only directory looked into, if given; `path` is the value of `PATH`.
    pub(crate) fn find(
        chosen: Option<&Path>,
        path: Option<&OsStr>,
        cluster: Option<(&Path, u32)>,
    ) -> Result<Self, Error> {
        let candidates = match chosen {
            Some(directory) => vec![directory.to_owned()],
            None => candidates(path)?,
        };
        let mut found: Vec<Self> = Vec::new();
        let mut broken = Vec::new();
        for directory in &candidates {
            let Some(programs) = Self::inspect(directory, &mut broken)? else { continue };
            if cluster.map_or(programs.major >= OLDEST, |(_, major)| programs.major == major) {
                return Ok(programs);
            }
            if !found.contains(&programs) {
                found.push(programs);
            }
        }
        let searched = chosen.map_or_else(
            || "PATH and the usual places".to_owned(),
            |directory| directory.display().to_string(),
        );
        if let Some((directory, cluster)) = cluster {
            let found =
                found.iter().map(|one| format!("{} in {}", one.major, one.directory.display()));
            return Err(Error::OtherVersion {
                directory: directory.to_owned(),
                cluster,
                searched,
                found: found.collect(),
            });
        }
        Err(Error::NotInstalled { oldest: OLDEST, searched, broken, hint: install::hint() })
    }

    /// The installation in `directory`, if `initdb` and `postgres` are both there and work; if they are there and do not work,
    /// the reason is added to `broken`.
    fn inspect(directory: &Path, broken: &mut Vec<String>) -> Result<Option<Self>, Error> {
        let Some(directory) = home_of_both(directory) else { return Ok(None) };
        let postgres = directory.join("postgres");
        let output = undisturbed(|| Command::new(&postgres).arg("--version").output());
        let said = match output {
            Err(error) if is_exhausted(&error) => return Err(Error::exhausted(postgres)(error)),
            Err(error) => error.to_string(),
            Ok(output) => match first_number(&String::from_utf8_lossy(&output.stdout)) {
                Some(major) => return Ok(Some(Self { directory, major })),
                None => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            },
        };
        broken.push(format!("{} does not run: {said}", postgres.display()));
        Ok(None)
    }

    /// Those in `directory`, which we have put there; as they are tried by the user who runs PostgreSQL, nobody else is at
    /// their mercy. Fails with what they say if they do not run.
    pub(crate) fn brought(directory: &Path, account: &Account) -> Result<Self, String> {
        let mut command = account.command(&directory.join("postgres"));
        let output = undisturbed(|| command.arg("--version").output());
        let output = output.map_err(|error| error.to_string())?;
        let (said, failed) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        let major =
            first_number(&String::from_utf8_lossy(&said)).filter(|_| output.status.success());
        let major = major.ok_or_else(|| failed.trim().to_owned())?;
        Ok(Self { directory: directory.to_owned(), major })
    }

    /// The path of one of the programs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The major version.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// How a shell finds `psql`: by its name if `PATH` has it, else beside the other programs; nothing if it is in neither.
    pub(crate) fn psql(&self, path: Option<&OsStr>) -> Option<String> {
        let on_path = path.is_some_and(|path| {
            env::split_paths(path).any(|directory| is_program(&directory.join("psql")))
        });
        if on_path {
            return Some("psql".to_owned());
        }
        let beside = self.path("psql");
        is_program(&beside).then(|| beside.to_str().map(quoted)).flatten()
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@%".contains(letter);
    if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The directory that holds both programs: this one, or the one to which it links. `PATH` often holds links to them only, and
/// what belongs to them lies beside the real ones.
fn home_of_both(directory: &Path) -> Option<PathBuf> {
    let postgres = fs::canonicalize(directory.join("postgres")).ok()?;
    let directory = fs::canonicalize(directory).ok()?;
    [postgres.parent()?, &directory]
        .into_iter()
        .find(|home| ["initdb", "postgres"].iter().all(|name| is_program(&home.join(name))))
        .map(Path::to_owned)
}

/// Every directory that may hold an installation, the best first.
fn candidates(path: Option<&OsStr>) -> Result<Vec<PathBuf>, Error> {
    let mut candidates: Vec<PathBuf> =
        path.map(|path| env::split_paths(path).collect()).unwrap_or_default();
    // An empty entry of `PATH` means the current directory, which nobody means here.
    candidates.retain(|directory| directory.is_absolute());
    for (parent, head, tail) in USUAL {
        let entries = match fs::read_dir(parent) {
            Err(error) if is_exhausted(&error) => return Err(Error::exhausted(parent)(error)),
            entries => entries,
        };
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(head))
            .collect();
        names.sort_by_key(|name| std::cmp::Reverse(first_number(name)));
        candidates.extend(names.iter().map(|name| Path::new(parent).join(name).join(tail)));
    }
    Ok(candidates)
}

/// Whether there is a file that somebody may execute.
pub(crate) fn is_program(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The first run of digits: the major version in `postgres (PostgreSQL) 15.4` and in `postgresql@17`.
fn first_number(text: &str) -> Option<u32> {
    let start = text.find(|letter: char| letter.is_ascii_digit())?;
    let digits = text[start..].split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with an `initdb` and a `postgres` that claims to be `version`.
    fn installation(version: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in ["initdb", "postgres"] {
            let program = directory.path().join(name);
            fs::write(&program, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"))
                .unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        directory
    }

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(first_number("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(first_number("postgres (PostgreSQL) 19beta2"), Some(19));
        assert_eq!(first_number("postgresql@17"), Some(17));
        assert_eq!(first_number("latest"), None);
    }

    #[test]
    fn the_first_on_the_path_that_is_new_enough_is_taken() {
        let [old, new, newer] = ["13.9", "14.1", "16.0"].map(installation);
        let path = env::join_paths([old.path(), new.path(), newer.path()]).unwrap();
        let find = |cluster| Programs::find(None, Some(&path), cluster).unwrap().major();
        assert_eq!(find(None), 14);
        assert_eq!(find(Some((Path::new("/cluster"), 16))), 16);
    }

    #[test]
    fn a_cluster_of_another_version_is_refused_with_both_versions() {
        let only = installation("16.0");
        let error =
            Programs::find(Some(only.path()), None, Some((Path::new("/cluster"), 15))).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("created by PostgreSQL 15"), "{message}");
        assert!(message.contains("holds 16 in /"), "{message}");
    }

    #[test]
    fn psql_is_named_by_its_path_where_a_shell_would_not_find_it() {
        let here = installation("16.0");
        let programs = Programs::find(Some(here.path()), None, None).unwrap();
        assert_eq!(programs.psql(Some(here.path().as_os_str())), None);
        fs::copy(programs.path("initdb"), programs.path("psql")).unwrap();
        assert_eq!(programs.psql(Some(here.path().as_os_str())).as_deref(), Some("psql"));
        assert_eq!(programs.psql(None).unwrap(), programs.path("psql").to_str().unwrap());
        assert_eq!(quoted("/my data/psql"), "'/my data/psql'");
        assert_eq!(quoted("/it's/psql"), r"'/it'\''s/psql'");
    }

    #[test]
    fn programs_that_do_not_run_are_named_with_what_they_say() {
        let here = installation("16.0");
        let postgres = here.path().join("postgres");
        fs::write(&postgres, "#!/bin/sh\necho 'libpq.so.5 is missing' >&2; exit 127\n").unwrap();
        let said = Programs::find(Some(here.path()), None, None).unwrap_err().to_string();
        assert!(said.contains("libpq.so.5 is missing"), "{said}");
        fs::write(&postgres, "#!/no/such/interpreter\n").unwrap();
        let said = Programs::find(Some(here.path()), None, None).unwrap_err().to_string();
        assert!(said.contains("No such file"), "{said}");
    }

    #[test]
    fn a_chosen_directory_is_the_only_one() {
        let empty = tempfile::tempdir().unwrap();
        let other = installation("16.0");
        let error =
            Programs::find(Some(empty.path()), Some(other.path().as_os_str()), None).unwrap_err();
        assert!(matches!(error, Error::NotInstalled { .. }), "{error}");
    }
}
