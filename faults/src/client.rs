//! A client: sends an attempt, with the ledger told before and after.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use reqwest::header::HeaderMap;
use reqwest::{Response, header};
use serde_json::Value;

use crate::attempt::Attempt;
use crate::ledger::{Doubt, Ledger, Outcome};

/// How long a client waits: five times what is promised, so that a hang is seen as one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the service answers now; a clone follows it over a restart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Address(Arc<Mutex<String>>);

impl Address {
    pub(crate) fn set(&self, url: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// `http://127.0.0.1:1234`, and this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `127.0.0.1:1234`, for those who speak to the socket themselves.
    pub(crate) fn socket(&self) -> String {
        self.url("").trim_start_matches("http://").to_owned()
    }
}

/// A client with connections of its own; a clone shares them.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: Address,
    ledger: Ledger,
}

/// What a request was told, besides its outcome.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    /// Whether the answer is marked as that of an earlier request with this key.
    pub(crate) replayed: bool,
}

impl Client {
    /// A client that shows this API key, if there is one.
    pub(crate) fn new(address: Address, ledger: Ledger, key: Option<&str>) -> anyhow::Result<Self> {
        let mut always = HeaderMap::new();
        if let Some(key) = key {
            always.insert(header::AUTHORIZATION, format!("Bearer {key}").parse()?);
        }
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .default_headers(always)
            .no_proxy()
            .pool_max_idle_per_host(1024)
            .build()
            .context("no HTTP client")?;
        Ok(Self { http, address, ledger })
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Notes it, sends it, and notes what came of it.
    pub(crate) async fn send(&self, attempt: &Attempt) -> anyhow::Result<Outcome> {
        let place = self.ledger.note(attempt)?;
        let told = self.tell(attempt).await;
        self.ledger.settle(place, told.outcome.clone())?;
        Ok(told.outcome)
    }

    /// The same, of a service that fails on purpose: a 500 with problem details is a refusal then, after which nothing may
    /// be on the record.
    pub(crate) async fn send_to_broken(&self, attempt: &Attempt) -> anyhow::Result<Outcome> {
        let place = self.ledger.note(attempt)?;
        let outcome = match self.tell(attempt).await.outcome {
            Outcome::Violation(500, body) if body.contains("\"status\":500") => {
                Outcome::Refused(500)
            }
            other => other,
        };
        self.ledger.settle(place, outcome.clone())?;
        Ok(outcome)
    }

    /// Sends it without a note, as a retry does.
    pub(crate) async fn tell(&self, attempt: &Attempt) -> Told {
        self.tell_at(&self.address.url(""), attempt).await
    }

    /// The same, at another replica.
    pub(crate) async fn tell_at(&self, base: &str, attempt: &Attempt) -> Told {
        let mut request = self
            .http
            .post(format!("{base}{}", attempt.path()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(attempt.body());
        if let Some(key) = &attempt.key {
            request = request.header("Idempotency-Key", key);
        }
        match request.send().await {
            Ok(response) => {
                let replayed = response
                    .headers()
                    .get("idempotency-replayed")
                    .is_some_and(|value| value == "true");
                Told { outcome: judge(attempt, response).await, replayed }
            }
            Err(error) => Told { outcome: doubt(&error), replayed: false },
        }
    }

    /// The status of a GET, and its body.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let response = self.http.get(self.address.url(path)).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }
}

fn doubt(error: &reqwest::Error) -> Outcome {
    if error.is_connect() && !error.is_timeout() {
        Outcome::Unsent
    } else if error.is_timeout() {
        Outcome::Indeterminate(Doubt::GaveUp)
    } else {
        Outcome::Indeterminate(Doubt::Broken)
    }
}

async fn judge(attempt: &Attempt, response: Response) -> Outcome {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = match response.text().await {
        Ok(body) => body,
        Err(error) => return doubt(&error),
    };
    let problem = || {
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "application/problem+json")
            && body["status"] == status
    };
    match status {
        200 => match attempt.answers(&body) {
            Ok(answers) => {
                let text = attempt.key.is_some().then_some(body);
                Outcome::Acknowledged(answers, text)
            }
            Err(error) => Outcome::Violation(status, format!("{error:#}")),
        },
        503 if headers.contains_key(header::RETRY_AFTER) && problem() => {
            Outcome::Indeterminate(Doubt::Unavailable)
        }
        400..500 if problem() => Outcome::Refused(status),
        _ => Outcome::Violation(status, body.chars().take(200).collect()),
    }
}
