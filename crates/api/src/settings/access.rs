//! The settings of access: where the keys are, how much they allow, and whether to do without.

use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use access::{KeyId, Scope};
use chrono::{DateTime, TimeDelta, Utc};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand};

use super::{ACCESS, KEYS, quantity};

/// Who may ask.
#[derive(Debug, Clone, Args)]
pub struct AccessSettings {
    /// The file of the API keys; without it whoever reaches the service may do everything
    ///
    /// `onrecord key new` makes it, or adds to it. A running service takes up a change within five seconds. Without keys it
    /// listens on loopback addresses only.
    #[arg(long, env = "API_KEYS_FILE", global = true, help_heading = KEYS, value_name = "FILE")]
    pub api_keys_file: Option<PathBuf>,

    /// How many requests per second a key may make of which the file does not say it; default: any number
    ///
    /// As many may come at once. A batch is one request, but its rows count too: a hundred for each request, and 10,000 at
    /// once in any case. Each service counts for itself: of three replicas a key may use each as often.
    #[arg(long, env = "KEY_RATE", value_parser = quantity::at_least_one::<NonZeroU32>, global = true, help_heading = ACCESS, value_name = "REQUESTS")]
    pub key_rate: Option<NonZeroU32>,

    /// Without keys: a name under which the service may be reached besides those of this machine; may be given several times
    ///
    /// Without keys a request must be for localhost or a loopback address, whatever page or program sends it, and must not come
    /// through a proxy. Say here under which names a proxy, a notebook or a container reaches the service; in the variable,
    /// commas stand between them. Whoever can use such a name may predict and read the record.
    #[arg(long = "allowed-host", env = "ALLOWED_HOST", value_parser = host, value_delimiter = ',', global = true, help_heading = ACCESS, value_name = "NAME")]
    pub allowed_hosts: Vec<String>,

    /// A web page that may call the service from a browser, such as `https://app.example`; may be given several times
    ///
    /// Browsers let a page read the answers of its own origin alone, unless the answers name the page's. With keys the page
    /// must show one like everybody else; without them every visitor of that page may predict and read the record. In the variable,
    /// commas stand between the origins.
    #[arg(long = "cors-origin", env = "CORS_ORIGIN", value_parser = origin, value_delimiter = ',', global = true, help_heading = ACCESS, value_name = "ORIGIN")]
    pub cors_origins: Vec<String>,

    /// Without keys: listen beyond loopback and under any name; whoever reaches the service may predict and read the record
    #[arg(long, env = "INSECURE", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = BoolishValueParser::new(), global = true, value_name = "BOOLEAN", help_heading = ACCESS)]
    pub insecure: bool,
}

/// What can be done with keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum KeyCommand {
    /// Make a key: its secret is printed, this once, and its hash added to the file, which is made if there is none
    New {
        /// What the key is good for: predict, read (the whole record), label, metrics or admin; may be given several times
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,

        /// What people call it
        #[arg(long, value_parser = name)]
        name: Option<String>,

        /// From when on it counts no more: in so many days or hours (90d, 12h), or at a time (RFC 3339)
        #[arg(long, value_parser = expiry, value_name = "WHEN")]
        expires: Option<DateTime<Utc>>,

        /// How many requests per second it may make, instead of --key-rate
        #[arg(long, value_parser = quantity::at_least_one::<NonZeroU32>, value_name = "REQUESTS")]
        rate: Option<NonZeroU32>,
    },
    /// List the keys, without their hashes
    List,
    /// Let a key count no more
    Revoke {
        /// The key: the part of its secret between the underscores
        id: KeyId,
    },
}

fn host(text: &str) -> Result<String, String> {
    let of_address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match of_address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !text.is_empty() && text.bytes().all(of_name)
        }
    };
    if is_host {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be a name like notebook.example, without scheme, port or path".to_owned())
    }
}

/// An origin as a browser writes it (RFC 6454, section 6.2): in lower case, without a path, and without the port that its scheme
/// has anyhow.
fn origin(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let parts = lower.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme));
    let parts = parts.map(|(scheme, rest)| {
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (rest, None),
        };
        (scheme, name, port)
    });
    match parts {
        Some((scheme, name, port))
            if host(name).is_ok() && port.is_none_or(|port| port.parse::<u16>().is_ok()) =>
        {
            let usual = if scheme == "https" { "443" } else { "80" };
            let port = port.filter(|port| *port != usual).map(|port| format!(":{port}"));
            Ok(format!("{scheme}://{name}{}", port.unwrap_or_default()))
        }
        _ => {
            Err("must be like https://app.example or http://localhost:3000, without a path"
                .to_owned())
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    if access::is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 100 characters, none of them a control character".to_owned())
    }
}

fn expiry(text: &str) -> Result<DateTime<Utc>, String> {
    let length = |count: &str, unit: fn(i64) -> Option<TimeDelta>| {
        let count = count.parse::<u32>().ok()?;
        Utc::now().checked_add_signed(unit(count.into())?)
    };
    let time = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(days), _) => length(days, TimeDelta::try_days),
        (_, Some(hours)) => length(hours, TimeDelta::try_hours),
        _ => DateTime::parse_from_rfc3339(text).ok().map(Into::into),
    };
    match time {
        Some(time) if time > Utc::now() => Ok(time),
        Some(_) => Err("is over already".to_owned()),
        None => Err("must be like 90d, 12h or 2027-01-31T12:00:00Z".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_host_is_a_name_and_nothing_more() {
        for (text, name) in [("Notebook.Example", "notebook.example"), ("[FD00::1]", "[fd00::1]")] {
            assert_eq!(host(text).unwrap(), name);
        }
        for refused in
            ["", "*", "*.example", "https://x", "x:80", "x/", "a@b", "x y", "[x]", "fd00::1", "é"]
        {
            assert!(host(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn an_origin_is_what_a_browser_writes() {
        for (text, written) in [
            ("https://App.Example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text).unwrap(), written);
        }
        for refused in [
            "",
            "*",
            "null",
            "app.example",
            "ftp://x",
            "https://x/",
            "https://x/y",
            "https://*.x",
            "https://x:y",
        ] {
            assert!(origin(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn an_expiry_is_a_length_or_a_time_to_come() {
        let hours = |text| (expiry(text).unwrap() - Utc::now()).num_minutes() / 60;
        assert_eq!([hours("90d"), hours("12h")], [90 * 24 - 1, 11]);
        assert_eq!(
            expiry("2999-01-31T12:00:00+01:00").unwrap().to_rfc3339(),
            "2999-01-31T11:00:00+00:00"
        );
        for refused in
            ["", "d", "0d", "-1d", "1w", "4294967295d", "2020-01-01T00:00:00Z", "2999-01-31"]
        {
            assert!(expiry(refused).is_err(), "{refused}");
        }
    }
}
