//! The settings of a database do not change the meaning of the service's statements.

use crate::support::{Service, TestDatabase, count, flower};

/// Settings that can change what a statement means, how a value is written or read, or which plan a statement has, each with
/// another value than PostgreSQL's own.
const SETTINGS: [(&str, &str); 55] = [
    // Strings and their escapes.
    ("standard_conforming_strings", "off"),
    ("backslash_quote", "off"),
    ("escape_string_warning", "off"),
    ("quote_all_identifiers", "on"),
    ("bytea_output", "escape"),
    ("xmlbinary", "hex"),
    ("xmloption", "document"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    // Numbers and times.
    ("extra_float_digits", "-15"),
    ("DateStyle", "SQL, DMY"),
    ("IntervalStyle", "sql_standard"),
    ("TimeZone", "Pacific/Chatham"),
    ("timezone_abbreviations", "India"),
    ("lc_messages", "C"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    // Transactions and time limits.
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("synchronous_commit", "off"),
    ("statement_timeout", "1ms"),
    ("lock_timeout", "1ms"),
    ("idle_in_transaction_session_timeout", "1ms"),
    ("idle_session_timeout", "1ms"),
    ("deadlock_timeout", "1s"),
    ("commit_delay", "100"),
    // Plans.
    ("plan_cache_mode", "force_custom_plan"),
    ("constraint_exclusion", "off"),
    ("enable_partition_pruning", "off"),
    ("enable_indexscan", "off"),
    ("enable_indexonlyscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_nestloop", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("enable_sort", "off"),
    ("enable_hashagg", "off"),
    ("enable_material", "off"),
    ("enable_partitionwise_join", "on"),
    ("from_collapse_limit", "1"),
    ("join_collapse_limit", "1"),
    ("geqo_threshold", "2"),
    ("random_page_cost", "1000"),
    ("cursor_tuple_fraction", "1"),
    ("default_statistics_target", "1"),
    ("jit_above_cost", "0"),
    ("work_mem", "64kB"),
    ("max_parallel_workers_per_gather", "8"),
    // The making of objects, and checks.
    ("check_function_bodies", "off"),
    ("row_security", "off"),
    ("session_replication_role", "replica"),
    ("default_toast_compression", "pglz"),
    ("client_min_messages", "debug1"),
];

async fn round(service: &Service, expected: i64) {
    let single = service.predict(&flower()).await;
    let keyed =
        service.post("/predict", &flower()).header("Idempotency-Key", format!("k{expected}"));
    assert_eq!(keyed.send().await.unwrap().status(), 200);
    let many = serde_json::json!({ "instances": vec![flower(); 5_000] });
    assert_eq!(service.post("/predict/batch", &many).send().await.unwrap().status(), 200);
    let id = single["id"].as_str().unwrap();
    let record = service.get_json(&format!("/predictions/{id}")).await;
    for field in ["timestamp", "probabilities", "model_version", "iris_class"] {
        assert_eq!(record[field], single[field]);
    }
    assert_eq!(record["input"], flower());
    let mut found = 0;
    let mut cursor = String::new();
    loop {
        let page = service.get_json(&format!("/predictions?limit=1000&iris_class=0{cursor}")).await;
        found += page["predictions"].as_array().unwrap().len() as i64;
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, expected);
    assert_eq!(service.get("/health/ready").await.status(), 200);
}

#[tokio::test]
async fn no_setting_changes_what_is_recorded_or_read() {
    let database = TestDatabase::create().await;
    let admin = database.connect().await;
    let name: String = admin.query_one("select current_database()", &[]).await.unwrap().get(0);
    for (setting, value) in SETTINGS {
        let alter = format!("alter database {name} set {setting} = {value:?}").replace('"', "'");
        admin.batch_execute(&alter).await.unwrap();
    }
    // Partitions of a day each, so that there are several.
    let environment = [("RETAIN_DAYS", "5")];
    for rounds in 1..=2 {
        let service = Service::start_with(&database, environment).await;
        round(&service, rounds * 5_002).await;
        assert_eq!(service.stop().await.code(), Some(0));
    }
    // This session began before they were set.
    let recorded = count(&admin, "select count(*) from prediction_log").await;
    assert_eq!(recorded, 10_004);
}
