//! Bodies of `POST /predict` that are no JSON, or JSON of another shape.

use super::{Refusals, check_malformed, check_misfit, nested, petal_length, with};

const ALL: [&str; 4] = ["/sepal_width", "/sepal_length", "/petal_width", "/petal_length"];

#[tokio::test]
async fn values_of_other_types_are_misfits() {
    // 10, 11
    let literals =
        [r#""1.4""#, r#""""#, "null", "true", "false", "[1.4]", "[]", "{}", r#"{"a": 1}"#];
    check_misfit(
        "/predict",
        literals.map(|literal| (literal, petal_length(literal), vec!["/petal_length"])),
    )
    .await;
}

#[tokio::test]
async fn documents_of_other_types_are_misfits() {
    let documents = ["null", "[]", r#""x""#, "1", "true", "[1, 2, 3, 4]", "\t[{}]\r\n"]; // 20
    check_misfit("/predict", documents.map(|document| (document, document, vec![""]))).await;
}

#[tokio::test]
async fn missing_duplicate_and_unknown_keys_are_misfits() {
    let null_key = r#", "\u0000": 1"#; // 25
    check_misfit(
        "/predict",
        [
            ("15: nothing", "{}".to_owned(), ALL.to_vec()),
            (
                "14: too few",
                r#"{"petal_width": 1, "sepal_width": 1}"#.to_owned(),
                vec![ALL[1], ALL[3]],
            ),
            ("14: too many", with(r#", "height": 1"#), vec!["/height"]),
            ("16: twice", with(r#", "sepal_width": 3.5"#), vec![ALL[0]]),
            ("16: thrice", with(r#", "sepal_width": 1, "sepal_width": 1"#), vec![ALL[0]; 2]),
            ("16: twice, once escaped", with(r#", "\u0073epal_width": 3.5"#), vec![ALL[0]]),
            ("17: unknown", with(r#", "id": null"#), vec!["/id"]),
            ("17: other case", with(r#", "Sepal_Width": 1"#), vec!["/Sepal_Width"]),
            ("17: no name", with(r#", "": 1"#), vec!["/"]),
            ("25: NUL in a key", with(null_key), vec!["/\0"]),
            ("25: NUL in a string", petal_length(r#""\u0000""#), vec![ALL[3]]),
            ("surrogate pair", with(r#", "\ud83c\udf38": 1"#), vec!["/🌸"]),
            ("pointer escapes", with(r#", "a/b~c~1": 1"#), vec!["/a~1b~0c~01"]),
        ],
    )
    .await;
}

/// What is quoted is only text, to a page, a terminal, a formatter and a line-based log alike.
#[tokio::test]
async fn what_is_quoted_is_escaped() {
    let refusals = Refusals::start().await;
    // 67
    for (key, pointer) in [
        ("<script>alert(1)</script>", "/<script>alert(1)<~1script>"),
        ("{:spec} {} %s %n", "/{:spec} {} %s %n"),
        (r"\u001b[31m", "/\u{1b}[31m"),
        (r"\r\nX-Header: 1\r\n\r\n", "/\r\nX-Header: 1\r\n\r\n"),
        (r"\u202e\u0000\u007f", "/\u{202e}\0\u{7f}"),
        ("' OR 1=1--", "/' OR 1=1--"),
    ] {
        let request = refusals.post("/predict", with(&format!(r#", "{key}": 1"#)));
        let answer = refusals.check(key, request, 422).await;
        assert_eq!(answer.pointers(key), [pointer]);
        assert!(answer.body.bytes().all(|byte| byte >= b' '), "{}", answer.body);
        assert!(answer.headers.get("x-header").is_none());
    }
    refusals.check_well().await;
}

#[tokio::test]
async fn all_misfits_are_reported_in_the_order_of_the_fields() {
    let body = r#"{"b": 1, "petal_length": -1, "petal_width": "x", "a": 1, "sepal_width": null, "petal_length": 1}"#;
    let pointers = vec![ALL[0], ALL[1], ALL[2], ALL[3], ALL[3], "/b", "/a"];
    check_misfit("/predict", [("everything", body, pointers)]).await;
}

#[tokio::test]
async fn a_long_key_is_not_echoed() {
    let refusals = Refusals::start().await;
    let body = with(&format!(r#", "{}": 1"#, "k".repeat(100_000)));
    let answer = refusals.check("long key", refusals.post("/predict", body), 422).await;
    assert!(!answer.body.contains(&"k".repeat(257)), "{}", answer.body);
    refusals.check_well().await;
}

#[tokio::test]
async fn at_most_a_hundred_misfits_are_reported() {
    let refusals = Refusals::start().await;
    let keys: String = (0..150).map(|n| format!(r#", "key{n}": 1"#)).collect();
    let answer = refusals.check("150 keys", refusals.post("/predict", with(&keys)), 422).await;
    let expected: Vec<_> = (0..100).map(|n| format!("/key{n}")).collect();
    assert_eq!(answer.pointers("150 keys"), expected);
    refusals.check_well().await;
}

#[tokio::test]
async fn a_hundred_and_twenty_eight_levels_are_the_most() {
    let inside = |levels| with(&format!(r#", "x": {}"#, nested(levels)));
    let objects = |levels| r#"{"x":"#.repeat(levels) + "1" + &"}".repeat(levels);
    check_misfit(
        "/predict",
        [
            ("127", nested(127), vec![""]),
            ("128", nested(128), vec![""]),
            ("1 and 126", inside(126), vec!["/x"]),
            ("1 and 127", inside(127), vec!["/x"]),
            ("1 and 127 where a number belongs", petal_length(&nested(127)), vec![ALL[3]]),
            ("128 objects", objects(128), [&ALL[..], &["/x"]].concat()),
        ],
    )
    .await;
    check_malformed(
        "/predict",
        [
            ("129", nested(129)),
            ("200", nested(200)), // 18
            ("100,000", nested(100_000)),
            ("100,000 that never end", "[".repeat(100_000)),
            ("1 and 128", inside(128)),
            ("1 and 128 where a number belongs", petal_length(&nested(128))),
            ("129 objects", objects(129)),
            ("100,000 objects", objects(100_000)),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_json_document_is_malformed() {
    let valid = with("");
    check_malformed(
        "/predict",
        [
            ("19: empty", String::new()),
            ("19: blank", " \n".to_owned()),
            ("21: garbage after it", format!("{valid}x")),
            ("21: a brace after it", format!("{valid}}}")),
            ("21: NUL after it", format!("{valid}\0")),
            ("21: two documents", format!("{valid}\n{valid}")),
            ("22: byte order mark", format!("\u{feff}{valid}")),
            ("24: lone surrogate in a key", with(r#", "\ud800": 1"#)),
            ("24: lone surrogate in a string", petal_length(r#""\ud800""#)),
            ("24: surrogates swapped", petal_length(r#""\udf38\ud83c""#)),
            ("27: comment", with(" /* wide */")),
            ("27: line comment", format!("// wide\n{valid}")),
            ("27: trailing comma", with(",")),
            ("27: trailing comma in an array", with(r#", "x": [1,]"#)),
            ("no comma", with(r#" "x": 1"#)),
            ("no value", with(r#", "x":"#)),
            ("no quotes", with(", x: 1")),
            ("single quotes", with(", 'x': 1")),
            ("number as key", with(", 1: 1")),
            ("bare control character", petal_length("\"\n\"")),
            ("unknown escape", petal_length(r#""\x41""#)),
            ("no-break space", with("\u{a0}")),
            ("cut off", valid[..valid.len() - 1].to_owned()),
            ("cut off in a string", r#"{"sepal_wid"#.to_owned()),
            ("form", "sepal_width=1".to_owned()),
        ],
    )
    .await;
}

#[tokio::test]
async fn other_encodings_than_utf_8_are_malformed() {
    let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| {
        with("").encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>()
    };
    let replaced = |text: String, byte: &[u8]| {
        text.into_bytes().split(|b| *b == b'?').collect::<Vec<_>>().join(byte)
    };
    let mut marked = vec![0xff, 0xfe];
    marked.extend(utf_16(u16::to_le_bytes));
    check_malformed(
        "/predict",
        [
            ("22: UTF-16 with a mark", marked),
            ("22: UTF-16, little end first", utf_16(u16::to_le_bytes)),
            ("22: UTF-16, big end first", utf_16(u16::to_be_bytes)),
            ("23: invalid UTF-8 in a string", replaced(petal_length(r#""?""#), b"\xff")),
            ("23: invalid UTF-8 in a key", replaced(with(r#", "?": 1"#), b"\xc3\x28")),
            ("23: overlong", replaced(petal_length(r#""?""#), b"\xc0\xaf")),
            ("24: lone surrogate, unescaped", replaced(petal_length(r#""?""#), b"\xed\xa0\x80")),
            (
                "23: invalid UTF-8 where it is passed over",
                replaced(with(r#", "x": ["?"]"#), b"\xff"),
            ),
        ],
    )
    .await;
}

/// The whole body is judged as JSON before any of it is judged by the schema.
#[tokio::test]
async fn malformed_wins_over_misfit() {
    check_malformed(
        "/predict",
        [
            ("unknown key, cut off", r#"{"x": 1"#.to_owned()),
            ("unknown key, garbage after it", with(r#", "x": 1"#) + "x"),
            ("duplicate key, trailing comma", with(r#", "sepal_width": 1,"#)),
            ("null, then garbage", "null x".to_owned()),
            ("wrong type, then NaN", r#"{"sepal_width": "x", "sepal_length": NaN}"#.to_owned()),
            ("number beyond float64 where it is passed over", with(r#", "x": [1e400]"#)),
            ("number beyond float64 in an array", "[1e400]".to_owned()),
            (
                "nested too deep where it is passed over",
                with(&format!(r#", "x": {}"#, nested(128))),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn all_misfits_are_counted_and_the_first_hundred_listed() {
    let refusals = Refusals::start().await;
    let many: String = (0..150).map(|n| format!(r#", "more{n}": 1"#)).collect();
    let answer = refusals.check("150", refusals.post("/predict", with(&many)), 422).await;
    let problem = answer.problem("150", 422);
    assert_eq!(problem["detail"], "150 values are invalid; `errors` lists the first 100");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
}
