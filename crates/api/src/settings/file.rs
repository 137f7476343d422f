//! The configuration file: TOML, with the settings under the names of their flags.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Value};

/// The settings of a file, each with its values.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) entries: Vec<(String, Vec<String>)>,
}

impl ConfigFile {
    /// Reads it; a failure says the file, and the line if it is about one.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let document: DocumentMut =
            text.parse().map_err(|error| format!("{name} is not TOML: {error}"))?;
        let entries = document.iter().map(|(key, item)| {
            // Both spellings are usual.
            let values = values(item).ok_or_else(|| {
                format!("{name}: `{key}` must be a text, a number, true, false, or a list of texts")
            })?;
            Ok((key.replace('_', "-"), values))
        });
        Ok(Self { entries: entries.collect::<Result<_, String>>()? })
    }
}

/// The values as the flag would have them.
fn values(item: &Item) -> Option<Vec<String>> {
    match item.as_value()? {
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect()
        }
        value => Some(vec![text(value)?]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(it) => Some(it.value().to_string()),
        _ => None,
    }
}
