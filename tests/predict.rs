//! `POST /predict` and `POST /predict/batch`: what is answered is what is recorded.

use serde_json::{Value, json};

use crate::support::{Service, TestDatabase, flower};

#[tokio::test]
async fn the_tutorials_request_is_answered_and_recorded() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let zeros = json!({"sepal_width": 0, "sepal_length": 0, "petal_width": 0, "petal_length": 0});
    let answer = service.predict(&zeros).await;
    assert!(answer["iris_class"].is_i64(), "{answer}");

    let id = answer["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap();
    let row = database
        .connect()
        .await
        .query_one(
            "select raw_data.\"timestamp\" = prediction.\"timestamp\",
                    to_char(prediction.\"timestamp\" at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                    iris_class
             from raw_data join prediction using (id) where id = $1",
            &[&id],
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
        ["id", "timestamp", "iris_class", "species", "probabilities", "model_version", "warnings"]
    );
    assert_eq!((answer["iris_class"].as_i64(), &answer["species"]), (Some(0), &json!("setosa")));
    assert_eq!(answer["warnings"], json!([]));
}
