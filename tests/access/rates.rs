//! How often a key may be used, and how often a wrong one shown.

use std::net::IpAddr;

use reqwest::{Client, StatusCode};

use super::{Keyed, UNKNOWN};
use crate::support::{Answer, eventually, flower};

impl Keyed {
    /// Uses a key so often, in the quickest way, and gives the answers that are no 200.
    async fn hurry(&self, secret: &str, times: usize) -> Vec<Answer> {
        let request = || async { self.answer(self.predict(secret)).await };
        let answers = futures_util::future::join_all((0..times).map(|_| request())).await;
        answers.into_iter().filter(|answer| answer.status != 200).collect()
    }
}

#[tokio::test]
async fn a_key_may_be_used_as_often_as_its_rate_says() {
    let mut keyed = Keyed::start_with([("KEY_RATE", "1")]).await;
    let common = keyed.key(&["--scope", "predict"]).await;
    let own = keyed.key(&["--scope", "predict", "--rate", "1000"]).await;

    let refused = keyed.hurry(&common, 30).await;
    assert!(!refused.is_empty());
    for answer in &refused {
        answer.problem("too fast", 429);
        assert_eq!(answer.header("retry-after"), "1");
    }
    // One key has nothing to do with another, and nobody without one with either.
    assert!(keyed.hurry(&own, 30).await.is_empty());
    assert_eq!(keyed.service.get("/health/live").await.status(), 200);
    let batch = serde_json::json!({"instances": vec![flower(); 100]});
    let again = async || {
        let request = keyed.service.post("/predict/batch", &batch).bearer_auth(&common);
        keyed.answer(request).await.status == 200
    };
    eventually("the key may be used again, for a batch too", again).await;
}

/// A batch is one request, and its rows are counted as well: a hundred for each request of the rate.
#[tokio::test]
async fn the_rows_of_batches_have_a_rate_too() {
    let mut keyed = Keyed::start().await;
    let slow = keyed.key(&["--scope", "predict", "--rate", "5"]).await;
    let quick = keyed.key(&["--scope", "predict"]).await;
    let batch = |rows| serde_json::json!({"instances": vec![flower(); rows]});
    let [large, small] = [10_000, 4_000].map(batch);
    let send = async |secret: &str, batch| {
        let request = keyed.service.post("/predict/batch", batch).bearer_auth(secret);
        keyed.answer(request).await
    };
    assert_eq!(send(&slow, &large).await.status, 200, "the largest batch may come once");
    let refused = send(&slow, &small).await;
    let problem = refused.problem("too many rows", 429);
    assert!(problem["detail"].as_str().unwrap().contains("too many rows"), "{problem}");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((2..=8).contains(&wait), "4,000 rows at 500 a second: {wait}");
    // Single rows are requests, and another key has its own limit, or none.
    assert_eq!(keyed.answer(keyed.predict(&slow)).await.status, 200);
    for _ in 0..3 {
        assert_eq!(send(&quick, &large).await.status, 200);
    }
}

#[tokio::test]
async fn the_answers_that_are_kept_for_a_caller_are_bounded() {
    let mut keyed = Keyed::start_with([("IDEMPOTENCY_BYTES", "10000000")]).await;
    let [one, other] = [keyed.master_key().await, keyed.master_key().await];
    let batch = serde_json::json!({"instances": vec![flower(); 10_000]});
    let send = async |secret: &str, key: Option<&str>| {
        let mut request = keyed.service.post("/predict/batch", &batch).bearer_auth(secret);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        keyed.answer(request).await
    };
    for key in ["a", "b"] {
        assert_eq!(send(&one, Some(key)).await.status, 200, "{key}");
    }
    let refused = send(&one, Some("c")).await;
    let problem = refused.problem("too many answers", 429);
    assert!(
        problem["detail"].as_str().unwrap().contains("without an Idempotency-Key"),
        "{problem}"
    );
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 60);
    // Without a key for the request nothing is kept, and another caller has room of its own.
    assert_eq!(send(&one, None).await.status, 200);
    assert_eq!(send(&other, Some("a")).await.status, 200);
}

#[tokio::test]
async fn a_request_too_many_is_refused_before_its_body_is_looked_at() {
    let mut keyed = Keyed::start_with([("KEY_RATE", "1")]).await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    let malformed = || keyed.service.client.post(keyed.service.url("/predict")).body("{");
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(keyed.answer(malformed().bearer_auth(&secret)).await.status);
    }
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
    assert_eq!(statuses[0], 415);
}

#[tokio::test]
async fn too_many_wrong_keys_from_one_address_are_too_many_and_bother_nobody_else() {
    let mut keyed = Keyed::start().await;
    let good = keyed.key(&["--scope", "predict"]).await;
    let mut refused = Vec::new();
    for _ in 0..10 {
        refused.extend(keyed.hurry(UNKNOWN, 100).await);
    }
    let too_many: Vec<_> = refused.iter().filter(|answer| answer.status == 429).collect();
    assert!(refused.len() == 1_000 && !too_many.is_empty() && too_many.len() <= 400);
    let problem = too_many[0].problem("too many", 429);
    assert!(problem["detail"].as_str().unwrap().contains("from this address"), "{problem}");
    assert_eq!(too_many[0].header("retry-after"), "1");

    assert_eq!(keyed.answer(keyed.predict(&good)).await.status, 200);
    // Who shows no key at all has not tried anything.
    assert_eq!(keyed.service.get("/ledger").await.status(), 401);
    let elsewhere = Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().unwrap();
    let request = elsewhere.get(keyed.service.url("/ledger")).bearer_auth(UNKNOWN);
    assert_eq!(request.send().await.unwrap().status(), 401);
}
