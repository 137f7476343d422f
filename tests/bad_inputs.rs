//! Whatever is sent, a refusal says why, changes nothing, and leaves the service well.
//!
//! The numbers in parentheses are those of the catalogue of bad inputs that these tests go through.

mod batches;
mod bodies;
mod heads;
mod numbers;
mod parameters;
mod requests;

use reqwest::RequestBuilder;
use serde_json::Value;

use crate::support::{Answer, Service, TestDatabase, flower};

/// A service that is shown bad requests one after the other.
struct Refusals {
    database: TestDatabase,
    service: Service,
}

impl Refusals {
    async fn start() -> Self {
        let database = TestDatabase::create().await;
        let service = Service::start(&database).await;
        Self { database, service }
    }

    /// A `POST` of this body as JSON.
    fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        let request = self.service.client.post(self.service.url(path));
        request.header("content-type", "application/json").body(body.into())
    }

    /// Sends a request that must be refused with this status, and without a trace.
    async fn check(&self, case: &str, request: RequestBuilder, status: u16) -> Answer {
        let response = request.send().await.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        let answer = Answer::read(response).await;
        answer.problem(case, status);
        assert_eq!(self.database.counts().await, (0, 0, 0), "{case}");
        answer
    }

    /// After all of them a valid request is answered and recorded, by the same process.
    async fn check_well(self) {
        self.service.predict(&flower()).await;
        assert_eq!(self.database.counts().await, (1, 1, 1));
    }
}

/// Each of these bodies is no JSON that the service takes: 400.
async fn check_malformed<B: Into<Vec<u8>>>(path: &str, cases: impl IntoIterator<Item = (&str, B)>) {
    let refusals = Refusals::start().await;
    for (case, body) in cases {
        refusals.check(case, refusals.post(path, body), 400).await;
    }
    refusals.check_well().await;
}

/// Each of these bodies is JSON that does not fit in exactly these places, in this order: 422.
async fn check_misfit<'a, B: Into<Vec<u8>>>(
    path: &str,
    cases: impl IntoIterator<Item = (&'a str, B, Vec<&'a str>)>,
) {
    let refusals = Refusals::start().await;
    for (case, body, pointers) in cases {
        let answer = refusals.check(case, refusals.post(path, body), 422).await;
        assert_eq!(answer.pointers(case), pointers, "{case}: {}", answer.body);
    }
    refusals.check_well().await;
}

/// A valid body but for the literal of its last field.
fn petal_length(literal: &str) -> String {
    format!(
        r#"{{"sepal_width": 3.5, "sepal_length": 5.1, "petal_width": 0.2, "petal_length": {literal}}}"#
    )
}

/// A valid body with something before its end, for example `, "more": 1`.
fn with(more: &str) -> String {
    format!(
        r#"{{"sepal_width": 3.5, "sepal_length": 5.1, "petal_width": 0.2, "petal_length": 1.4{more}}}"#
    )
}

/// A batch of these rows.
fn batch(rows: &[&Value]) -> String {
    serde_json::json!({ "instances": rows }).to_string()
}

/// So many arrays in each other.
fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}
