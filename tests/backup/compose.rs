//! Dumps in Compose: the same commands, given to a container, where the paths of the host are not. What stands for the container here is
//! a process in another directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::page::blocks;
use super::{predict, recorded, shell};
use crate::support::{OwnPostgres, Service, eventually};

/// As Docker is called: `docker compose --file FILE exec -T --env PGUSER=postgres postgres COMMAND…`.
const DOCKER: &str = r#"#!/bin/sh
set -eu
[ "$1 $2 $4 $5 $6 $7 $8" = "compose --file exec -T --env PGUSER=postgres postgres" ]
grep -q "^  $8:$" "$3"
shift 8
unset BACKUP
cd /
exec "$@"
"#;

/// The commands, with `pg` before each program of PostgreSQL, as the page says.
fn in_container(function: &str, commands: &str) -> String {
    let programs = ["pg_dump", "pg_restore", "createdb", "psql"];
    let lines = commands.lines().map(|line| {
        let is_theirs = programs.iter().any(|it| line.split(' ').next() == Some(it));
        format!("{}{line}\n", if is_theirs { "pg " } else { "" })
    });
    let lines: String = lines.collect();
    assert!(lines.contains("pg "), "{commands}");
    format!("{function}{lines}")
}

#[tokio::test]
async fn a_dump_is_made_and_restored_through_a_pipe() {
    let (postgres, directory) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let docker = directory.path().join("docker");
    fs::write(&docker, DOCKER).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let shell = shell(&postgres, &directory);
    let path = format!("{}:{}", directory.path().display(), shell.variable("PATH"));
    let shell = shell.with("PATH", &path);
    let [function] = blocks("In Compose");
    let [back_up] = blocks("Back up");
    let [beside, in_place, roles] = blocks("Restore");

    let service = Service::start_at(postgres.url()).await;
    let kept = predict(&service).await;
    shell.run(&in_container(&function, &back_up)).await;
    let lost = predict(&service).await;
    for commands in [beside, in_place, roles] {
        shell.run(&in_container(&function, &commands)).await;
    }
    eventually("the service is back", async || recorded(&service, &kept).await == 200).await;
    assert_eq!(recorded(&service, &lost).await, 404);
    service.stop().await;
}
