//! What every answer forbids a browser to do with it, and what the page to try the service on may do.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Answer, Service, TestDatabase, flower};

async fn ask(service: &Service, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = service.client.request(method, service.url(path));
    let request = body.into_iter().fold(request, |request, body| request.json(body));
    Answer::read(request.send().await.unwrap()).await
}

/// Each header of the name, once.
#[track_caller]
fn check_headers(answer: &Answer, case: &str, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let found: Vec<_> = answer.headers.get_all(*name).iter().collect();
        assert_eq!(found, [value], "{case}: {name}");
    }
    for name in [header::SERVER, header::SET_COOKIE, header::ACCESS_CONTROL_ALLOW_ORIGIN] {
        assert!(!answer.headers.contains_key(&name), "{case}: {name}");
    }
}

/// An answer of data: nothing of it runs, is framed, or is kept.
#[track_caller]
fn check_data(answer: &Answer, case: &str) {
    let expected = [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ];
    check_headers(answer, case, &expected);
}

#[tokio::test]
async fn every_operation_of_the_document_protects_its_answers() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let document = service.get_json("/openapi.json").await;
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let mut statuses = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", &id);
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let reads_body = item[method.as_str().to_lowercase()].get("requestBody").is_some();
            let bodies = [flower(), json!({"instances": [flower()]}), json!({}), Value::Null];
            let bodies = bodies.iter().map(Some).filter(|_| reads_body).chain([None]);
            for body in bodies {
                let answer = ask(&service, method.clone(), &path, body).await;
                check_data(&answer, &format!("{method} {path} {body:?}"));
                statuses.insert(answer.status.as_u16());
            }
        }
        // No operation has this method.
        let answer = ask(&service, Method::TRACE, &path, None).await;
        check_data(&answer, &format!("TRACE {path}"));
        statuses.insert(answer.status.as_u16());
    }
    for status in [200, 405, 415, 422] {
        assert!(statuses.contains(&status), "{status} is not among {statuses:?}");
    }
}

#[tokio::test]
async fn every_refusal_protects_itself() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for path in
        ["/nothing/", "/nothing", "/docs/x", "/predictions/x", "/predictions?limit=0", "/%ff"]
    {
        let answer = ask(&service, Method::GET, path, None).await;
        assert!(answer.status.is_client_error(), "{path}");
        check_data(&answer, path);
    }
    check_data(&ask(&service, Method::PUT, "/docs", None).await, "PUT /docs");
    let requests = [
        (400, "GET /predictions HTTP/1.1\r\nConnection: close\r\n\r\n"),
        (
            400,
            "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 1\r\nConnection: close\r\n\r\n{",
        ),
        (404, "HEAD /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        (200, "HEAD /predictions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    ];
    for (status, request) in requests {
        let answer = Answer::to_bytes(&service, request.into()).await;
        assert_eq!(answer.status, status, "{request}");
        check_data(&answer, request);
    }
}

#[tokio::test]
async fn another_origin_is_told_nothing() {
    let database = TestDatabase::create().await;
    // Without that it would be refused at once.
    let service = Service::start_with(&database, [("INSECURE", "1")]).await;
    for path in ["/predict", "/predictions", "/health/live", "/openapi.json", "/docs"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let request = service.client.request(method.clone(), service.url(path));
            let request = request
                .header("origin", "https://elsewhere.example")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,content-type");
            let answer = Answer::read(request.send().await.unwrap()).await;
            let told =
                answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(told, None, "{method} {path}");
            assert!(method != Method::OPTIONS || answer.status == 405, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_is_looked_for_anew_and_nothing_of_it_runs() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for path in ["/openapi.json", "/openapi.yaml"] {
        let answer = ask(&service, Method::GET, path, None).await;
        let expected = [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-cache"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ];
        check_headers(&answer, path, &expected);
    }
}

#[tokio::test]
async fn the_page_runs_what_it_holds_and_nothing_else() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let page = ask(&service, Method::GET, "/docs", None).await;
    let expected = [
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-cache"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ];
    check_headers(&page, "/docs", &expected);
    let (scripts, styles) = inline(&page.body);
    assert_eq!((scripts.len(), styles.len()), (2, 2));
    let expected = BTreeMap::from([
        ("default-src", BTreeSet::from(["'none'".to_owned()])),
        ("script-src", scripts),
        ("style-src", styles),
        ("img-src", BTreeSet::from(["data:".to_owned()])),
        ("connect-src", BTreeSet::from(["'self'".to_owned()])),
        ("base-uri", BTreeSet::from(["'none'".to_owned()])),
        ("form-action", BTreeSet::from(["'none'".to_owned()])),
        ("frame-ancestors", BTreeSet::from(["'none'".to_owned()])),
    ]);
    let policy = page.header("content-security-policy");
    let found: BTreeMap<_, _> = policy
        .split(';')
        .map(|directive| {
            let mut words = directive.split_whitespace();
            (words.next().unwrap(), words.map(ToOwned::to_owned).collect())
        })
        .collect();
    assert_eq!(found, expected);
    // A hash allows no code outside of these elements, which there must be none of.
    assert!(!page.body.contains("<script src") && !page.body.contains("<link rel=\"stylesheet\""));
}

/// The hashes of the page's scripts and of its style sheets, as a policy writes them.
fn inline(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut scripts, mut styles) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = page;
    while let Some(tag) = rest.find('<') {
        rest = &rest[tag + 1..];
        let (found, end) = match rest {
            script if script.starts_with("script") => (&mut scripts, "</script"),
            style if style.starts_with("style") => (&mut styles, "</style"),
            _ => continue,
        };
        let start = rest.find('>').unwrap() + 1;
        let length = rest[start..].find(end).unwrap();
        let hash = STANDARD.encode(Sha256::digest(&rest[start..start + length]));
        found.insert(format!("'sha256-{hash}'"));
        rest = &rest[start + length..];
    }
    (scripts, styles)
}
