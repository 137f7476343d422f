//! The schema: what the database itself holds up, whoever writes to it.

use reqwest::StatusCode;
use tokio_postgres::error::SqlState;

use crate::support::{Service, TestDatabase, flower};

const ID: &str = "'0193593e-8c00-7000-8000-000000000000'";

async fn check_refused(database: &TestDatabase, insert: &str) {
    let error = database.connect().await.batch_execute(insert).await.unwrap_err();
    let code = error.code();
    assert!(
        matches!(code, Some(&SqlState::CHECK_VIOLATION | &SqlState::NOT_NULL_VIOLATION)),
        "{insert}: {error}"
    );
}

#[tokio::test]
async fn the_tables_refuse_what_must_never_be_there() {
    let database = TestDatabase::create().await;
    Service::start(&database).await.stop().await;
    for value in ["'NaN'", "'Infinity'", "'-Infinity'", "-1e-300", "100.00000000000001", "null"] {
        for place in 0..4 {
            let mut values = ["1"; 4];
            values[place] = value;
            let values = values.join(", ");
            check_refused(
                &database,
                &format!("insert into raw_data values ({ID}, now(), {values})"),
            )
            .await;
        }
    }
    for (class, probabilities) in [
        ("3", "{1,0,0}"),
        ("-1", "{1,0,0}"),
        ("null", "{1,0,0}"),
        ("0", "{1,0}"),
        ("0", "{1,0,0,0}"),
        ("0", "{}"),
        ("0", "{{1,0,0}}"),
        ("0", "{NaN,0,0}"),
        ("0", "{1,0,Infinity}"),
        ("0", "{1,0,-0.1}"),
        ("0", "{1,0,1.1}"),
        ("0", "{1,0,null}"),
    ] {
        let row =
            format!("insert into prediction values ({ID}, now(), {class}, '{probabilities}', '1')");
        check_refused(&database, &row).await;
    }
    // The same statements with good values are taken.
    let good = format!(
        "insert into raw_data values ({ID}, now(), 0, -0.0, 5e-324, 100);
         insert into prediction values ({ID}, now(), 2, '{{0,0,1}}', '1');
         insert into truth values ({ID}, 1)"
    );
    database.connect().await.batch_execute(&good).await.unwrap();
}

#[tokio::test]
async fn a_prediction_that_is_refused_takes_its_input_with_it() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let client = database.connect().await;
    client.batch_execute("alter table prediction add check (iris_class <> 0)").await.unwrap();
    let response = service.post("/predict", &flower()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(database.counts().await, (0, 0, 0));
}

#[tokio::test]
async fn a_refused_row_is_not_quoted_in_the_log() {
    let database = TestDatabase::create().await;
    let mut service = Service::start(&database).await;
    let client = database.connect().await;
    client.batch_execute("alter table raw_data add check (sepal_width <> 42.4242)").await.unwrap();
    let mut row = flower();
    row["sepal_width"] = 42.4242.into();
    let response = service.post("/predict", &row).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let line = service.log().wait_for("\"status\":500").await;
    assert_eq!(line, "request failed");
    let log = service.log().lines().join("\n");
    assert!(log.contains("23514"), "the log gives the reason: {log}");
    assert!(!log.contains("42.4242"), "{log}");
}

/// A trigger that writes down what the commit of each writing statement waits for.
pub(crate) const WITNESS: &str = "
    create table witness (setting text);
    create function witness() returns trigger language plpgsql as $$
        begin insert into witness values (current_setting('synchronous_commit')); return null; end $$;
    create trigger witness after insert on prediction for each row execute function witness()";

/// A trigger writes down the setting of the very session that writes the record.
#[tokio::test]
async fn every_writing_session_waits_for_the_flush_of_the_wal() {
    let database = TestDatabase::create().await;
    let client = database.connect().await;
    let name: String =
        client.query_one("select current_database()::text", &[]).await.unwrap().get(0);
    client
        .batch_execute(&format!("alter database {name} set synchronous_commit = off"))
        .await
        .unwrap();
    let service = Service::start(&database).await;
    database.connect().await.batch_execute(WITNESS).await.unwrap();
    service.predict(&flower()).await;
    let settings = client.query("select setting from witness", &[]).await.unwrap();
    let settings: Vec<&str> = settings.iter().map(|row| row.get(0)).collect();
    assert_eq!(settings, ["on"]);
}

#[tokio::test]
async fn the_view_joins_every_prediction_with_its_input() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    service.predict(&flower()).await;
    let columns = "select string_agg(attname, ' ' order by attnum) from pg_attribute
                   where attrelid = 'prediction_log'::regclass and attnum > 0";
    let client = database.connect().await;
    let columns: String = client.query_one(columns, &[]).await.unwrap().get(0);
    assert_eq!(
        columns,
        "id timestamp sepal_width sepal_length petal_width petal_length \
         iris_class species probabilities confidence model_version truth"
    );
    let row = "select count(*), bool_and(confidence = (select max(p) from unnest(probabilities) p)) from prediction_log";
    let row = client.query_one(row, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, bool>(1)), (1, true));
}
