//! libpq's service files: a section `[name]` with options for each service.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::Cause;
use crate::options::Options;

/// Where the file of the whole system is, if `PGSYSCONFDIR` does not say it: libpq is built with one of these.
const SYSTEM: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

/// The options of the service that these name, completed by theirs.
pub(crate) fn completed(said: Options, variables: &Options) -> Result<Options, Cause> {
    let all = said.clone().or(variables);
    let Some(service) = all.get("service") else { return Ok(all) };
    for file in files(&all) {
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Cause::of_words(format!("a service file cannot be read: {error}")));
            }
        };
        if let Some(found) = find(&text, service)? {
            return Ok(said.or(&found).or(variables));
        }
    }
    // The service is not named: with a quote left out of an address, its name might hold the password.
    Err(Cause::of_words(
        "the service that is named (service or PGSERVICE) is in no service file: neither in that of PGSERVICEFILE, or else \
         ~/.pg_service.conf, nor in pg_service.conf in the directory PGSYSCONFDIR",
    ))
}

fn files(options: &Options) -> impl Iterator<Item = PathBuf> {
    let own = match options.get("servicefile") {
        Some(file) => Some(PathBuf::from(file)),
        None => std::env::home_dir().map(|home| home.join(".pg_service.conf")),
    };
    let system = match options.get("PGSYSCONFDIR") {
        Some(directory) => vec![directory.to_owned()],
        None => SYSTEM.map(ToOwned::to_owned).to_vec(),
    };
    let system =
        system.into_iter().map(|directory| PathBuf::from(directory).join("pg_service.conf"));
    own.into_iter().chain(system)
}

/// The options of a service, if the file has it.
fn find(text: &str, service: &str) -> Result<Option<Options>, Cause> {
    let mut found: Option<Options> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let named = section.strip_suffix(']').is_some_and(|name| name == service);
            found = named.then(Options::default);
            continue;
        }
        let Some(options) = &mut found else { continue };
        // The line is not quoted: it may be that of the password.
        let wrong = |reason: &str| {
            Cause::of_words(format!("line {} of the service file {reason}", number + 1))
        };
        let Some((name, value)) = line.split_once('=') else {
            return Err(wrong("is no option=value (LDAP is not asked)"));
        };
        let (name, value) = (name.trim(), value.trim());
        if ["service", "servicefile"].contains(&name) {
            return Err(wrong("names another service, which no service may"));
        }
        // As with libpq, the first value of an option counts.
        if options.get(name).is_none()
            && !options
                .take(name, value)
                .map_err(|reason| wrong(&format!("cannot be followed: {reason}")))?
        {
            return Err(wrong("has an option that is not one of libpq's"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# services\n[test]\nhost=t\nno_such=1\n\n[prod]\n host = a,b\n# ours\nport=1\nport=2\npassword=se=cret\n[last]\n";

    #[test]
    fn a_service_is_found_by_its_name() {
        let prod = find(FILE, "prod").unwrap().unwrap();
        assert_eq!(prod.list("host"), ["a", "b"]);
        assert_eq!((prod.get("port"), prod.get("password")), (Some("1"), Some("se=cret")));
        assert!(find(FILE, "last").unwrap().unwrap().get("host").is_none());
        assert!(find(FILE, "no_such").unwrap().is_none());
    }

    #[test]
    fn a_line_that_is_wrong_is_numbered_and_not_quoted() {
        for (line, words) in [
            ("no_secret=1", "line 3"),
            ("secret", "LDAP"),
            ("ldap://secret/dc", "LDAP"),
            ("service=secret", "another service"),
            ("sslcrl=secret", "sslcrl"),
        ] {
            let error = find(&format!("[x]\nhost=h\n{line}\n"), "x").map(|_| ()).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(words) && !said.contains("secret"), "{line}: {said}");
        }
    }
}
