//! The names under which a service without keys answers.
//!
//! A web page can be reached by a name that is then made to mean this machine (DNS rebinding), and a proxy beside the service
//! can lead the whole network to it: without keys, the name that a request was sent to is all that tells such requests from
//! those of this machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use poem::Request;
use poem::http::{HeaderMap, header};

use crate::problem::{Code, Problem, excerpt};
use crate::settings::AccessSettings;

/// The names of this machine, and those that the service was told to allow.
#[derive(Debug)]
pub(crate) struct Names {
    /// In lower case, without ports.
    allowed: Vec<String>,
    /// The origins of pages, each as a browser writes it.
    origins: Vec<String>,
}

impl Names {
    /// The names to insist on if there are no keys; nothing if the service was told to let in everybody.
    pub(crate) fn of(settings: &AccessSettings) -> Option<Self> {
        (!settings.insecure).then(|| Self {
            allowed: settings.allowed_hosts.clone(),
            origins: settings.cors_origins.clone(),
        })
    }

    /// Refuses a request that was sent to another name, by a page of another name, or through a proxy that the service was
    /// not told of. The connection ends.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        if let Some(authority) = request.uri().authority()
            && !self.allow(authority.as_str().as_bytes())
        {
            return Err(refused("the request is for another name", authority.as_str().as_bytes()));
        }
        for host in headers.get_all(header::HOST) {
            if !self.allow(host.as_bytes()) {
                return Err(refused("the Host header has another name", host.as_bytes()));
            }
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.as_bytes();
            let is_told = self.origins.iter().any(|told| told.as_bytes() == origin);
            if !is_told && !of_origin(origin).is_some_and(|host| self.allow(host)) {
                return Err(refused("the Origin header has another name", origin));
            }
        }
        match forwarded(headers) {
            Some(name) if self.allowed.is_empty() => {
                Err(refused("the request came through a proxy", name.as_bytes()))
            }
            _ => Ok(()),
        }
    }

    /// Whether this is one of the names, with or without a port.
    fn allow(&self, host: &[u8]) -> bool {
        // Nearly every request has one of these.
        let usual = host.strip_prefix(b"127.0.0.1").or_else(|| host.strip_prefix(b"localhost"));
        if matches!(usual, Some([] | [b':', ..])) {
            return true;
        }
        let Ok(host) = str::from_utf8(host) else { return false };
        let name = without_port(host);
        is_loopback(name) || self.allowed.iter().any(|it| it.eq_ignore_ascii_case(name))
    }
}

/// 403: the answer says which setting would allow it, the log what was given.
fn refused(what: &str, given: &[u8]) -> Problem {
    let detail = format!(
        "this service has no API keys, so it answers under the names of its own machine alone, and {what}; \
         to allow that, start the service with --allowed-host NAME"
    );
    let given = excerpt(&String::from_utf8_lossy(given));
    Problem::new(Code::HostNotAllowed, detail).because(format!("{what}: {given}")).closing()
}

/// The host, with its port, of the origin of a web page; nothing if it is another origin, like `null`.
fn of_origin(origin: &[u8]) -> Option<&[u8]> {
    origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"))
}

/// The name of a header that only a proxy adds.
fn forwarded(headers: &HeaderMap) -> Option<&str> {
    headers.keys().map(|name| name.as_str()).find(|name| match name.as_bytes() {
        [b'x', b'-', ..] => name.starts_with("x-forwarded") || *name == "x-real-ip",
        [b'f', ..] => *name == "forwarded",
        [b'v', ..] => *name == "via",
        _ => false,
    })
}

/// The host without its port: a colon in brackets is part of an address.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

/// Whether this name always means the machine itself (RFC 6761, section 6.3).
fn is_loopback(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = address.parse::<Ipv6Addr>();
        return address.is_ok_and(|address| address.to_canonical().is_loopback());
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return address.is_loopback();
    }
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    let (before, last) = name.split_at(name.len().saturating_sub(b"localhost".len()));
    last.eq_ignore_ascii_case(b"localhost") && matches!(before, [] | [.., b'.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_and_those_that_were_allowed_are_known() {
        let names = Names {
            allowed: vec!["notebook.example".to_owned(), "[fd00::1]".to_owned()],
            origins: vec![],
        };
        for host in [
            "localhost",
            "LocalHost.",
            "api.localhost",
            "127.0.0.1",
            "127.255.0.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "notebook.example",
            "Notebook.Example",
            "[fd00::1]",
        ] {
            for port in ["", ":", ":8000"] {
                assert!(names.allow(format!("{host}{port}").as_bytes()), "{host}{port}");
            }
        }
        for host in [
            "",
            "evil.example",
            "evillocalhost",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhosts",
            "127.0.0.10.example",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::2]",
            "[::ffff:10.0.0.1]",
            "[::1",
            "::1",
            "[fd00::2]",
            "sub.notebook.example",
            "xnotebook.example",
        ] {
            for port in ["", ":", ":8000"] {
                assert!(!names.allow(format!("{host}{port}").as_bytes()), "{host}{port}");
            }
        }
        assert!(!names.allow(b"localhost\xff"));
    }

    #[test]
    fn an_origin_is_that_of_a_web_page_or_none() {
        assert_eq!(of_origin(b"http://localhost:3000"), Some(&b"localhost:3000"[..]));
        assert_eq!(of_origin(b"https://x"), Some(&b"x"[..]));
        for origin in
            ["null", "", "file://", "chrome-extension://x", "localhost", "ftp://localhost"]
        {
            assert_eq!(of_origin(origin.as_bytes()), None, "{origin}");
        }
    }
}
