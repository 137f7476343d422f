//! Numbers at the edges of float64, of the bounds, and of JSON's grammar.

use super::{check_malformed, check_misfit, petal_length};
use crate::support::{Service, TestDatabase};

/// Each of these literals is accepted and stored as the nearest float64, bit for bit.
async fn check_stored(cases: &[(&str, f64)]) {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for (literal, expected) in cases {
        let case: String = literal.chars().take(40).collect();
        let url = service.url("/predict");
        let request = service.client.post(url).header("content-type", "application/json");
        let response = request.body(petal_length(literal)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{case}");
        let answer: serde_json::Value = response.json().await.unwrap();
        let id: uuid::Uuid = answer["id"].as_str().unwrap().parse().unwrap();
        let stored: f64 = database
            .connect()
            .await
            .query_one("select petal_length from raw_data where id = $1", &[&id])
            .await
            .unwrap()
            .get(0);
        assert_eq!(stored.to_bits(), expected.to_bits(), "{case}: {stored:e} for {expected:e}");
    }
}

#[tokio::test]
async fn the_smallest_and_the_longest_numbers_are_stored_bit_for_bit() {
    let long = format!("0.{}", "1".repeat(100_000)); // 7
    let parsed: f64 = long.parse().unwrap();
    check_stored(&[
        (&long, parsed),
        ("-0.0", -0.0), // 12
        ("-0", -0.0),
        ("1e-46", 1e-46), // 13: beyond float32, not beyond float64
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
        ("-1e-400", -0.0),
        ("1e-99999999999999999999", 0.0),
        ("0e99999999999999999999", 0.0),
        ("0", 0.0),
        ("100", 100.0),
        ("1E+2", 100.0),
        ("100.000000000000000001", 100.0),
        ("0.1", 0.1),
        ("5.600000000000000533", 5.600_000_000_000_000_5),
    ])
    .await;
}

#[tokio::test]
async fn numbers_out_of_bounds_are_misfits() {
    let literals = [
        "1e39",  // 2: beyond float32
        "1e300", // 3
        "-1e300",
        "1.7976931348623157e308",
        "100.00000000000002", // the next float64 above the bound
        "-5e-324",
        "-0.0000001",
        "2147483648",           // 28
        "18446744073709551615", // 29
        "18446744073709551616",
        "-9223372036854775809",
        "-1", // 30
        "1e3",
    ];
    check_misfit(
        "/predict",
        literals.map(|literal| (literal, petal_length(literal), vec!["/petal_length"])),
    )
    .await;
}

#[tokio::test]
async fn four_numbers_out_of_bounds_are_four_misfits() {
    let body =
        r#"{"petal_length": 3e38, "petal_width": 3e38, "sepal_length": 3e38, "sepal_width": 3e38}"#;
    let pointers = vec!["/sepal_width", "/sepal_length", "/petal_width", "/petal_length"];
    check_misfit("/predict", [("4: 3e38", body, pointers)]).await;
}

#[tokio::test]
async fn numbers_beyond_float64_are_malformed() {
    let long = "9".repeat(500); // 6
    let literals = ["1e400", "-1e400", "1.8e308", "1e99999999999999999999", &long]; // 5
    check_malformed("/predict", literals.map(|literal| (literal, petal_length(literal)))).await;
}

#[tokio::test]
async fn what_other_languages_call_a_number_is_malformed() {
    let literals = [
        "NaN", // 8
        "nan",
        "-NaN",
        "Infinity", // 9
        "-Infinity",
        "inf",
        "01", // 27
        "-01",
        "+1",
        "0x1",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "-",
        "1_000",
        "1,5",
        "1f",
        "١",
        "",
    ];
    check_malformed("/predict", literals.map(|literal| (literal, petal_length(literal)))).await;
}
