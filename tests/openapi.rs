//! The document of the API: the committed one is the one that is served, and what is served obeys it.

mod schema;

use std::collections::BTreeSet;

use domain::{Class, FEATURES, N_CLASSES};
use expect_test::expect_file;
use serde_json::{Map, Value, json};

use self::schema::check_schema;
use crate::support::{Answer, Service, TestDatabase, flower};

/// What `onrecord openapi` prints; it is given no database.
fn printed(arguments: &[&str]) -> String {
    let output = Service::command().arg("openapi").args(arguments).output();
    let output = output.expect("the program can be run");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn document() -> Value {
    serde_json::from_str(&printed(&[])).unwrap()
}

/// Calls with every object in the document and a JSON pointer to it.
fn visit(value: &Value, pointer: &str, call: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            call(pointer, object);
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                visit(value, &format!("{pointer}/{key}"), call);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                visit(item, &format!("{pointer}/{n}"), call);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The schema of this name.
fn component<'d>(document: &'d Value, name: &str) -> &'d Value {
    &document["components"]["schemas"][name]
}

#[tokio::test]
async fn the_committed_document_is_the_one_served_and_printed() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let json = service.get("/openapi.json").await.text().await.unwrap();
    let yaml = service.get("/openapi.yaml").await.text().await.unwrap();
    assert_eq!(json, printed(&[]));
    assert_eq!(yaml, printed(&["--yaml"]));
    expect_file!["../openapi/openapi.json"].assert_eq(&json);
    expect_file!["../openapi/openapi.yaml"].assert_eq(&yaml);
}

#[tokio::test]
async fn the_page_to_try_it_holds_the_document_and_needs_no_network() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let page = service.get("/docs").await.text().await.unwrap();
    assert!(page.contains(&printed(&[])));
    for reference in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "@import", "url(http"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn yaml_and_json_say_the_same() {
    let yaml: Value = serde_saphyr::from_str(&printed(&["--yaml"])).unwrap();
    assert_eq!(yaml, document());
}

/// The HTTP stack could read XML and YAML, by crates of which less good is known.
#[test]
fn every_body_is_json() {
    let mut bodies = 0;
    visit(&document(), "", &mut |pointer, object| {
        if let Some(body) = object.get("requestBody") {
            let media_types: Vec<_> = body["content"].as_object().unwrap().keys().collect();
            assert_eq!(media_types, ["application/json"], "{pointer}");
            bodies += 1;
        }
    });
    assert!(bodies > 0);
}

#[test]
fn the_document_is_openapi_3_0() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.0."), "{}", document["openapi"]);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_is() {
    let mut names = Vec::new();
    visit(&document()["paths"], "", &mut |pointer, object| {
        if object.contains_key("responses") {
            assert!(object.contains_key("summary"), "{pointer}");
            assert!(object.contains_key("description"), "{pointer}");
            names.push(object["operationId"].as_str().unwrap().to_owned());
        }
    });
    let total = names.len();
    assert!(total >= 6, "{names:?}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), total, "{names:?}");
}

#[test]
fn media_types_have_no_parameters() {
    let mut found = 0;
    visit(&document(), "", &mut |pointer, object| {
        let Some(content) = object.get("content").and_then(Value::as_object) else { return };
        for media_type in content.keys() {
            assert!(!media_type.contains(';'), "{pointer}: {media_type}");
            found += 1;
        }
    });
    assert!(found > 0);
}

/// Clients that refuse what they do not know would break with each new field of an answer.
#[test]
fn requests_are_closed_and_answers_are_open() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        if schema["type"] == "object" {
            let is_open = !["Measurements", "Batch"].contains(&name.as_str());
            assert_eq!(schema["additionalProperties"], json!(is_open), "{name}");
        }
    }
    assert!(schemas.len() > 10);
    let recorded = &schemas["RecordedMeasurements"];
    assert_eq!(recorded["properties"], schemas["Measurements"]["properties"]);
    let text = document.to_string();
    assert!(!text.contains("allOf"), "generators take that for another shape");
    assert!(document["info"]["description"].as_str().unwrap().contains("may get new fields"));
}

/// Everything that can be told apart is in the list, and each status is described once.
#[test]
fn failures_are_described_once() {
    let document = document();
    let described = document["components"]["responses"].as_object().unwrap();
    let mut used = BTreeSet::new();
    visit(&document["paths"], "", &mut |pointer, object| {
        let Some(responses) = object.get("responses").and_then(Value::as_object) else { return };
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with('2')) {
            let name = response["$ref"].as_str().unwrap_or_else(|| panic!("{pointer} {status}"));
            used.insert(name.rsplit('/').next().unwrap().to_owned());
        }
    });
    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), used);
    for (name, response) in described {
        let content = &response["content"]["application/problem+json"];
        check_schema(&document, &content["schema"], &content["example"], name);
        let code = content["example"]["code"].as_str().unwrap();
        assert!(response["description"].as_str().unwrap().contains(code), "{name}: {code}");
    }
}

#[test]
fn every_answer_has_an_example_that_fits() {
    let document = document();
    let mut found = 0;
    visit(&document["paths"], "", &mut |pointer, object| {
        let answer = &object.get("200").unwrap_or(&Value::Null)["content"]["application/json"];
        if answer.is_object() {
            check_schema(&document, &answer["schema"], &answer["example"], pointer);
            found += 1;
        }
    });
    assert_eq!(found, 8);
}

/// What takes no key says so; everything else takes one where the service has keys.
#[test]
fn every_operation_says_whether_it_takes_a_key() {
    visit(&document()["paths"], "", &mut |pointer, object| {
        if !object.contains_key("responses") {
            return;
        }
        let expected =
            if pointer.contains("health") { json!([]) } else { json!([{"api_key": []}, {}]) };
        assert_eq!(object["security"], expected, "{pointer}");
    });
}

#[test]
fn the_features_are_those_of_the_domain() {
    let document = document();
    let schema = component(&document, "Measurements");
    let names: Vec<_> = FEATURES.iter().map(|feature| feature.name).collect();
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.keys().collect::<Vec<_>>(), names);
    assert_eq!(schema["required"], json!(names));
    for feature in FEATURES {
        let property = &properties[feature.name];
        assert_eq!(property["type"], "number", "{property}");
        assert_eq!(property["minimum"].as_f64(), Some(feature.minimum), "{property}");
        assert_eq!(property["maximum"].as_f64(), Some(feature.maximum), "{property}");
        // Exclusive bounds are a mistake of their own: the bounds themselves are accepted.
        for bound in ["exclusiveMinimum", "exclusiveMaximum"] {
            assert!(property.get(bound).is_none_or(|it| it == false), "{property}");
        }
    }
}

#[test]
fn the_classes_are_those_of_the_domain() {
    let document = document();
    let last = Class::ALL[N_CLASSES - 1].number();
    let check_class = |schema: &Value| {
        assert_eq!(schema["minimum"].as_f64(), Some(0.0), "{schema}");
        assert_eq!(schema["maximum"].as_f64(), Some(f64::from(last)), "{schema}");
    };
    for name in ["Prediction", "Record"] {
        let properties = &component(&document, name)["properties"];
        check_class(&properties[domain::CLASS_FIELD]);
        assert_eq!(properties["probabilities"]["minItems"], N_CLASSES, "{name}");
        assert_eq!(properties["probabilities"]["maxItems"], N_CLASSES, "{name}");
        let described = properties[domain::CLASS_FIELD]["description"].as_str().unwrap();
        for class in Class::ALL {
            let said = format!("{} {}", class.number(), class.name());
            assert!(described.contains(&said), "{described}");
        }
    }
    let parameters = document["paths"]["/predictions"]["get"]["parameters"].as_array().unwrap();
    let class = parameters.iter().find(|it| it["name"] == domain::CLASS_FIELD).unwrap();
    check_class(&class["schema"]);
}

#[tokio::test]
async fn every_example_is_accepted() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let document = document();
    let mut accepted = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let schema = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
        let Some(reference) = schema["$ref"].as_str() else { continue };
        let name = reference.rsplit('/').next().unwrap();
        let example = &component(&document, name)["example"];
        assert!(example.is_object(), "{path} has no example");
        check_schema(&document, schema, example, path);
        let response = service.post(path, example).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}: {example}");
        accepted += 1;
    }
    assert_eq!(accepted, 2);
}

/// The answer has a status that the document knows, and fits the schema that it has for it.
async fn check_described(
    service: &Service,
    document: &Value,
    method: &str,
    path: &str,
    body: &Value,
) -> Value {
    let request = match method {
        "get" => service.client.get(service.url(path)),
        _ => service.post(path, body),
    };
    let answer = Answer::read(request.send().await.unwrap()).await;
    let place = path.split('?').next().unwrap();
    let place = if place.starts_with("/predictions/") { "/predictions/{id}" } else { place };
    let case = format!("{method} {path}: {}", answer.body);
    let mut response = &document["paths"][place][method]["responses"][answer.status.as_str()];
    if let Some(reference) = response["$ref"].as_str() {
        response = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
    }
    let content = response["content"].as_object().unwrap_or_else(|| panic!("{case}"));
    let value: Value = serde_json::from_str(&answer.body).unwrap();
    check_schema(document, &content[answer.header("content-type")]["schema"], &value, &case);
    value
}

#[tokio::test]
async fn what_is_answered_fits_the_document() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let document = document();
    let none = Value::Null;
    let zeros = FEATURES.map(|feature| (feature.name.to_owned(), json!(0)));
    let zeros = Value::Object(zeros.into_iter().collect());
    let answer = check_described(&service, &document, "post", "/predict", &zeros).await;
    let batch = json!({"instances": [flower(), zeros]});
    let found = format!("/predictions/{}", answer["id"].as_str().unwrap());
    for (method, path, body) in [
        ("post", "/predict", &none),
        ("post", "/predict/batch", &batch),
        ("post", "/predict/batch", &json!({"instances": []})),
        ("get", "/predictions", &none),
        ("get", "/predictions?limit=1", &none),
        ("get", "/predictions?limit=0", &none),
        ("get", &found, &none),
        ("get", "/predictions/0193593e-8c00-7000-8000-000000000000", &none),
        ("get", "/predictions/x", &none),
        ("get", "/model", &none),
        ("get", "/ledger", &none),
        ("get", "/health/live", &none),
        ("get", "/health/ready", &none),
    ] {
        check_described(&service, &document, method, path, body).await;
    }
}
