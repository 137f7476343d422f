//! Addresses of a database, as far as they speak of TLS: tokio-postgres does not know all that libpq knows of it.

use percent_encoding::percent_decode_str;

use crate::refusal::SCHEMES;
use crate::{Cause, TlsParameters};

/// Takes what an address says of TLS out of it, and gives the rest for tokio-postgres to read.
///
/// What is not well formed stays in the rest, so that it is refused there; but where tokio-postgres would pass over the
/// whole end of an address, that is refused here.
pub(crate) fn split(address: &str) -> Result<(String, TlsParameters), Cause> {
    let url = SCHEMES.iter().find_map(|scheme| address.strip_prefix(scheme));
    match url {
        Some(url) => Ok(split_url(address, url)),
        None => split_pairs(address),
    }
}

/// Splits `postgresql://user:password@host:port/name?parameters`; `url` is what follows the scheme.
fn split_url(address: &str, url: &str) -> (String, TlsParameters) {
    let mut said = TlsParameters::default();
    // A password may have a question mark in it, but no slash: what follows one is no password any more.
    let credentials = match url.find(['@', '/']) {
        Some(end) if url[end..].starts_with('@') => end,
        _ => 0,
    };
    let Some(query) = url[credentials..].find('?') else { return (address.to_owned(), said) };
    let (before, query) = address.split_at(address.len() - url.len() + credentials + query);
    let mut rest = before.to_owned();
    let mut separator = '?';
    for parameter in query[1..].split('&') {
        if !take_from_url(&mut said, parameter) {
            rest.push(separator);
            rest.push_str(parameter);
            separator = '&';
        }
    }
    (rest, said)
}

fn take_from_url(said: &mut TlsParameters, parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let decode = |text| percent_decode_str(text).decode_utf8().ok();
    match (decode(name).as_deref(), decode(value).as_deref()) {
        // libpq understands this word of JDBC.
        (Some("ssl"), Some("true")) => said.take("sslmode", "require"),
        (Some(name), Some(value)) => said.take(name, value),
        _ => false,
    }
}

/// Splits `host=… user='…' …`.
fn split_pairs(address: &str) -> Result<(String, TlsParameters), Cause> {
    let (mut kept, mut said) = (String::new(), TlsParameters::default());
    let mut rest = address;
    while let Some((length, name, value)) = pair(rest) {
        let (this, next) = rest.split_at(length);
        if !said.take(name, &value) {
            keep(&mut kept, this);
        }
        rest = next;
    }
    if rest.trim_start().starts_with('=') {
        return Err(Cause::of_words("a name is missing before ="));
    }
    keep(&mut kept, rest);
    Ok((kept, said))
}

/// Appends what is kept, apart from what stands there: after a quoted value there need be no space, but that may be gone.
fn keep(kept: &mut String, part: &str) {
    if !kept.is_empty() && part.starts_with(|first: char| !first.is_whitespace()) {
        kept.push(' ');
    }
    kept.push_str(part);
}

/// The first pair of a text that begins with one: its length, its name, its value.
fn pair(text: &str) -> Option<(usize, &str, String)> {
    let start = text.trim_start();
    let end = start.find(|it: char| it.is_whitespace() || it == '=').filter(|end| *end > 0)?;
    let (name, after) = start.split_at(end);
    let (value, rest) = value(after.trim_start().strip_prefix('=')?.trim_start())?;
    Some((text.len() - rest.len(), name, value))
}

/// The value that a text begins with, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if quoted.is_some() => return Some((value, &body[at + 1..])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            space if quoted.is_none() && space.is_whitespace() => {
                return (at > 0).then_some((value, &body[at..]));
            }
            other => value.push(other),
        }
    }
    (quoted.is_none() && !body.is_empty()).then_some((value, ""))
}

#[cfg(test)]
mod tests {

    /// The rest of an address, its `sslmode` and its `sslrootcert`.
    fn split(address: &str) -> (String, String, String) {
        let (rest, said) = super::split(address).unwrap();
        (rest, said.mode.unwrap_or_default(), said.root_certificate.unwrap_or_default())
    }

    #[track_caller]
    fn check(address: &str, rest: &str, mode: &str, root: &str) {
        assert_eq!(split(address), (rest.to_owned(), mode.to_owned(), root.to_owned()));
    }

    #[test]
    fn a_url_is_split() {
        check("postgresql://a:b@h:1/n", "postgresql://a:b@h:1/n", "", "");
        check("postgres://h/n?sslmode=verify-full", "postgres://h/n", "verify-full", "");
        check(
            "postgresql://h/n?sslmode=verify-ca&application_name=x&sslrootcert=/ca.pem",
            "postgresql://h/n?application_name=x",
            "verify-ca",
            "/ca.pem",
        );
        check(
            "postgresql://h?connect_timeout=3&sslmode=a&b=c",
            "postgresql://h?connect_timeout=3&b=c",
            "a",
            "",
        );
        check(
            "postgresql:///n?host=/run&sslmode=disable",
            "postgresql:///n?host=/run",
            "disable",
            "",
        );
        check("postgresql://h?ssl=true", "postgresql://h", "require", "");
        check("postgresql://h?ssl=false", "postgresql://h?ssl=false", "", "");
    }

    #[test]
    fn the_last_of_several_wins() {
        check("postgresql://h?sslmode=disable&sslmode=require", "postgresql://h", "require", "");
        check("sslmode=disable host=h sslmode=require", " host=h", "require", "");
    }

    #[test]
    fn what_is_percent_encoded_is_decoded() {
        let encoded = "postgresql://h?%73slmode=verify%2Dfull&sslrootcert=%2Fmy%20ca%26.pem";
        check(encoded, "postgresql://h", "verify-full", "/my ca&.pem");
        // Only what is well formed is taken.
        check("postgresql://h?sslmode=%ff", "postgresql://h?sslmode=%ff", "", "");
    }

    #[test]
    fn what_stands_in_a_password_is_no_parameter() {
        let url = "postgresql://a:b?sslmode=disable&c@h/n";
        check(url, url, "", "");
        check("postgresql://a?b@h?sslmode=require", "postgresql://a?b@h", "require", "");
        check("postgresql://a:b?c@h/n?sslmode=require", "postgresql://a:b?c@h/n", "require", "");
        check("postgresql://h/n?sslrootcert=/x@y.pem", "postgresql://h/n", "", "/x@y.pem");
        let pairs = r"password='it\'s sslmode=disable' user=sslmode\ sslmode\=";
        check(pairs, pairs, "", "");
    }

    #[test]
    fn pairs_are_split() {
        check("host=h sslmode=require port=1", "host=h port=1", "require", "");
        check(r"host=h sslrootcert='/my \'ca\' \\.pem'", "host=h", "", r"/my 'ca' \.pem");
        check(r"sslrootcert=/my\ ca.pem host=h", " host=h", "", "/my ca.pem");
        check("host = h\n sslmode\t=  verify-ca ", "host = h ", "verify-ca", "");
        check("user=u sslmode='prefer'host=h", "user=u host=h", "prefer", "");
        check("user='u'sslmode=require", "user='u'", "require", "");
        check("sslmode=''", "", "", "");
    }

    #[test]
    fn what_is_not_well_formed_is_left_to_be_refused() {
        for address in [
            "host=h sslmode",
            "host=h sslmode=",
            "host=h sslmode='require",
            "host=h password='x sslmode=require",
            "postgresql://h?sslmode",
            "postgresql://h/?x@h?sslmode=verify-full",
        ] {
            assert_eq!(split(address).1, "", "{address}");
            let parsed: Result<tokio_postgres::Config, _> = split(address).0.parse();
            assert!(parsed.is_err(), "{address}");
        }
        for address in ["=x sslmode=require", "host=h = sslmode=require"] {
            super::split(address).unwrap_err();
        }
    }
}
