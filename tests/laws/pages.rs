//! Pages hold exactly the record: every row that passes the filter, once, newest first.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::CLASS_FIELD;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{any_row, check};
use crate::support::{Service, TestDatabase, flower};

/// What is asked for. Places are those of rows that are on the record by then.
#[derive(Debug, Clone)]
struct Case {
    /// What is recorded before, as requests of so many rows.
    recorded: Vec<Vec<Value>>,
    limit: usize,
    cursor: Option<Start>,
    /// The row whose time it is, and how many nanoseconds from it.
    from: Option<(Index, i64)>,
    to: Option<(Index, i64)>,
    class: Option<i32>,
    /// The row whose confidence it is.
    min_confidence: Option<Index>,
    max_confidence: Option<Index>,
    /// Whether it is the model that there is.
    model: Option<bool>,
}

/// Where the first page begins.
#[derive(Debug, Clone)]
enum Start {
    Row(Index),
    Anywhere(u128),
}

fn any_case() -> impl Strategy<Value = Case> {
    let row = proptest::collection::vec(any_row(), 1..12);
    let recorded = proptest::collection::vec(row, 1..4);
    let limit = prop_oneof![4 => 1..20_usize, 1 => 20..=1000_usize];
    let start = prop_oneof![3 => any::<Index>().prop_map(Start::Row), 1 => any::<u128>().prop_map(Start::Anywhere)];
    let sometimes = |weight| proptest::option::weighted(weight, any::<Index>());
    let time = || {
        let apart = prop_oneof![Just(0), -1_i64..=1, -1_000_i64..=1_000, -5_000_000_i64..5_000_000];
        proptest::option::weighted(0.3, (any::<Index>(), apart))
    };
    let class = proptest::option::weighted(0.3, 0..domain::N_CLASSES as i32);
    let model = proptest::option::weighted(0.2, proptest::bool::weighted(0.8));
    let confidences = (sometimes(0.2), sometimes(0.2));
    let cursor = proptest::option::weighted(0.3, start);
    (recorded, limit, cursor, time(), time(), class, confidences, model).prop_map(
        |(recorded, limit, cursor, from, to, class, (min_confidence, max_confidence), model)| {
            Case { recorded, limit, cursor, from, to, class, min_confidence, max_confidence, model }
        },
    )
}

/// A row of the record, as SQL has it.
struct Row {
    id: Uuid,
    time: DateTime<Utc>,
    class: i32,
    confidence: f64,
    model: String,
}

/// Whether a row passes one part of the filter.
type Pass = Box<dyn Fn(&Row) -> bool>;

/// The whole record, newest first.
async fn record(client: &Client) -> Vec<Row> {
    let all = format!(
        "select id, prediction.\"timestamp\", {CLASS_FIELD}, model_version,
                (select max(p) from unnest(probabilities) as p)
         from raw_data join prediction using (id) order by id desc"
    );
    let to_row = |row: &tokio_postgres::Row| Row {
        id: row.get(0),
        time: row.get(1),
        class: row.get(2),
        model: row.get(3),
        confidence: row.get(4),
    };
    client.query(&all, &[]).await.unwrap().iter().map(to_row).collect()
}

/// The query for a case, and the ids that its pages have to hold.
fn asked(case: &Case, record: &[Row]) -> (String, Vec<Uuid>) {
    let mut query = format!("limit={}", case.limit);
    let mut passes: Vec<Pass> = Vec::new();
    let mut ask = |name: &str, value: String, pass: Pass| {
        query.push_str(&format!("&{name}={}", value.replace('+', "%2B")));
        passes.push(pass);
    };
    let time =
        |(index, apart): &(Index, i64)| index.get(record).time + TimeDelta::nanoseconds(*apart);
    let written = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    if let Some(start) = &case.cursor {
        let id = match start {
            Start::Row(index) => index.get(record).id,
            Start::Anywhere(bits) => Uuid::from_u128(*bits),
        };
        ask("cursor", id.to_string(), Box::new(move |row| row.id < id));
    }
    // What ends before it begins is refused.
    let (from, to) = ordered(case.from.as_ref().map(time), case.to.as_ref().map(time));
    let confidence = |index: Option<Index>| index.map(|index| index.get(record).confidence);
    let (least, most) = ordered(confidence(case.min_confidence), confidence(case.max_confidence));
    if let Some(from) = from {
        ask("from", written(from), Box::new(move |row| row.time >= from));
    }
    if let Some(to) = to {
        ask("to", written(to), Box::new(move |row| row.time < to));
    }
    if let Some(class) = case.class {
        ask(CLASS_FIELD, class.to_string(), Box::new(move |row| row.class == class));
    }
    if let Some(least) = least {
        ask("min_confidence", least.to_string(), Box::new(move |row| row.confidence >= least));
    }
    if let Some(most) = most {
        ask("max_confidence", most.to_string(), Box::new(move |row| row.confidence <= most));
    }
    if let Some(this) = case.model {
        let model = if this { record[0].model.clone() } else { "0.0.0".to_owned() };
        ask("model_version", model.clone(), Box::new(move |row| row.model == model));
    }
    let passing = record.iter().filter(|row| passes.iter().all(|pass| pass(row)));
    (query, passing.map(|row| row.id).collect())
}

#[test]
fn pages_hold_exactly_the_record_while_rows_are_added() {
    check(60, &any_case(), async |service: &Service, database: &TestDatabase, case: Case| {
        for rows in &case.recorded {
            let request = service.post("/predict/batch", &json!({ "instances": rows }));
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        let record = record(&database.connect().await).await;
        let (query, expected) = asked(&case, &record);

        let mut read: Vec<Uuid> = Vec::new();
        let mut pages = 0;
        let mut address = format!("/predictions?{query}");
        loop {
            let page = service.get_json(&address).await;
            let ids = page["predictions"].as_array().unwrap().iter();
            let ids: Vec<Uuid> =
                ids.map(|it| it["id"].as_str().unwrap().parse().unwrap()).collect();
            read.extend(&ids);
            pages += 1;
            let Some(next) = page["next_cursor"].as_str() else { break };
            assert_eq!(ids.len(), case.limit, "only the last page is not full: {query}");
            // What is added now is newer than every page to come.
            if pages <= 3 {
                service.predict(&flower()).await;
            }
            let rest = query.split('&').filter(|part| !part.starts_with("cursor="));
            let rest = rest.collect::<Vec<_>>().join("&");
            address = format!("/predictions?{rest}&cursor={next}");
        }
        assert_eq!(read, expected, "{query}");
        assert_eq!(pages, expected.len().div_ceil(case.limit).max(1), "{query}");
    });
}

/// The two bounds, the lower one first if there are both.
fn ordered<T: PartialOrd>(first: Option<T>, second: Option<T>) -> (Option<T>, Option<T>) {
    match (first, second) {
        (Some(first), Some(second)) if first > second => (Some(second), Some(first)),
        bounds => bounds,
    }
}
