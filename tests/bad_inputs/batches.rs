//! Bodies of `POST /predict/batch`.

use serde_json::{Value, json};

use super::{Refusals, batch, check_malformed, check_misfit, nested};
use crate::support::{Service, TestDatabase, flower};

const BATCH: &str = "/predict/batch";

/// A row in which these fields are out of bounds.
fn bad(fields: &[&str]) -> Value {
    let mut row = flower();
    for field in fields {
        row[*field] = json!(-1);
    }
    row
}

#[tokio::test]
async fn misfits_name_the_row_and_the_field() {
    let good = flower();
    let mut strange = bad(&["petal_length", "sepal_width"]);
    strange["a/b~"] = json!(1);
    check_misfit(
        BATCH,
        [
            (
                "one of two",
                batch(&[&good, &bad(&["petal_length"])]),
                vec!["/instances/1/petal_length"],
            ),
            (
                "two of three",
                batch(&[&strange, &good, &json!({})]),
                vec![
                    "/instances/0/sepal_width",
                    "/instances/0/petal_length",
                    "/instances/0/a~1b~0",
                    "/instances/2/sepal_width",
                    "/instances/2/sepal_length",
                    "/instances/2/petal_width",
                    "/instances/2/petal_length",
                ],
            ),
            ("rows of numbers", batch(&[&json!([3.5, 5.1, 0.2, 1.4])]), vec!["/instances/0"]),
            ("null", batch(&[&good, &Value::Null]), vec!["/instances/1"]),
            (
                "a row itself",
                good.to_string(),
                vec![
                    "/instances",
                    "/sepal_width",
                    "/sepal_length",
                    "/petal_width",
                    "/petal_length",
                ],
            ),
            ("nothing", "{}".to_owned(), vec!["/instances"]),
            ("a bare array", json!([good]).to_string(), vec![""]),
            ("no array", json!({"instances": good}).to_string(), vec!["/instances"]),
            ("null for the array", json!({"instances": null}).to_string(), vec!["/instances"]),
            ("unknown key", json!({"rows": [], "instances": [good]}).to_string(), vec!["/rows"]),
            (
                "twice",
                format!(r#"{{"instances": [{good}], "instances": [{good}]}}"#),
                vec!["/instances"],
            ),
            ("31: no row", batch(&[]), vec!["/instances"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn ten_thousand_rows_are_accepted() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let rows = json!({"instances": vec![flower(); 10_000]});
    let response = service.post(BATCH, &rows).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(database.counts().await, (10_000, 10_000, 10_000));
}

#[tokio::test]
async fn ten_thousand_and_one_rows_are_too_many() {
    let rows = vec!["{}"; 10_001]; // 31, and every row is a misfit of its own
    let empty = format!(r#"{{"instances": [{}]}}"#, rows.join(","));
    let row = r#"{"sepal_width":1,"sepal_length":2,"petal_width":1,"petal_length":2}"#;
    let valid = format!(r#"{{"instances": [{}]}}"#, vec![row; 10_001].join(","));
    check_misfit(BATCH, [("31: one row too many", valid.clone(), vec!["/instances"])]).await;
    check_malformed(BATCH, [("and cut off", &valid[..valid.len() - 1])]).await;

    let refusals = Refusals::start().await;
    let answer = refusals.check("empty rows", refusals.post(BATCH, empty), 422).await;
    let pointers = answer.pointers("empty rows");
    assert_eq!(pointers.len(), 100);
    assert_eq!(pointers[99], "/instances/24/petal_length");
    refusals.check_well().await;
}

#[tokio::test]
async fn a_malformed_row_refuses_the_batch() {
    let good = flower();
    check_malformed(
        BATCH,
        [
            ("NaN", format!(r#"{{"instances": [{good}, {{"sepal_width": NaN}}]}}"#)),
            ("number beyond float64", format!(r#"{{"instances": [{good}, {{"x": 1e400}}]}}"#)),
            ("trailing comma", format!(r#"{{"instances": [{good},]}}"#)),
            ("nested too deep", format!(r#"{{"instances": {}}}"#, nested(128))),
        ],
    )
    .await;
}
