//! What the document says of keys: which scopes an operation takes, and how one without them is refused.

use access::{Scope, Scopes};
use anyhow::Context;
use poem::http::StatusCode;
use serde_json::{Map, Value, json};

/// The name of the scheme.
const SCHEME: &str = "api_key";

/// Where an operation names the scopes of which a key needs one: OpenAPI 3.0 has no place for those of bearer tokens.
pub(crate) const SCOPES: &str = "x-required-scopes";

const DESCRIPTION: &str = "\
An API key, if the service was started with keys. The key needs one of the scopes that \
`x-required-scopes` names:

- `predict`: get predictions
- `read`: read the whole record, of all callers
- `label`: add the truth (no operation needs it yet)
- `metrics`: read the metrics, and nothing of the record
- `admin`: see how the service runs

None contains another. `onrecord key new` makes a key.";

/// The statuses by which any request may be refused: for its form, or for the name that it is for.
pub(super) const REFUSALS_OF_ALL: [StatusCode; 2] =
    [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN];

/// The statuses by which a request is refused for its key, for its name, or for what its caller has asked for before.
pub(super) const REFUSALS: [StatusCode; 5] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// Declares the scheme.
pub(super) fn declare(document: &mut Value) {
    let scheme = json!({"type": "http", "description": DESCRIPTION, "scheme": "bearer"});
    document["components"]["securitySchemes"] = json!({SCHEME: scheme});
}

/// Says of an operation that a key needs one of these scopes; of one that needs none, that it is open. A service without keys
/// lets in everybody, and has the same document.
pub(super) fn require(operation: &mut Map<String, Value>, scopes: &[Scope]) {
    if scopes.is_empty() {
        operation.insert("security".to_owned(), json!([]));
        return;
    }
    operation.insert("security".to_owned(), json!([{SCHEME: []}, {}]));
    let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
    operation.insert(SCOPES.to_owned(), json!(names));
}

/// The scopes of which a key needs one for an operation of the document; nothing if the operation is open.
pub(crate) fn required(operation: &Value) -> anyhow::Result<Option<Scopes>> {
    let Some(names) = operation.get(SCOPES) else { return Ok(None) };
    let names = names.as_array().filter(|names| !names.is_empty());
    let names = names.context("there is no scope")?;
    let scopes = names.iter().map(|name| name.as_str().and_then(|name| name.parse().ok()));
    scopes.collect::<Option<Scopes>>().context("there is an unknown scope").map(Some)
}
