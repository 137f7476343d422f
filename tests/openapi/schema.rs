//! As much of JSON Schema, as OpenAPI 3.0 has it, as the document uses.

use serde_json::Value;

/// Panics unless the value fits the schema; a keyword that this does not know is a panic, too.
#[track_caller]
pub(super) fn check_schema(document: &Value, schema: &Value, value: &Value, case: &str) {
    if let Some(misfit) = misfit(document, schema, value) {
        panic!("{case}\n{misfit}");
    }
}

/// What does not fit, if anything.
fn misfit(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("no schema for {value}"));
    if value.is_null() && schema["nullable"] == true {
        return None;
    }
    let number = |bound: &Value| value.as_f64().zip(bound.as_f64());
    let length =
        |bound: &Value| value.as_array().map(|items| items.len() as u64).zip(bound.as_u64());
    for (keyword, bound) in keywords {
        let fits = match keyword.as_str() {
            "$ref" => {
                let pointer = bound.as_str().unwrap().strip_prefix('#').unwrap();
                return misfit(document, document.pointer(pointer).unwrap(), value);
            }
            "type" => match bound.as_str().unwrap() {
                "boolean" => value.is_boolean(),
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "number" => value.is_number(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("type {other}"),
            },
            "format" => match bound.as_str().unwrap() {
                "uuid" => value.as_str().is_some_and(|text| text.parse::<uuid::Uuid>().is_ok()),
                "date-time" => value
                    .as_str()
                    .is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok()),
                _ => true,
            },
            "required" => bound
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" | "additionalProperties" => true,
            "items" => {
                let mut items = value.as_array().into_iter().flatten();
                match items.find_map(|item| misfit(document, bound, item)) {
                    None => true,
                    misfit => return misfit,
                }
            }
            "allOf" => {
                let mut parts = bound.as_array().unwrap().iter();
                match parts.find_map(|part| misfit(document, part, value)) {
                    None => true,
                    misfit => return misfit,
                }
            }
            "enum" => bound.as_array().unwrap().contains(value),
            "minimum" => number(bound).is_none_or(|(value, bound)| value >= bound),
            "maximum" => number(bound).is_none_or(|(value, bound)| value <= bound),
            "minItems" => length(bound).is_none_or(|(length, bound)| length >= bound),
            "maxItems" => length(bound).is_none_or(|(length, bound)| length <= bound),
            "title" | "description" | "example" | "nullable" | "default" => true,
            other => panic!("unknown keyword {other}"),
        };
        if !fits {
            return Some(format!("{value} against {keyword}: {bound}"));
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => {
                if let Some(misfit) = misfit(document, schema, value) {
                    return Some(format!("{name}: {misfit}"));
                }
            }
            // Answers may have other fields, but these are ours, and the document knows them.
            None => return Some(format!("{name} is not in the document")),
        }
    }
    None
}
