//! The OpenAPI document: generated from the types, corrected where the generator falls short, served as it is.

pub(crate) mod security;
mod swagger_ui;

use access::Scope;
use anyhow::Context;
use poem_openapi::OpenApiService;
use serde_json::{Map, Value, json};

pub(crate) use self::swagger_ui::SwaggerUi;

use crate::endpoints::{HealthApi, LedgerApi, MetricsApi, PredictApi, PredictionsApi};

const TITLE: &str = "Onrecord";

const DESCRIPTION: &str = "\
A prediction service whose every answer is on the record: input and prediction are committed to PostgreSQL before the \
answer goes out.

Failures are problem details (RFC 9457). Times are RFC 3339 in UTC.";

/// What clients call the operations, and the scopes of which a key needs one. Told to poem-openapi at each of them, it would
/// wrap every call to pass it on.
const OPERATIONS: [(&str, &str, &str, &[Scope]); 8] = [
    ("post", "/predict", "predict", &[Scope::Predict]),
    ("post", "/predict/batch", "predict_batch", &[Scope::Predict]),
    ("get", "/predictions", "list_predictions", &[Scope::Read]),
    ("get", "/predictions/{id}", "get_prediction", &[Scope::Read]),
    ("get", "/ledger", "ledger", &[Scope::Read, Scope::Admin]),
    ("get", "/metrics", "metrics", &[Scope::Read, Scope::Admin]),
    ("get", "/health/live", "live", &[]),
    ("get", "/health/ready", "ready", &[]),
];

/// The types of the groups of operations.
pub(crate) type Apis = (PredictApi, PredictionsApi, LedgerApi, HealthApi, MetricsApi);

/// The document, as text.
#[derive(Debug, Clone)]
pub struct Document {
    json: String,
    yaml: String,
}

/// The groups of operations.
pub(crate) fn apis() -> Apis {
    (PredictApi, PredictionsApi, LedgerApi, HealthApi, MetricsApi)
}

/// The operations, as a service of poem-openapi.
pub(crate) fn service() -> OpenApiService<Apis, ()> {
    OpenApiService::new(apis(), TITLE, env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .server("/")
}

impl Document {
    /// Generates it from the types.
    ///
    /// # Errors
    ///
    /// Fails if the generator writes something else than JSON, which a test rules out.
    pub fn generate() -> anyhow::Result<Self> {
        let mut document: Value = serde_json::from_str(&service().spec())?;
        correct(&mut document);
        describe_operations(&mut document)?;
        order_tags(&mut document);
        let json = serde_json::to_string_pretty(&document)? + "\n";
        let yaml = serde_saphyr::to_string(&document)?;
        Ok(Self { json, yaml })
    }

    /// The document in JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The document in YAML.
    #[must_use]
    pub fn yaml(&self) -> &str {
        &self.yaml
    }
}

/// Puts the groups in the order of their first operation; the generator sorts them by name.
fn order_tags(document: &mut Value) {
    let paths = document["paths"].as_object().into_iter().flat_map(Map::values);
    let operations = paths.filter_map(Value::as_object).flat_map(Map::values);
    let used: Vec<Value> =
        operations.filter_map(|operation| operation.pointer("/tags/0")).cloned().collect();
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.sort_by_key(|tag| used.iter().position(|name| *name == tag["name"]));
    }
}

/// Gives the operations their names, and says which keys they take.
fn describe_operations(document: &mut Value) -> anyhow::Result<()> {
    security::declare(document);
    for (method, path, name, scopes) in OPERATIONS {
        let operation = document["paths"][path][method].as_object_mut();
        let operation = operation.with_context(|| format!("there is no {method} {path}"))?;
        operation.insert("operationId".to_owned(), json!(name));
        security::require(operation, scopes)?;
    }
    Ok(())
}

/// Corrects every schema in the document.
fn correct(value: &mut Value) {
    match value {
        Value::Object(object) => {
            close_object(object);
            object.values_mut().for_each(correct);
        }
        Value::Array(items) => items.iter_mut().for_each(correct),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Says that an object has no other properties than those listed; the generator cannot.
fn close_object(schema: &mut Map<String, Value>) {
    if schema.get("type") == Some(&json!("object")) && schema.contains_key("properties") {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
}
