//! Parameters of `GET /predictions` and `GET /predictions/{id}`.

use super::{Refusals, with};

/// Each of these queries is refused for exactly these parameters.
async fn check_queries(path: &str, cases: &[(&str, &[&str])]) {
    let refusals = Refusals::start().await;
    for (query, pointers) in cases {
        check_query(&refusals, path, query, pointers).await;
    }
    refusals.check_well().await;
}

async fn check_query(refusals: &Refusals, path: &str, query: &str, pointers: &[&str]) {
    let url = refusals.service.url(&format!("{path}?{query}"));
    let answer = refusals.check(query, refusals.service.client.get(url), 422).await;
    assert_eq!(answer.pointers(query), pointers, "{query}: {}", answer.body);
}

/// Each of these values of a parameter is refused.
async fn check_values(refusals: &Refusals, name: &str, values: &[&str]) {
    for value in values {
        let query = format!("{name}={value}");
        check_query(refusals, "/predictions", &query, &[&format!("/{name}")]).await;
    }
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused() {
    let service = Refusals::start().await;
    // 60, and 28 to 30 for the whole numbers
    let limits = [
        "-1",
        "0",
        "1001",
        "1e9",
        "NaN",
        "",
        "1.0",
        "1e2",
        "0x10",
        " 1",
        "65536",
        "18446744073709551616",
        "x",
        "%00",
        "%ff",
    ];
    check_values(&service, "limit", &limits).await;
    let classes = ["-1", "3", "1.0", "setosa", "2147483648", ""];
    check_values(&service, "iris_class", &classes).await;
    let confidences =
        ["NaN", "inf", "-infinity", "-0.1", "1.1", "1.0000000000000002", "1e400", "x", ""];
    check_values(&service, "min_confidence", &confidences).await;
    check_values(&service, "max_confidence", &confidences).await;
    let times = [
        "garbage",
        "now",
        "-infinity",
        "2026-11-23",
        "2026-11-23T10:00:00",
        "2026-02-30T00:00:00Z",
        "1",
        "",
    ];
    check_values(&service, "from", &times).await;
    check_values(&service, "to", &times).await;
    check_values(&service, "model_version", &["%00", "a%00b", "", &"v".repeat(201)]).await;
    // 61
    let cursors = [
        "x",
        "",
        "0193593e-8c00-7000-8000-00000000000",
        "0193593e-8c00-7000-8000-00000000000g",
        "0193593e8c0070008000000000000000",
        "{0193593e-8c00-7000-8000-000000000000}",
        "urn:uuid:0193593e-8c00-7000-8000-000000000000",
        "0193593e8-c00-7000-8000-000000000000",
        "0193593e-8c00-7000-8000-0000000000%00",
        "' OR 1=1--",
    ];
    check_values(&service, "cursor", &cursors).await;
    service.check_well().await;
}

#[tokio::test]
async fn unknown_and_repeated_parameters_are_refused() {
    check_queries(
        "/predictions",
        &[
            ("unknown=1", &["/unknown"]),
            ("Limit=1", &["/Limit"]),
            ("limit=1&limit=1", &["/limit"]), // 60
            ("limit=1&%6cimit=2", &["/limit"]),
            ("min_confidence=0.1&min_confidence=0.2", &["/min_confidence"]),
            ("x=1&limit=2&y=3&limit=4", &["/x", "/y", "/limit"]),
            ("id=' OR 1=1--", &["/id"]),
            ("%1b[31m=1", &["/\u{1b}[31m"]), // 67
            ("%0d%0aX-Header:%201=1", &["/\r\nX-Header: 1"]),
        ],
    )
    .await;
    check_queries("/predictions/0193593e-8c00-7000-8000-000000000000", &[("limit=1", &["/limit"])])
        .await;
}

#[tokio::test]
async fn predicting_takes_no_parameters() {
    let refusals = Refusals::start().await;
    for path in ["/predict?dry_run=1", "/predict/batch?dry_run=1"] {
        let answer = refusals.check(path, refusals.post(path, with("")), 422).await;
        assert_eq!(answer.pointers(path), ["/dry_run"]);
    }
    refusals.check_well().await;
}

#[tokio::test]
async fn a_long_query_is_not_echoed() {
    let refusals = Refusals::start().await;
    let long = "k".repeat(10_000);
    let many: Vec<_> = (0..200).map(|n| format!("key{n}=1")).collect();
    for query in
        [format!("{long}=1"), format!("from={long}"), format!("limit={long}"), many.join("&")]
    {
        let request =
            refusals.service.client.get(refusals.service.url(&format!("/predictions?{query}")));
        let answer = refusals.check(&query[..10], request, 422).await;
        assert!(!answer.body.contains(&"k".repeat(257)), "{}", answer.body);
    }
    refusals.check_well().await;
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_refused() {
    let refusals = Refusals::start().await;
    // 62
    for id in [
        "x",
        "1",
        "' OR 1=1--",
        "'; drop table prediction; --",
        "0193593e8c0070008000000000000000",
        "0193593e-8c00-7000-8000-000000000000'",
        "%00",
        "%ff",
        "%2e%2e%2fpredict",
    ] {
        let request =
            refusals.service.client.get(refusals.service.url(&format!("/predictions/{id}")));
        let answer = refusals.check(id, request, 422).await;
        assert_eq!(answer.pointers(id), ["/id"], "{id}");
    }
    refusals.check_well().await;
}
