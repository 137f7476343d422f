//! What the document says of keys: which scopes an operation takes, and how one without them is refused.

use access::{Scope, Scopes};
use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::problem;

/// The name of the scheme.
const SCHEME: &str = "api_key";

/// Where an operation names the scopes of which a key needs one: OpenAPI 3.0 has no place for those of bearer tokens.
pub(crate) const SCOPES: &str = "x-required-scopes";

const DESCRIPTION: &str = "\
An API key, if the service was started with keys. `x-required-scopes` names the scopes of which the key needs one:

- `predict`: ask for predictions
- `read`: see the whole record, whoever asked
- `label`: say what turned out to be true
- `admin`: see and change how the service runs

None contains another. `onrecord key new` makes a key.";

/// How a request is refused for its key: the status, and why.
const REFUSALS: [(&str, &str); 5] = [
    ("400", "The `Authorization` header is given more than once."),
    ("401", "There is no key, or it does not count: it is unknown, has expired or was revoked."),
    (
        "403",
        "The key has none of the scopes that this takes. Of a service without keys: the request is for a name that it was not \
         started with, or comes from a page of such a name or through a proxy (`host_not_allowed`).",
    ),
    (
        "429",
        "The key has made too many requests or sent too many rows, too many answers are kept for this caller, or too many bad keys came from this address.",
    ),
    ("503", "The keys cannot be read, so nobody is let in."),
];

/// Declares the scheme.
pub(super) fn declare(document: &mut Value) {
    let scheme = json!({"type": "http", "description": DESCRIPTION, "scheme": "bearer"});
    document["components"]["securitySchemes"] = json!({SCHEME: scheme});
}

/// Says of an operation that a key needs one of these scopes; of one that needs none, that it is open.
pub(super) fn require(operation: &mut Map<String, Value>, scopes: &[Scope]) -> anyhow::Result<()> {
    if scopes.is_empty() {
        return Ok(());
    }
    operation.insert("security".to_owned(), json!([{SCHEME: []}]));
    let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
    operation.insert(SCOPES.to_owned(), json!(names));
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    let responses = responses.context("an operation has no responses")?;
    for (status, description) in REFUSALS {
        match responses.get_mut(status) {
            Some(response) => {
                let before = response["description"].as_str().unwrap_or_default();
                let or = description.trim_start_matches("The ");
                response["description"] = json!(format!("{before} Or the {or}"));
            }
            None => {
                responses.insert(status.to_owned(), refusal(status, description));
            }
        }
    }
    responses.sort_keys();
    Ok(())
}

fn refusal(status: &str, description: &str) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let mut response = json!({
        "description": description,
        "content": {problem::CONTENT_TYPE: {"schema": schema}},
    });
    let (name, meaning, schema) = match status {
        "401" => ("WWW-Authenticate", "How to show a key.", json!({"type": "string"})),
        "403" => ("WWW-Authenticate", "The scopes that would do.", json!({"type": "string"})),
        "429" | "503" => (
            "Retry-After",
            "After how many seconds to try again.",
            json!({"type": "integer", "format": "uint32"}),
        ),
        _ => return response,
    };
    // Without keys, 403 is not about scopes.
    let header = json!({"description": meaning, "required": status != "403", "schema": schema});
    response["headers"] = json!({name: header});
    response
}

/// The scopes of which a key needs one for an operation of the document; nothing if the operation is open.
pub(crate) fn required(operation: &Value) -> anyhow::Result<Option<Scopes>> {
    let Some(names) = operation.get(SCOPES) else { return Ok(None) };
    let names = names.as_array().filter(|names| !names.is_empty());
    let names = names.context("there is no scope")?;
    let scopes = names.iter().map(|name| name.as_str().and_then(|name| name.parse().ok()));
    scopes.collect::<Option<Scopes>>().context("there is an unknown scope").map(Some)
}
