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

/// The service as this container of compose.yaml starts it, with what it mounts; the database is on this port.
fn container(deploy: &Path, name: &str, port: u16) -> Command {
    let text = fs::read_to_string(deploy.join("compose.yaml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    let container = &compose["services"][name];
    let [mounted] = container["volumes"].as_array().unwrap().as_slice() else {
        panic!("{name} mounts other things as well")
    };
    let mounted = mounted.as_str().unwrap().strip_suffix(":/etc/onrecord:ro").unwrap();
    let mounted = deploy.join(mounted.strip_prefix("./").unwrap()).display().to_string();
    let mut command = Service::command();
    if let Some(arguments) = container["command"].as_array() {
        command.args(arguments.iter().map(|it| it.as_str().unwrap()));
    }
    for (variable, value) in container["environment"].as_object().unwrap() {
        let value = value.as_str().unwrap().replace("/etc/onrecord", &mounted);
        let value = value.replace("@postgres/", &format!("@127.0.0.1:{port}/"));
        // A port of its own, as they share this machine.
        if variable != "LISTEN" {
            command.env(variable, value.replace("${RETAIN_DAYS:-}", "90"));
        }
    }
    command
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

    let migrated = container(deploy, "migrate", port).output().unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let service = Service::spawn(container(deploy, "onrecord", port), false).await;
    let upkeep = Service::spawn(container(deploy, "upkeep", port), false).await;

    let client = secret(deploy, "client");
    let asked = service.post("/predict", &flower()).bearer_auth(&client).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    let figures = async |name: &str| {
        let figures = service.client.get(service.url("/metrics"));
        figures.bearer_auth(secret(deploy, name)).send().await.unwrap()
    };
    assert_eq!(figures("grafana").await.status(), 401);
    let seen = figures("prometheus").await;
    assert_eq!(seen.status(), 200);
    let seen = seen.text().await.unwrap();
    assert!(seen.contains("onrecord_retention_seconds 7776000\n"), "{seen}");

    // The roles that keep the record up, and those that may not.
    let kept_up = "onrecord_upkeep_last_success_timestamp_seconds ";
    assert!(!seen.contains(kept_up), "{seen}");
    let seen = upkeep.get("/metrics").await.text().await.unwrap();
    assert!(seen.contains(kept_up), "{seen}");
    let writer = "select count(*) from pg_stat_activity where usename = 'onrecord_writer'";
    assert!(count(&postgres.try_connect().await.unwrap(), writer).await > 0);
    let owner = secret(deploy, "migrator");
    for file in fs::read_dir(deploy.join("secrets/onrecord")).unwrap() {
        let file = file.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&owner), "{}", file.display());
    }
}

#[test]
fn what_was_made_before_stays_and_nobody_else_gets_in() {
    let copy = deployed();
    let secrets = copy.path().join("secrets");
    let names = ["postgres", "migrator", "writer", "grafana", "prometheus", "client"];
    let of_service = ["onrecord/keys.toml", "onrecord/pgpass", "upkeep/pgpass"];
    let all: Vec<PathBuf> = names.iter().chain(&of_service).map(|it| secrets.join(it)).collect();
    let read = || all.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
    let before = read();
    make_secrets(copy.path());
    assert_eq!(before, read());
    fs::remove_file(&all[5]).unwrap();
    make_secrets(copy.path());
    assert_ne!(fs::read(&all[5]).unwrap(), before[5]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    for directory in ["", "onrecord", "upkeep"] {
        assert_eq!(mode(&secrets.join(directory)), 0o700, "{directory}");
    }
    assert_eq!((mode(&all[0]), mode(&all[6]), mode(&all[7])), (0o644, 0o600, 0o600));
    assert_eq!(mode(&all[8]), 0o600);
}
