//! What stands in the log, in either format.

use crate::support::{Service, TestDatabase, flower};

#[tokio::test]
async fn a_failure_of_the_database_is_logged_with_its_sqlstate_in_both_formats() {
    for format in ["json", "pretty"] {
        let database = TestDatabase::create().await;
        let mut service = Service::start_with(&database, [("LOG_FORMAT", format)]).await;
        let admin = database.connect().await;
        admin.batch_execute("alter table prediction rename to elsewhere").await.unwrap();
        let failed = service.post("/predict", &flower()).send().await.unwrap();
        assert!(failed.status().is_server_error(), "{}", failed.status());
        service.log().wait_for("42P01").await;
        let lines = service.log().lines();
        let writing = lines.iter().find(|line| line.contains("writing failed")).unwrap();
        assert!(writing.contains("42P01"), "{writing}");
    }
}

#[tokio::test]
async fn a_request_at_fault_is_logged_with_the_reason_and_nothing_that_it_sent() {
    let body =
        r#"{"sepal_width": "3.14159", "sepal_length": 271828, "petal_width": 0.2, "my secret": 0}"#;
    let reason = "invalid_input: /sepal_width wrong_type, /sepal_length out_of_range, /petal_length required, \
                  a field or parameter unknown";
    for format in ["json", "pretty"] {
        let database = TestDatabase::create().await;
        let mut service = Service::start_with(&database, [("LOG_FORMAT", format)]).await;
        let request = service.client.post(service.url("/predict"));
        let request = request.header("content-type", "application/json").body(body);
        assert_eq!(request.send().await.unwrap().status(), 422);
        service.log().wait_for(reason).await;
        let log = service.log().lines().join("\n");
        for sent in ["3.14159", "271828", "secret"] {
            assert!(!log.contains(sent), "{log}");
        }
    }
}

/// Part of a password that no error may hold.
const SECRET: &str = "tOpsEcrEt";

#[tokio::test]
async fn no_address_that_is_refused_is_quoted() {
    let addresses = [
        format!("postgresql://ada:p@{SECRET}@127.0.0.1:1/n"),
        format!("postgresql://ada:p@{SECRET}/w#1@127.0.0.1:1/n"),
        format!("postgresql+asyncpg://ada:{SECRET}@127.0.0.1/n?ssl=require"),
        format!("jdbc:postgresql://127.0.0.1/n?user=ada&password={SECRET}"),
        format!("sqlite:///{SECRET}?x=1"),
        format!("ada:{SECRET}@127.0.0.1/n"),
        format!("host=127.0.0.1 password=a {SECRET}=b"),
        format!("host=127.0.0.1 password='{SECRET}"),
    ];
    let variables = ["DATABASE_URL", "MAINTENANCE_DATABASE_URL", "READ_DATABASE_URL"];
    let parts = [("PGHOST", format!("ada:{SECRET}@h")), ("PGDATABASE", addresses[0].clone())];
    let cases = addresses.iter().flat_map(|address| variables.map(|name| (name, address.clone())));
    for (variable, value) in cases.chain(parts) {
        let mut command = Service::command();
        command.env(variable, &value).env("RUST_LOG", "trace").arg("migrate");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}={value}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("ERROR") && !said.contains(SECRET), "{variable}={value}: {said}");
    }
}
