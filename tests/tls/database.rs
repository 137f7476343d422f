//! The way from the service to its database is as secure as libpq's `sslmode` asks for.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use storage::{Database, Rules, Store, Upkeep, Variables};

use super::{Authority, Issued, refused};
use crate::support::{OwnPostgres, Service, count, flower, measured};

/// Who gets in which way. The last one shows a certificate instead of a password.
const RULES: &str = "
host      all free  all scram-sha-256
hostssl   all tls   all scram-sha-256
hostnossl all plain all scram-sha-256
hostssl   all shown all cert
";

const ROLES: &str = "
create role free  superuser login password 'topsecret';
create role tls   superuser login password 'topsecret';
create role plain superuser login password 'topsecret';
create role shown superuser login";

/// A PostgreSQL that speaks TLS.
struct Server {
    postgres: OwnPostgres,
    port: u16,
    name: String,
}

impl Server {
    async fn start(issued: &Issued, authority: &Authority) -> Self {
        let mut postgres = OwnPostgres::start().await;
        let port = postgres.listen(RULES).await;
        let admin = postgres.try_connect().await.unwrap();
        admin.batch_execute(ROLES).await.unwrap();
        let name = admin.query_one("select current_database()::text", &[]).await.unwrap().get(0);
        postgres.put("authority.pem", &fs::read_to_string(authority.root()).unwrap());
        admin.batch_execute("alter system set ssl_ca_file = 'authority.pem'").await.unwrap();
        let server = Self { postgres, port, name };
        server.show(issued);
        server.set("ssl", "on").await;
        server
    }

    /// From the next `set` on it shows this certificate.
    fn show(&self, issued: &Issued) {
        self.postgres.put("server.crt", &fs::read_to_string(&issued.certificate).unwrap());
        self.postgres.put("server.key", &fs::read_to_string(&issued.key).unwrap());
    }

    async fn set(&self, setting: &str, value: &str) {
        let admin = self.postgres.try_connect().await.unwrap();
        let set = format!("alter system set {setting} = '{value}'");
        admin.batch_execute(&set).await.unwrap();
        self.postgres.reload().await;
    }

    fn url(&self, user: &str, parameters: &str) -> String {
        let Self { port, name, .. } = self;
        format!("postgresql://{user}:topsecret@localhost:{port}/{name}?{parameters}")
    }

    /// Connects as this user; gives what went wrong.
    async fn try_as(&self, user: &str, parameters: &str) -> Result<(), String> {
        let open = async || {
            let url = self.url(user, parameters);
            let database = Database::from_url(&url, &Variables::default())?;
            let store = Store::new(database)?;
            let checked = match store.probe() {
                Ok(probe) => probe.look().await,
                Err(error) => Err(error),
            };
            store.close();
            checked
        };
        open().await.map_err(|error| {
            let mut words = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                words = format!("{words}: {error}");
                cause = error.source();
            }
            assert!(!words.contains("topsecret"), "{words}");
            words
        })
    }

    #[track_caller]
    fn check(user: &str, parameters: &str, found: &Result<(), String>, expected: &str) {
        match found {
            Ok(()) => assert!(expected.is_empty(), "{user} {parameters} is let in"),
            Err(words) => assert!(
                !expected.is_empty() && words.contains(expected),
                "{user} {parameters}: {words}"
            ),
        }
    }

    /// Each of these succeeds, if nothing is expected to be said, or fails with these words.
    async fn expect(&self, cases: &[(&str, &str, &str)]) {
        for (user, parameters, expected) in cases {
            let found = self.try_as(user, parameters).await;
            Self::check(user, parameters, &found, expected);
        }
    }
}

#[tokio::test]
async fn connections_are_verified_as_asked() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(&authority.issue("localhost"), &authority).await;
    let root = format!("sslrootcert={}", authority.root());
    let full = format!("sslmode=verify-full&{root}");
    let ca = format!("sslmode=verify-ca&{root}");
    let require = format!("sslmode=require&{root}");
    let other_full = format!("sslmode=verify-full&sslrootcert={}", other.root());
    let other_ca = format!("sslmode=verify-ca&sslrootcert={}", other.root());
    let bound = format!("{full}&channel_binding=require");
    let url = server.url("tls", &full);
    let database = Database::from_url(&url, &Variables::default()).unwrap();
    let rules = Rules { retain_days: None, answers_kept: Duration::from_secs(60) };
    Upkeep::new(database, rules).unwrap().migrate().await.unwrap();

    let started = Instant::now();
    server.expect(&[("tls", &full, "")]).await;
    measured("a verified connection, and a look at the record", started.elapsed());
    let unknown = "invalid peer certificate";
    server
        .expect(&[
            ("tls", &ca, ""),
            ("tls", &require, ""),
            ("tls", "sslmode=require", ""),
            ("tls", "sslmode=prefer", ""),
            ("tls", "sslmode=allow", ""),
            ("tls", "", ""),
            ("tls", &bound, ""),
            ("tls", &other_full, unknown),
            ("tls", &other_ca, unknown),
            ("tls", "sslmode=verify-full", "sslrootcert"),
            ("tls", "sslmode=verify-ca", "sslrootcert"),
            ("tls", &format!("sslmode=require&sslrootcert={}", other.root()), unknown),
            // A server that insists on it, and one that does not want it.
            ("tls", "sslmode=disable", "no encryption"),
            ("plain", "sslmode=disable", ""),
            ("plain", "sslmode=prefer", ""),
            ("plain", "sslmode=require", "SSL encryption"),
            ("plain", &full, "SSL encryption"),
        ])
        .await;
    let shown = authority.issue("shown");
    let showing = format!("{full}&sslcert={}&sslkey={}", shown.certificate(), shown.key());
    let stolen =
        format!("{full}&sslcert={}&sslkey={}", shown.certificate(), other.issue("shown").key());
    server
        .expect(&[
            ("shown", &showing, ""),
            ("shown", &full, "certificate"),
            ("shown", &stolen, "do not fit"),
        ])
        .await;
    server.set("ssl_max_protocol_version", "TLSv1.2").await;
    server.expect(&[("tls", &full, ""), ("tls", &bound, "")]).await;
    server.set("ssl_max_protocol_version", "").await;

    for (issued, in_full, in_ca) in [
        (authority.issue("elsewhere"), "not valid for name", ""),
        (authority.issue_expired("localhost"), "expired", "expired"),
        (authority.self_signed("localhost"), unknown, unknown),
        (other.issue("localhost"), unknown, unknown),
    ] {
        server.show(&issued);
        server.set("ssl", "on").await;
        server
            .expect(&[
                ("tls", &full, in_full),
                ("tls", &ca, in_ca),
                ("tls", &require, in_ca),
                ("tls", "sslmode=require", ""),
                ("tls", "sslmode=prefer", ""),
            ])
            .await;
    }

    // Too old for any encryption: what is only preferred is done without.
    server.set("ssl_min_protocol_version", "TLSv1").await;
    server.set("ssl_max_protocol_version", "TLSv1.1").await;
    server
        .expect(&[
            ("free", "sslmode=prefer", ""),
            ("free", "sslmode=require", "TLS handshake"),
            ("tls", "sslmode=prefer", "no encryption"),
        ])
        .await;

    server.set("ssl", "off").await;
    server
        .expect(&[
            ("free", "sslmode=disable", ""),
            ("free", "sslmode=prefer", ""),
            ("free", "", ""),
            ("free", "sslmode=require", "server does not support TLS"),
            ("free", &ca, "server does not support TLS"),
            ("free", &full, "server does not support TLS"),
        ])
        .await;
}

#[tokio::test]
async fn the_service_keeps_its_record_over_verified_connections() {
    const SESSIONS: &str = "select count(*) from pg_stat_activity join pg_stat_ssl using (pid)
                            where usename = 'free' and ";
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(&authority.issue("localhost"), &authority).await;
    let admin = server.postgres.try_connect().await.unwrap();
    let (root, port) = (authority.root(), server.port.to_string());
    let url = server.url("free", "");
    let parts = [
        ("PGHOST", "localhost"),
        ("PGPORT", &port),
        ("PGUSER", "free"),
        ("PGPASSWORD", "topsecret"),
        ("PGDATABASE", &server.name),
    ];
    let ways: [Vec<(&str, &str)>; 3] = [
        vec![("DATABASE_URL", &url), ("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &root)],
        [&parts[..], &[("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", &root)]].concat(),
        // What the system trusts.
        [&parts[..], &[("PGSSLROOTCERT", "system"), ("SSL_CERT_FILE", &root)]].concat(),
    ];
    for way in ways {
        let mut command = Service::command();
        command.envs(way);
        let mut service = Service::spawn(command, false).await;
        service.log().wait_for("sslmode verify-full").await;
        service.predict(&flower()).await;
        service.get_json("/predictions").await;
        assert!(count(&admin, &format!("{SESSIONS} version = 'TLSv1.3'")).await >= 2);
        assert_eq!(count(&admin, &format!("{SESSIONS} not ssl")).await, 0);
        assert_eq!(service.stop().await.code(), Some(0));
    }
    assert_eq!(count(&admin, "select count(*) from prediction").await, 3);

    // What the address says counts more than a variable does.
    let said = server.url("free", &format!("sslmode=verify-full&sslrootcert={}", other.root()));
    for variables in [
        vec![("DATABASE_URL", &*said), ("PGSSLMODE", "disable"), ("PGSSLROOTCERT", &root)],
        vec![("DATABASE_URL", &url), ("PGSSLMODE", "verify-all")],
        vec![("DATABASE_URL", &url), ("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/nowhere")],
    ] {
        let (status, log) = refused(&variables).await;
        assert!(!status.success(), "{variables:?}: {log}");
        assert!(!log.contains("topsecret"), "{log}");
        let words = ["invalid peer certificate", "sslmode must be", "sslrootcert cannot be read"];
        assert!(words.iter().any(|words| log.contains(words)), "{variables:?}: {log}");
    }
}
