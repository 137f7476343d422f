//! Rows that the database leaves out are never acknowledged, and nothing is committed of the batch that they belong to.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::support::{OwnPostgres, Service, TestDatabase, count, eventually, flower, unavailable};

/// The function of a trigger that leaves out every row.
const SKIP: &str =
    "create function skip() returns trigger language plpgsql as $$ begin return null; end $$";

/// Every way to have predictions written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Single,
    Keyed,
    Batch(usize),
    KeyedBatch(usize),
}

impl Way {
    /// 5,000 rows are copied.
    const ALL: [Self; 5] =
        [Self::Single, Self::Keyed, Self::Batch(7), Self::KeyedBatch(7), Self::Batch(5_000)];

    fn is_keyed(self) -> bool {
        matches!(self, Self::Keyed | Self::KeyedBatch(_))
    }

    async fn send(self, service: &Service, key: &str) -> reqwest::Response {
        let request = match self {
            Self::Single | Self::Keyed => service.post("/predict", &flower()),
            Self::Batch(rows) | Self::KeyedBatch(rows) => {
                service.post("/predict/batch", &json!({ "instances": vec![flower(); rows] }))
            }
        };
        let request =
            if self.is_keyed() { request.header("Idempotency-Key", key) } else { request };
        request.send().await.unwrap()
    }
}

/// How many rows there are of each kind.
async fn rows(database: &Client) -> [i64; 3] {
    let mut rows = [0; 3];
    for (count_of, table) in rows.iter_mut().zip(["raw_data", "prediction", "idempotency_key"]) {
        *count_of = count(database, &format!("select count(*) from {table}")).await;
    }
    rows
}

async fn predicts(service: &Service) -> bool {
    service.post("/predict", &flower()).send().await.unwrap().status() == 200
}

async fn readiness(service: &Service) -> (u16, Value) {
    let response = service.get("/health/ready").await;
    (response.status().as_u16(), response.json().await.unwrap())
}

/// A partition of this table that is written to today.
async fn partition(database: &Client, table: &str) -> String {
    let today = "select tableoid::regclass::text from prediction limit 1";
    let part: String = database.query_one(today, &[]).await.unwrap().get(0);
    part.replace("prediction", table)
}

#[tokio::test]
async fn no_way_of_writing_acknowledges_what_a_table_leaves_out() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    assert!(predicts(&service).await);
    let admin = database.connect().await;
    admin.batch_execute(SKIP).await.unwrap();
    let mut tables = vec![("idempotency_key".to_owned(), true)];
    for table in ["raw_data", "prediction"] {
        tables.push((table.to_owned(), false));
        tables.push((partition(&admin, table).await, false));
    }
    for (table, only_keyed) in tables {
        let trigger = format!(
            "create trigger skip before insert on {table} for each row execute function skip()"
        );
        admin.batch_execute(&trigger).await.unwrap();
        let before = rows(&admin).await;
        for way in Way::ALL.into_iter().filter(|way| way.is_keyed() || !only_keyed) {
            let response = way.send(&service, "left-out").await;
            unavailable(response).await.unwrap_or_else(|wrong| panic!("{way:?} {table}: {wrong}"));
        }
        assert_eq!(rows(&admin).await, before, "{table}");
        if !only_keyed {
            eventually("it is not ready", async || readiness(&service).await.0 == 503).await;
            let (_, problem) = readiness(&service).await;
            let detail = problem["detail"].as_str().unwrap();
            // As the statement found, or as a look at the tables did.
            let named = ["leaves out rows", "the trigger skip on"];
            assert!(named.into_iter().any(|words| detail.contains(words)), "{table}: {detail}");
        }
        admin.batch_execute(&format!("drop trigger skip on {table}")).await.unwrap();
        eventually("predictions are answered", async || predicts(&service).await).await;
        eventually("it is ready", async || readiness(&service).await.0 == 200).await;
    }
    let [inputs, predictions, keys] = rows(&admin).await;
    assert_eq!((inputs, keys), (predictions, 0));
    for way in Way::ALL {
        assert_eq!(way.send(&service, &format!("{way:?}")).await.status(), 200, "{way:?}");
    }
}

#[tokio::test]
async fn a_request_of_which_one_row_is_left_out_is_not_recorded_at_all() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let admin = database.connect().await;
    let trigger = "create trigger skip before insert on raw_data for each row
                   when (new.petal_width > 50) execute function skip()";
    admin.batch_execute(&format!("{SKIP}; {trigger}")).await.unwrap();
    for rows in [3, 5_000] {
        let mut flowers = vec![flower(); rows];
        flowers[1]["petal_width"] = json!(60);
        let batch = json!({ "instances": flowers });
        unavailable(service.post("/predict/batch", &batch).send().await.unwrap()).await.unwrap();
    }
    assert_eq!(database.counts().await, (0, 0, 0));
}

#[tokio::test]
async fn what_was_put_aside_waits_until_nothing_is_left_out() {
    let (mut postgres, spool) = (OwnPostgres::start().await, TempDir::new().unwrap());
    let mut command = Service::command();
    command.env("DATABASE_URL", postgres.url()).env("SPOOL_DIR", spool.path());
    let service = Service::spawn(command, false).await;
    assert!(predicts(&service).await);
    let admin = postgres.try_connect().await.unwrap();
    let trigger =
        "create trigger skip before insert on raw_data for each row execute function skip()";
    admin.batch_execute(&format!("{SKIP}; {trigger}")).await.unwrap();
    postgres.crash().await;
    eventually("a prediction is put aside", async || {
        service.predict(&flower()).await["stored"] == "spooled"
    })
    .await;
    postgres.start_again().await;
    let admin = postgres.try_connect().await.unwrap();
    for _ in 0..20 {
        assert_eq!(service.predict(&flower()).await["stored"], "spooled");
    }
    assert_eq!(rows(&admin).await, [1, 1, 0]);
    admin.batch_execute("drop trigger skip on raw_data").await.unwrap();
    eventually("nothing is put aside", async || service.get_json("/ledger").await["spooled"] == 0)
        .await;
    let [inputs, predictions, _] = rows(&admin).await;
    assert!(inputs >= 22, "{inputs}");
    assert_eq!(inputs, predictions);
}
