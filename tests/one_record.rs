//! The record is in one schema, whatever else there is, and is never begun a second time unasked.

use serde_json::Value;

use crate::starting::check_refused;
use crate::support::{Service, TestDatabase, count, end_sessions, eventually, flower};

/// The parameter of an address that names a schema.
fn at(database: &TestDatabase, schema: &str) -> String {
    format!("{}&options=-c%20search_path%3D{schema}", database.url())
}

async fn recorded(service: &Service) -> usize {
    let page: Value = service.get_json("/predictions").await;
    page["predictions"].as_array().unwrap().len()
}

async fn user(database: &TestDatabase) -> String {
    let row = database.connect().await.query_one("select current_user::text", &[]).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn a_schema_named_like_the_user_begins_no_second_record() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    service.predict(&flower()).await;
    let sql = database.connect().await;
    let user = user(&database).await;
    sql.batch_execute(&format!("create schema {user}")).await.unwrap();
    // Tables of those names in it mislead no session that is made from now on.
    let shadows = format!(
        "create table {user}.raw_data (like public.raw_data); create table {user}.prediction (like public.prediction);
         create table {user}.idempotency_key (like public.idempotency_key)"
    );
    sql.batch_execute(&shadows).await.unwrap();
    end_sessions(&sql).await;
    eventually("the service predicts again", async || {
        service.post("/predict", &flower()).send().await.unwrap().status() == 200
    })
    .await;
    let in_public = "select count(*) from public.prediction";
    assert_eq!(count(&sql, in_public).await, 2);
    service.stop().await;

    // It is found by the next start too, and by whoever pastes the line for psql.
    let mut service = Service::start(&database).await;
    assert_eq!(recorded(&service).await, 2);
    service.predict(&flower()).await;
    assert_eq!(count(&sql, in_public).await, 3);
    assert_eq!(count(&sql, &format!("select count(*) from {user}.prediction")).await, 0);
    let line = service.log().wait_for("psql '").await;
    assert!(line.contains("search_path="), "{line}");
    let history = "select count(*) from pg_class where relname = 'refinery_schema_history'";
    assert_eq!(count(&sql, history).await, 1);
}

#[tokio::test]
async fn of_two_records_in_the_path_none_is_chosen() {
    let database = TestDatabase::create().await;
    Service::start(&database).await.stop().await;
    let user = user(&database).await;
    database.connect().await.batch_execute(&format!("create schema {user}")).await.unwrap();
    // An address that says so begins another one.
    Service::start_at(&at(&database, &user)).await.stop().await;
    let both = format!("the schemas {user}, public hold a record each");
    for command in ["serve", "migrate", "upkeep"] {
        let mut program = Service::command();
        program.arg(command).env("DATABASE_URL", database.url());
        check_refused(program, &[&both, &format!("search_path={user}")]).await;
    }
    let service = Service::start_at(&at(&database, "public")).await;
    assert_eq!(recorded(&service).await, 0);
}

#[tokio::test]
async fn a_record_that_the_path_does_not_reach_is_named() {
    let database = TestDatabase::create().await;
    let sql = database.connect().await;
    sql.batch_execute("create schema \"The Record\"").await.unwrap();
    let there = at(&database, "%22The%5C%20Record%22");
    let mut service = Service::start_at(&there).await;
    service.predict(&flower()).await;
    let line = service.log().wait_for("psql '").await;
    assert!(line.contains("The"), "{line}");
    assert_eq!(count(&sql, "select count(*) from \"The Record\".prediction_log").await, 1);
    service.stop().await;
    let mut elsewhere = Service::command();
    elsewhere.env("DATABASE_URL", database.url());
    check_refused(elsewhere, &["the schema The Record holds a record", "in the schema public"])
        .await;
    let made = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(count(&sql, made).await, 0);
    let service = Service::start_at(&there).await;
    assert_eq!(recorded(&service).await, 1);
}

/// It would migrate and keep up the other one, and say that all is well.
#[tokio::test]
async fn two_addresses_of_different_databases_are_refused_and_nothing_is_changed() {
    let (database, other) = (TestDatabase::create().await, TestDatabase::create().await);
    for arguments in [&[][..], &["migrate"], &["upkeep"]] {
        let mut command = Service::command();
        command.args(arguments).env("DATABASE_URL", database.url());
        command.env("MAINTENANCE_DATABASE_URL", other.url());
        check_refused(command, &["leads to another database", "both must name the same"]).await;
    }
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    for one in [&database, &other] {
        assert_eq!(count(&one.connect().await, tables).await, 0);
    }
}

#[tokio::test]
async fn where_no_record_can_be_begun_it_is_said() {
    let database = TestDatabase::create().await;
    let sql = database.connect().await;
    let mut nowhere = Service::command();
    nowhere.env("DATABASE_URL", at(&database, "nowhere"));
    check_refused(nowhere, &["no schema of the search path"]).await;
    // Such as those of the tutorial.
    sql.batch_execute("create table raw_data (id int); create table prediction (id int)")
        .await
        .unwrap();
    let mut others = Service::command();
    others.env("DATABASE_URL", database.url());
    check_refused(others, &["this service did not make", "prediction, raw_data"]).await;
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(count(&sql, tables).await, 2);
    // An attempt of an earlier version has left an empty history; or another program keeps its own here.
    let history = "create table refinery_schema_history
                   (version int4 primary key, name text, applied_on text, checksum text)";
    sql.batch_execute(history).await.unwrap();
    let mut left = Service::command();
    left.env("DATABASE_URL", database.url());
    check_refused(left, &["already exists", "another database or another schema"]).await;
    let foreign = "drop table raw_data, prediction;
                   insert into refinery_schema_history values (1, 'theirs', '2026-01-01T00:00:00Z', '1')";
    sql.batch_execute(foreign).await.unwrap();
    let mut theirs = Service::command();
    theirs.env("DATABASE_URL", database.url());
    check_refused(theirs, &["history of another program", "another schema"]).await;
}
