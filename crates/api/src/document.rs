//! The OpenAPI document: generated from the types, corrected where the generator falls short, served as it is.

mod answers;
mod examples;
mod failures;
pub(crate) mod security;
mod swagger_ui;

use access::Scope;
use anyhow::Context;
use poem_openapi::{LicenseObject, OpenApiService};
use serde_json::{Map, Value, json};

pub(crate) use self::swagger_ui::SwaggerUi;

use crate::endpoints::{HealthApi, LedgerApi, MetricsApi, ModelApi, PredictApi, PredictionsApi};

const TITLE: &str = "Onrecord";

const DESCRIPTION: &str = "\
A prediction service whose every answer is on the record: input and prediction are committed to PostgreSQL before the \
answer goes out.

Times are RFC 3339 in UTC. Answers may get new fields in later versions, so ignore fields that you do not know. Requests may have \
only the fields of this document. Bodies of requests and answers may be compressed with gzip.

Failures are problem details (RFC 9457). Programs can tell them apart by their `code`, which keeps its meaning. Each status lists its \
codes; later versions may add more.";

/// What clients call the operations, and the scopes of which a key needs one. Told to poem-openapi at each of them, it would
/// wrap every call to pass it on.
const OPERATIONS: [(&str, &str, &str, &[Scope]); 9] = [
    ("post", "/predict", "predict", &[Scope::Predict]),
    ("post", "/predict/batch", "predict_batch", &[Scope::Predict]),
    ("get", "/predictions", "list_predictions", &[Scope::Read]),
    ("get", "/predictions/{id}", "get_prediction", &[Scope::Read]),
    ("get", "/model", "model", &Scope::ALL),
    ("get", "/ledger", "ledger", &[Scope::Read, Scope::Admin]),
    ("get", "/metrics", "metrics", &[Scope::Metrics, Scope::Read, Scope::Admin]),
    ("get", "/health/live", "live", &[]),
    ("get", "/health/ready", "ready", &[]),
];

/// The types of the groups of operations.
pub(crate) type Apis = (PredictApi, ModelApi, PredictionsApi, LedgerApi, HealthApi, MetricsApi);

/// The document, as text.
#[derive(Debug, Clone)]
pub struct Document {
    json: String,
    yaml: String,
}

/// The groups of operations.
pub(crate) fn apis() -> Apis {
    (PredictApi, ModelApi, PredictionsApi, LedgerApi, HealthApi, MetricsApi)
}

/// The operations, as a service of poem-openapi.
pub(crate) fn service() -> OpenApiService<Apis, ()> {
    OpenApiService::new(apis(), TITLE, env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
        // Relative to the document, which may be served under a path of a proxy.
        .server(".")
}

impl Document {
    /// Generates it from the types.
    ///
    /// # Errors
    ///
    /// Fails if the generator writes something else than JSON, which a test rules out.
    pub fn generate() -> anyhow::Result<Self> {
        let mut document: Value = serde_json::from_str(&service().spec())?;
        describe_operations(&mut document)?;
        answers::close_requests(&mut document);
        failures::describe(&mut document);
        examples::add(&mut document)?;
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
        security::require(operation, scopes);
        let others =
            if scopes.is_empty() { &security::REFUSALS_OF_ALL[..] } else { &security::REFUSALS };
        failures::refer(operation, others);
    }
    Ok(())
}
