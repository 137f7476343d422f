//! libpq's options as tokio-postgres takes them: all but the servers, which the connector has.

use nix::unistd::{User, geteuid};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};

use crate::options::Options;
use crate::servers::Servers;
use crate::tls::Mode;
use crate::{Cause, password_file, refusal};

/// The configuration of sessions with these servers, which are not encrypted yet.
pub(crate) fn of(options: &Options, servers: &mut Servers) -> Result<Config, Cause> {
    let user = options.get("user").map_or_else(user_of_system, |user| Ok(user.to_owned()))?;
    let name = options.get("dbname").unwrap_or(&user);
    refusal::check_parts(&servers.all, name, &user)?;
    let mut config = Config::new();
    config.user(&user).dbname(name).ssl_mode(SslMode::Disable);
    match options.get("password") {
        Some(password) => {
            config.password(password);
        }
        None => find_passwords(options, servers, name, &user),
    }
    if let Some(options) = options.get("options") {
        config.options(options);
    }
    let own = options.get("application_name").or_else(|| options.get("fallback_application_name"));
    if let Some(name) = own {
        config.application_name(name);
    }
    let bindings = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    if let Some(binding) = options.word("channel_binding", &bindings)? {
        config.channel_binding(binding);
    }
    let ways = [("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)];
    if let Some(way) = options.word("sslnegotiation", &ways)? {
        config.ssl_negotiation(way);
    }
    if let Some(number) = options.get("keepalives") {
        let number: u32 = number.parse().map_err(|_| refusal::not_valid("keepalives"))?;
        config.keepalives(number != 0);
    }
    Ok(config)
}

/// Has the configuration encrypt in this mode.
pub(crate) fn encrypt(config: &mut Config, mode: Mode) -> Result<(), Cause> {
    if config.get_ssl_negotiation() == SslNegotiation::Direct && mode < Mode::Require {
        return Err(Cause::of_words("sslnegotiation=direct needs sslmode=require or more"));
    }
    config.ssl_mode(match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Prefer => SslMode::Prefer,
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
    });
    Ok(())
}

fn user_of_system() -> Result<String, Cause> {
    let number = geteuid();
    let user = User::from_uid(number).ok().flatten().map(|user| user.name);
    user.ok_or_else(|| {
        Cause::of_words(format!(
            "it has no user, and the operating system has no name for the user {number} of this process; set PGUSER"
        ))
    })
}

/// Gives each server its password from the password file.
fn find_passwords(options: &Options, servers: &mut Servers, name: &str, user: &str) {
    let Some(passwords) = password_file::read(options.get("passfile")) else { return };
    for server in &mut servers.all {
        let host = server.name_in_password_file();
        server.has_password(password_file::find(&passwords, &host, server.port(), name, user));
    }
}
