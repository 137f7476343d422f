use std::collections::BTreeMap;
use std::io::Write;

use super::*;

#[derive(Default)]
struct Variables(BTreeMap<&'static str, String>);

impl Environment for Variables {
    fn get(&self, name: &str) -> Option<OsString> {
        self.0.get(name).map(OsString::from)
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().map(|name| (*name).to_owned()).collect()
    }
}

fn given(flags: &[&str], variables: &[(&'static str, &str)]) -> Result<Given, String> {
    let arguments = std::iter::once("onrecord").chain(flags.iter().copied()).map(OsString::from);
    let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    read(arguments.collect(), &Variables(variables)).map_err(|error| error.render().to_string())
}

/// The value of a setting and its source.
fn entry(given: &Given, name: &str) -> (String, String) {
    let entry = given.entries.iter().find(|entry| entry.name == name).unwrap();
    (entry.values.join(","), entry.source.to_string())
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn a_flag_counts_more_than_a_variable_and_that_more_than_the_file() {
    let file = file(
        "listen = \":1\"\nspool_bytes = \"2GB\"\nretain-days = 30\nallowed-host = [\"a\", \"b\"]\n",
    );
    let path = file.path().to_str().unwrap().to_owned();
    let variables = [("LISTEN", ":2"), ("ONRECORD_SPOOL_BYTES", "3GB"), ("RETAIN_DAYS", "")];
    let found = given(&["--config", &path, "serve", "--listen", ":3"], &variables).unwrap();
    assert_eq!(found.settings.listen.port(), 3);
    assert_eq!(entry(&found, "listen"), (":3".to_owned(), "flag".to_owned()));
    assert_eq!(found.settings.spool_bytes, 3_000_000_000);
    assert_eq!(entry(&found, "spool-bytes").1, "variable ONRECORD_SPOOL_BYTES");
    assert_eq!(found.settings.record.retain_days, Some(30));
    assert_eq!(entry(&found, "retain-days").1, path);
    assert_eq!(found.settings.access.allowed_hosts, ["a", "b"]);
    assert_eq!(entry(&found, "data-dir"), ("data".to_owned(), "default".to_owned()));
}

#[test]
fn numbers_and_addresses_are_refused_in_words() {
    for (flag, value, said) in [
        ("--threads", "0", "must be a whole number, 1 at least"),
        ("--key-rate", "0", "must be a whole number, 1 at least"),
        ("--pg-port", "0", "0 is not in 1..=65535"),
        ("--listen", "here", "must be like 127.0.0.1:8000"),
        ("--spool-bytes", "much", "must be like 1000000, 500MB or 16GiB"),
    ] {
        let error = given(&[flag, value], &[]).err().unwrap();
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(given(&["--port", "8001"], &[]).unwrap().settings.listen.port(), 8_001);
}

#[test]
fn the_spool_takes_by_default_what_its_crate_says() {
    let found = given(&[], &[]).unwrap();
    assert_eq!(found.settings.spool_bytes, spool::Limits::default().bytes);
    assert_eq!(entry(&found, "spool-bytes").0, "1GiB");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let names = declared().into_iter().flat_map(|setting| setting.names());
    let empty = names.map(|name| (&*name.leak(), "")).collect::<Vec<_>>();
    let found = given(&[], &empty).unwrap();
    assert!(found.entries.iter().all(|entry| entry.source == Source::Default));
    assert!(found.unknown.is_empty(), "{:?}", found.unknown);
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let file = file("postgresql://ada:secret@h/n\n");
    let path = file.path().to_str().unwrap();
    let found = given(&[], &[("DATABASE_URL_FILE", path)]).unwrap();
    assert_eq!(found.settings.record.database_url.as_deref(), Some("postgresql://ada:secret@h/n"));
    assert!(!found.printed().contains("secret"), "{}", found.printed());
    assert!(found.printed().contains("file of variable DATABASE_URL_FILE"), "{}", found.printed());
    let refused = given(&[], &[("DATABASE_URL_FILE", "/nowhere/x")]).unwrap_err();
    assert!(refused.contains("DATABASE_URL_FILE: /nowhere/x: No such file"), "{refused}");
    for text in
        ["DATABASE_URL=postgresql://ada:secret@h/n", "postgresql://ada:secret@h/n\nMODEL=x\n"]
    {
        let file = self::file(text);
        let variables = [("DATABASE_URL_FILE", file.path().to_str().unwrap())];
        let refused = given(&[], &variables).unwrap_err();
        assert!(refused.contains("must hold the value alone"), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
    }
}

#[test]
fn two_names_with_different_values_are_refused() {
    assert!(given(&[], &[("MODEL", "x"), ("ONRECORD_MODEL", "x")]).is_ok());
    let refused = given(&[], &[("MODEL", "x"), ("ONRECORD_MODEL", "y")]).unwrap_err();
    assert!(refused.contains("variable ONRECORD_MODEL and variable MODEL differ"), "{refused}");
}

#[test]
fn a_mistake_names_the_place_where_it_stands() {
    for (variable, value, text) in [
        ("LISTEN", "x", "variable LISTEN: invalid value 'x': must be like 127.0.0.1:8000"),
        ("THREADS", "0", "variable THREADS: invalid value '0': must be a whole number, 1 at least"),
        (
            "LOG_FORMAT",
            "xml",
            "variable LOG_FORMAT: invalid value 'xml' [possible values: pretty, json]",
        ),
        (
            "ONRECORD_SPOOL_BYTES",
            "1 XB",
            "variable ONRECORD_SPOOL_BYTES: invalid value '1 XB': must be like",
        ),
    ] {
        let refused = given(&[], &[(variable, value)]).unwrap_err();
        assert!(refused.contains(text), "{refused}");
        assert!(!refused.contains("for '--"), "nobody gave that flag: {refused}");
    }
    for (text, words) in [
        ("listen = \"x\"", "listen: invalid value 'x': must be like"),
        ("lisen = \":1\"", "`lisen` is no setting"),
        ("listen = 1.5", "`listen` must be a text"),
        ("listen = ", "is not TOML"),
    ] {
        let file = file(text);
        let refused = given(&["--config", file.path().to_str().unwrap()], &[]).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn variables_that_look_like_ours_are_told_apart() {
    let variables = [
        ("ONRECORD_LISTN", "x"),
        ("ONRECORD_PORT_8000_TCP", "x"),
        ("ONRECORD_SERVICE_HOST", "x"),
        ("ONRECORD_DATABASE_URL", "postgresql://h/n"),
        ("SOMETHING", "x"),
    ];
    assert_eq!(given(&[], &variables).unwrap().unknown, ["ONRECORD_LISTN"]);
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let flags =
        ["--listen=:9", "--insecure", "--allowed-host=a", "--allowed-host=b", "--spool-bytes=1GB"];
    let first = given(&flags, &[]).unwrap();
    // Another machine has another number of cores, another version maybe another address.
    for default in ["# threads = ", "# data-dir = \"data\""] {
        assert!(first.printed().contains(default), "{}", first.printed());
    }
    let file = file(&first.printed());
    let again = given(&["--config", file.path().to_str().unwrap()], &[]).unwrap();
    for entry in &first.entries {
        let of_again = again.entries.iter().find(|it| it.name == entry.name).unwrap();
        if entry.name != "config" {
            assert_eq!(entry.values, of_again.values, "{}", entry.name);
        }
    }
}

#[test]
fn each_command_shows_its_own_flags() {
    let help = |arguments: &[&str]| given(arguments, &[]).unwrap_err();
    let list = help(&["key", "list", "--help"]);
    assert!(list.contains("--api-keys-file") && !list.contains("--spool-dir"), "{list}");
    assert!(list.lines().count() < 40, "{list}");
    let openapi = help(&["openapi", "--help"]);
    assert!(openapi.contains("--yaml") && !openapi.contains("--database-url"), "{openapi}");
    let serve = help(&["--help"]);
    for heading in ["Network:", "Access:", "Keys:", "Database:", "Record:", "Spool:", "Model:"] {
        assert!(serve.contains(heading), "{heading}: {serve}");
    }
    assert!(serve.contains("[variable: DATABASE_URL]"), "{serve}");
}
