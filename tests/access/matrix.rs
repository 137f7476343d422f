//! Every operation of the document with every kind of key.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Keyed, SCOPES, UNKNOWN, spoilt};
use crate::support::{Answer, flower};

/// What may be called without a key.
const OPEN: [&str; 2] = ["/health/live", "/health/ready"];

struct Operation {
    method: Method,
    path: String,
    body: Option<Value>,
    /// One of these is enough; nothing if none is needed.
    scopes: Vec<String>,
}

/// The operations of the document; each must say which keys it takes.
fn operations(document: &Value) -> Vec<Operation> {
    let scheme = &document["components"]["securitySchemes"]["api_key"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            let scopes = operation["x-required-scopes"].as_array();
            let scopes = scopes.into_iter().flatten().map(|it| it.as_str().unwrap().to_owned());
            let scopes: Vec<_> = scopes.collect();
            let open = OPEN.contains(&path.as_str());
            assert_eq!(scopes.is_empty(), open, "{place} does not say which keys it takes");
            let security = if open { json!([]) } else { json!([{"api_key": []}, {}]) };
            assert_eq!(operation["security"], security, "{place}");
            if !open {
                for status in ["400", "401", "403", "429", "503"] {
                    assert!(operation["responses"][status].is_object(), "{place}: {status}");
                }
            }
            let body = operation.get("requestBody").map(|_| match path.as_str() {
                "/predict/batch" => json!({"instances": [flower()]}),
                _ => flower(),
            });
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path.replace("{id}", "0193593e-8c00-7000-8000-000000000000");
            if method == Method::GET {
                let (path, scopes) = (path.clone(), scopes.clone());
                operations.push(Operation { method: Method::HEAD, path, body: None, scopes });
            }
            operations.push(Operation { method, path, body, scopes });
        }
    }
    operations
}

#[tokio::test]
async fn each_operation_lets_in_who_shows_one_of_its_scopes_and_nobody_else() {
    let mut keyed = Keyed::start().await;
    let mut shown = vec![
        ("no key", None, vec![]),
        ("an unknown key", Some(UNKNOWN.to_owned()), vec![]),
        ("no secret", Some("x".to_owned()), vec![]),
    ];
    for scope in SCOPES {
        shown.push((scope, Some(keyed.key(&["--scope", scope]).await), vec![scope]));
    }
    let all = keyed.master_key().await;
    shown.push(("a wrong key", Some(spoilt(&all)), vec![]));
    shown.push(("all scopes", Some(all), SCOPES.to_vec()));
    let expired = keyed.master_key().await;
    let revoked = keyed.master_key().await;
    keyed.amend(&expired, "expires = 2026-01-01T00:00:00Z").await;
    keyed.amend(&revoked, "revoked = 2026-01-01T00:00:00Z").await;
    shown.push(("an expired key", Some(expired), vec![]));
    shown.push(("a revoked key", Some(revoked), vec![]));

    let document = keyed.service.get_json("/openapi.json").await;
    let mut let_in = 0;
    for Operation { method, path, body, scopes } in operations(&document) {
        for (case, secret, has) in &shown {
            let mut request =
                keyed.service.client.request(method.clone(), keyed.service.url(&path));
            if let Some(secret) = secret {
                request = request.bearer_auth(secret);
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let status = keyed.answer(request).await.status;
            let case = format!("{method} {path} with {case}: {status}");
            if scopes.is_empty() || scopes.iter().any(|scope| has.contains(&scope.as_str())) {
                let missing = path.starts_with("/predictions/");
                assert_eq!(status, if missing { 404 } else { 200 }, "{case}");
                let_in += 1;
            } else {
                assert_eq!(status, if has.is_empty() { 401 } else { 403 }, "{case}");
            }
        }
    }
    assert!(let_in > 0);
    let predicted = 2 * 2;
    assert_eq!(keyed.database.counts().await, (predicted, predicted, predicted));
}

#[tokio::test]
async fn no_other_way_to_write_an_address_leads_around_the_keys() {
    let keyed = Keyed::start().await;
    let mut asked = 0;
    for path in ["/ledger", "/predictions", "/predictions/0193593e-8c00-7000-8000-000000000000"] {
        let encoded = format!("/%{:02x}{}", path.as_bytes()[1], &path[2..]);
        let last = &path[1..];
        for target in [
            path.to_owned(),
            encoded,
            format!("{path}//"),
            format!("/{path}"),
            format!("/.{path}"),
            format!("/docs/..{path}"),
            format!("/health/live/..{path}"),
            format!("/health/live{path}"),
            format!("{path};x"),
            format!("{path}?x=/docs"),
            format!("{path}%00"),
            format!("{path}%20"),
            format!("{path}%2f"),
            path.to_uppercase(),
            format!("http://x{path}"),
            format!("http://x/{last}?/docs"),
        ] {
            for method in ["GET", "HEAD"] {
                let request = format!(
                    "{method} {target} HTTP/1.1\r\nhost: x\r\nx-original-url: /docs\r\n\
                     x-http-method-override: OPTIONS\r\nconnection: close\r\n\r\n"
                );
                let answer = Answer::to_bytes(&keyed.service, request.into_bytes()).await;
                let refused = [400, 401, 404].contains(&answer.status.as_u16());
                assert!(refused, "{method} {target}: {}", answer.status);
                asked += 1;
            }
        }
    }
    assert_eq!(asked, 3 * 16 * 2);
}

#[tokio::test]
async fn pages_and_what_is_not_there_take_no_key() {
    let keyed = Keyed::start().await;
    for (path, status) in [
        ("/docs", 200),
        ("/openapi.json", 200),
        ("/openapi.yaml", 200),
        ("/", 200),
        ("/docs/", 200),
        ("/x", 404),
    ] {
        assert_eq!(keyed.service.get(path).await.status(), status, "{path}");
    }
    // Where a slash too many leads takes a key.
    for path in ["/ledger/", "/predictions/", "/predict/"] {
        assert_eq!(
            keyed.service.get(path).await.status(),
            if path == "/predict/" { 405 } else { 401 }
        );
    }
    let request = keyed.service.client.delete(keyed.service.url("/ledger"));
    let answer = keyed.answer(request).await;
    answer.problem("DELETE", 405);
    assert_eq!(answer.header("allow"), "GET, HEAD");
}
