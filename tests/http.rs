//! What every answer has, whichever route gives it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Service, TestDatabase, flower};

/// Every address that answers to GET, with its media type.
const PAGES: [(&str, &str); 6] = [
    ("/health/live", "application/json"),
    ("/health/ready", "application/json"),
    ("/predictions", "application/json"),
    ("/openapi.json", "application/json"),
    ("/openapi.yaml", "application/yaml"),
    ("/docs", "text/html; charset=utf-8"),
];

async fn get(service: &Service, path: &str) -> Answer {
    Answer::read(service.get(path).await).await
}

#[tokio::test]
async fn an_unknown_address_is_not_found() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for path in [
        "/nothing",
        "/nothing?x=1",
        "/Predict",
        "/docs//",
        "/predict%2Fbatch",
        "//predict",
        "/predictions/x/y",
        "/predictions/x/y/",
        "//evil.example/",
        "//evil.example//",
        "/nothing/",
        "/health",
        "/docs/x",
        "/%00",
        "/%ff",
        "/predict/%ff",
        "/<script>",
    ] {
        get(&service, path).await.problem(path, 404);
        let response = service.post(path, &flower()).send().await.unwrap();
        Answer::read(response).await.problem(path, 404);
    }
    // 52: a client library would resolve these itself.
    for path in ["/../../etc/passwd", "/%2e%2e%2fetc", "/docs/../health", "/."] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Answer::to_bytes(&service, request.into_bytes()).await.problem(path, 404);
    }
}

/// What is answered to this request without a body, and the address that it leads to.
async fn led(service: &Service, method: &str, path: &str) -> (u16, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = Answer::to_bytes(service, request.into_bytes()).await;
    if answer.status.is_redirection() {
        assert_eq!(answer.body, "", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
    (answer.status.as_u16(), answer.header("location").to_owned())
}

#[tokio::test]
async fn the_first_address_leads_to_the_page() {
    let database = TestDatabase::create().await;
    let mut service = Service::start(&database).await;
    for path in ["/", "/?x=1"] {
        for method in ["GET", "HEAD"] {
            assert_eq!(led(&service, method, path).await, (303, "docs".to_owned()), "{path}");
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let method = method.parse().unwrap();
        let request = service.client.request(method, service.url("/")).send().await.unwrap();
        let answer = Answer::read(request).await;
        answer.problem("/", 405);
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
    // A client follows.
    let answer = get(&service, "/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    // Nothing failed but the other methods.
    let mut log = service.log().clone();
    service.stop().await;
    log.wait_for("everything in flight is answered").await;
    let requests = log.lines().into_iter().filter(|line| line.contains("request_id"));
    assert_eq!(requests.count(), 5);
}

#[tokio::test]
async fn a_slash_too_many_leads_to_the_address_without_it_and_never_elsewhere() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for (path, location) in [
        ("/docs/", "../docs"),
        ("/openapi.json/", "../openapi.json"),
        ("/predict/", "../predict"),
        ("/predict/batch/", "../batch"),
        ("/predictions/", "../predictions"),
        ("/predictions/?limit=1&x=/", "../predictions?limit=1&x=/"),
        (
            "/predictions/0193593e-8c00-7000-8000-000000000000/",
            "../0193593e-8c00-7000-8000-000000000000",
        ),
        ("/predictions/http:/", "../http:"),
        ("/health/live/", "../live"),
        ("/metrics/", "../metrics"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT"] {
            let expected = (308, location.to_owned());
            assert_eq!(led(&service, method, path).await, expected, "{method} {path}");
        }
    }
    for path in ["//evil.example/", "//docs/", "///", "//", "/docs//", "/\\evil.example/"] {
        let (status, location) = led(&service, "GET", path).await;
        assert!(status >= 400 && location.is_empty(), "{path}: {status} {location}");
    }
    // Where the ways lead is what is meant, and what is sent is sent again.
    let answer = Answer::read(service.post("/predict/", &flower()).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(get(&service, "/predictions/?limit=1").await.status, 200);
    assert_eq!(database.counts().await, (1, 1, 1));
}

#[tokio::test]
async fn an_unknown_record_is_not_found() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let id = "0193593e-8c00-7000-8000-000000000000";
    let problem = get(&service, &format!("/predictions/{id}")).await.problem(id, 404);
    assert_eq!(problem["detail"], format!("no record has the id {id}"));
}

#[tokio::test]
async fn every_page_has_exactly_its_media_type() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for (path, media_type) in PAGES {
        let answer = get(&service, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), media_type, "{path}");
    }
    for (path, body) in
        [("/predict", flower()), ("/predict/batch", json!({"instances": [flower()]}))]
    {
        let answer = Answer::read(service.post(path, &body).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
    }
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let record = get(&service, &format!("/predictions/{id}")).await;
    assert_eq!(record.header("content-type"), "application/json");
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    // 68 of the catalogue of bad inputs
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let record = format!("/predictions/{id}");
    let refused = [record.as_str(), "/nothing", "/predictions?limit=0", "/predictions/x"];
    for path in PAGES.iter().map(|(path, _media_type)| *path).chain(refused) {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let head = Answer::to_bytes(&service, request.into_bytes()).await;
        let get = get(&service, path).await;
        assert_eq!(head.body, "", "{path}");
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        // It may be left out, but it must not be another one.
        let length = head.header("content-length");
        assert!(length.is_empty() || length == get.body.len().to_string(), "{path}: {length}");
    }
}

#[tokio::test]
async fn a_well_service_says_ok_and_nothing_else() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for path in ["/health/live", "/health/ready"] {
        let answer = get(&service, path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, r#"{"status":"ok"}"#));
    }
}

#[tokio::test]
async fn a_usable_request_id_is_kept_and_another_is_replaced() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let answered = async |path: &str, id: &[u8]| {
        let request = service.client.get(service.url(path)).header("x-request-id", id);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.header("x-request-id").to_owned()
    };
    let longest = "x".repeat(128);
    for path in ["/health/live", "/nothing", "/predictions?limit=0"] {
        for id in ["1", "{\"a\":[~]}", &longest] {
            assert_eq!(answered(path, id.as_bytes()).await, id, "{path}");
        }
        let too_long = "x".repeat(129);
        for id in [&b""[..], b"a b", b"a\tb", b"\xff", "é".as_bytes(), too_long.as_bytes()] {
            let new = answered(path, id).await;
            assert!(new.parse::<Uuid>().is_ok(), "{path}: {new} for {id:?}");
        }
    }
    let ids = [answered("/health/live", b"").await, answered("/health/live", b"").await];
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_request_leaves_one_line_in_the_log_and_none_of_its_data() {
    const SECRET: &str = "31.4159265";
    let database = TestDatabase::create().await;
    let mut service = Service::start_with(&database, [("RUST_LOG", "info,api=debug")]).await;
    let mut row = flower();
    row["petal_length"] = json!(31.415_926_5);
    let misfit = json!({"petal_length": SECRET, SECRET: 1});
    let malformed = format!("{{{SECRET} {SECRET}");
    let url = |path: &str| service.url(path);
    let json = |path| service.client.post(url(path)).header("content-type", "application/json");
    let requests = [
        ("POST", "/predict", 200, json("/predict").json(&row)),
        ("POST", "/predict/batch", 200, json("/predict/batch").json(&json!({"instances": [row]}))),
        ("POST", "/predict", 422, json("/predict").json(&misfit)),
        ("POST", "/predict", 400, json("/predict").body(malformed)),
        ("POST", "/predict", 415, service.client.post(url("/predict")).body(SECRET)),
        (
            "GET",
            "/predictions",
            200,
            service.client.get(url(&format!("/predictions?model_version={SECRET}"))),
        ),
        ("GET", "/predictions", 422, service.client.get(url(&format!("/predictions?{SECRET}=1")))),
        ("GET", "/nothing", 404, service.client.get(url(&format!("/nothing?{SECRET}")))),
        ("PUT", "/docs", 405, service.client.put(url("/docs")).body(SECRET)),
    ];
    let expected = requests
        .map(|(method, path, status, request)| (format!("{method} {path} {status}"), request));
    let mut ids = Vec::new();
    for (n, (line, request)) in expected.into_iter().enumerate() {
        let id = format!("request-{n}");
        request.header("x-request-id", &id).send().await.unwrap();
        ids.push((id, line));
    }

    let mut log = service.log().clone();
    service.stop().await;
    log.wait_for("everything in flight is answered").await;
    let lines = log.lines();
    for (id, expected) in ids {
        let found: Vec<Value> = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|event: &Value| event["fields"]["request_id"] == *id)
            .collect();
        assert_eq!(found.len(), 1, "{expected}: {lines:#?}");
        let field = |name: &str| found[0]["fields"][name].to_string().replace('"', "");
        let line = [field("method"), field("path"), field("status")].join(" ");
        assert_eq!(line, expected);
    }
    let told: Vec<_> = lines.iter().filter(|line| line.contains(SECRET)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[tokio::test]
async fn by_default_only_requests_that_fail_leave_a_line_in_the_log() {
    let database = TestDatabase::create().await;
    let mut service = Service::start(&database).await;
    service.predict(&flower()).await;
    get(&service, "/nothing").await;
    let mut log = service.log().clone();
    service.stop().await;
    log.wait_for("everything in flight is answered").await;
    let requests: Vec<_> =
        log.lines().into_iter().filter(|line| line.contains("request_id")).collect();
    assert!(matches!(requests.as_slice(), [one] if one.contains("/nothing")), "{requests:#?}");
}

#[tokio::test]
async fn a_timestamp_has_six_digits_and_the_milliseconds_of_its_id() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for _ in 0..20 {
        let before = Utc::now();
        let answer = service.predict(&flower()).await;
        let after = Utc::now();
        let timestamp = answer["timestamp"].as_str().unwrap();
        let shape: String =
            timestamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(shape, "9999-99-99T99:99:99.999999Z", "{timestamp}");
        let time: DateTime<Utc> = timestamp.parse().unwrap();
        let floor = before.timestamp_micros();
        assert!((floor..=after.timestamp_micros()).contains(&time.timestamp_micros()), "{answer}");

        let id: Uuid = answer["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7, "{answer}");
        let milliseconds = u64::from_be_bytes(id.as_bytes()[..8].try_into().unwrap()) >> 16;
        assert_eq!(i64::try_from(milliseconds).unwrap(), time.timestamp_millis(), "{answer}");
    }
}

/// A row in the order of the fields is answered with these warnings, each a code and a field.
async fn check_warnings(service: &Service, row: [f64; 4], expected: Value) {
    let [sepal_width, sepal_length, petal_width, petal_length] = row;
    let row = json!({
        "sepal_width": sepal_width, "sepal_length": sepal_length,
        "petal_width": petal_width, "petal_length": petal_length,
    });
    let alone = service.predict(&row).await;
    let batch = json!({"instances": [flower(), row]});
    let response = service.post("/predict/batch", &batch).send().await.unwrap();
    let batch: Value = response.json().await.unwrap();
    assert_eq!(batch["predictions"][0]["warnings"], json!([]), "{batch}");
    for answer in [&alone, &batch["predictions"][1]] {
        let warnings = answer["warnings"].as_array().unwrap().iter();
        let found: Vec<_> = warnings
            .map(|warning| {
                let members: Vec<_> = warning.as_object().unwrap().keys().collect();
                assert_eq!(members, ["code", "field", "message"], "{answer}");
                assert!(!warning["message"].as_str().unwrap().is_empty(), "{answer}");
                json!([warning["code"], warning["field"]])
            })
            .collect();
        assert_eq!(json!(found), expected, "{answer}");
    }
}

#[tokio::test]
async fn what_looks_suspicious_is_answered_with_a_warning() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    check_warnings(&service, [3.5, 5.1, 0.2, 1.4], json!([])).await;
    check_warnings(&service, [2.0, 7.9, 0.1, 6.9], json!([])).await;
    let short = json!([["out_of_range", "petal_length"]]);
    check_warnings(&service, [3.5, 5.1, 0.2, 0.9], short).await;
    let two = json!([["out_of_range", "sepal_width"], ["out_of_range", "petal_width"]]);
    check_warnings(&service, [4.5, 7.0, 2.6, 5.0], two).await;
    check_warnings(&service, [4.4, 4.3, 1.4, 1.1], json!([["swapped", null]])).await;
    let swapped = json!([
        ["out_of_range", "sepal_width"],
        ["out_of_range", "sepal_length"],
        ["out_of_range", "petal_length"],
        ["swapped", null],
    ]);
    check_warnings(&service, [5.1, 3.5, 1.4, 0.2], swapped).await;
}
