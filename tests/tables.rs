//! Tables that would lose rows, change them or leave them out are no place for a record: that is said, and nothing is
//! acknowledged. What their owner may add disturbs nobody.

use serde_json::Value;
use tokio_postgres::Client;

use crate::support::{Service, TestDatabase, eventually, flower, spawn};

async fn predicts(service: &Service) -> bool {
    service.post("/predict", &flower()).send().await.unwrap().status() == 200
}

/// The reason why the service is not ready, in its words; `None` if it is ready.
async fn unready(service: &Service) -> Option<String> {
    let response = service.get("/health/ready").await;
    if response.status() == 200 {
        return None;
    }
    assert_eq!(response.status(), 503);
    let problem: Value = response.json().await.unwrap();
    Some(problem["detail"].as_str().unwrap().to_owned())
}

/// One kind of misfit: the statements that make it, the words of the service, and the statements that undo it.
struct Misfit {
    harm: String,
    said: &'static str,
    undo: String,
}

fn misfit(harm: impl Into<String>, said: &'static str, undo: impl Into<String>) -> Misfit {
    Misfit { harm: harm.into(), said, undo: undo.into() }
}

/// Each kind of misfit, on each table and partition that can have it.
async fn misfits(admin: &Client) -> Vec<Misfit> {
    const PARTS: &str =
        "select relname from pg_class where relispartition and relkind = 'r' order by relname";
    let parts = admin.query(PARTS, &[]).await.unwrap();
    let parts: Vec<String> = parts.iter().map(|row| row.get(0)).collect();
    assert!(parts.len() >= 6, "{parts:?}");
    let wholes = ["raw_data", "prediction", "truth", "idempotency_key"];
    let mut misfits = Vec::new();
    for table in parts.iter().map(String::as_str).chain(["idempotency_key"]) {
        misfits.push(misfit(
            format!("alter table {table} set unlogged"),
            "is not logged",
            format!("alter table {table} set logged"),
        ));
    }
    for table in parts.iter().map(String::as_str).chain(wholes) {
        misfits.push(misfit(
            format!("create trigger theirs before insert on {table} for each row execute function skip()"),
            "the trigger theirs on",
            format!("drop trigger theirs on {table}"),
        ));
    }
    for table in wholes {
        misfits.push(misfit(
            format!("create rule theirs as on insert to {table} do instead nothing"),
            "the rule theirs on",
            format!("drop rule theirs on {table}"),
        ));
        misfits.push(misfit(
            format!("alter table {table} rename to moved"),
            "there is no table",
            format!("alter table moved rename to {table}"),
        ));
    }
    for table in &wholes[..2] {
        misfits.push(misfit(
            format!("alter table {table} add column more int not null"),
            "the column more of",
            format!("alter table {table} drop column more"),
        ));
    }
    misfits.push(misfit(
        "drop view prediction_log; alter table raw_data alter column petal_width type real",
        "is real, not double precision",
        "",
    ));
    misfits
}

#[tokio::test]
async fn tables_that_would_lose_or_change_rows_are_found_and_named() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let admin = database.connect().await;
    let skip =
        "create function skip() returns trigger language plpgsql as $$ begin return null; end $$";
    admin.batch_execute(skip).await.unwrap();
    for Misfit { harm, said, undo } in misfits(&admin).await {
        admin.batch_execute(&harm).await.unwrap();
        // A new service says so at once; one that runs finds it within some seconds.
        let mut command = Service::command();
        command.env("DATABASE_URL", database.url());
        let (mut process, mut log) = spawn(command);
        let line = log.wait_for(said).await;
        assert!(line.contains("cannot be used"), "{harm}: {line}");
        assert!(!process.wait().unwrap().success(), "{harm}");
        if undo.is_empty() {
            continue;
        }
        admin.batch_execute(&undo).await.unwrap();
    }
    eventually("the last of them is named", async || {
        unready(&service).await.is_some_and(|said| said.contains("is real, not double precision"))
    })
    .await;
    assert!(!predicts(&service).await);
}

#[tokio::test]
async fn what_happens_to_the_tables_of_a_service_that_runs_is_found_and_so_is_its_end() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    assert!(predicts(&service).await);
    let admin = database.connect().await;
    let part = "select tableoid::regclass::text from raw_data limit 1";
    let part: String = admin.query_one(part, &[]).await.unwrap().get(0);
    admin.batch_execute(&format!("alter table {part} set unlogged")).await.unwrap();
    eventually("it is not ready", async || unready(&service).await.is_some()).await;
    let said = unready(&service).await.unwrap();
    assert!(said.contains(&part) && said.contains("not logged"), "{said}");
    admin.batch_execute(&format!("alter table {part} set logged")).await.unwrap();
    eventually("it is ready", async || unready(&service).await.is_none()).await;
    assert!(predicts(&service).await);
}

#[tokio::test]
async fn what_their_owner_may_add_disturbs_nobody() {
    let database = TestDatabase::create().await;
    let mut service = Service::start(&database).await;
    assert!(predicts(&service).await);
    let admin = database.connect().await;
    admin
        .batch_execute(
            "create index on prediction (iris_class); create index on raw_data (petal_width);
             create view per_class as select iris_class, count(*) from prediction group by 1;
             create materialized view widths as select petal_width from raw_data;
             create role theirs_to_read; grant select on prediction_log to theirs_to_read;
             create publication theirs for table prediction;
             create statistics theirs on iris_class, model_version from prediction;
             alter table prediction add column note text;
             alter table raw_data add column seen timestamptz not null default now();
             alter table prediction add column sure bool
                generated always as (probabilities[iris_class + 1] > 0.9) stored;
             create function heard() returns trigger language plpgsql as
                $$ begin perform pg_notify('predictions', new.id::text); return null; end $$;
             create trigger theirs after insert on prediction for each row execute function heard();
             create table other (id int)",
        )
        .await
        .unwrap();
    for _ in 0..2 {
        assert!(predicts(&service).await);
        assert_eq!(unready(&service).await, None);
        assert_eq!(service.stop().await.code(), Some(0));
        service = Service::start(&database).await;
    }
    admin.batch_execute("drop owned by theirs_to_read; drop role theirs_to_read").await.unwrap();
    let (inputs, predictions, both) = database.counts().await;
    assert_eq!((inputs, predictions, both), (3, 3, 3));
}

#[tokio::test]
async fn every_function_of_ours_has_its_own_path() {
    let database = TestDatabase::create().await;
    let _service = Service::start(&database).await;
    let without = "select proname::text from pg_proc
        where pronamespace = 'public'::regnamespace
          and not exists (select from unnest(proconfig) as setting where setting like 'search_path=%')";
    let without = database.connect().await.query(without, &[]).await.unwrap();
    let without: Vec<String> = without.iter().map(|row| row.get(0)).collect();
    assert_eq!(without, [""; 0]);
}
