//! The table in `deploy/libpq.md` holds, for each variable and each option.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use futures_util::future::join_all;

use super::{Server, check, home};

/// The variables of libpq in PostgreSQL 18.
const VARIABLES: &str = "PGHOST PGSSLNEGOTIATION PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGREQUIREAUTH
    PGCHANNELBINDING PGSERVICE PGSERVICEFILE PGOPTIONS PGAPPNAME PGSSLMODE PGREQUIRESSL PGSSLCOMPRESSION PGSSLCERT PGSSLKEY
    PGSSLCERTMODE PGSSLROOTCERT PGSSLCRL PGSSLCRLDIR PGSSLSNI PGREQUIREPEER PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION
    PGGSSENCMODE PGKRBSRVNAME PGGSSLIB PGGSSDELEGATION PGCONNECT_TIMEOUT PGCLIENTENCODING PGTARGETSESSIONATTRS
    PGLOADBALANCEHOSTS PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION PGDATESTYLE PGTZ PGGEQO PGSYSCONFDIR PGLOCALEDIR";

/// Its options, and two that it no longer has or will have.
const OPTIONS: &str = "host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout
    client_encoding options application_name fallback_application_name keepalives keepalives_idle keepalives_interval
    keepalives_count tcp_user_timeout replication gssencmode sslmode requiressl sslnegotiation sslcompression sslcert sslkey
    sslkeylogfile sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version
    ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gsslib gssdelegation scram_client_key
    scram_server_key service servicefile target_session_attrs load_balance_hosts oauth_issuer oauth_client_id
    oauth_client_secret oauth_scope";

/// A row: the option, its variable, and their fate.
struct Row {
    option: String,
    variable: String,
    here: String,
}

fn rows() -> Vec<Row> {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/libpq.md");
    let table = fs::read_to_string(table).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `") || line.starts_with("| –"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = |cell: &str| cell.trim_matches(['`', '–']).to_owned();
        Row { option: name(cells[1]), variable: name(cells[2]), here: cells[3].to_owned() }
    })
    .collect()
}

#[test]
fn the_table_has_all_that_libpq_knows() {
    let sorted = |mut names: Vec<String>| {
        names.retain(|name| !name.is_empty());
        names.sort();
        names
    };
    let of = |list: &str| sorted(list.split_whitespace().map(ToOwned::to_owned).collect());
    let (options, variables): (Vec<_>, Vec<_>) =
        rows().into_iter().map(|row| (row.option, row.variable)).unzip();
    assert_eq!(sorted(variables), of(VARIABLES));
    assert_eq!(sorted(options), of(OPTIONS));
}

#[tokio::test]
async fn every_refused_one_is_named() {
    let server = Server::start().await;
    let url = server.url();
    let mut refused = 0;
    for Row { option, variable, here } in rows() {
        let Some(exceptions) = here.strip_prefix("refused") else { continue };
        refused += 1;
        let words = |name: &str| format!("{name} ");
        if !variable.is_empty() {
            // Alone, it must not lead to a record of its own either.
            check(&[(&variable, "other")], &words(&variable)).await;
        }
        check(&[("DATABASE_URL", &format!("{url}&{option}=other"))], &words(&option)).await;
        for value in exceptions.split('`').skip(1).step_by(2) {
            let variables = [&server.variables()[..], &[(&*variable, value)]].concat();
            if !variable.is_empty() {
                check(&variables, "").await;
            }
            check(&[("DATABASE_URL", &format!("{url}&{option}={value}"))], "").await;
        }
    }
    assert!(refused > 20);
}

#[tokio::test]
async fn one_without_effect_changes_nothing() {
    let server = Server::start().await;
    let url = server.url();
    for Row { option, variable, here } in rows() {
        if here != "without effect" {
            continue;
        }
        if !variable.is_empty() {
            check(&[&server.variables()[..], &[(&*variable, "1")]].concat(), "").await;
        }
        if !option.is_empty() {
            check(&[("DATABASE_URL", &format!("{url}&{option}=1"))], "").await;
        }
    }
}

/// A variable, the variables that are set to try it, and the words of the failure that this is, if it is one.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// The variables are set besides those of the server; `{home}` is a directory with libpq's files.
const FOLLOWED: &[Case] = &[
    ("PGHOST", &[("PGHOST", "/nowhere")], "/nowhere"),
    ("PGHOST", &[("PGHOST", "127.0.0.1")], "password missing"),
    ("PGHOSTADDR", &[("PGHOSTADDR", "127.0.0.1")], "password missing"),
    ("PGHOSTADDR", &[("PGHOSTADDR", "127.0.0.1,127.0.0.1")], "hostaddr"),
    ("PGPORT", &[("PGPORT", "1")], "port 1"),
    ("PGPORT", &[("PGPORT", "1,2")], "port"),
    ("PGPORT", &[("PGPORT", "one")], "port"),
    ("PGDATABASE", &[("PGDATABASE", "no_such")], "does not exist"),
    ("PGUSER", &[("PGUSER", "no_such")], "does not exist"),
    ("PGPASSWORD", &[("PGHOST", "127.0.0.1"), ("PGUSER", "ada"), ("PGPASSWORD", "topsecret")], ""),
    (
        "PGPASSWORD",
        &[("PGHOST", "127.0.0.1"), ("PGUSER", "ada"), ("PGPASSWORD", "other")],
        "password authentication failed",
    ),
    (
        "PGPASSFILE",
        &[("PGHOST", "127.0.0.1"), ("PGUSER", "ada"), ("PGPASSFILE", "{home}/passwords")],
        "",
    ),
    (
        "PGPASSFILE",
        &[("PGHOST", "127.0.0.1"), ("PGUSER", "ada"), ("PGPASSFILE", "{home}/open")],
        "password missing",
    ),
    ("PGSERVICE", &[("PGSERVICE", "prod"), ("PGPORT", "1")], "PGSERVICE"),
    ("PGSERVICEFILE", &[("PGSERVICE", "prod"), ("PGSERVICEFILE", "{home}/services")], ""),
    ("PGSYSCONFDIR", &[("PGSERVICE", "prod"), ("PGSYSCONFDIR", "{home}")], ""),
    ("PGOPTIONS", &[("PGOPTIONS", "-c no_such=1")], "no_such"),
    ("PGAPPNAME", &[("PGAPPNAME", "unwanted"), ("PGDATABASE", "watched")], "unwanted here"),
    ("PGTARGETSESSIONATTRS", &[("PGTARGETSESSIONATTRS", "standby")], "target_session_attrs"),
    ("PGTARGETSESSIONATTRS", &[("PGTARGETSESSIONATTRS", "read-only")], "target_session_attrs"),
    ("PGTARGETSESSIONATTRS", &[("PGTARGETSESSIONATTRS", "primary")], ""),
    ("PGTARGETSESSIONATTRS", &[("PGTARGETSESSIONATTRS", "prefer-standby")], ""),
    ("PGTARGETSESSIONATTRS", &[("PGTARGETSESSIONATTRS", "other")], "target_session_attrs"),
    ("PGREQUIREPEER", &[("PGREQUIREPEER", "daemon")], "and not the user 1"),
    ("PGREQUIREPEER", &[("PGREQUIREPEER", "no_such")], "requirepeer"),
    ("PGLOADBALANCEHOSTS", &[("PGLOADBALANCEHOSTS", "random")], ""),
    ("PGLOADBALANCEHOSTS", &[("PGLOADBALANCEHOSTS", "other")], "load_balance_hosts"),
    ("PGSSLMODE", &[("PGSSLMODE", "require"), ("PGHOST", "127.0.0.1")], "does not support TLS"),
    (
        "PGSSLNEGOTIATION",
        &[("PGSSLNEGOTIATION", "direct"), ("PGHOST", "127.0.0.1")],
        "sslnegotiation=direct needs sslmode=require",
    ),
    ("PGSSLNEGOTIATION", &[("PGSSLNEGOTIATION", "other")], "sslnegotiation"),
    ("PGSSLROOTCERT", &[("PGSSLROOTCERT", "/nowhere"), ("PGHOST", "127.0.0.1")], "sslrootcert"),
    ("PGSSLCERT", &[("PGSSLCERT", "/nowhere"), ("PGHOST", "127.0.0.1")], "together"),
    ("PGSSLKEY", &[("PGSSLKEY", "/nowhere"), ("PGHOST", "127.0.0.1")], "together"),
    ("PGCHANNELBINDING", &[("PGCHANNELBINDING", "require")], "channel binding"),
    ("PGCHANNELBINDING", &[("PGCHANNELBINDING", "other")], "channel_binding"),
];

/// The same for options without a variable.
const FOLLOWED_OPTIONS: &[(&str, &str, &str)] = &[
    ("fallback_application_name", "unwanted", "unwanted here"),
    ("keepalives", "0", ""),
    ("keepalives", "other", "keepalives"),
];

#[tokio::test]
async fn every_followed_one_has_its_effect() {
    let server = Server::start().await;
    watch(&server).await;
    let files = files(&server);
    let home = files.path().to_str().unwrap();
    let mut cases: Vec<(Vec<(&str, String)>, &str)> = Vec::new();
    for (_, more, words) in FOLLOWED {
        let more = more.iter().map(|(name, value)| (*name, value.replace("{home}", home)));
        let mut variables: Vec<_> = more.collect();
        for (name, value) in server.variables() {
            if variables.iter().all(|(other, _)| *other != name) {
                variables.push((name, value.to_owned()));
            }
        }
        cases.push((variables, words));
    }
    for (option, value, words) in FOLLOWED_OPTIONS {
        let url = server.url();
        // The watched database refuses one name alone.
        let url = if value == &"unwanted" { to_watched(&server) } else { url };
        cases.push((vec![("DATABASE_URL", format!("{url}&{option}={value}"))], words));
    }
    // A service that cannot connect tries for some seconds.
    for cases in cases.chunks(8) {
        let checks = cases.iter().map(|(variables, words)| async move {
            let variables = variables.iter().map(|(name, value)| (*name, &**value));
            check(&variables.collect::<Vec<_>>(), words).await;
        });
        join_all(checks).await;
    }
    let tested = |row: &Row| {
        FOLLOWED.iter().any(|(name, ..)| *name == row.variable)
            || FOLLOWED_OPTIONS.iter().any(|(name, ..)| *name == row.option)
    };
    let untested = rows().into_iter().filter(|row| row.here == "followed" && !tested(row));
    assert_eq!(untested.map(|row| row.option).collect::<Vec<_>>(), [""; 0]);
}

fn to_watched(server: &Server) -> String {
    server.url().replace(&format!("/{}?", server.name), "/watched?")
}

/// Has one database refuse to be migrated by a session of this name.
async fn watch(server: &Server) {
    let admin = server.postgres.try_connect().await.unwrap();
    admin.batch_execute("create database watched").await.unwrap();
    let config: tokio_postgres::Config = to_watched(server).parse().unwrap();
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let trigger = "
        create function refuse() returns event_trigger language plpgsql as $$ begin
            if current_setting('application_name') = 'unwanted' then raise 'unwanted here'; end if;
        end $$;
        create event trigger refuse on ddl_command_start execute function refuse()";
    client.batch_execute(trigger).await.unwrap();
}

/// Files with passwords, and with a service that counts more than variables which lead nowhere.
fn files(server: &Server) -> tempfile::TempDir {
    let files = home();
    let put = |name: &str, text: &str, mode| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let passwords = "# ours\nelsewhere:*:*:*:wrong\n127.0.0.1:*:*:ada:topsecret\n*:*:*:*:wrong\n";
    put("passwords", passwords, 0o600);
    put("open", passwords, 0o640);
    let Server { directory, port, user, name, .. } = server;
    let service = format!(
        "[test]\nport=1\n\n[prod]\n# ours\nhost={directory}\nport={port}\nuser={user}\ndbname={name}\n"
    );
    put("services", &service, 0o644);
    put("pg_service.conf", &service, 0o644);
    files
}
