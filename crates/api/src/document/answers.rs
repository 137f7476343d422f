//! The shapes of answers are open, so that a field can be added some day; those of requests are closed.
//!
//! Both are said outright: openapi-generator takes a shape that does not say it for a closed one, and its clients for Java and Go
//! then refuse an answer with a new field.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Where the document keeps the shapes that have names.
const SCHEMAS: &str = "#/components/schemas/";

/// Closes the shapes that requests have. One that answers have too gets a twin for them, which is open.
pub(super) fn close_requests(document: &mut Value) {
    refer_plainly(document);
    let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let paths = document["paths"].as_object().into_iter().flat_map(Map::values);
    for operation in paths.filter_map(Value::as_object).flat_map(Map::values) {
        collect(document, &operation["requestBody"], &mut asked);
        collect(document, &operation["responses"], &mut answered);
    }
    let Some(mut schemas) = document["components"]["schemas"].as_object().cloned() else { return };
    for name in asked.intersection(&answered) {
        let Some(mut twin) = schemas.get(name).cloned() else { continue };
        if let Some(twin) = twin.as_object_mut() {
            twin.insert("title".to_owned(), json!(twin_of(name)));
            // It is one of a request.
            twin.remove("example");
        }
        schemas.insert(twin_of(name), twin);
    }
    for name in &asked {
        if let Some(schema) = schemas.get_mut(name) {
            schema["additionalProperties"] = json!(false);
        }
    }
    for (_, schema) in schemas.iter_mut().filter(|(name, _)| !asked.contains(*name)) {
        refer_to_twins(schema, &asked);
        if schema["type"] == "object" {
            schema["additionalProperties"] = json!(true);
        }
    }
    document["components"]["schemas"] = Value::Object(schemas);
}

fn twin_of(name: &str) -> String {
    format!("Recorded{name}")
}

/// A shape that has a name and a description of its own is referred to by `allOf`, which generators of clients take for
/// another shape; the description of the shape itself says enough.
fn refer_plainly(value: &mut Value) {
    if let Some(parts) = value.get("allOf").and_then(Value::as_array)
        && let Some(reference) = parts.iter().find_map(|part| part.get("$ref"))
    {
        *value = json!({"$ref": reference});
        return;
    }
    match value {
        Value::Object(object) => object.values_mut().for_each(refer_plainly),
        Value::Array(items) => items.iter_mut().for_each(refer_plainly),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Collects the names of the shapes that this refers to, directly or by way of others.
fn collect(document: &Value, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            let name = object.get("$ref").and_then(Value::as_str);
            if let Some(name) = name.and_then(|it| it.strip_prefix(SCHEMAS))
                && names.insert(name.to_owned())
            {
                collect(document, &document["components"]["schemas"][name], names);
            }
            object.values().for_each(|value| collect(document, value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(document, value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Refers to the twins of these shapes.
fn refer_to_twins(value: &mut Value, names: &BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(SCHEMAS)
                && names.contains(name)
            {
                *reference = format!("{SCHEMAS}{}", twin_of(name));
            }
            object.values_mut().for_each(|value| refer_to_twins(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| refer_to_twins(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
