//! What clients rely on beyond the shapes: the codes of failures, compression, pages of other origins, the model.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{Answer, Service, TestDatabase, flower};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

async fn problem(response: Response) -> Value {
    let answer = Answer::read(response).await;
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.body);
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["status"], answer.status.as_u16(), "{problem}");
    problem
}

/// A caller decides by them whether to send again; the words for people may change.
#[tokio::test]
async fn failures_have_codes_and_so_have_their_places() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let with = |field: &str, value: Value| {
        let mut body = flower();
        body[field] = value;
        body
    };
    for (body, flaw) in [
        (json!({}), "required"),
        (with("species", json!("setosa")), "unknown"),
        (with("petal_width", json!("0.2")), "wrong_type"),
        (with("petal_width", json!(101)), "out_of_range"),
    ] {
        let problem = problem(service.post("/predict", &body).send().await.unwrap()).await;
        assert_eq!(problem["code"], "invalid_input", "{problem}");
        assert_eq!(problem["errors"][0]["code"], flaw, "{problem}");
        assert_eq!(problem.get("recorded"), None, "{problem}");
    }
    let empty = json!({"instances": []});
    let refused = problem(service.post("/predict/batch", &empty).send().await.unwrap()).await;
    assert_eq!(refused["errors"][0]["code"], "wrong_length", "{refused}");
    for (path, status, code) in [
        ("/nothing", 404, "no_such_address"),
        ("/predictions/0193593e-8c00-7000-8000-000000000000", 404, "no_such_record"),
        ("/predict", 405, "method_not_allowed"),
        ("/predictions?limit=0", 422, "invalid_input"),
    ] {
        let problem = problem(service.get(path).await).await;
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)));
    }
    let text = service.post("/predict", &flower()).body("{'a': 1}").send().await.unwrap();
    let malformed = problem(text).await;
    assert_eq!(malformed["code"], "malformed_body");
    assert!(malformed["detail"].as_str().unwrap().contains("double quotes"), "{malformed}");
    let nothing = problem(service.post("/predict", &flower()).body("").send().await.unwrap()).await;
    assert_eq!(nothing["detail"], "the body is empty");
    service.stop().await;
}

/// The words for parameters are as good as those for the body.
#[tokio::test]
async fn a_parameter_that_is_invalid_is_told_what_it_must_be() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for (query, pointer, code, message) in [
        ("limit=5000", "/limit", "out_of_range", "must be a whole number from 1 to 1000"),
        ("limit=ten", "/limit", "wrong_type", "must be a whole number from 1 to 1000"),
        ("iris_class=virginica", "/iris_class", "wrong_type", "must be a whole number from 0 to 2"),
        ("min_confidence=0,5", "/min_confidence", "wrong_type", "must be a number from 0 to 1"),
        ("max_confidence=2", "/max_confidence", "out_of_range", "must be a number from 0 to 1"),
        (
            "min_confidence=0.9&max_confidence=0.5",
            "/min_confidence",
            "out_of_range",
            "must not be more than `max_confidence`",
        ),
        (
            "from=2026-11-26T00:00:00Z&to=2026-11-25T00:00:00Z",
            "/from",
            "out_of_range",
            "must not be later than `to`",
        ),
        (
            "model_version=",
            "/model_version",
            "wrong_length",
            "must be 1 to 200 characters, none of them NUL",
        ),
        ("sort=id", "/sort", "unknown", "is not a known parameter"),
        ("limit=1&limit=2", "/limit", "repeated", "must not be given more than once"),
        (
            "from=2026-11-26T00:00:00+00:00",
            "/from",
            "malformed",
            "must be an RFC 3339 time, such as 2026-11-23T10:00:00Z; a + in an address is written %2B",
        ),
        (
            "from=yesterday",
            "/from",
            "malformed",
            "must be an RFC 3339 time, such as 2026-11-23T10:00:00Z",
        ),
    ] {
        let problem = problem(service.get(&format!("/predictions?{query}")).await).await;
        let expected = json!([{"pointer": pointer, "message": message, "code": code}]);
        assert_eq!(problem["errors"], expected, "{query}");
    }
    service.stop().await;
}

#[tokio::test]
async fn what_is_sent_compressed_is_read_and_bounded_by_what_it_becomes() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let send = |body: Vec<u8>, encoding: &'static str| {
        let request = service.client.post(service.url("/predict"));
        let request = request.header("content-type", "application/json");
        request.header("content-encoding", encoding).body(body).send()
    };
    let body = serde_json::to_vec(&flower()).unwrap();
    for encoding in ["gzip", "x-gzip", "identity, gzip"] {
        // A list in one header is one coding to us only if it is written as such.
        let answer = send(gzip(&body), encoding).await.unwrap();
        let expected = if encoding.contains(',') { 415 } else { 200 };
        assert_eq!(answer.status(), expected, "{encoding}");
    }
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(problem(send(bomb, "gzip").await.unwrap()).await["code"], "body_too_large");
    let broken = problem(send(gzip(&body)[..20].to_vec(), "gzip").await.unwrap()).await;
    assert_eq!(broken["code"], "malformed_body");
    for encoding in ["br", "gzip, gzip", "deflate"] {
        let refused = problem(send(gzip(&body), encoding).await.unwrap()).await;
        assert_eq!(refused["code"], "unsupported_content_encoding", "{encoding}");
    }
    service.stop().await;
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_ask() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let ask = |rows: usize, accepted: &'static str| {
        let body = json!({"instances": vec![flower(); rows]});
        service.post("/predict/batch", &body).header("accept-encoding", accepted).send()
    };
    for (rows, accepted, is_compressed) in
        [(1, "gzip", false), (100, "gzip, br", true), (2_000, "*", true), (100, "br", false)]
    {
        let answer = ask(rows, accepted).await.unwrap();
        let headers = answer.headers().clone();
        let body = answer.bytes().await.unwrap();
        assert_eq!(headers.contains_key("content-encoding"), is_compressed, "{rows} {accepted}");
        let mut text = String::new();
        if is_compressed {
            assert_eq!(headers["content-encoding"], "gzip");
            assert_eq!(headers["vary"], "accept-encoding");
            assert_eq!(headers["content-length"], body.len().to_string());
            GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            assert!(body.len() * 3 < text.len(), "{} of {}", body.len(), text.len());
        } else {
            text = String::from_utf8(body.to_vec()).unwrap();
        }
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["predictions"].as_array().unwrap().len(), rows);
    }
    service.stop().await;
}

#[tokio::test]
async fn pages_of_the_origins_that_were_told_may_call_and_no_others() {
    const APP: &str = "https://app.example";
    let database = TestDatabase::create().await;
    let service = Service::start_with(&database, [("CORS_ORIGIN", APP)]).await;
    let preflight = |origin: &'static str| {
        let request = service.client.request(Method::OPTIONS, service.url("/predict"));
        let request = request.header("origin", origin);
        request.header("access-control-request-method", "POST").send()
    };
    let asked = preflight(APP).await.unwrap();
    assert_eq!(asked.status(), 204);
    assert_eq!(asked.headers()["access-control-allow-origin"], APP);
    assert!(asked.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let allowed = asked.headers()["access-control-allow-headers"].to_str().unwrap().to_owned();
    for header in ["authorization", "content-type", "idempotency-key"] {
        assert!(allowed.contains(header), "{allowed}");
    }
    let predicted = service.post("/predict", &flower()).header("origin", APP).send().await.unwrap();
    assert_eq!(predicted.status(), 200);
    assert_eq!(predicted.headers()["access-control-allow-origin"], APP);
    assert!(
        predicted.headers()["access-control-expose-headers"]
            .to_str()
            .unwrap()
            .contains("retry-after")
    );
    assert_eq!(predicted.headers()["vary"], "origin");
    for stranger in
        ["https://evil.example", "https://app.example.evil", "http://app.example", "null"]
    {
        let refused = preflight(stranger).await.unwrap();
        assert_eq!(refused.status(), 403, "{stranger}");
        assert!(!refused.headers().contains_key("access-control-allow-origin"), "{stranger}");
        let post = service.post("/predict", &flower()).header("origin", stranger);
        assert_eq!(post.send().await.unwrap().status(), 403, "{stranger}");
    }
    assert!(!service.get("/model").await.headers().contains_key("access-control-allow-origin"));
    service.stop().await;
}

#[tokio::test]
async fn the_model_says_what_it_is() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let model = service.get_json("/model").await;
    let predicted = service.predict(&flower()).await;
    assert_eq!(model["version"], predicted["model_version"]);
    let hash = model["sha256"].as_str().unwrap();
    assert_eq!(hash.len(), 64);
    assert!(model["version"].as_str().unwrap().ends_with(&format!("+{}", &hash[..8])));
    for (shown, feature) in model["features"].as_array().unwrap().iter().zip(domain::FEATURES) {
        assert_eq!(shown["name"], feature.name);
        assert_eq!(shown["unit"], feature.unit);
        assert!(shown["training_minimum"].as_f64() >= shown["minimum"].as_f64(), "{shown}");
        assert!(shown["training_maximum"].as_f64() <= shown["maximum"].as_f64(), "{shown}");
    }
    let classes: Vec<_> = model["classes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(classes, domain::Class::ALL.map(domain::Class::name));
    assert!(model["metrics"]["cross_validation_accuracy"].as_f64().unwrap() > 0.9, "{model}");
    service.stop().await;
}
