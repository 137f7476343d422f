//! `POST /predict` and `POST /predict/batch`: what is answered is what is recorded.

use domain::{FEATURES, Measurements, N_FEATURES};
use proptest::prelude::{Strategy, any};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Service, TestDatabase, flower};

fn id_of(answer: &Value) -> Uuid {
    answer["id"].as_str().unwrap().parse().unwrap()
}

fn row_of(values: [f64; N_FEATURES]) -> Value {
    serde_json::to_value(Measurements::from_row(values)).unwrap()
}

#[tokio::test]
async fn the_tutorials_request_is_answered_and_recorded() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let answer = service.predict(&row_of([0.0; N_FEATURES])).await;
    assert!(answer["iris_class"].is_i64(), "{answer}");

    let row = database
        .connect()
        .await
        .query_one(
            "select raw_data.\"timestamp\" = prediction.\"timestamp\",
                    to_char(prediction.\"timestamp\" at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                    iris_class
             from raw_data join prediction using (id) where id = $1",
            &[&id_of(&answer)],
        )
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, &str>(1), answer["timestamp"]);
    assert_eq!(i64::from(row.get::<_, i32>(2)), answer["iris_class"]);
    assert_eq!(database.counts().await, (1, 1, 1));
}

#[tokio::test]
async fn an_answer_has_all_its_fields() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let answer = service.predict(&flower()).await;
    let Value::Object(fields) = &answer else { panic!("{answer}") };
    let names: Vec<_> = fields.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "id",
            "timestamp",
            "iris_class",
            "species",
            "probabilities",
            "model_version",
            "warnings",
            "stored"
        ]
    );
    assert_eq!(answer["stored"], "committed");
    assert_eq!((&answer["iris_class"], &answer["species"]), (&json!(0), &json!("setosa")));
    assert_eq!(answer["warnings"], json!([]));
    let model = inference::Model::embedded().unwrap();
    assert_eq!(answer["model_version"], model.version());
}

/// The outputs that the training framework gave for the 150 rows of the data.
#[tokio::test]
async fn the_served_model_agrees_with_the_golden_outputs() {
    const TOLERANCE: f64 = 1e-5; // f32 round-off over 4×16×16×3 multiply-adds, in another order.

    let golden: Value = serde_json::from_str(include_str!("../weights/golden.json")).unwrap();
    let golden = golden.as_array().unwrap();
    assert_eq!(golden.len(), 150);
    let instances: Vec<_> = golden
        .iter()
        .map(|row| row_of(serde_json::from_value(row["input"].clone()).unwrap()))
        .collect();

    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let response =
        service.post("/predict/batch", &json!({ "instances": instances })).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), golden.len());
    for (prediction, golden) in predictions.iter().zip(golden) {
        assert_eq!(prediction["iris_class"], golden["class"], "{golden}");
        let [served, expected] = [&prediction["probabilities"], &golden["probabilities"]]
            .map(|it| serde_json::from_value::<[f64; domain::N_CLASSES]>(it.clone()).unwrap());
        for (served, expected) in served.iter().zip(expected) {
            assert!((served - expected).abs() < TOLERANCE, "{prediction} {golden}");
        }
    }
}

#[tokio::test]
async fn a_row_is_answered_alike_alone_and_in_a_batch() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let instances: Vec<_> =
        (0..100).map(|n| row_of([3.0, 5.0, 0.02 * f64::from(n), 4.0])).collect();
    let response =
        service.post("/predict/batch", &json!({ "instances": instances })).send().await.unwrap();
    let together: Value = response.json().await.unwrap();
    for (n, instance) in instances.iter().enumerate() {
        let alone = service.predict(instance).await;
        assert_eq!(alone["probabilities"], together["predictions"][n]["probabilities"]);
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_under_rising_ids_and_one_timestamp() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let instances: Vec<_> =
        (0..10_000).map(|n| row_of([0.005 * f64::from(n), 5.0, 1.0, 4.0])).collect();
    let response =
        service.post("/predict/batch", &json!({ "instances": instances })).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), instances.len());
    assert!(predictions.iter().all(|it| it["timestamp"] == predictions[0]["timestamp"]));

    let column = format!("select id, {} from raw_data order by id", FEATURES[0].name);
    let rows = database.connect().await.query(&column, &[]).await.unwrap();
    for ((prediction, instance), row) in predictions.iter().zip(&instances).zip(&rows) {
        assert_eq!(id_of(prediction), row.get::<_, Uuid>(0));
        assert_eq!(instance[FEATURES[0].name], row.get::<_, f64>(1));
    }
    // One transaction: every row has been written by the same one.
    let transactions = "select count(distinct xmin::text) from (select xmin from raw_data
                        union all select xmin from prediction) rows";
    let row = database.connect().await.query_one(transactions, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

/// Sends the first feature as this literal and compares what SQL and the service give back, bit for bit.
async fn check_kept(service: &Service, database: &TestDatabase, literals: &[String]) {
    let name = FEATURES[0].name;
    let rest: String =
        FEATURES[1..].iter().map(|feature| format!(",\"{}\":1", feature.name)).collect();
    let instances: Vec<_> =
        literals.iter().map(|literal| format!("{{\"{name}\":{literal}{rest}}}")).collect();
    let response = service
        .client
        .post(service.url("/predict/batch"))
        .header("content-type", "application/json")
        .body(format!("{{\"instances\":[{}]}}", instances.join(",")))
        .send()
        .await
        .unwrap();
    let answer: Value = response.json().await.unwrap();
    let client = database.connect().await;
    let statement =
        client.prepare(&format!("select {name} from raw_data where id = $1")).await.unwrap();
    for (literal, prediction) in literals.iter().zip(answer["predictions"].as_array().unwrap()) {
        // Rust's own parser is correctly rounded: the float64 nearest to the literal.
        let sent: f64 = literal.parse().unwrap();
        let id = id_of(prediction);
        let stored: f64 = client.query_one(&statement, &[&id]).await.unwrap().get(0);
        assert_eq!(stored.to_bits(), sent.to_bits(), "{literal} in SQL");
        let read = service.get_json(&format!("/predictions/{id}")).await;
        let read = read["input"][name].as_f64().unwrap();
        assert_eq!(read.to_bits(), sent.to_bits(), "{literal} read back");
    }
}

#[tokio::test]
async fn what_was_sent_is_stored_bit_for_bit() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let literals = [
        "0.1",
        "5e-324",
        "1.7976931348623157e1",
        "-0.0",
        "-0",
        "0.30000000000000004",
        "12.345678901234567",
        "2.2250738585072014e-308",
        "1e-400",
        "99.99999999999999",
        "1e2",
        "7",
    ];
    check_kept(&service, &database, &literals.map(ToOwned::to_owned)).await;
}

#[tokio::test]
async fn any_number_within_bounds_is_stored_bit_for_bit() {
    let mut runner = TestRunner::deterministic();
    let mut draw = |strategy: &dyn Fn(&mut TestRunner) -> String, n: usize| -> Vec<String> {
        (0..n).map(|_| strategy(&mut runner)).collect()
    };
    // Shortest forms, which most programs send, and long ones, which round on the way.
    let shortest =
        draw(&|runner| (0.0..=100.0_f64).new_tree(runner).unwrap().current().to_string(), 200);
    let long = draw(
        &|runner| {
            let (whole, fraction) =
                (0..100_u8, any::<[u64; 2]>()).new_tree(runner).unwrap().current();
            format!("{whole}.{:020}{:020}", fraction[0], fraction[1])
        },
        200,
    );
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    check_kept(&service, &database, &shortest).await;
    check_kept(&service, &database, &long).await;
}
