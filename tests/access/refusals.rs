//! How somebody is told that he is not let in, and what the log is told.

use tokio::net::TcpStream;

use super::{Keyed, UNKNOWN, id, spoilt};
use crate::support::{Answer, Service, TestDatabase, Wire, flower};

#[tokio::test]
async fn who_shows_no_key_is_told_how_to_show_one() {
    let keyed = Keyed::start().await;
    for scheme in [None, Some("Basic onr_x"), Some("x"), Some("")] {
        let mut request = keyed.service.post("/predict", &flower());
        if let Some(scheme) = scheme {
            request = request.header("Authorization", scheme);
        }
        let answer = keyed.answer(request).await;
        answer.problem("no key", 401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"onrecord\"", "{scheme:?}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_count_is_refused_the_same_way_whatever_the_reason() {
    let mut keyed = Keyed::start().await;
    let good = keyed.key(&["--scope", "predict"]).await;
    let expired = keyed.key(&["--scope", "predict"]).await;
    let revoked = keyed.key(&["--scope", "predict"]).await;
    keyed.amend(&expired, "expires = \"2026-01-01T00:00:00Z\"").await;
    keyed.amend(&revoked, "revoked = \"2026-01-01T00:00:00Z\"").await;

    let mut told = Vec::new();
    let wrong = spoilt(&good);
    for shown in [UNKNOWN, &expired, &revoked, &wrong, "x", "", &good[1..], &UNKNOWN[..20]] {
        let answer = keyed.answer(keyed.predict(shown)).await;
        answer.problem("a bad key", 401);
        let mut headers = answer.headers.clone();
        for own in ["x-request-id", "date"] {
            headers.remove(own);
        }
        let challenge = "Bearer realm=\"onrecord\", error=\"invalid_token\"";
        assert_eq!(answer.header("www-authenticate"), challenge);
        told.push((answer.body, format!("{headers:?}")));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(keyed.answer(keyed.predict(&good)).await.status, 200);
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict", "--scope", "label"]).await;
    for (path, scopes, named) in
        [("/predictions", "read", "read"), ("/ledger", "read admin", "read or admin")]
    {
        let request = keyed.service.client.get(keyed.service.url(path)).bearer_auth(&secret);
        let answer = keyed.answer(request).await;
        let problem = answer.problem(path, 403);
        assert!(problem["detail"].as_str().unwrap().ends_with(named), "{problem}");
        let challenge =
            format!("Bearer realm=\"onrecord\", error=\"insufficient_scope\", scope=\"{scopes}\"");
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
}

#[tokio::test]
async fn two_keys_are_one_too_many() {
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    let answer = keyed.answer(keyed.predict(&secret).bearer_auth(&secret)).await;
    answer.problem("twice", 400);
    let request = keyed.service.post("/predict", &flower());
    let request = request.header("Authorization", format!("Bearer {secret}, Bearer {secret}"));
    keyed.answer(request).await.problem("a list", 401);
    let request = keyed.service.post("/predict", &flower());
    let request = request.header("Authorization", format!("bEARER  {secret}"));
    assert_eq!(keyed.answer(request).await.status, 200);
}

#[tokio::test]
async fn the_key_is_asked_before_anything_of_the_request_is_looked_at() {
    let keyed = Keyed::start().await;
    let get = |path: &str| keyed.service.client.get(keyed.service.url(path));
    keyed.answer(get("/predictions?limit=x&limit=y")).await.problem("a bad query", 401);
    keyed.answer(get("/predictions/x")).await.problem("a bad id", 401);
    let request = keyed.service.client.post(keyed.service.url("/predict"));
    keyed.answer(request.body("{")).await.problem("a bad body", 401);
    assert_eq!(keyed.database.counts().await, (0, 0, 0));
}

/// HTTP/1 would close the connection without a word if the body were left where it is.
#[tokio::test]
async fn the_connection_outlives_a_refusal() {
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    let mut wire = Wire::open(&keyed.service).await;
    let body = flower().to_string();
    let large = " ".repeat(1 << 20) + &body;
    for (authorization, body, status) in [
        ("", &large, 401),
        ("authorization: Bearer x\r\n", &large, 401),
        (&format!("authorization: Bearer {secret}\r\n"), &body, 200),
    ] {
        let length = body.len();
        wire.send(&format!(
            "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             {authorization}content-length: {length}\r\n\r\n{body}"
        ))
        .await;
        assert_eq!(wire.reply().await.status, status);
    }
}

#[tokio::test]
async fn without_keys_nobody_is_asked_for_one() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for shown in [UNKNOWN, "x"] {
        let request = service.post("/predict", &flower()).bearer_auth(shown).bearer_auth("y");
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200);
    }
}

/// What is shown as a secret stands in no log, however talkative that is told to be.
#[tokio::test]
async fn a_failed_attempt_leaves_one_line_without_the_secret() {
    let mut keyed = Keyed::start_with([("RUST_LOG", "trace")]).await;
    let good = keyed.key(&["--scope", "predict"]).await;
    let wrong = spoilt(&good);
    let canary = "canary-4f1c2d7e";
    assert_eq!(keyed.answer(keyed.predict(&good)).await.status, 200);
    for (n, shown) in [&wrong, UNKNOWN, canary].into_iter().enumerate() {
        let request = keyed.predict(shown).header("x-request-id", format!("attempt-{n}"));
        keyed.answer(request).await.problem(shown, 401);
    }
    let stream = TcpStream::connect(keyed.service.socket()).await.unwrap();
    let (mut http2, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (shown, status) in [(&good[..], 403), (canary, 401)] {
        let request = hyper::Request::get("http://x/ledger")
            .header("authorization", format!("Bearer {shown}"));
        let (answer, _) = http2.send_request(request.body(()).unwrap(), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), status);
    }
    let key = id(&good).to_owned();
    let line = keyed.service.log().wait_for("request failed\",\"method\":\"POST").await;
    assert_eq!(line, "request failed");
    let log = keyed.service.log();
    log.wait_for("attempt-2").await;
    let lines = log.lines();
    for (n, told) in [
        (0, format!("127.0.0.1 showed a key {key} that does not count: it is wrong")),
        (1, "127.0.0.1 showed a key that does not count: it is unknown".to_owned()),
        (2, "127.0.0.1 showed a key that does not count: it is malformed".to_owned()),
    ] {
        let attempt = format!("attempt-{n}");
        let of_attempt: Vec<_> = lines.iter().filter(|line| line.contains(&attempt)).collect();
        assert_eq!(of_attempt.len(), 1, "{of_attempt:?}");
        assert!(of_attempt[0].contains(&told), "{of_attempt:?}");
    }
    for secret in [&good[13..], &UNKNOWN[13..], canary] {
        let leaks: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
    }
}
