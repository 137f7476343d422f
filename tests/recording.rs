//! Many requests go through one writer, and each gets what is its own.

use std::time::{Duration, Instant};

use domain::Measurements;
use futures_util::future::join_all;
use inference::Model;
use serde_json::{Value, json};

use crate::support::{
    Ask, Service, TableLock, TestDatabase, Wire, check_record, count, eventually, flower,
    lone_rows, measured, unavailable,
};

/// How soon every request is answered.
const PROMISED: Duration = Duration::from_secs(2);

/// Rows that differ in every bit, within the bounds: a multiplicative sequence, the same in every run.
fn rows(n: u32) -> impl Iterator<Item = Measurements> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [high, low] = [state >> 32, state << 32 >> 32].map(|half| u32::try_from(half).unwrap());
        (f64::from(high) + f64::from(low) / 4_294_967_296.0) / 4_294_967_296.0 * 100.0
    };
    (0..n).map(move |_| Measurements::from_row(std::array::from_fn(|_| next())))
}

/// Whether the answer and the row under its id are those of these measurements, bit for bit.
async fn check_own(
    sql: &tokio_postgres::Client,
    model: &Model,
    sent: &Measurements,
    answer: &Value,
) {
    let expected = model.predict(sent).unwrap();
    let probabilities: Vec<f64> = serde_json::from_value(answer["probabilities"].clone()).unwrap();
    let id: uuid::Uuid = answer["id"].as_str().unwrap().parse().unwrap();
    let row = sql
        .query_one(
            "select sepal_width, sepal_length, petal_width, petal_length, iris_class, probabilities
             from raw_data join prediction using (id) where id = $1",
            &[&id],
        )
        .await
        .unwrap();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let stored: [f64; 4] = std::array::from_fn(|column| row.get(column));
    assert_eq!(bits(&stored), bits(&sent.to_row()));
    assert_eq!(bits(&probabilities), bits(&expected.probabilities));
    assert_eq!(bits(&row.get::<_, Vec<f64>>(5)), bits(&expected.probabilities));
    assert_eq!(row.get::<_, i32>(4), expected.class.number());
    assert_eq!(answer["iris_class"], expected.class.number());
}

#[tokio::test]
async fn each_of_many_concurrent_requests_gets_its_own_answer() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let rows: Vec<_> = rows(900).collect();
    // One client for every ten rows: five single ones, then a batch of five.
    let answers = join_all(rows.chunks(10).map(async |rows| {
        let mut answers = Vec::new();
        for row in &rows[..5] {
            answers.push(service.predict(&json!(row)).await);
        }
        let batch = json!({"instances": rows[5..]});
        let response = service.post("/predict/batch", &batch).send().await.unwrap();
        let body: Value = response.json().await.unwrap();
        answers.extend_from_slice(body["predictions"].as_array().unwrap());
        answers
    }))
    .await;

    let sql = database.connect().await;
    let model = Model::embedded().unwrap();
    for (sent, answer) in rows.iter().zip(answers.iter().flatten()) {
        check_own(&sql, &model, sent, answer).await;
    }
    assert_eq!(database.counts().await, (900, 900, 900));
}

#[tokio::test]
async fn a_row_that_the_database_refuses_sinks_its_own_request_only() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let sql = database.connect().await;
    sql.batch_execute("alter table raw_data add check (sepal_width <> 42)").await.unwrap();

    // While the record is locked one request is being written, and all the others become the next batch.
    let mut guilty = Ask::of(10).body();
    guilty["instances"][7]["sepal_width"] = json!(42);
    let mut requests: Vec<(Option<Ask>, Value, Wire)> = Vec::new();
    for number in 0..40 {
        let ask = Ask::of(if number % 4 == 0 { 5 } else { 1 });
        let (ask, body) = if matches!(number, 13 | 14 | 30) {
            (None, guilty.clone())
        } else {
            (Some(ask), ask.body())
        };
        let path = ask.map_or("/predict/batch", Ask::path);
        let mut wire = Wire::open(&service).await;
        wire.announce(path, &body.to_string()).await;
        requests.push((ask, body, wire));
    }
    let lock = TableLock::take(&database).await;
    for (_, body, wire) in &mut requests {
        wire.send(&body.to_string()).await;
    }
    lock.release().await;

    let mut expected = 0;
    for (ask, _, mut wire) in requests {
        let reply = wire.reply().await;
        let Some(ask) = ask else {
            assert_eq!(reply.status, 500, "{}", reply.body);
            assert!(
                reply.head.contains("content-type: application/problem+json"),
                "{}",
                reply.head
            );
            assert_eq!(reply.body["status"], 500);
            continue;
        };
        assert_eq!(reply.status, 200, "{}", reply.body);
        let ids = ask.ids(&reply.body);
        expected += i64::from(ask.rows);
        let stored = "select count(*) from prediction join raw_data using (id) where id = any($1)";
        let stored: i64 = sql.query_one(stored, &[&ids]).await.unwrap().get(0);
        assert_eq!(stored, i64::from(ask.rows));
    }
    assert_eq!(database.counts().await, (expected, expected, expected));
}

#[tokio::test]
async fn a_client_that_ends_its_side_of_the_connection_is_answered() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let ask = Ask::of(1);
    let (path, body) = (ask.path(), ask.body().to_string());
    for _ in 0..20 {
        let mut wire = Wire::open(&service).await;
        wire.announce(path, &body).await;
        wire.send(&body).await;
        wire.end_sending().await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        wire.closed().await;
    }
    assert_eq!(database.counts().await, (20, 20, 20));
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_record_whole() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let lock = TableLock::take(&database).await;
    for number in 0..100 {
        let ask = Ask::of(if number % 2 == 0 { 10 } else { 1 });
        let (path, body) = (ask.path(), ask.body().to_string());
        let mut wire = Wire::open(&service).await;
        if number < 50 {
            wire.announce(path, &body).await;
            wire.send(&body).await;
        } else {
            let length = body.len();
            wire.send(&format!(
                "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n{body}"
            ))
            .await;
        }
        drop(wire);
    }
    lock.release().await;
    service.predict(&flower()).await;

    assert_eq!(service.stop().await.code(), Some(0));
    let sql = database.connect().await;
    check_record(&sql, &[]).await;
    // Whoever was heard is on the record, though nobody waited.
    let requests = "select count(distinct sepal_length) from raw_data where petal_length <> 1.4";
    let requests = count(&sql, requests).await;
    assert!((40..=100).contains(&requests), "{requests}");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_recovers() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let many = json!({"instances": vec![flower(); 10_000]});
    let lock = TableLock::take(&database).await;
    let send = async || {
        let sent = Instant::now();
        let response = service.post("/predict/batch", &many).send().await.unwrap();
        (sent.elapsed(), response)
    };
    // Two of them fill the queue, so one of three finds it full while the others wait.
    let mut all = vec![Box::pin(send()), Box::pin(send()), Box::pin(send())];
    let ((took, refused), _, rest) = futures_util::future::select_all(all.drain(..)).await;
    unavailable(refused).await.unwrap();
    measured("a full queue refused 10,000 rows after", took);
    assert!(took < Duration::from_millis(1_100), "{took:?}");

    let sent = Instant::now();
    let response = service.post("/predict", &flower()).send().await.unwrap();
    let problem: Value = response.json().await.unwrap();
    measured("and one row after", sent.elapsed());
    assert!(sent.elapsed() < Duration::from_millis(500), "{:?}", sent.elapsed());
    assert_eq!(problem["detail"], "too many predictions are waiting; nothing was recorded");

    lock.release().await;
    let mut recorded = 0;
    for (_, response) in join_all(rest).await {
        if response.status() == 200 {
            recorded += 10_000;
        } else {
            unavailable(response).await.unwrap();
        }
    }
    service.predict(&flower()).await;
    recorded += 1;
    let (inputs, predictions, both) = database.counts().await;
    assert!(inputs == predictions && predictions == both, "{inputs}, {predictions}, {both}");
    assert!(inputs >= recorded && inputs % 10_000 == 1, "{inputs} rows, {recorded} acknowledged");
}

#[tokio::test]
async fn a_request_held_up_beyond_the_deadline_is_refused_in_time() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let lock = TableLock::take(&database).await;
    let start = Instant::now();
    // One after the other, so that they wait at different places: being written, and queued.
    let took = join_all((0..12_u32).map(async |number| {
        tokio::time::sleep(number * Duration::from_millis(200)).await;
        let sent = Instant::now();
        let response = service.post("/predict", &flower()).send().await.unwrap();
        unavailable(response).await.unwrap();
        sent.elapsed()
    }))
    .await;
    let longest = took.into_iter().max().unwrap();
    measured("longest answer while the record was locked", longest);
    assert!(longest < PROMISED, "{longest:?}");
    assert!(start.elapsed() > PROMISED);

    lock.release().await;
    let recovery = eventually("it is served again", async || {
        service.post("/predict", &flower()).send().await.unwrap().status() == 200
    })
    .await;
    measured("served again after", recovery);
    assert!(recovery < PROMISED, "{recovery:?}");
    assert_eq!(lone_rows(&database.connect().await).await, 0);
}
