//! A machine without PostgreSQL: its programs are fetched, brought, or asked for.

mod fetched;
mod interrupted;
mod refused;

use std::process::Command;

use tokio::task::spawn_blocking;

use crate::support::Service;

/// How many predictions the psql line of the log finds, as pasted into a shell of whoever runs the service.
async fn rows(service: &mut Service) -> String {
    let line = service.log().wait_for("psql 'host=").await;
    let line = format!("{line} -X -Atc 'select count(*) from prediction'");
    let output = spawn_blocking(move || Command::new("sh").args(["-c", &line]).output().unwrap());
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
