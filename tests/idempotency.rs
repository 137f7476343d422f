//! A request with an `Idempotency-Key` is recorded once, and answered each time as it was the first time.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Service, TestDatabase, flower};

async fn send(service: &Service, path: &str, key: &str, body: &Value) -> Response {
    service.post(path, body).header("Idempotency-Key", key).send().await.unwrap()
}

/// The body of a 200, and whether it is that of an earlier request.
async fn answered(response: Response) -> (String, bool) {
    assert_eq!(response.status(), StatusCode::OK);
    let replayed =
        response.headers().get("idempotency-replayed").map(|it| it.to_str().unwrap() == "true");
    (response.text().await.unwrap(), replayed.unwrap_or(false))
}

async fn check_refused(response: Response, status: u16) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"), "{problem}");
}

#[tokio::test]
async fn what_is_sent_again_has_one_record_and_the_same_answer() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let batch = json!({"instances": [flower(), flower()]});
    for (path, body) in [("/predict", flower()), ("/predict/batch", batch)] {
        let key = format!("{path}-7c4a8d09");
        let first = answered(send(&service, path, &key, &body).await).await;
        assert!(!first.1);
        let again = answered(send(&service, path, &key, &body).await).await;
        assert_eq!(again, (first.0, true));
    }
    // How the body is written does not matter.
    let spaced = serde_json::to_string_pretty(&flower()).unwrap();
    let request = service.client.post(service.url("/predict")).body(spaced);
    let request = request.header("Content-Type", "application/json");
    let again = request.header("Idempotency-Key", "/predict-7c4a8d09").send().await.unwrap();
    assert!(answered(again).await.1);
    assert_eq!(database.counts().await, (3, 3, 3));
    let ledger = service.get_json("/ledger").await;
    assert_eq!((&ledger["received"], &ledger["replayed"]), (&json!(3), &json!(4)));
}

#[tokio::test]
async fn it_is_the_same_after_a_restart() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let first = answered(send(&service, "/predict", "k", &flower()).await).await;
    assert_eq!(service.stop().await.code(), Some(0));
    let service = Service::start(&database).await;
    let again = answered(send(&service, "/predict", "k", &flower()).await).await;
    assert_eq!(again, (first.0, true));
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    // 64
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    answered(send(&service, "/predict", "k", &flower()).await).await;
    let mut another = flower();
    another["petal_width"] = json!(0.3);
    check_refused(send(&service, "/predict", "k", &another).await, 422).await;
    // The same row, but another operation.
    let batch = json!({"instances": [flower()]});
    check_refused(send(&service, "/predict/batch", "k", &batch).await, 422).await;
    assert_eq!(database.counts().await, (1, 1, 1));
}

#[tokio::test]
async fn a_malformed_key_is_refused() {
    // 63 of the catalogue of bad inputs
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let longest = "k".repeat(255);
    for key in ["", " ", "two words", "t\tab", "ümlaut", &"k".repeat(256)] {
        let request = service.post("/predict", &flower()).header("Idempotency-Key", key.as_bytes());
        check_refused(request.send().await.unwrap(), 400).await;
    }
    let twice = service.post("/predict", &flower());
    let twice = twice.header("Idempotency-Key", "a").header("Idempotency-Key", "a");
    check_refused(twice.send().await.unwrap(), 400).await;
    assert_eq!(database.counts().await, (0, 0, 0));
    answered(send(&service, "/predict", &longest, &flower()).await).await;
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let response = send(&service, "/predict", "k", &json!({"sepal_width": "wide"})).await;
    assert_eq!(response.status(), 422);
    assert!(!answered(send(&service, "/predict", "k", &flower()).await).await.1);
}

#[tokio::test]
async fn a_key_expires() {
    let database = TestDatabase::create().await;
    let service = Service::start_with(&database, [("IDEMPOTENCY_TTL", "3600")]).await;
    let first = answered(send(&service, "/predict", "k", &flower()).await).await;
    let admin = database.connect().await;
    let age = "update idempotency_key set created_at = created_at - interval '61 minutes'";
    admin.execute(age, &[]).await.unwrap();
    // It is free as soon as it has been deleted, which the service sees to now and again.
    crate::support::eventually("the key is free", async || {
        let second = answered(send(&service, "/predict", "k", &flower()).await).await;
        assert!(second.1 == (second.0 == first.0));
        !second.1
    })
    .await;
    assert_eq!(database.counts().await, (2, 2, 2));

    // Who starts does so at once.
    admin.execute(age, &[]).await.unwrap();
    let _another = Service::start_with(&database, [("IDEMPOTENCY_TTL", "3600")]).await;
    assert_eq!(crate::support::count(&admin, "select count(*) from idempotency_key").await, 0);
}

#[tokio::test]
async fn two_services_with_the_same_keys_record_each_once() {
    // 65
    let database = TestDatabase::create().await;
    let (one, other) = tokio::join!(Service::start(&database), Service::start(&database));
    let pairs = (0..200).map(async |n| {
        let (key, body) = (format!("key-{n}"), flower());
        let one = async { answered(send(&one, "/predict", &key, &body).await).await };
        let other = async { answered(send(&other, "/predict", &key, &body).await).await };
        tokio::join!(one, other)
    });
    for (one, other) in futures_util::future::join_all(pairs).await {
        assert_eq!(one.0, other.0);
        assert!(one.1 != other.1, "one of the two is the first");
    }
    assert_eq!(database.counts().await, (200, 200, 200));
}
