//! The settings in effect, as a configuration file.

use toml_edit::{Array, Value};

use super::{Entry, Source};

/// The settings, each with its source. A default stands in a comment, as another machine or version may have another one; so
/// does a setting without a value, and a secret.
pub(crate) fn printed(entries: &[Entry]) -> String {
    let mut text =
        String::from("# The settings in effect; `onrecord --config FILE` takes this file.\n");
    for entry in entries.iter().filter(|entry| entry.name != "config") {
        let Entry { name, values, is_secret, source } = entry;
        let line = match values.as_slice() {
            [] => format!("# {name}:"),
            _ if *is_secret => format!("# {name} = (hidden)"),
            [one] if *source == Source::Default => format!("# {name} = {}", value(one)),
            [one] => format!("{name} = {}", value(one)),
            several => format!("{name} = {}", Value::Array(several.iter().collect::<Array>())),
        };
        let source = match source {
            Source::Default if values.is_empty() => "not set".to_owned(),
            source => source.to_string(),
        };
        text.push_str(&format!("{line:<48} # {source}\n"));
    }
    text
}

fn value(text: &str) -> Value {
    match (text.parse::<bool>(), text.parse::<i64>()) {
        (Ok(it), _) => it.into(),
        // Not a number that is written otherwise than it was given.
        (_, Ok(number)) if number.to_string() == text => number.into(),
        _ => text.into(),
    }
}
