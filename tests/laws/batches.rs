//! A batch is answered as its rows are alone, whatever else is in the queue.

use futures_util::future::join_all;
use proptest::collection::vec;
use serde_json::{Value, json};

use super::{any_row, check};

/// What is said of a row, apart from its id and time, in the words of the answer: no bit is lost in them.
fn said(answer: &Value) -> String {
    let mut answer = answer.clone();
    let fields = answer.as_object_mut().unwrap();
    fields.remove("id").unwrap();
    fields.remove("timestamp").unwrap();
    answer.to_string()
}

#[test]
fn a_batch_is_answered_as_its_rows_alone() {
    check(40, &vec(any_row(), 1..40), async |service, _database, rows: Vec<Value>| {
        let batch = service.post("/predict/batch", &json!({"instances": rows}));
        // The service puts these together as they come.
        let singles = async { join_all(rows.iter().map(|row| service.predict(row))).await };
        let (batch, side_by_side) = tokio::join!(batch.send(), singles);
        let batch: Value = batch.unwrap().json().await.unwrap();
        let together: Vec<_> = batch["predictions"].as_array().unwrap().iter().map(said).collect();
        assert_eq!(side_by_side.iter().map(said).collect::<Vec<_>>(), together);
        let first = service.predict(&rows[0]).await;
        assert_eq!(said(&first), together[0]);
    });
}
