//! The figures for Prometheus: they are true, they are few, and they are there when the database is not.

mod alerts;

use std::time::Duration;

use bytes::Bytes;
use domain::{Class, FEATURES};
use hyper::Request;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::{
    Answer, OwnPostgres, Scrape, Service, TableLock, TestDatabase, count, eventually, flower,
};

/// A row that is far out of every range.
fn giant() -> Value {
    Value::Object(
        FEATURES.map(|feature| (feature.name.to_owned(), json!(50))).into_iter().collect(),
    )
}

#[tokio::test]
async fn the_figures_are_written_in_the_format_that_is_asked_for() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    service.predict(&flower()).await;
    // Checked as it is read.
    let scrape = Scrape::of(&service).await;
    assert_eq!(scrape.value("onrecord_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert_eq!(scrape.value("onrecord_model_info", &[("name", "iris-mlp")]), 1.0);
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 1e6);
    assert!(scrape.value("process_open_fds", &[]) > 3.0);
    assert!(scrape.value("process_cpu_seconds_total", &[]) > 0.0);
    let age = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
        - scrape.value("process_start_time_seconds", &[]);
    assert!((-2.0..600.0).contains(&age), "{age}");

    let document = service.get_json("/openapi.json").await;
    let documented = &document["paths"]["/metrics"]["get"]["responses"]["200"]["content"];
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
    for (accept, expected) in [
        ("*/*", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (prometheus, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
    ] {
        let request = service.client.get(service.url("/metrics")).header("Accept", accept);
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.header("content-type"), expected, "{accept}");
        let media_type = expected.split(';').next().unwrap();
        assert!(documented[media_type].is_object(), "{media_type}: {documented}");
        let is_older = expected.starts_with("text/plain");
        assert_eq!(answer.body.ends_with("# EOF\n"), !is_older, "{accept}");
        let typed = "# TYPE onrecord_commit_failures_total counter";
        assert_eq!(answer.body.contains(typed), is_older, "{accept}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut id = String::new();
    for _ in 0..3 {
        id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    }
    service.post("/predict", &json!({})).send().await.unwrap();
    service.get(&format!("/predictions/{id}")).await;
    service.get("/predictions/0193593e-8c00-7000-8000-000000000000").await;
    service.get("/predictions/0193593e-8c00-7000-8000-000000000001").await;
    service.get("/predict").await;
    service.client.head(service.url("/ledger")).send().await.unwrap();
    service.client.delete(service.url("/predictions")).send().await.unwrap();
    service.get("/docs").await;
    service.get("/no/such/place").await;

    let scrape = Scrape::of(&service).await;
    for (method, route, status, expected) in [
        ("POST", "/predict", "200", 3.0),
        ("POST", "/predict", "422", 1.0),
        ("GET", "/predictions/{id}", "200", 1.0),
        ("GET", "/predictions/{id}", "404", 2.0),
        ("GET", "/predict", "405", 1.0),
        ("HEAD", "/ledger", "200", 1.0),
        ("_OTHER", "/predictions", "405", 1.0),
        ("GET", "other", "200", 1.0),
        ("GET", "other", "404", 1.0),
    ] {
        assert_eq!(scrape.requests(method, route, status), expected, "{method} {route} {status}");
    }
    let count = "http_server_request_duration_seconds_count";
    assert_eq!(scrape.value(count, &[]), 12.0);
    assert!(scrape.value("http_server_request_duration_seconds_sum", &[]) > 0.0);
    // The one that asks.
    assert_eq!(scrape.value("http_server_active_requests", &[]), 1.0);
    assert_eq!(Scrape::of(&service).await.requests("GET", "/metrics", "200"), 1.0);
}

#[tokio::test]
async fn predictions_are_counted_by_class_and_batches_by_rows() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let rows: Vec<_> = (0_u32..150)
        .map(|n| {
            let size = f64::from(n) / 150.0;
            json!({"sepal_width": 3.0, "sepal_length": 5.0 + 2.0 * size,
                   "petal_width": 0.2 + 2.0 * size, "petal_length": 1.4 + 5.0 * size})
        })
        .collect();
    for row in &rows[..20] {
        service.predict(row).await;
    }
    let batch = json!({"instances": rows});
    assert_eq!(service.post("/predict/batch", &batch).send().await.unwrap().status(), 200);
    service.predict(&giant()).await;
    // What is answered again is not predicted again.
    for _ in 0..2 {
        let keyed = service.post("/predict", &flower()).header("Idempotency-Key", "k");
        assert_eq!(keyed.send().await.unwrap().status(), 200);
    }

    let scrape = Scrape::of(&service).await;
    let record = database.connect().await;
    let version = service.get_json("/predictions?limit=1").await["predictions"][0]["model_version"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut n_classes = 0;
    for class in Class::ALL {
        let sql = format!("select count(*) from prediction where iris_class = {}", class.number());
        let recorded = count(&record, &sql).await;
        let labels = [("model_version", version.as_str()), ("class", class.name())];
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let recorded = recorded as f64;
        assert_eq!(scrape.value("onrecord_predictions_total", &labels), recorded);
        assert_eq!(scrape.value("onrecord_prediction_confidence_count", &labels), recorded);
        n_classes += u8::from(recorded > 0.0);
    }
    assert_eq!(n_classes, 3, "the rows are of each class");
    assert_eq!(
        scrape.value("onrecord_batch_rows_sum", &[]),
        173.0,
        "one row twice, not written again"
    );
    assert_eq!(scrape.value("onrecord_batch_rows_count", &[]), 24.0);
    assert_eq!(scrape.value("onrecord_commit_duration_seconds_count", &[]), 24.0);
    assert_eq!(scrape.value("onrecord_rows_total", &[("state", "committed")]), 172.0);
    assert_eq!(scrape.value("onrecord_replayed_total", &[]), 1.0);
    assert_eq!(scrape.value("onrecord_predict_warnings_total", &[("code", "out_of_range")]), 4.0);
    assert_eq!(scrape.value("onrecord_predict_warnings_total", &[("code", "swapped")]), 0.0);
    assert_eq!(scrape.value("onrecord_commit_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn what_clients_send_adds_no_series() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let odd = |n: usize| Method::from_bytes(format!("ODD{n}").as_bytes()).unwrap();
    let send = async |method: Method, path: &str| {
        service.client.request(method, service.url(path)).send().await.unwrap().status()
    };
    // One of each kind.
    send(Method::GET, "/unknown").await;
    send(Method::GET, "/predictions/unknown").await;
    send(odd(0), "/predict").await;
    Scrape::whole(&service).await;
    let before = Scrape::of(&service).await;

    for n in 1..=1_000 {
        assert_eq!(send(Method::GET, &format!("/unknown/{n}?q={n}")).await, StatusCode::NOT_FOUND);
    }
    for n in 1..=50 {
        assert_eq!(send(odd(n), "/predict").await, StatusCode::METHOD_NOT_ALLOWED);
        send(Method::GET, &format!("/predictions/{n}%22%7D")).await;
    }
    let after = Scrape::of(&service).await;
    assert_eq!(after.len(), before.len());
    assert_eq!(after.requests("GET", "other", "404"), 1_001.0);
    assert_eq!(after.requests("_OTHER", "/predict", "405"), 51.0);
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_without_a_status() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let lock = TableLock::take(&database).await;
    let stream = TcpStream::connect(service.socket()).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post("http://test/predict").header("content-type", "application/json");
    let (answer, mut body) = send.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from(flower().to_string()), true).unwrap();
    let active = async || Scrape::of(&service).await.value("http_server_active_requests", &[]);
    eventually("the request is in work", async || active().await == 2.0).await;
    // It is taken back, which HTTP/1 knows no way to do.
    drop((answer, body));
    eventually("it is given up", async || active().await == 1.0).await;
    let scrape = Scrape::of(&service).await;
    assert_eq!(scrape.requests("POST", "/predict", ""), 1.0);
    assert_eq!(scrape.requests("POST", "/predict", "503"), 0.0);
    lock.release().await;
    connection.abort();
}

#[tokio::test]
async fn rows_that_wait_are_seen_where_they_wait() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let lock = TableLock::take(&database).await;
    let ask =
        |rows| service.post("/predict/batch", &json!({"instances": vec![flower(); rows]})).send();
    let being_written = tokio::spawn(ask(3));
    let figures = async || {
        let scrape = Scrape::of(&service).await;
        ["onrecord_rows_waiting", "onrecord_queue_rows"].map(|name| scrape.value(name, &[]))
    };
    eventually("three rows are being written", async || figures().await == [3.0, 0.0]).await;
    let queued = tokio::spawn(ask(5));
    eventually("five more wait for it", async || figures().await == [8.0, 5.0]).await;
    let scrape = Scrape::of(&service).await;
    assert_eq!(scrape.value("onrecord_queue_limit_rows", &[]), 20_000.0);
    let writers = [("pool", "writers")];
    assert_eq!(scrape.value("onrecord_db_pool_max", &writers), 2.0);
    assert_eq!(scrape.value("onrecord_db_pool_size", &writers), 1.0);
    assert_eq!(scrape.value("onrecord_db_pool_available", &writers), 0.0);
    assert_eq!(scrape.value("onrecord_db_pool_waiting", &writers), 0.0);
    lock.release().await;
    assert_eq!(being_written.await.unwrap().unwrap().status(), 200);
    assert_eq!(queued.await.unwrap().unwrap().status(), 200);
    assert_eq!(figures().await, [0.0, 0.0]);
    let scrape = Scrape::of(&service).await;
    assert_eq!(scrape.value("onrecord_db_pool_available", &writers), 1.0);
}

#[tokio::test]
async fn rows_that_the_database_refuses_are_no_failed_commits() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let admin = database.connect().await;
    let constraint = "alter table raw_data add constraint no check (sepal_width <> 50)";
    admin.batch_execute(constraint).await.unwrap();
    assert_eq!(service.post("/predict", &giant()).send().await.unwrap().status(), 500);
    service.predict(&flower()).await;
    let scrape = Scrape::of(&service).await;
    assert_eq!(scrape.value("onrecord_rows_total", &[("state", "failed")]), 1.0);
    assert_eq!(scrape.value("onrecord_predictions_total", &[]), 1.0);
    assert_eq!(scrape.value("onrecord_batch_rows_sum", &[]), 1.0);
    assert_eq!(scrape.value("onrecord_commit_failures_total", &[]), 0.0);
    assert_eq!(scrape.value("onrecord_circuit_open", &[]), 0.0);
}

#[tokio::test]
async fn they_are_there_without_a_database_and_agree_with_the_ledger() {
    let (mut postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let mut command = Service::command();
    command.env("DATABASE_URL", postgres.url()).env("SPOOL_DIR", spool.path());
    let service = Service::spawn(command, false).await;
    let size = Scrape::whole(&service).await.value("onrecord_record_bytes", &[]);
    assert!((8_192.0..10e6).contains(&size), "{size}");
    service.predict(&flower()).await;

    postgres.crash().await;
    for _ in 0..3 {
        assert_eq!(service.predict(&flower()).await["stored"], "spooled");
    }
    let keyed = service.post("/predict", &flower()).header("Idempotency-Key", "k");
    assert_eq!(keyed.send().await.unwrap().status(), 503);
    let answered = tokio::time::timeout(Duration::from_secs(1), Scrape::of(&service)).await;
    let scrape = answered.expect("it waits for no database");
    assert_eq!(scrape.value("onrecord_circuit_open", &[]), 1.0);
    assert!(scrape.value("onrecord_commit_failures_total", &[]) > 0.0);
    assert_eq!(scrape.value("onrecord_spool_rows", &[]), 3.0);
    assert!(scrape.value("onrecord_spool_oldest_seconds", &[]) > 0.0);
    assert!(scrape.value("onrecord_spool_bytes", &[]) > 0.0);
    assert_eq!(scrape.value("onrecord_record_bytes", &[]), size, "what it was");
    check_ledger(&service, &scrape).await;

    postgres.start_again().await;
    eventually("everything is committed", async || {
        service.get_json("/ledger").await["committed"] == 4
    })
    .await;
    service.predict(&flower()).await;
    let scrape = Scrape::of(&service).await;
    assert_eq!(scrape.value("onrecord_circuit_open", &[]), 0.0);
    assert_eq!(scrape.value("onrecord_spool_oldest_seconds", &[]), 0.0);
    assert_eq!(scrape.value("onrecord_rows_total", &[("state", "spooled")]), 3.0);
    assert_eq!(scrape.value("onrecord_predictions_total", &[]), 5.0, "each is counted once");
    assert_eq!(scrape.value("onrecord_batch_rows_sum", &[]), 5.0);
    check_ledger(&service, &scrape).await;
}

/// While nothing is under way, both say the same.
async fn check_ledger(service: &Service, scrape: &Scrape) {
    let ledger = service.get_json("/ledger").await;
    for state in ["committed", "refused", "failed"] {
        let rows = scrape.value("onrecord_rows_total", &[("state", state)]);
        assert_eq!(ledger[state].as_f64(), Some(rows), "{state}: {ledger}");
    }
    for (name, rows) in [
        ("onrecord_rows_waiting", &ledger["waiting"]),
        ("onrecord_replayed_total", &ledger["replayed"]),
        ("onrecord_spool_rows", &ledger["spool"]["rows"]),
        ("onrecord_spool_quarantined", &ledger["spool"]["quarantined"]),
    ] {
        assert_eq!(rows.as_f64(), Some(scrape.value(name, &[])), "{name}: {ledger}");
    }
}
