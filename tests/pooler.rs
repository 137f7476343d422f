//! Behind a pooler a session is anybody's: nothing is kept in it, and nothing relied on. (`just faults rolling` runs the
//! service behind PgBouncer.)

use crate::schema::WITNESS;
use crate::support::{Service, TestDatabase, flower};

async fn pooled(database: &TestDatabase) -> Service {
    let url = database.url();
    let more = [("DATABASE_POOLER", "transaction"), ("MAINTENANCE_DATABASE_URL", url.as_str())];
    Service::start_with(database, more).await
}

#[tokio::test]
async fn everything_works_without_a_session_of_ones_own() {
    let database = TestDatabase::create().await;
    let service = pooled(&database).await;
    let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
    let batch = serde_json::json!({ "instances": vec![flower(); 5_000] });
    assert_eq!(service.post("/predict/batch", &batch).send().await.unwrap().status(), 200);
    for replayed in [false, true] {
        let keyed = service.post("/predict", &flower()).header("Idempotency-Key", "k");
        let keyed = keyed.send().await.unwrap();
        assert_eq!(keyed.headers().contains_key("idempotency-replayed"), replayed);
    }
    service.get_json(&format!("/predictions/{id}")).await;
    service.get_json("/predictions?iris_class=0&limit=3").await;
    assert_eq!(database.counts().await, (5_002, 5_002, 5_002));
}

/// A trigger writes down the setting of the very statement that writes the record.
#[tokio::test]
async fn every_write_waits_for_the_flush_of_the_wal_whatever_its_session_is_set_to() {
    let database = TestDatabase::create().await;
    let sql = database.connect().await;
    let name: String = sql.query_one("select current_database()::text", &[]).await.unwrap().get(0);
    let off = format!("alter database {name} set synchronous_commit = off");
    sql.batch_execute(&off).await.unwrap();
    let service = pooled(&database).await;
    sql.batch_execute(WITNESS).await.unwrap();
    service.predict(&flower()).await;
    let keyed = service.post("/predict", &flower()).header("Idempotency-Key", "k");
    assert_eq!(keyed.send().await.unwrap().status(), 200);
    let batch = serde_json::json!({ "instances": vec![flower(); 5_000] });
    assert_eq!(service.post("/predict/batch", &batch).send().await.unwrap().status(), 200);
    let settings = "select string_agg(distinct setting, ' ') || count(*) from witness";
    let settings: String = sql.query_one(settings, &[]).await.unwrap().get(0);
    assert_eq!(settings, "on5002");
    // That is of the statement, and not of the session.
    let session = "select setting from pg_settings where name = 'synchronous_commit'";
    let left: String = database.connect().await.query_one(session, &[]).await.unwrap().get(0);
    assert_eq!(left, "off");
}

#[tokio::test]
async fn a_pooler_needs_a_way_past_it() {
    let database = TestDatabase::create().await;
    let mut command = Service::command();
    command.env("DATABASE_URL", database.url()).env("DATABASE_POOLER", "transaction");
    let (mut process, mut log) = crate::support::spawn(command);
    log.wait_for("MAINTENANCE_DATABASE_URL must name the server itself").await;
    assert!(!process.wait().unwrap().success());
}
