//! What is said of an address that cannot be used: in words of our own, because whatever is quoted of it may be a part of
//! the password.

use std::net::IpAddr;

use tokio_postgres::config::Host;

use crate::Cause;
use crate::servers::Server;

/// The schemes of the addresses that are no pairs.
pub(crate) const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

const SPECIAL: &str = "special characters in the password must be percent-encoded (@ is %40)";

/// Refuses a URL whose parts cannot be told apart; `url` is what follows the scheme.
pub(crate) fn check_url(url: &str) -> Result<(), Cause> {
    let (credentials, rest) = url.split_once('@').unwrap_or(("", url));
    let user = credentials.split(':').next().unwrap_or_default();
    if rest.contains('@') || user.contains(['/', '?', '#', '&', '=', ' ']) {
        return Err(Cause::of_words(SPECIAL));
    }
    Ok(())
}

/// Refuses other schemes than those of PostgreSQL. What has none is pairs.
pub(crate) fn check_scheme(address: &str) -> Result<(), Cause> {
    let before = address.split(['=', '\'', ' ']).next().unwrap_or_default();
    let Some((scheme, _)) = before.split_once(':') else { return Ok(()) };
    let scheme = scheme.to_ascii_lowercase();
    Err(Cause::of_words(if scheme.starts_with("postgres") && scheme.contains('+') {
        "it must begin with postgresql:// alone: leave out the + and the name of the driver after it"
    } else if scheme == "jdbc" {
        "an address of JDBC is no address for this program: it must be postgresql://user:password@host:port/name"
    } else if ["sqlite", "mysql", "mariadb", "mssql", "oracle"]
        .iter()
        .any(|it| scheme.starts_with(it))
    {
        "the record is kept in PostgreSQL, and this is the address of something else; it must begin with postgresql://"
    } else {
        "it must begin with postgresql://, or be made of pairs: host=… port=… dbname=… user=… password=…"
    }))
}

/// An option, which may be named as libpq knows it, has a value that it cannot have.
pub(crate) fn not_valid(name: &'static str) -> Cause {
    Cause::of_words(format!("the value of {name} is not valid; {SPECIAL}"))
}

/// An option stands where a part of the password may stand.
pub(crate) fn ambiguous(name: &'static str) -> Cause {
    Cause::of_words(format!(
        "{name} cannot be told from the password: / and ? in it must be written as %2F and %3F"
    ))
}

/// An option is not known.
pub(crate) fn not_known() -> Cause {
    Cause::of_words(format!(
        "it has an option that is not known (and not named, as it may be a part of the password); {SPECIAL}"
    ))
}

/// An address is in neither form.
pub(crate) fn malformed() -> Cause {
    Cause::of_words(format!(
        "it is not well formed: it must be postgresql://user:password@host:port/name, where {SPECIAL}, \
         or pairs such as host=… password='…', where ' and \\ in the password need a \\ before them"
    ))
}

/// Refuses names that no host, database or user has.
pub(crate) fn check_parts(servers: &[Server], name: &str, user: &str) -> Result<(), Cause> {
    let unlike_a_host = servers.iter().any(|server| match server.host() {
        Host::Tcp(name) => !is_host(&name),
        #[cfg(unix)]
        Host::Unix(path) => path.to_string_lossy().contains(['@', '#', '?']),
    });
    let unlike_a_user = user.contains([':', '/', '#', '?']) || has_space(user);
    // A database is called as its user, unless it has a name of its own.
    let unlike_a_name = name != user && (name.contains(['@', '/', '#', '?']) || has_space(name));
    if unlike_a_host || unlike_a_name || unlike_a_user {
        return Err(Cause::of_words(format!(
            "a host, database or user has a name that none can have; {SPECIAL}"
        )));
    }
    Ok(())
}

fn is_host(name: &str) -> bool {
    let address = name.split('%').next().unwrap_or_default();
    let of_name = |character: char| character.is_alphanumeric() || "-_.".contains(character);
    name.chars().all(of_name) || address.parse::<IpAddr>().is_ok()
}

fn has_space(name: &str) -> bool {
    name.contains(|it: char| it.is_whitespace() || it.is_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{Database, Error, Variables};

    fn refused(address: &str) -> String {
        let error = Database::from_url(address, &Variables::default()).unwrap_err();
        let Error::InvalidAddress(cause) = error else { panic!("{error}") };
        cause.to_string()
    }

    #[test]
    fn addresses_of_something_else_are_told_what_to_be() {
        for (address, words) in [
            ("postgresql+psycopg2://ada:secret@h/n", "leave out the +"),
            ("postgresql+asyncpg://ada:secret@h/n?ssl=require", "leave out the +"),
            ("postgres+psycopg://h", "leave out the +"),
            ("sqlite:///secret.db?mode=ro", "PostgreSQL"),
            ("mysql://ada:secret@h/n", "PostgreSQL"),
            ("mysql+pymysql://ada:secret@h/n?x=1", "PostgreSQL"),
            ("jdbc:postgresql://h/n?user=ada&password=secret", "JDBC"),
            ("POSTGRESQL://ada:secret@h/n?x=1", "begin with"),
            ("http://ada:secret@h/", "begin with"),
            ("postgresql:/ada:secret@h/n", "begin with"),
            ("postgresql://ada:sec@ret@h/n", "%40"),
            ("postgresql://ada:sec@ret/x@h/n", "%40"),
            ("postgresql://ada:sec@/ret@h/n", "%40"),
            ("postgresql://ada secret@h/n", "%40"),
            ("postgresql://ada/secret@h/n", "%40"),
            ("postgresql://ada:secret", "%40"),
            ("host=secret@h", "%40"),
            ("host=h dbname=secret@h", "%40"),
            ("host=h user=ada:secret", "%40"),
            ("dbname=postgresql://ada:secret@h/n", "%40"),
            ("host=h secret=secret", "not known"),
            ("host=h sslcrl=secret", "sslcrl"),
            ("host=h keepalives=secret", "keepalives"),
            ("host=h target_session_attrs=secret", "target_session_attrs"),
            ("host=h service=secret", "service"),
            ("host=h port=secret", "port"),
            ("host=h password=sec ret dbname=n", "not well formed"),
            ("host=h hostaddr=secret", "hostaddr"),
            ("postgresql://ada:secret@h/n?sslcrl=x", "sslcrl"),
        ] {
            let said = refused(address);
            assert!(said.contains(words) && !said.contains("secret"), "{address}: {said}");
        }
    }

    #[test]
    fn names_that_there_are_are_taken() {
        for address in [
            "postgresql://ada%40server:p%40ss@db-1.example.com:5432/n_1",
            "postgresql://ada@[::1]:5432/n",
            "postgresql://ada:a/b?c#d@h/n",
            "postgresql:///n?host=/var/run/postgresql",
            "host=fe80::1%eth0 user=ada@server password='a b @ / \\' ='",
            "host=h1,h2 port=1,2",
            "host=/run,db.example",
            "host=/run hostaddr=192.0.2.1",
        ] {
            Database::from_url(address, &Variables::default()).unwrap();
        }
    }

    /// Shapes of addresses in which a password stands, most of them not as it must.
    const SHAPES: [&str; 18] = [
        "postgresql://ada:{}@db.example:5432/flowers",
        "postgres://ada:{}@db.example",
        "postgresql://ada:{}@/flowers?host=/run",
        "postgresql://ada:{}@db.example:5432/flowers?sslmode=require&x=1",
        "postgresql+psycopg2://ada:{}@db.example/flowers",
        "postgresql+asyncpg://ada:{}@db.example/flowers?ssl=require",
        "jdbc:postgresql://db.example/flowers?user=ada&password={}",
        "sqlite:///flowers?password={}",
        "mysql://ada:{}@db.example/flowers",
        "postgresql:/ada:{}@db.example/flowers",
        "postgresql:ada:{}@db.example/flowers",
        "://ada:{}@db.example/flowers",
        "ada:{}@db.example:5432/flowers",
        "host=db.example user=ada password={} dbname=flowers",
        "host=db.example user=ada password='{}' dbname=flowers",
        "host=db.example user=ada password='{} dbname=flowers",
        "password={}",
        "postgresql://db.example/flowers?user=ada&password={}",
    ];

    /// Passwords without a piece of four characters that an address or our own words have anyway, because no letter of
    /// theirs is in either.
    fn password() -> impl Strategy<Value = String> {
        "[QXZ0-9@/#?:=&%' +\\\\;,!$\\[\\]]{4,24}"
            .prop_filter("has letters", |password| password.contains(['Q', 'X', 'Z']))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

        #[test]
        fn no_piece_of_a_password_is_shown(password in password(), shape in 0..SHAPES.len()) {
            let address = SHAPES[shape].replace("{}", &password);
            let shown = match Database::from_url(&address, &Variables::default()) {
                Ok(database) => format!("{database} {database:?} {}", database.psql()),
                Err(error) => format!("{error} {error:?} {}", domain::Causes(&error)),
            };
            let characters: Vec<_> = password.chars().collect();
            for piece in characters.windows(4) {
                let piece: String = piece.iter().collect();
                if piece.contains(['Q', 'X', 'Z']) {
                    prop_assert!(!shown.contains(&piece), "{address}: {shown}");
                }
            }
        }
    }
}
