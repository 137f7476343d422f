//! Without keys, whoever speaks to this machine by another name is refused: web pages that were led here, and proxies.

use super::Keyed;
use crate::http2;
use crate::support::{Answer, Service, TestDatabase, flower};

/// A service without keys, and without the names that the other tests use.
async fn start(database: &TestDatabase, variables: &[(&str, &str)]) -> Service {
    let mut command = Service::command();
    command.env_remove("ALLOWED_HOST").env("DATABASE_URL", database.url());
    command.envs(variables.iter().copied());
    Service::spawn(command, false).await
}

/// The answer to this request line with these header lines.
async fn ask(service: &Service, line: &str, headers: &str) -> Answer {
    let body = flower().to_string();
    let head = format!(
        "{line}\r\n{headers}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Answer::to_bytes(service, (head + &body).into_bytes()).await
}

#[track_caller]
fn check_refused(answer: &Answer, case: &str) {
    let problem = answer.problem(case, 403);
    assert_eq!(problem["code"], "host_not_allowed", "{case}");
    assert!(problem["detail"].as_str().unwrap().contains("--allowed-host NAME"), "{case}");
    assert_eq!(answer.header("connection"), "close", "{case}");
}

/// Header lines that no request of this machine has.
const FOREIGN: [&str; 14] = [
    "host: evil.example\r\n",
    "host: evil.example:8000\r\n",
    "host: localhost.evil.example\r\n",
    "host: 0.0.0.0\r\n",
    "host: [::2]:80\r\n",
    "host: \r\n",
    "host: localhost\r\norigin: null\r\n",
    "host: localhost\r\norigin: http://evil.example:8000\r\n",
    "host: localhost\r\norigin: https://localhost.evil.example\r\n",
    "host: localhost\r\norigin: http://localhost\r\norigin: http://evil.example\r\n",
    "host: localhost\r\nforwarded: for=192.0.2.1\r\n",
    "host: localhost\r\nx-forwarded-for: 192.0.2.1\r\n",
    "host: localhost\r\nvia: 1.1 proxy\r\n",
    "host: localhost\r\nx-real-ip: 192.0.2.1\r\n",
];

#[tokio::test]
async fn without_keys_no_door_opens_to_another_name() {
    let database = TestDatabase::create().await;
    let service = start(&database, &[]).await;
    let document = service.get_json("/openapi.json").await;
    let mut lines = vec![
        "GET / HTTP/1.1".to_owned(),
        "GET /docs HTTP/1.1".to_owned(),
        "GET /openapi.json HTTP/1.1".to_owned(),
        "GET /openapi.yaml HTTP/1.1".to_owned(),
        "GET /nothing HTTP/1.1".to_owned(),
        "PUT /predict HTTP/1.1".to_owned(),
        "OPTIONS /predict HTTP/1.1".to_owned(),
        "GET /predictions HTTP/1.0".to_owned(),
    ];
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            lines
                .push(format!("{} {path} HTTP/1.1", method.to_uppercase()).replace(['{', '}'], ""));
        }
    }
    for line in &lines {
        for headers in FOREIGN {
            check_refused(&ask(&service, line, headers).await, &format!("{line}: {headers}"));
        }
    }
    for header in ["x-forwarded-host: localhost", "x-forwarded-proto: https", "X-Forwarded: x"] {
        let headers = format!("host: localhost\r\n{header}\r\n");
        check_refused(&ask(&service, "POST /predict HTTP/1.1", &headers).await, header);
    }
    let absolute = "POST http://evil.example/predict HTTP/1.1";
    check_refused(&ask(&service, absolute, "host: localhost\r\n").await, absolute);
    assert_eq!(database.counts().await, (0, 0, 0));
}

#[tokio::test]
async fn the_names_of_this_machine_are_enough() {
    let database = TestDatabase::create().await;
    let service = start(&database, &[]).await;
    let mut asked = 0;
    for host in [
        "localhost",
        "LOCALHOST.",
        "api.localhost",
        "127.0.0.1",
        "127.1.2.3",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        for port in ["", ":8000"] {
            for origin in [String::new(), format!("origin: http://{host}:3000\r\n")] {
                let headers = format!("host: {host}{port}\r\n{origin}");
                let answer = ask(&service, "POST /predict HTTP/1.1", &headers).await;
                assert_eq!(answer.status, 200, "{headers}: {}", answer.body);
                asked += 1;
            }
        }
    }
    let answer = ask(&service, "POST /predict HTTP/1.0", "").await;
    assert_eq!(answer.status, 200, "HTTP/1.0 needs no Host: {}", answer.body);
    asked += 1;
    assert_eq!(database.counts().await, (asked, asked, asked));
}

#[tokio::test]
async fn an_authority_of_http2_is_a_name_as_well() {
    let database = TestDatabase::create().await;
    let service = start(&database, &[]).await;
    for (address, host, status) in [
        ("http://localhost/predictions", None, 200),
        ("http://[::1]:8000/predictions", None, 200),
        ("http://localhost/predictions", Some("localhost"), 200),
        ("http://evil.example/predictions", None, 403),
        ("http://evil.example/health/live", None, 403),
        ("http://evil.example/nothing", None, 403),
        ("http://evil.example/predictions", Some("evil.example"), 403),
    ] {
        let (found, answer) = http2::get(&service, address, host).await;
        assert_eq!(found, status, "{address} {host:?}: {answer}");
        assert!(status == 200 || answer["code"] == "host_not_allowed", "{address}: {answer}");
    }
}

#[tokio::test]
async fn a_name_that_was_allowed_brings_its_pages_and_its_proxy() {
    let database = TestDatabase::create().await;
    let service = start(&database, &[("ALLOWED_HOST", "notebook.example,[fd00::1]")]).await;
    let line = "POST /predict HTTP/1.1";
    for headers in [
        "host: notebook.example\r\n",
        "host: Notebook.Example:443\r\norigin: https://notebook.example\r\n",
        "host: [fd00::1]:80\r\n",
        "host: localhost:8000\r\norigin: https://notebook.example\r\nx-forwarded-for: 192.0.2.1\r\n",
        "host: notebook.example\r\nforwarded: for=192.0.2.1\r\nvia: 1.1 proxy\r\nx-real-ip: 192.0.2.1\r\n",
    ] {
        let answer = ask(&service, line, headers).await;
        assert_eq!(answer.status, 200, "{headers}: {}", answer.body);
    }
    for headers in [
        "host: evil.example\r\n",
        "host: x.notebook.example\r\n",
        "host: notebook.example\r\norigin: http://evil.example\r\n",
        "host: notebook.example\r\norigin: null\r\n",
    ] {
        check_refused(&ask(&service, line, headers).await, headers);
    }
    assert_eq!(database.counts().await, (5, 5, 5));
}

#[tokio::test]
async fn each_flag_allows_one_name() {
    let database = TestDatabase::create().await;
    let mut command = Service::command();
    command.env_remove("ALLOWED_HOST").env("DATABASE_URL", database.url());
    command.args(["--allowed-host", "one.example", "--allowed-host", "two.example"]);
    let mut service = Service::spawn(command, false).await;
    for host in ["one.example", "two.example"] {
        let answer = ask(&service, "GET /ledger HTTP/1.1", &format!("host: {host}\r\n")).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    service.log().wait_for("whoever reaches it as one.example or two.example").await;
}

#[tokio::test]
async fn with_keys_or_told_to_let_in_everybody_no_name_is_asked_for() {
    let database = TestDatabase::create().await;
    let insecure = start(&database, &[("INSECURE", "1")]).await;
    let keyed = Keyed::start_with([("ALLOWED_HOST", "one.example")]).await;
    for headers in FOREIGN {
        let answer = ask(&insecure, "POST /predict HTTP/1.1", headers).await;
        assert_eq!(answer.status, 200, "{headers}: {}", answer.body);
        let answer = ask(&keyed.service, "GET /docs HTTP/1.1", headers).await;
        assert_eq!(answer.status, 200, "{headers}: {}", answer.body);
        let answer = ask(&keyed.service, "POST /predict HTTP/1.1", headers).await;
        answer.problem(headers, 401);
    }
}
