//! `GET /predictions` and `GET /predictions/{id}`: reading the record back.

use std::collections::BTreeSet;

use domain::Measurements;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Service, TestDatabase, flower};

/// A row of each class and its number.
const OF_EACH_CLASS: [([f64; 4], i64); 3] =
    [([3.5, 5.1, 0.2, 1.4], 0), ([2.8, 5.7, 1.3, 4.1], 1), ([3.3, 6.3, 2.5, 6.0], 2)];

async fn predict_each_class(service: &Service) -> Vec<Value> {
    let mut answers = Vec::new();
    for (row, class) in OF_EACH_CLASS {
        let row = serde_json::to_value(Measurements::from_row(row)).unwrap();
        let answer = service.predict(&row).await;
        assert_eq!(answer["iris_class"], class);
        answers.push(answer);
    }
    answers
}

/// The ids of a page, and the cursor of the next.
async fn page(service: &Service, query: &str) -> (Vec<String>, Option<String>) {
    let page = service.get_json(&format!("/predictions?{query}")).await;
    let ids = page["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned());
    (ids.collect(), page["next_cursor"].as_str().map(ToOwned::to_owned))
}

async fn check_filter(service: &Service, query: &str, expected: &[&Value]) {
    let (ids, next) = page(service, query).await;
    let expected: Vec<_> = expected.iter().map(|answer| answer["id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected, "{query}");
    assert_eq!(next, None, "{query}");
}

#[tokio::test]
async fn a_record_is_the_input_and_the_answer_side_by_side() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let answer = service.predict(&flower()).await;
    let id = answer["id"].as_str().unwrap();
    let record = service.get_json(&format!("/predictions/{id}")).await;
    let expected = json!({
        "id": id,
        "timestamp": answer["timestamp"],
        "input": flower(),
        "iris_class": answer["iris_class"],
        "species": answer["species"],
        "probabilities": answer["probabilities"],
        "model_version": answer["model_version"],
        "truth": null,
    });
    assert_eq!(record, expected);
    let list = service.get_json("/predictions").await;
    assert_eq!(list, json!({ "predictions": [expected], "next_cursor": null }));
}

#[tokio::test]
async fn the_truth_appears_once_it_is_known() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let answer = service.predict(&flower()).await;
    let id: Uuid = answer["id"].as_str().unwrap().parse().unwrap();
    let client = database.connect().await;
    client.execute("insert into truth (id, iris_class) values ($1, 2)", &[&id]).await.unwrap();
    assert_eq!(service.get_json(&format!("/predictions/{id}")).await["truth"], 2);
    let row = client
        .query_one("select truth, species from prediction_log where id = $1", &[&id])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (2, "setosa"));
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let response = service.get("/predictions/0193593e-8c00-7000-8000-000000000000").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn pages_hold_every_record_once_while_rows_are_added() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut before = BTreeSet::new();
    for _ in 0..25 {
        before.insert(service.predict(&flower()).await["id"].as_str().unwrap().to_owned());
    }

    let mut seen = Vec::new();
    let mut query = "limit=10".to_owned();
    loop {
        let (ids, next) = page(&service, &query).await;
        seen.extend(ids);
        service.predict(&flower()).await; // Newer than every page to come.
        let Some(next) = next else { break };
        assert_eq!(Some(&next), seen.last());
        query = format!("limit=10&cursor={next}");
    }
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first: {seen:?}");
    assert_eq!(BTreeSet::from_iter(seen.clone()), before);
    assert_eq!(seen.len(), before.len());
}

#[tokio::test]
async fn the_last_page_says_so_even_if_it_is_full() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let instances = vec![flower(); 20];
    service.post("/predict/batch", &json!({ "instances": instances })).send().await.unwrap();
    let (first, next) = page(&service, "limit=10").await;
    assert_eq!(first.len(), 10);
    let (second, next) = page(&service, &format!("limit=10&cursor={}", next.unwrap())).await;
    assert_eq!((second.len(), next), (10, None));
    // The default page has fifty places, the largest a thousand.
    assert_eq!(page(&service, "").await.0.len(), 20);
    assert_eq!(page(&service, "limit=1000").await.0.len(), 20);
}

#[tokio::test]
async fn a_batch_reads_back_in_reverse_order() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let instances = vec![flower(); 30];
    let response =
        service.post("/predict/batch", &json!({ "instances": instances })).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    let answered =
        answer["predictions"].as_array().unwrap().iter().rev().map(|it| it["id"].as_str().unwrap());
    assert_eq!(page(&service, "limit=30").await.0, answered.collect::<Vec<_>>());
}

#[tokio::test]
async fn filters_leave_out_what_does_not_pass() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let answers = predict_each_class(&service).await;
    let [first, second, third] = [&answers[0], &answers[1], &answers[2]];
    let time = |answer: &Value| answer["timestamp"].as_str().unwrap().to_owned();
    let confidence = |answer: &Value| {
        let probabilities: Vec<f64> =
            serde_json::from_value(answer["probabilities"].clone()).unwrap();
        probabilities.into_iter().fold(0.0, f64::max)
    };

    check_filter(&service, "", &[third, second, first]).await;
    for (answer, class) in answers.iter().zip(0..) {
        check_filter(&service, &format!("iris_class={class}"), &[answer]).await;
    }
    // From is inclusive, to is exclusive.
    check_filter(&service, &format!("from={}", time(second)), &[third, second]).await;
    check_filter(&service, &format!("to={}", time(second)), &[first]).await;
    check_filter(&service, &format!("from={}&to={}", time(second), time(third)), &[second]).await;
    check_filter(
        &service,
        &format!("from={}", time(third).replace('Z', "%2B01:00")),
        &[third, second, first],
    )
    .await;
    check_filter(
        &service,
        "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z",
        &[third, second, first],
    )
    .await;
    check_filter(&service, "to=1969-12-31T23:59:59Z", &[]).await;
    // Beyond the years of four digits, by the time zone.
    check_filter(
        &service,
        "from=0000-01-01T00:00:00%2B23:59&to=9999-12-31T23:59:59-23:59",
        &[third, second, first],
    )
    .await;
    // A leap second.
    let leap = "2016-12-31T23:59:60.999999999Z";
    check_filter(&service, &format!("from={leap}"), &[third, second, first]).await;
    check_filter(&service, &format!("to={leap}"), &[]).await;

    let version = first["model_version"].as_str().unwrap().replace('+', "%2B");
    check_filter(&service, &format!("model_version={version}"), &[third, second, first]).await;
    check_filter(&service, "model_version=0.0.0", &[]).await;

    let least = answers.iter().min_by(|a, b| confidence(a).total_cmp(&confidence(b))).unwrap();
    check_filter(&service, &format!("max_confidence={}", confidence(least)), &[least]).await;
    let rest: Vec<_> = answers.iter().rev().filter(|answer| *answer != least).collect();
    let above = f64::from_bits(confidence(least).to_bits() + 1);
    check_filter(&service, &format!("min_confidence={above}"), &rest).await;
    check_filter(&service, "min_confidence=0&max_confidence=1", &[third, second, first]).await;
    check_filter(&service, &format!("iris_class=0&from={}", time(second)), &[]).await;
}

#[tokio::test]
async fn an_id_written_as_the_router_writes_it_is_only_a_bad_id() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for id in [":id", "{id}"] {
        assert_eq!(service.get(&format!("/predictions/{id}")).await.status(), 422, "{id}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_and_its_page_goes_on() {
    let database = TestDatabase::create().await;
    let mut service = Service::start(&database).await;
    let before = service.predict(&flower()).await;
    let admin = database.connect().await;
    // As before there were checks.
    admin
        .batch_execute(
            "alter table raw_data drop constraint raw_data_timestamp_check;
             alter table prediction drop constraint prediction_timestamp_check",
        )
        .await
        .unwrap();
    let newest: Uuid = before["id"].as_str().unwrap().parse().unwrap();
    let times = ["infinity", "-infinity", "12026-01-01", "4000-01-01 BC"];
    for (number, time) in (1..).zip(times) {
        let id = Uuid::from_u128(newest.as_u128() + number);
        let insert = format!(
            "insert into raw_data values ('{id}', '{time}', 3, 5, 1, 4);
             insert into prediction values ('{id}', '{time}', 1, '{{0.1,0.8,0.1}}', 'by hand')"
        );
        admin.batch_execute(&insert).await.unwrap();
    }
    admin
        .batch_execute(
            "do $$ declare years text := '\"timestamp\" between ''0001-01-01 00:00:00+00'' and ''9999-12-31''';
             begin
                execute 'alter table raw_data add constraint raw_data_timestamp_check check (' || years || ') not valid';
                execute 'alter table prediction add constraint prediction_timestamp_check check (' || years || ') not valid';
             end $$",
        )
        .await
        .unwrap();
    let after = service.predict(&flower()).await;

    let mut ids = Vec::new();
    let mut cursor = String::new();
    for _ in 0..10 {
        let page = service.get_json(&format!("/predictions?limit=1{cursor}")).await;
        let records = page["predictions"].as_array().unwrap();
        ids.extend(records.iter().map(|record| record["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids, [after["id"].clone(), before["id"].clone()]);
    let page = service.get_json("/predictions").await;
    assert_eq!(page["predictions"].as_array().unwrap().len(), 2);
    let line = service.log().wait_for("left out of every page").await;
    assert!(line.contains("its timestamp does not fit"), "{line}");
    let scrape = service.get("/metrics").await.text().await.unwrap();
    assert!(!scrape.contains("onrecord_record_rows_unreadable_total 0\n"), "{scrape}");
}

#[tokio::test]
async fn a_value_that_nobody_could_read_is_refused_by_the_tables() {
    let database = TestDatabase::create().await;
    let _service = Service::start(&database).await;
    let admin = database.connect().await;
    for (table, values) in [
        ("raw_data", "'infinity', 1, 1, 1, 1"),
        ("raw_data", "'12026-01-01', 1, 1, 1, 1"),
        ("raw_data", "'0001-12-31 BC', 1, 1, 1, 1"),
        ("prediction", "'-infinity', 1, '{0.1,0.8,0.1}', 'x'"),
        ("prediction", "'10000-01-01', 1, '{0.1,0.8,0.1}', 'x'"),
        ("prediction", "'2026-01-01', 1, '[0:2]={0.1,0.8,0.1}', 'x'"),
    ] {
        let insert = format!("insert into {table} values (gen_random_uuid(), {values})");
        let error = admin.batch_execute(&insert).await.expect_err(&insert);
        assert_eq!(error.code().map(|code| code.code()), Some("23514"), "{insert}: {error}");
    }
}

#[tokio::test]
async fn what_the_encoding_of_the_database_cannot_say_is_on_no_page() {
    let database =
        TestDatabase::create_with("encoding 'LATIN1' template template0 locale 'C'").await;
    let service = Service::start(&database).await;
    service.predict(&flower()).await;
    let sessions = async || {
        let pids = "select array_agg(pid order by pid) from pg_stat_activity
                    where datname = current_database() and application_name = 'onrecord'";
        database.connect().await.query_one(pids, &[]).await.unwrap().get::<_, Vec<i32>>(0)
    };
    service.get_json("/predictions").await;
    let before = sessions().await;
    for _ in 0..20 {
        let page = service.get_json("/predictions?model_version=%E4%B8%AD").await;
        assert_eq!(page["predictions"], json!([]));
        assert!(page["next_cursor"].is_null());
    }
    // None was ended for it.
    let after = sessions().await;
    assert!(before.iter().all(|pid| after.contains(pid)), "{before:?} {after:?}");
}
