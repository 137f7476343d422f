//! libpq's password file: a line `host:port:database:user:password` for each password.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Reads the file that is named, or `~/.pgpass`. As with libpq there may be none, and one that others may read is not used.
pub(crate) fn read(named: Option<&str>) -> Option<String> {
    let file = match named {
        Some(file) => PathBuf::from(file),
        None => std::env::home_dir()?.join(".pgpass"),
    };
    match checked(&file) {
        Ok(text) => Some(text),
        Err(problem) => {
            if named.is_some() || file.exists() {
                // The file is not named: with a quote left out of an address, its name might hold the password.
                tracing::warn!(
                    "the password file (passfile, PGPASSFILE or ~/.pgpass) is not used: {problem}"
                );
            }
            None
        }
    }
}

fn checked(file: &Path) -> Result<String, String> {
    let found = fs::metadata(file).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is not a plain file".to_owned());
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Err(
            "others than its owner may read or change it; chmod 600 prevents that".to_owned()
        );
    }
    fs::read_to_string(file).map_err(|error| error.to_string())
}

/// The password in the first line that fits.
pub(crate) fn find(text: &str, host: &str, port: u16, name: &str, user: &str) -> Option<String> {
    let wanted = [host, &port.to_string(), name, user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for value in wanted {
            let (field, after) = field(rest)?;
            if rest.strip_prefix("*:").is_none() && field != value {
                return None;
            }
            rest = after;
        }
        Some(unescaped(rest)).filter(|password| !password.is_empty())
    })
}

/// The field that a line begins with, and what follows its colon.
fn field(line: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, character)| {
        let ends = *character == ':' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    let (end, _) = end?;
    Some((unescaped(&line[..end]), &line[end + 1..]))
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut found = String::new();
    while let Some(character) = characters.next() {
        found.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Database, Variables};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn a_password_of_a_file_is_found_and_never_shown(
            password in "[QXZ][QXZ0-9@/#?:=&%' +\\\\;,!$*]{4,23}", good in any::<bool>()
        ) {
            let file = format!("onrecord-passwords-of-{}-{:?}", std::process::id(), std::thread::current().id());
            let file = std::env::temp_dir().join(file);
            let escaped = password.replace('\\', r"\\").replace(':', r"\:");
            fs::write(&file, format!("{password}\n:{password}\n*:*:*:nobody:{password}\nh:*:*:ada:{escaped}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let found = find(&fs::read_to_string(&file).unwrap(), "h", 1, "n", "ada");
            prop_assert_eq!(found, Some(password.clone()));
            let port = if good { "1" } else { "1,2" };
            let address = format!("host=h user=ada sslmode=disable port={port} passfile={}", file.display());
            let shown = match Database::from_url(&address, &Variables::default()) {
                Ok(database) => format!("{database} {database:?} {}", database.psql()),
                Err(error) => format!("{error} {error:?} {}", domain::Causes(&error)),
            };
            fs::remove_file(&file).unwrap();
            prop_assert!(!shown.contains(&password), "{shown}");
        }
    }

    #[track_caller]
    fn check(text: &str, password: Option<&str>) {
        assert_eq!(find(text, "db.example", 5432, "rec", "ada").as_deref(), password, "{text}");
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        check("db.example:5432:rec:ada:secret", Some("secret"));
        check("db.example:5433:rec:ada:no\n*:*:*:*:secret\n*:*:*:*:late", Some("secret"));
        check("# *:*:*:*:no\ndb.example:*:*:ada:secret\r\n", Some("secret"));
        check("db.example:5432:rec:eve:no\n\nnonsense\n:::", None);
        check("", None);
    }

    #[test]
    fn a_backslash_takes_the_meaning_from_what_follows() {
        check(r"*:*:*:*:se\:c\\r:et", Some(r"se:c\r:et"));
        check(r"\*:*:*:*:no", None);
        check(r"db\.example:5432:r\ec:ada:secret", Some("secret"));
        assert_eq!(find(r"\:\:1:*:*:*:x", "::1", 1, "n", "u").as_deref(), Some("x"));
        check("*:*:*:*:", None);
        check("*:*:*:*:*", Some("*"));
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        let file = std::env::temp_dir().join(format!("onrecord-passwords-{}", std::process::id()));
        fs::write(&file, "x").unwrap();
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(file.to_str()).is_some(), used, "{mode:o}");
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(read(file.to_str()), None);
    }
}
