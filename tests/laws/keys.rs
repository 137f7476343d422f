//! A service with keys answers any sequence of requests as a map from key to answer does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{any_row, check};
use crate::support::{Answer, Service, TestDatabase};

/// One request.
#[derive(Debug, Clone)]
struct Ask {
    /// Which key it has, if any.
    key: Option<u8>,
    /// Which operation: a row, or a batch.
    batch: bool,
    /// Which of the rows of the case it begins with, and how many it has if it is a batch.
    rows: (usize, usize),
    /// How the body is written.
    style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    Short,
    Spread,
    Backwards,
    /// With a field too many.
    Misfit,
    /// Without its end.
    Malformed,
}

/// How many rows a case has to choose from.
const ROWS: usize = 3;

fn any_case() -> impl Strategy<Value = (Vec<Value>, Vec<Ask>)> {
    let style = prop_oneof![
        6 => select(vec![Style::Short, Style::Spread, Style::Backwards]),
        1 => select(vec![Style::Misfit, Style::Malformed]),
    ];
    let rows = (0..ROWS, 1..=2_usize);
    let ask =
        (proptest::option::weighted(0.85, 0..3_u8), proptest::bool::weighted(0.3), rows, style)
            .prop_map(|(key, batch, rows, style)| Ask { key, batch, rows, style });
    (proptest::collection::vec(any_row(), ROWS), proptest::collection::vec(ask, 1..25))
}

impl Ask {
    fn path(&self) -> &'static str {
        if self.batch { "/predict/batch" } else { "/predict" }
    }

    /// The rows that it means.
    fn rows<'a>(&self, all: &'a [Value]) -> Vec<&'a Value> {
        let (first, count) = self.rows;
        all.iter().cycle().skip(first).take(if self.batch { count } else { 1 }).collect()
    }

    fn body(&self, all: &[Value]) -> String {
        let backwards =
            |row: &Value| Value::from_iter(row.as_object().unwrap().clone().into_iter().rev());
        let rows = self.rows(all).into_iter();
        let rows: Vec<_> = match self.style {
            Style::Backwards => rows.map(backwards).collect(),
            _ => rows.cloned().collect(),
        };
        let mut body = if self.batch { json!({ "instances": rows }) } else { rows[0].clone() };
        match self.style {
            Style::Short | Style::Backwards => body.to_string(),
            Style::Spread => serde_json::to_string_pretty(&body).unwrap(),
            Style::Misfit => {
                body["more"] = json!(1);
                body.to_string()
            }
            Style::Malformed => {
                let body = body.to_string();
                body[..body.len() - 1].to_owned()
            }
        }
    }

    /// What makes two requests the same.
    fn fingerprint(&self, all: &[Value]) -> String {
        format!("{} {}", self.path(), json!(self.rows(all)))
    }
}

async fn send(service: &Service, ask: &Ask, key: Option<&String>, rows: &[Value]) -> Answer {
    let request = service.client.post(service.url(ask.path()));
    let mut request = request.header("Content-Type", "application/json").body(ask.body(rows));
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[test]
fn requests_with_keys_are_answered_as_by_a_map() {
    static CASES: AtomicU32 = AtomicU32::new(0);
    check(40, &any_case(), async |service: &Service, database: &TestDatabase, (rows, asks)| {
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let (mut recorded, _, _) = database.counts().await;
        let mut answered: HashMap<String, (String, String)> = HashMap::new();
        for ask in &asks {
            let key = ask.key.map(|key| format!("{case}-{key}"));
            let answer = send(service, ask, key.as_ref(), &rows).await;
            let known = key.as_ref().and_then(|key| answered.get(key));
            let replayed = answer.header("idempotency-replayed");
            match (ask.style, known) {
                (Style::Malformed, _) => drop(answer.problem("malformed", 400)),
                (Style::Misfit, _) => assert_eq!(answer.pointers("misfit"), ["/more"]),
                (_, None) => {
                    assert_eq!((answer.status.as_u16(), replayed), (200, ""), "{}", answer.body);
                    recorded += i64::try_from(ask.rows(&rows).len()).unwrap();
                    if let Some(key) = key {
                        answered.insert(key, (ask.fingerprint(&rows), answer.body));
                    }
                }
                (_, Some((fingerprint, body))) if *fingerprint == ask.fingerprint(&rows) => {
                    assert_eq!((answer.status.as_u16(), replayed), (200, "true"));
                    assert_eq!(answer.body, *body);
                }
                (_, Some(_)) => assert_eq!(answer.status, 422, "{}", answer.body),
            }
        }
        assert_eq!(database.counts().await, (recorded, recorded, recorded));
    });
}
