//! What of a caller is in the log, and what never is.

use futures_util::future::join_all;
use serde_json::json;

use super::{Keyed, UNKNOWN, new_key, spoilt};
use crate::support::{Service, TestDatabase, flower};

#[tokio::test]
async fn nothing_that_is_sent_is_in_the_log_at_any_level() {
    const NUMBER: &str = "3.123454321";
    const ONCE: &str = "once-8d1f0c52";
    const PASSWORD: &str = "canary-7d1f0c52";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    std::fs::write(&file, "").unwrap();
    let secret = new_key(&file, &["--scope", "predict", "--scope", "read"]);
    let database = TestDatabase::create().await;
    let mut command = Service::command();
    let url = database.url().replace("@/", &format!(":{PASSWORD}@/"));
    command.env("DATABASE_URL", url).env("API_KEYS_FILE", &file).env("RUST_LOG", "trace");
    let mut service = Service::spawn(command, false).await;

    let mut row = flower();
    row["petal_length"] = serde_json::from_str(NUMBER).unwrap();
    let rows = json!({"instances": [row, row]});
    let wrong = spoilt(&secret);
    for (path, body) in [("/predict", &row), ("/predict/batch", &rows)] {
        let once = format!("{ONCE}-{}", path.len());
        let request = service.post(path, body).bearer_auth(&secret);
        let request = request.header("idempotency-key", &once);
        assert_eq!(request.send().await.unwrap().status(), 200);
        let request = service.post(path, body).bearer_auth(&wrong);
        let request = request.header("idempotency-key", &once);
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let listed = service.client.get(service.url("/predictions")).bearer_auth(&secret);
    assert_eq!(listed.send().await.unwrap().status(), 200);

    let mut log = service.log().clone();
    service.stop().await;
    log.wait_for("everything in flight is answered").await;
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("DEBUG")), "{lines:#?}");
    for sent in [NUMBER, ONCE, PASSWORD, &secret[13..], &wrong[13..]] {
        let told: Vec<_> = lines.iter().filter(|line| line.contains(sent)).collect();
        assert!(told.is_empty(), "{sent}: {told:#?}");
    }
}

#[tokio::test]
async fn bad_keys_are_not_crowded_out_of_the_log_by_other_refusals() {
    let mut keyed = Keyed::start().await;
    let url = keyed.service.url("/nothing");
    let noise = || async {
        let asking = (0..500).map(|_| async {
            assert_eq!(keyed.service.client.get(&url).send().await.unwrap().status(), 404);
        });
        join_all(asking).await
    };
    noise().await;
    for attempt in 0..20 {
        let request = keyed.predict(UNKNOWN).header("x-request-id", format!("attempt-{attempt}."));
        assert!([401, 429].contains(&request.send().await.unwrap().status().as_u16()));
        if attempt == 10 {
            noise().await;
        }
    }
    let said = keyed.service.log().wait_for("requests with status 404 were not logged").await;
    let left_out: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!((1..1_000).contains(&left_out), "{said}");
    for attempt in 0..20 {
        keyed.service.log().wait_for(&format!("attempt-{attempt}.")).await;
    }
}
