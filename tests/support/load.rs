//! Clients that keep a service busy and remember every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Response, header};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Service;

/// A request to predict whose rows can be told from those of every other one.
///
/// `sepal_length` is the request's own tag, `petal_length` the number of its rows, `sepal_width` a row's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) tag: f64,
    pub(crate) rows: u8,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) ask: Ask,
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    pub(crate) answer: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// 200, and so on the record under these ids.
    Recorded(Vec<Uuid>),
    /// 503 as it should be: problem details, and when to come back.
    Unavailable,
    /// No answer: the connection was lost.
    Lost,
    /// What must not be.
    Wrong(String),
}

impl Ask {
    /// One row for `/predict`, more for `/predict/batch`, 100 at most.
    pub(crate) fn of(rows: u8) -> Self {
        static TAGS: AtomicU32 = AtomicU32::new(1);
        let tag = f64::from(TAGS.fetch_add(1, Ordering::Relaxed)) / 1e6;
        Self { tag, rows }
    }

    pub(crate) fn path(self) -> &'static str {
        if self.rows == 1 { "/predict" } else { "/predict/batch" }
    }

    pub(crate) fn body(self) -> Value {
        let row = |place| {
            let (tag, rows) = (self.tag, self.rows);
            json!({"sepal_width": place, "sepal_length": tag, "petal_width": 0.2, "petal_length": rows})
        };
        if self.rows == 1 {
            row(0)
        } else {
            json!({"instances": (0..self.rows).map(row).collect::<Vec<_>>()})
        }
    }

    /// The ids in the body of a 200.
    pub(crate) fn ids(self, body: &Value) -> Vec<Uuid> {
        let predictions = match &body["predictions"] {
            Value::Array(predictions) => predictions.as_slice(),
            _ => std::slice::from_ref(body),
        };
        assert_eq!(predictions.len(), usize::from(self.rows), "{body}");
        predictions.iter().map(|one| one["id"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Sends it and waits for what comes.
    pub(crate) async fn send(self, client: &Client, url: &str) -> Told {
        let request = client.post(format!("{url}{}", self.path())).json(&self.body());
        let sent = Instant::now();
        let answer = match request.send().await {
            Err(_) => Outcome::Lost,
            Ok(response) if response.status() == 200 => match response.json().await {
                Ok(body) => Outcome::Recorded(self.ids(&body)),
                Err(_) => Outcome::Lost,
            },
            Ok(response) => match unavailable(response).await {
                Ok(()) => Outcome::Unavailable,
                Err(wrong) => Outcome::Wrong(wrong),
            },
        };
        Told { ask: self, sent, took: sent.elapsed(), answer }
    }
}

/// Whether this is a 503 in the service's own form that says when to come back; else, what it is.
pub(crate) async fn unavailable(response: Response) -> Result<(), String> {
    let status = response.status();
    let headers = response.headers().clone();
    let text = response.text().await.unwrap_or_default();
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let right = status == 503
        && headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "application/problem+json")
        && headers.contains_key(header::RETRY_AFTER)
        && body["status"] == 503;
    if right { Ok(()) } else { Err(format!("{status} {headers:?} {text}")) }
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: watch::Receiver<usize>,
    clients: JoinSet<Vec<Told>>,
}

impl Load {
    /// Starts this many of them. Each sends one request after the other, mostly single rows and some batches, and
    /// ends when it is told to or loses its connection.
    pub(crate) fn start(service: &Service, clients: u8) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (count, acknowledged) = watch::channel(0);
        let http = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let clients = (0..clients)
            .map(|number| {
                run(service.url(""), http.clone(), number, Arc::clone(&stop), count.clone())
            })
            .collect();
        Self { stop, acknowledged, clients }
    }

    /// Waits until this many more requests are answered with 200.
    pub(crate) async fn acknowledged(&mut self, more: usize) {
        let goal = *self.acknowledged.borrow() + more;
        let reached = self.acknowledged.wait_for(|count| *count >= goal);
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        reached.expect("the service answers no more").expect("every client has ended");
    }

    /// Tells them to end and gives what each was told.
    pub(crate) async fn finish(self) -> Vec<Told> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

async fn run(
    url: String,
    http: Client,
    number: u8,
    stop: Arc<AtomicBool>,
    count: watch::Sender<usize>,
) -> Vec<Told> {
    let mut told = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // Every fourth request is a batch, of 2 to 50 rows.
        let turn = told.len() + usize::from(number);
        let rows = if turn % 4 == 0 { u8::try_from(2 + turn * 7 % 49).unwrap() } else { 1 };
        told.push(Ask::of(rows).send(&http, &url).await);
        match told.last().map(|told| &told.answer) {
            Some(Outcome::Recorded(_)) => count.send_modify(|count| *count += 1),
            Some(Outcome::Lost) => break,
            // It was told to come back later.
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    told
}
