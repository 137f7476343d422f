//! What others on the machine see of the service.

use crate::support::{Service, TestDatabase, flower};

/// Part of an address of the database; PostgreSQL asks for no password here, and passes over it.
const SECRET: &str = "canary-7d1f0c52";

#[tokio::test]
async fn a_secret_given_by_variable_is_seen_nowhere() {
    let database = TestDatabase::create().await;
    let url = database.url().replace("@/", &format!(":{SECRET}@/"));
    assert!(url.contains(SECRET));
    let mut command = Service::command();
    command.env("DATABASE_URL", &url).env("RUST_LOG", "debug");
    let mut service = Service::spawn(command, false).await;
    service.predict(&flower()).await;
    let seen = std::fs::read(format!("/proc/{}/cmdline", service.pid())).unwrap();
    assert!(seen.ends_with(b"/onrecord\0"), "{}", String::from_utf8_lossy(&seen));
    for path in ["/openapi.json", "/docs", "/ledger", "/health/ready", "/nothing"] {
        let text = service.get(path).await.text().await.unwrap();
        assert!(!text.contains(SECRET), "{path}");
    }
    let mut log = service.log().clone();
    service.stop().await;
    log.wait_for("everything in flight is answered").await;
    assert!(log.lines().len() > 5);
    let told: Vec<_> = log.lines().into_iter().filter(|line| line.contains(SECRET)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn the_help_names_the_variables_and_not_what_is_in_them() {
    let mut command = Service::command();
    command.env("DATABASE_URL", format!("postgresql://someone:{SECRET}@nowhere/x")).arg("--help");
    let output = command.output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("DATABASE_URL"), "{help}");
    assert!(!help.contains(SECRET), "{help}");
}
