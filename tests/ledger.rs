//! The ledger agrees with the record.

use serde_json::{Value, json};

use crate::support::{
    Load, OwnPostgres, Service, TableLock, TestDatabase, count, end_sessions, eventually, flower,
    turn,
};

/// The states of a row.
const STATES: [&str; 5] = ["committed", "spooled", "refused", "failed", "waiting"];

/// The ledger, which must add up.
async fn ledger(service: &Service) -> Value {
    let ledger = service.get_json("/ledger").await;
    let sum: u64 = STATES.iter().map(|state| ledger[state].as_u64().unwrap()).sum();
    assert_eq!(ledger["received"], sum, "{ledger}");
    ledger
}

#[tokio::test]
async fn every_row_is_in_one_state() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let of = |ledger: &Value| STATES.map(|state| ledger[state].as_u64().unwrap());
    assert_eq!(of(&ledger(&service).await), [0; 5]);

    service.predict(&flower()).await;
    let batch = json!({"instances": vec![flower(); 7]});
    assert_eq!(service.post("/predict/batch", &batch).send().await.unwrap().status(), 200);
    assert_eq!(of(&ledger(&service).await), [8, 0, 0, 0, 0]);

    // What is no valid request has no rows.
    assert_eq!(service.post("/predict", &json!({})).send().await.unwrap().status(), 422);
    assert_eq!(of(&ledger(&service).await), [8, 0, 0, 0, 0]);

    let admin = database.connect().await;
    admin
        .batch_execute("alter table raw_data add constraint no check (sepal_width <> 9)")
        .await
        .unwrap();
    let mut refused = flower();
    refused["sepal_width"] = json!(9);
    assert_eq!(service.post("/predict", &refused).send().await.unwrap().status(), 500);
    assert_eq!(of(&ledger(&service).await), [8, 0, 0, 1, 0]);

    let lock = TableLock::take(&database).await;
    let held = tokio::spawn(service.post("/predict", &flower()).send());
    eventually("a row waits", async || ledger(&service).await["waiting"] == 1).await;
    lock.release().await;
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    assert_eq!(of(&ledger(&service).await), [9, 0, 0, 1, 0]);
}

#[tokio::test]
async fn it_agrees_with_the_record_whatever_happens_to_the_database() {
    let _turn = turn().await;
    let mut postgres = OwnPostgres::start().await;
    let service = Service::start_at(postgres.url()).await;
    let mut load = Load::start(&service, 16);
    for round in 0..3 {
        load.acknowledged(100).await;
        ledger(&service).await;
        match round {
            0 => {
                end_sessions(&postgres.try_connect().await.unwrap()).await;
            }
            1 => {
                postgres.freeze();
                eventually("something is refused", async || ledger(&service).await["refused"] != 0)
                    .await;
                postgres.thaw();
            }
            _ => {
                postgres.crash().await;
                ledger(&service).await;
                postgres.start_again().await;
            }
        }
    }
    load.acknowledged(100).await;
    load.finish().await;
    eventually("nothing waits", async || ledger(&service).await["waiting"] == 0).await;
    let recorded =
        count(&postgres.try_connect().await.unwrap(), "select count(*) from prediction").await;
    assert_eq!(ledger(&service).await["committed"], recorded);
}
