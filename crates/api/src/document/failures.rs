//! The failures: each status is described once, and the operations refer to it.

use poem::http::StatusCode;
use serde_json::{Map, Value, json};

use super::examples;
use crate::problem::{self, Code};

/// Puts the failures of this operation, besides those that it knows itself, where all operations find them.
pub(super) fn refer(operation: &mut Map<String, Value>, others: &[StatusCode]) {
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    for status in others {
        responses.entry(status.as_str()).or_insert_with(|| json!({}));
    }
    for (status, response) in responses.iter_mut() {
        if let Some(status) = of(status) {
            *response = json!({"$ref": format!("#/components/responses/{}", name(status))});
        }
    }
    responses.sort_keys();
}

/// Describes every failure that an operation refers to.
pub(super) fn describe(document: &mut Value) {
    let mut described = Map::new();
    for code in Code::ALL {
        let status = code.status();
        described.entry(name(status)).or_insert_with(|| response(*code));
    }
    let text = document["paths"].to_string();
    described.retain(|name, _| text.contains(&format!("#/components/responses/{name}\"")));
    document["components"]["responses"] = Value::Object(described);
}

fn of(status: &str) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

/// `NotFound` and the like.
fn name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().replace(' ', "")
}

/// The description of a status, by the first failure that has it.
fn response(first: Code) -> Value {
    let status = first.status();
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let mut response = json!({
        "description": Code::list(status),
        "content": {problem::CONTENT_TYPE: {"schema": schema, "example": examples::problem(first)}},
    });
    let (header, meaning, required, schema) = match status {
        StatusCode::UNAUTHORIZED => {
            ("WWW-Authenticate", "The way to send an API key.", true, json!({"type": "string"}))
        }
        StatusCode::FORBIDDEN => (
            "WWW-Authenticate",
            "The scopes that the operation accepts; the key needs one of them.",
            false,
            json!({"type": "string"}),
        ),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => (
            "Retry-After",
            "The number of seconds to wait before the next try.",
            true,
            json!({"type": "integer", "format": "uint32"}),
        ),
        _ => return response,
    };
    let header_of = json!({"description": meaning, "required": required, "schema": schema});
    response["headers"] = json!({header: header_of});
    response
}
