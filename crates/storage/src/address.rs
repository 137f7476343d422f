//! Addresses of a database, in either of libpq's forms.

use percent_encoding::percent_decode_str;

use crate::Cause;
use crate::options::{self, Options};
use crate::refusal::{self, SCHEMES};

/// Options whose value may have an @ in it as it is: no other part of a URL looks like one of them.
const FILES: [&str; 6] = ["passfile", "servicefile", "sslcert", "sslkey", "sslmode", "sslrootcert"];

/// Reads `postgresql://user:password@host:port/name?option=value`, or `host=… user='…' …`.
pub(crate) fn read(address: &str) -> Result<Options, Cause> {
    match SCHEMES.iter().find_map(|scheme| address.strip_prefix(scheme)) {
        Some(url) => read_url(url),
        None => read_pairs(address),
    }
}

/// Reads a URL; `url` is all that follows the scheme.
fn read_url(url: &str) -> Result<Options, Cause> {
    let (rest, parameters) = split(url);
    refusal::check_url(&rest)?;
    let mut options = Options::default();
    let (credentials, rest) = rest.split_once('@').unwrap_or(("", &rest));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    options.take("user", &decoded(user)?)?;
    options.take("password", &decoded(password)?)?;

    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, name) = rest.split_once('/').unwrap_or((rest, ""));
    options.take("dbname", &decoded(name)?)?;
    let servers: Result<Vec<_>, _> = hosts.split(',').map(server).collect();
    let (hosts, ports): (Vec<_>, Vec<_>) = servers?.into_iter().unzip();
    options.take("host", &hosts.join(","))?;
    options.take("port", &ports.join(","))?;

    if let Some(parameter) = query.split('&').find(|parameter| !parameter.is_empty()) {
        let (name, _) = parameter.split_once('=').ok_or_else(refusal::malformed)?;
        return Err(options::known(name).map_or_else(refusal::not_known, refusal::ambiguous));
    }
    for (name, value) in parameters {
        options.take(&name, &value)?;
    }
    Ok(options)
}

/// Splits the parameters off that libpq knows, and gives the rest.
fn split(url: &str) -> (String, Vec<(String, String)>) {
    let mut parameters = Vec::new();
    // A password may have a question mark in it, but no slash: what follows one is no password any more.
    let credentials = match url.find(['@', '/']) {
        Some(end) if url[end..].starts_with('@') => end,
        _ => 0,
    };
    let Some(query) = url[credentials..].find('?') else { return (url.to_owned(), parameters) };
    let (before, query) = url.split_at(credentials + query);
    let mut rest = before.to_owned();
    let mut separator = '?';
    for parameter in query[1..].split('&') {
        if let Some(known) = known_parameter(parameter) {
            parameters.push(known);
        } else {
            rest.push(separator);
            rest.push_str(parameter);
            separator = '&';
        }
    }
    (rest, parameters)
}

fn known_parameter(parameter: &str) -> Option<(String, String)> {
    let (name, value) = parameter.split_once('=')?;
    let name = options::known(&decoded(name).ok()?)?;
    if value.contains('@') && !FILES.contains(&name) {
        return None;
    }
    let value = decoded(value).ok()?;
    // libpq understands this word of JDBC.
    let jdbc = (name, &*value) == ("ssl", "true");
    Some(if jdbc { ("sslmode".to_owned(), "require".to_owned()) } else { (name.to_owned(), value) })
}

/// The host and the port of a server, either of which may be empty.
fn server(text: &str) -> Result<(String, String), Cause> {
    let (host, port) = match text.strip_prefix('[') {
        Some(address) => {
            let (address, port) =
                address.split_once(']').ok_or_else(|| refusal::not_valid("host"))?;
            let port = port.strip_prefix(':').or_else(|| port.is_empty().then_some(""));
            (address, port.ok_or_else(|| refusal::not_valid("host"))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    Ok((decoded(host)?, decoded(port)?))
}

fn decoded(text: &str) -> Result<String, Cause> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_not_utf8| refusal::malformed())
}

/// Reads `host=… user='…' …`.
fn read_pairs(address: &str) -> Result<Options, Cause> {
    refusal::check_scheme(address)?;
    let mut options = Options::default();
    let mut rest = address;
    while let Some((length, name, value)) = pair(rest) {
        if !options.take(name, &value)? {
            return Err(refusal::not_known());
        }
        rest = &rest[length..];
    }
    if rest.trim_start().starts_with('=') {
        return Err(Cause::of_words("a name is missing before ="));
    }
    if rest.trim().is_empty() { Ok(options) } else { Err(refusal::malformed()) }
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
    use super::*;

    /// The options of an address, in the order of their names.
    fn said(address: &str) -> Result<String, String> {
        let options = read(address).map_err(|error| error.to_string())?;
        let names = ["application_name", "dbname", "host", "options", "password", "port"];
        let names = names.into_iter().chain(["sslmode", "sslrootcert", "user"]);
        let pairs = names.filter_map(|name| Some(format!("{name}={}", options.get(name)?)));
        Ok(pairs.collect::<Vec<_>>().join(" "))
    }

    #[track_caller]
    fn check(address: &str, options: &str) {
        assert_eq!(said(address).as_deref(), Ok(options), "{address}");
    }

    #[test]
    fn a_url_has_its_parts() {
        check("postgresql://a:b@h:1/n", "dbname=n host=h password=b port=1 user=a");
        check("postgres://h/n?sslmode=verify-full", "dbname=n host=h sslmode=verify-full");
        check(
            "postgresql://h/n?sslmode=verify-ca&application_name=x&sslrootcert=/ca.pem",
            "application_name=x dbname=n host=h sslmode=verify-ca sslrootcert=/ca.pem",
        );
        check("postgresql:///n?host=/run&sslmode=disable", "dbname=n host=/run sslmode=disable");
        check("postgresql://h?ssl=true", "host=h sslmode=require");
        check("postgresql://%2Frun:5/n", "dbname=n host=/run port=5");
        check("postgresql://[::1]:5,[::2]/n", "dbname=n host=::1,::2 port=5,");
    }

    #[test]
    fn a_url_may_leave_out_every_part() {
        check("postgresql://", "");
        check("postgresql:///n", "dbname=n");
        check("postgresql://:5514/n", "dbname=n port=5514");
        check("postgresql://ada@/n", "dbname=n user=ada");
        check("postgresql://h1,h2:5", "host=h1,h2 port=,5");
        check("postgresql://,h2", "host=,h2 port=,");
        check("postgresql://h?", "host=h");
    }

    #[test]
    fn the_last_of_several_wins() {
        check("postgresql://h?sslmode=disable&sslmode=require", "host=h sslmode=require");
        check("sslmode=disable host=h sslmode=require", "host=h sslmode=require");
        check("postgresql://a@h/n?user=b&host=i&dbname=m", "dbname=m host=i user=b");
    }

    #[test]
    fn what_is_percent_encoded_is_decoded() {
        let encoded = "postgresql://h?%73slmode=verify%2Dfull&sslrootcert=%2Fmy%20ca%26.pem";
        check(encoded, "host=h sslmode=verify-full sslrootcert=/my ca&.pem");
        said("postgresql://h?sslmode=%ff").unwrap_err();
    }

    #[test]
    fn what_stands_in_a_password_is_no_parameter() {
        check(
            "postgresql://a:b?sslmode=disable&c@h/n",
            "dbname=n host=h password=b?sslmode=disable&c user=a",
        );
        check(
            "postgresql://a:b?c@h/n?sslmode=require",
            "dbname=n host=h password=b?c sslmode=require user=a",
        );
        check("postgresql://a:b/c?d#e@h/n", "dbname=n host=h password=b/c?d#e user=a");
        check("postgresql://h/n?sslrootcert=/x@y.pem", "dbname=n host=h sslrootcert=/x@y.pem");
        check(
            r"password='it\'s sslmode=disable' user=sslmode\ sslmode\=",
            "password=it's sslmode=disable user=sslmode sslmode=",
        );
    }

    #[test]
    fn pairs_are_read() {
        check("host=h sslmode=require port=1", "host=h port=1 sslmode=require");
        check(r"host=h sslrootcert='/my \'ca\' \\.pem'", r"host=h sslrootcert=/my 'ca' \.pem");
        check(r"sslrootcert=/my\ ca.pem host=h", "host=h sslrootcert=/my ca.pem");
        check("host = h\n sslmode\t=  verify-ca ", "host=h sslmode=verify-ca");
        check("user=u sslmode='prefer'host=h", "host=h sslmode=prefer user=u");
        check("host='' sslmode=''", "sslmode=");
        check("", "");
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for address in [
            "host=h sslmode",
            "host=h sslmode=",
            "host=h sslmode='require",
            "host=h password='x sslmode=require",
            "postgresql://h?sslmode",
            "postgresql://h?ssl=false",
            "postgresql://h/?x@h?sslmode=verify-full",
            "=x sslmode=require",
            "host=h = sslmode=require",
            "postgresql://[::1/n",
            "postgresql://[::1]5/n",
        ] {
            said(address).unwrap_err();
        }
    }
}
