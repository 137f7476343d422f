//! A running service takes up what happens to its keys, and lets nobody in when it cannot read them.

use std::time::Duration;

use reqwest::StatusCode;

use super::{Keyed, new_key, run_key};
use crate::access::id;
use crate::support::{Service, TestDatabase, eventually};

/// How soon a change must count.
const PROMISED: Duration = Duration::from_secs(5);

impl Keyed {
    async fn status(&self, secret: &str) -> StatusCode {
        self.answer(self.predict(secret)).await.status
    }

    /// Waits until this secret is answered so.
    async fn becomes(&self, secret: &str, status: u16) {
        let what = format!("the key is answered with {status}");
        let took = eventually(&what, async || self.status(secret).await == status).await;
        assert!(took < PROMISED, "{what}: {took:?}");
    }
}

#[tokio::test]
async fn new_and_revoked_keys_count_within_seconds() {
    let keyed = Keyed::start().await;
    let first = new_key(&keyed.file, &["--scope", "predict"]);
    keyed.becomes(&first, 200).await;
    let second = new_key(&keyed.file, &["--scope", "predict"]);
    keyed.becomes(&second, 200).await;
    let revoked = run_key(&keyed.file, &["revoke", id(&first)]);
    assert!(revoked.status.success(), "{revoked:?}");
    keyed.becomes(&first, 401).await;
    assert_eq!(keyed.status(&second).await, 200);
    // Whoever is thrown out of the file is out as well.
    std::fs::write(&keyed.file, "").unwrap();
    keyed.becomes(&second, 401).await;
}

#[tokio::test]
async fn a_key_expires_while_the_service_runs() {
    let mut keyed = Keyed::start().await;
    let soon = chrono::Utc::now() + chrono::TimeDelta::seconds(4);
    let secret = keyed.key(&["--scope", "predict", "--expires", &soon.to_rfc3339()]).await;
    keyed.becomes(&secret, 401).await;
    assert!(chrono::Utc::now() + chrono::TimeDelta::seconds(1) > soon);
}

#[tokio::test]
async fn nobody_is_let_in_while_the_keys_cannot_be_read() {
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    let text = std::fs::read_to_string(&keyed.file).unwrap();
    let file = keyed.file.clone();
    let breakages: [(&str, &dyn Fn()); 4] = [
        ("gone", &|| std::fs::remove_file(&file).unwrap()),
        ("malformed", &|| std::fs::write(&file, "[[key]]\n").unwrap()),
        ("no text", &|| std::fs::write(&file, b"\xff").unwrap()),
        ("a directory", &|| {
            std::fs::remove_file(&file).unwrap();
            std::fs::create_dir(&file).unwrap();
        }),
    ];
    for (case, damage) in breakages {
        damage();
        keyed.becomes(&secret, 503).await;
        let answer = keyed.answer(keyed.predict(&secret)).await;
        let problem = answer.problem(case, 503);
        assert!(problem["detail"].as_str().unwrap().contains("keys cannot be read"), "{problem}");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(keyed.service.get("/ledger").await.status(), 503);
        // A supervisor must not restart it for that.
        assert_eq!(keyed.service.get("/health/ready").await.status(), 200);
        let _ = std::fs::remove_dir(&file);
        std::fs::write(&file, &text).unwrap();
        keyed.becomes(&secret, 200).await;
    }
    let lines = keyed.service.log().lines();
    let told = lines.iter().filter(|line| line.contains("the keys cannot be read; in"));
    assert_eq!(told.count(), 4, "{lines:?}");
}

/// The file may be a link into a directory that is replaced as a whole, as Kubernetes mounts secrets.
#[tokio::test]
async fn a_link_that_leads_elsewhere_is_a_change() {
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    let other = keyed.file.with_file_name("other.toml");
    let replacement = new_key(&other, &["--scope", "predict"]);
    std::fs::remove_file(&keyed.file).unwrap();
    std::os::unix::fs::symlink("other.toml", &keyed.file).unwrap();
    keyed.becomes(&replacement, 200).await;
    assert_eq!(keyed.status(&secret).await, 401);
}

#[tokio::test]
async fn a_service_whose_keys_cannot_be_read_does_not_start() {
    let database = TestDatabase::create().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    for (text, expected) in
        [(None, "failed to look at"), (Some("[[key]]\nid = 3"), "line 2: id must be")]
    {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let mut command = Service::command();
        command.env("DATABASE_URL", database.url()).env("API_KEYS_FILE", &file);
        let output = command.output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains("the keys cannot be used") && log.contains(expected), "{log}");
    }
}
