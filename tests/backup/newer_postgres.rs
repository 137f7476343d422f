//! A private database moves to other programs: from those in `ONRECORD_TEST_PG_OLD` to those in `ONRECORD_TEST_PG_NEW`. Where neither is
//! set, it moves from the newest that there are to the same, which shows the way, and not that versions differ.

use super::page::blocks;
use super::shell::{Shell, programs};
use super::{predict, recorded};
use crate::support::{Service, eventually, home};

/// The service, as the page starts it.
async fn start(shell: &Shell, line: &str) -> Service {
    let mut command = shell.command(&format!("exec {line}"));
    command.env("LISTEN", "127.0.0.1:0").env("LOG_FORMAT", "json");
    Service::spawn(command, true).await
}

#[tokio::test]
async fn a_private_database_moves_to_a_newer_postgresql() {
    let home = home();
    let socket = home.path().join("data/socket").display().to_string();
    let old = programs(Some("ONRECORD_TEST_PG_OLD"));
    let new = programs(Some("ONRECORD_TEST_PG_NEW"));
    // Whoever starts the service has not set PGHOST; it would take that for where its database is.
    let starts = Shell::new(home.path()).with("OLD", old.to_str().unwrap());
    let starts = starts.with("NEW", new.to_str().unwrap());
    let path = format!("{}:{}", new.display(), starts.variable("PATH"));
    let shell = starts.clone().with("PATH", &path);
    let shell = shell.with("PGHOST", &socket).with("PGUSER", "onrecord");
    let [start_old, dump, aside, start_new] = blocks("A newer PostgreSQL");
    let [beside, in_place, _roles] = blocks("Restore");

    let service = start(&starts, &start_old).await;
    let row = predict(&service).await;
    shell.run(&dump).await;
    assert_eq!(service.stop().await.code(), Some(0));
    shell.run(&aside).await;
    let service = start(&starts, &start_new).await;
    assert_eq!(recorded(&service, &row).await, 404);
    shell.run(&beside).await;
    shell.run(&in_place).await;
    eventually("the service is back", async || recorded(&service, &row).await == 200).await;
    eventually("rows are taken", async || service.get("/health/ready").await.status() == 200).await;
    predict(&service).await;
    assert_eq!(service.stop().await.code(), Some(0));
}
