//! libpq's options: which are followed, and the advice for those that are not.

use std::collections::BTreeMap;

use crate::Cause;

/// An option's fate when somebody gives it a value.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Followed,
    /// The service does what these values say anyway; others are refused with this advice.
    Only(&'static [&'static str], &'static str),
    WithoutEffect,
}

/// An option, its variable, and its fate.
type Known = (&'static str, &'static str, Fate);

use Fate::{Followed, Only, WithoutEffect};

const KERBEROS: Fate = Only(&[], "leave it out: this program does not speak Kerberos");
const OAUTH: Fate = Only(&[], "leave it out: this program does not speak OAuth");
const SCRAM: Fate = Only(&[], "give the password instead");
const REVOKED: Fate = Only(&[], "leave it out: lists of revoked certificates are not read");

/// Every option of libpq, and its variable: either may be missing. `deploy/libpq.md` is this table for people.
const KNOWN: [Known; 59] = [
    ("application_name", "PGAPPNAME", Followed),
    ("channel_binding", "PGCHANNELBINDING", Followed),
    ("client_encoding", "PGCLIENTENCODING", WithoutEffect),
    ("connect_timeout", "PGCONNECT_TIMEOUT", WithoutEffect),
    ("dbname", "PGDATABASE", Followed),
    ("fallback_application_name", "", Followed),
    (
        "gssdelegation",
        "PGGSSDELEGATION",
        Only(&["0"], "leave it out: this program does not speak Kerberos"),
    ),
    (
        "gssencmode",
        "PGGSSENCMODE",
        Only(&["disable", "prefer"], "let it be disable: this program does not speak Kerberos"),
    ),
    ("gsslib", "PGGSSLIB", KERBEROS),
    ("host", "PGHOST", Followed),
    ("hostaddr", "PGHOSTADDR", Followed),
    ("keepalives", "", Followed),
    ("keepalives_count", "", WithoutEffect),
    ("keepalives_idle", "", WithoutEffect),
    ("keepalives_interval", "", WithoutEffect),
    // As tokio-postgres calls keepalives_count.
    ("keepalives_retries", "", WithoutEffect),
    ("krbsrvname", "PGKRBSRVNAME", KERBEROS),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS", Followed),
    (
        "max_protocol_version",
        "PGMAXPROTOCOLVERSION",
        Only(&["3.0", "3.2", "latest"], "leave it out: this program speaks version 3.0"),
    ),
    (
        "min_protocol_version",
        "PGMINPROTOCOLVERSION",
        Only(&["3.0"], "leave it out: this program speaks version 3.0"),
    ),
    ("oauth_client_id", "", OAUTH),
    ("oauth_client_secret", "", OAUTH),
    ("oauth_issuer", "", OAUTH),
    ("oauth_scope", "", OAUTH),
    ("options", "PGOPTIONS", Followed),
    ("passfile", "PGPASSFILE", Followed),
    ("password", "PGPASSWORD", Followed),
    ("port", "PGPORT", Followed),
    (
        "replication",
        "",
        Only(&["false", "off", "no", "0"], "leave it out: the record is kept by ordinary sessions"),
    ),
    (
        "require_auth",
        "PGREQUIREAUTH",
        Only(
            &[],
            "leave it out, and let pg_hba.conf ask for scram-sha-256: without TLS a password is given in no other way",
        ),
    ),
    ("requirepeer", "PGREQUIREPEER", Followed),
    (
        "requiressl",
        "PGREQUIRESSL",
        Only(&["0"], "say sslmode=require or PGSSLMODE=require instead"),
    ),
    ("scram_client_key", "", SCRAM),
    ("scram_server_key", "", SCRAM),
    ("service", "PGSERVICE", Followed),
    ("servicefile", "PGSERVICEFILE", Followed),
    (
        "ssl_max_protocol_version",
        "PGSSLMAXPROTOCOLVERSION",
        Only(
            &["TLSv1.3"],
            "leave it out: TLS 1.2 and 1.3 are spoken, and the server may be set to either",
        ),
    ),
    (
        "ssl_min_protocol_version",
        "PGSSLMINPROTOCOLVERSION",
        Only(
            &["TLSv1", "TLSv1.1", "TLSv1.2"],
            "leave it out: TLS 1.2 and 1.3 are spoken, and the server may be set to either",
        ),
    ),
    ("sslcert", "PGSSLCERT", Followed),
    (
        "sslcertmode",
        "PGSSLCERTMODE",
        Only(&["allow"], "leave it out: a certificate is shown if sslcert names one"),
    ),
    ("sslcompression", "PGSSLCOMPRESSION", Only(&["0"], "leave it out: nothing is compressed")),
    ("sslcrl", "PGSSLCRL", REVOKED),
    ("sslcrldir", "PGSSLCRLDIR", REVOKED),
    ("sslkey", "PGSSLKEY", Followed),
    ("sslkeylogfile", "", Only(&[], "leave it out: the keys of connections are not written down")),
    ("sslmode", "PGSSLMODE", Followed),
    ("sslnegotiation", "PGSSLNEGOTIATION", Followed),
    ("sslpassword", "", Only(&[], "leave it out, and give sslkey a file that is not encrypted")),
    ("sslrootcert", "PGSSLROOTCERT", Followed),
    (
        "sslsni",
        "PGSSLSNI",
        Only(&["1"], "leave it out: the server is always told the name of the host"),
    ),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", Followed),
    ("tcp_user_timeout", "", WithoutEffect),
    ("user", "PGUSER", Followed),
    // Where libpq's own files are.
    ("", "PGSYSCONFDIR", Followed),
    // Sessions are told these anyway, or they are for programs with a user in front of them.
    ("", "PGDATESTYLE", WithoutEffect),
    ("", "PGGEQO", WithoutEffect),
    ("", "PGLOCALEDIR", WithoutEffect),
    ("", "PGTZ", WithoutEffect),
    // A word of JDBC, which libpq understands as far as it is `true`.
    ("ssl", "", Only(&[], "say sslmode=require, or sslmode=disable")),
];

/// The variables of libpq.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(_, variable, _)| *variable).filter(|variable| !variable.is_empty())
}

/// The name of an option as it may be said, because it is one.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    let mut names = KNOWN.iter().map(|(option, ..)| *option).filter(|option| !option.is_empty());
    names.find(|known| *known == name)
}

/// Options that are followed, each with its value.
#[derive(Clone, Default)]
pub(crate) struct Options(BTreeMap<&'static str, String>);

impl Options {
    /// Takes an option, if libpq knows it.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool, Cause> {
        let Some(known) = KNOWN.iter().find(|(option, ..)| *option == name && !name.is_empty())
        else {
            return Ok(false);
        };
        let put = self.put(known, value);
        put.map_err(|advice| {
            Cause::of_words(format!("the option {} is not supported here; {advice}", known.0))
        })?;
        Ok(true)
    }

    /// Takes the value of a variable.
    pub(crate) fn take_variable(&mut self, name: &str, value: &str) -> Result<(), Cause> {
        let known = KNOWN.iter().find(|(_, variable, _)| *variable == name);
        known.map_or(Ok(()), |known| self.put(known, value)).map_err(Cause::of_words)
    }

    /// Takes it under the name of its option, or else of its variable; gives advice instead if it is not followed.
    fn put(&mut self, known: &'static Known, value: &str) -> Result<(), &'static str> {
        let (option, variable, fate) = known;
        match fate {
            // Nothing said of TLS is no word for it; all the rest has a default.
            Followed if !value.is_empty() || *option == "sslmode" => {
                let name = if option.is_empty() { variable } else { option };
                self.0.insert(name, value.to_owned());
            }
            Only(values, advice) if !value.is_empty() && !values.contains(&value) => {
                return Err(advice);
            }
            Followed | Only(..) | WithoutEffect => {}
        }
        Ok(())
    }

    /// These, completed by others.
    pub(crate) fn or(mut self, others: &Self) -> Self {
        for (name, value) in &others.0 {
            self.0.entry(name).or_insert_with(|| value.clone());
        }
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The entries of a list, without the spaces around them; none if it is not given.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).map(|list| list.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    /// The meaning of an option that is one of a few words.
    pub(crate) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Cause> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == value);
        let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        // The value is not quoted: with a quote left out, it might hold the password.
        found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            Cause::of_words(format!("the value of {name} must be one of: {}", all()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_wins_over_that_of_others() {
        let mut said = Options::default();
        let mut others = Options::default();
        said.take("host", "a").unwrap();
        others.take("host", "b").unwrap();
        others.take("port", "1,,2 ").unwrap();
        let both = said.or(&others);
        assert_eq!(both.get("host"), Some("a"));
        assert_eq!(both.list("port"), ["1", "", "2"]);
        assert_eq!(both.list("hostaddr"), [""; 0]);
    }

    #[test]
    fn an_empty_value_is_none_but_that_of_sslmode() {
        let mut options = Options::default();
        for name in ["host", "sslcrl", "connect_timeout", "sslmode"] {
            assert!(options.take(name, "").unwrap(), "{name}");
        }
        assert_eq!((options.get("host"), options.get("sslmode")), (None, Some("")));
    }

    #[test]
    fn values_that_say_what_is_done_anyway_are_taken() {
        let mut options = Options::default();
        options.take("gssencmode", "disable").unwrap();
        let refused = options.take("gssencmode", "require").unwrap_err().to_string();
        assert!(refused.contains("gssencmode") && refused.contains("Kerberos"), "{refused}");
        assert!(!options.take("no_such", "x").unwrap());
    }
}
