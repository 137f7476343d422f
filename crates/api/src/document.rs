//! The OpenAPI document: generated from the types, corrected where the generator falls short, served as it is.

use anyhow::{Context, ensure};
use poem_openapi::OpenApiService;
use serde_json::{Map, Value, json};

use crate::endpoints::{HealthApi, LedgerApi, MetricsApi, PredictApi, PredictionsApi};

const TITLE: &str = "Onrecord";

const DESCRIPTION: &str = "\
A prediction service whose every answer is on the record: input and prediction are committed to PostgreSQL before the \
answer goes out.

Failures are problem details (RFC 9457). Times are RFC 3339 in UTC.";

/// The page's icon, a record button: a browser that is given none asks for `/favicon.ico`, in vain.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
                    %3Ccircle cx='8' cy='8' r='6' fill='%23c0392b'/%3E%3C/svg%3E";

/// The page's form: no frame, no choice of servers, of which there is one, and bodies no taller than ours need.
const STYLE: &str = "\
body { margin: 0 }
#ui .scheme-container { display: none }
#ui textarea.body-param__text { min-height: 8.5em }";

/// What clients call the operations. Told to poem-openapi at each of them, it would wrap every call to pass it on.
const NAMES: [(&str, &str, &str); 8] = [
    ("post", "/predict", "predict"),
    ("post", "/predict/batch", "predict_batch"),
    ("get", "/predictions", "list_predictions"),
    ("get", "/predictions/{id}", "get_prediction"),
    ("get", "/ledger", "ledger"),
    ("get", "/health/live", "live"),
    ("get", "/health/ready", "ready"),
    ("get", "/metrics", "metrics"),
];

/// The types of the groups of operations.
pub(crate) type Apis = (PredictApi, PredictionsApi, LedgerApi, HealthApi, MetricsApi);

/// The document, as text.
#[derive(Debug, Clone)]
pub struct Document {
    generated: String,
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
        let generated = service().spec();
        let mut document: Value = serde_json::from_str(&generated)?;
        correct(&mut document);
        name_operations(&mut document)?;
        order_tags(&mut document);
        let json = serde_json::to_string_pretty(&document)? + "\n";
        let yaml = serde_saphyr::to_string(&document)?;
        Ok(Self { generated, json, yaml })
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

    /// The page with Swagger UI for this document, which needs no network.
    pub(crate) fn swagger_ui(&self) -> anyhow::Result<String> {
        // The page embeds the document in a script element, unescaped.
        ensure!(!self.json.contains("</"), "the document would end the script that holds it");
        let page = service().swagger_ui_html();
        ensure!(page.contains(&self.generated), "the page does not hold the generated document");
        let page = page.replace(&self.generated, &self.json);
        let head = format!(
            "<title>{TITLE}</title>\n<link rel=\"icon\" href=\"{ICON}\">\n<style>{STYLE}</style>"
        );
        let page = page.replace("<title>Swagger UI</title>", &head);
        Ok(page.replacen("<html charset=\"UTF-8\">", "<!doctype html>\n<html lang=\"en\">", 1))
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

/// Gives the operations their names.
fn name_operations(document: &mut Value) -> anyhow::Result<()> {
    for (method, path, name) in NAMES {
        let operation = document["paths"][path][method].as_object_mut();
        let operation = operation.with_context(|| format!("there is no {method} {path}"))?;
        operation.insert("operationId".to_owned(), json!(name));
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
