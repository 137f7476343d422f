//! What compose.yaml gives to its containers, given to processes: the secrets open the doors that they are for.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{OwnPostgres, Service, count, flower};

const SCRIPT: &str = "compose/secrets.sh";

/// A copy of `deploy/` in which every secret was made; the files stay ours, as it is we who run the service.
fn deployed() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    for file in ["compose.yaml", "compose", "sql"] {
        let copied = Command::new("cp").arg("-a").arg(deploy.join(file)).arg(copy.path()).status();
        assert!(copied.unwrap().success());
    }
    let script = copy.path().join(SCRIPT);
    let text = fs::read_to_string(&script).unwrap();
    assert_eq!(text.matches("chown -R ").count(), 2);
    fs::write(&script, text.replace("chown -R ", ": ")).unwrap();
    make_secrets(copy.path());
    copy
}

fn make_secrets(deploy: &Path) {
    let mut make = Command::new(deploy.join(SCRIPT));
    let made = make.env("ONRECORD", env!("CARGO_BIN_EXE_onrecord")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn secret(deploy: &Path, name: &str) -> String {
    fs::read_to_string(deploy.join("secrets").join(name)).unwrap().trim_end().to_owned()
}

/// What a container of compose.yaml is told by variables.
fn variables(deploy: &Path, service: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(deploy.join("compose.yaml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    let variables = compose["services"][service]["environment"].as_object().unwrap().iter();
    variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// As PostgreSQL's image runs the files of its directory for them.
fn run_sql(postgres: &OwnPostgres, port: u16, file: &Path) {
    let (server, _before) = postgres.url().split_once("&port=").unwrap();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-d", &format!("{server}&port={port}"), "-f"]);
    let ran = psql.arg(file).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn the_secrets_let_the_service_into_its_database_and_its_clients_into_the_service() {
    let copy = deployed();
    let deploy = copy.path();
    let mut postgres = OwnPostgres::start().await;
    let port = postgres.listen("host all all 127.0.0.1/32 scram-sha-256").await;
    let passwords = deploy.join("compose/passwords.sql");
    let here = fs::read_to_string(&passwords).unwrap();
    let secrets = deploy.join("secrets").display().to_string();
    fs::write(&passwords, here.replace("/run/secrets", &secrets)).unwrap();
    for file in [deploy.join("sql/roles.sql"), passwords] {
        run_sql(&postgres, port, &file);
    }

    let mounted = |value: String| value.replace("/etc/onrecord", &format!("{secrets}/onrecord"));
    let host = format!("@127.0.0.1:{port}/");
    let told = variables(deploy, "onrecord").into_iter();
    let told = told.map(|(name, value)| (name, mounted(value).replace("@postgres/", &host)));
    let mut command = Service::command();
    command.envs(told);
    let service = Service::spawn(command, false).await;

    let client = secret(deploy, "client");
    let asked = service.post("/predict", &flower()).bearer_auth(&client).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    for (name, allowed) in [("prometheus", 200), ("grafana", 401)] {
        let figures = service.client.get(service.url("/metrics"));
        let figures = figures.bearer_auth(secret(deploy, name)).send().await.unwrap();
        assert_eq!(figures.status(), allowed, "{name}");
    }
    let writer = "select count(*) from pg_stat_activity where usename = 'onrecord_writer'";
    assert!(count(&postgres.try_connect().await.unwrap(), writer).await > 0);
}

#[test]
fn what_was_made_before_stays_and_nobody_else_gets_in() {
    let copy = deployed();
    let secrets = copy.path().join("secrets");
    let names = ["postgres", "migrator", "writer", "grafana", "prometheus", "client"];
    let of_service = ["onrecord/keys", "onrecord/pgpass"];
    let all: Vec<PathBuf> = names.iter().chain(&of_service).map(|it| secrets.join(it)).collect();
    let read = || all.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
    let before = read();
    make_secrets(copy.path());
    assert_eq!(before, read());
    fs::remove_file(&all[5]).unwrap();
    make_secrets(copy.path());
    assert_ne!(fs::read(&all[5]).unwrap(), before[5]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&secrets), mode(&secrets.join("onrecord"))), (0o700, 0o700));
    assert_eq!((mode(&all[0]), mode(&all[6]), mode(&all[7])), (0o644, 0o600, 0o600));
}
