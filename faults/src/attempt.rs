//! One request to predict, whose rows can be told from those of every other one.

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use domain::{CLASS_FIELD, FEATURES, N_CLASSES, N_FEATURES};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What is sent: the first feature is a row's place in the request, the second the request's tag, the third a number
/// with all its bits drawn from both, the fourth how many rows the request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) tag: u32,
    pub(crate) rows: u16,
    /// The `Idempotency-Key`, if it has one.
    pub(crate) key: Option<String>,
}

/// One answered row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) id: Uuid,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) class: i32,
    pub(crate) probabilities: [f64; N_CLASSES],
    pub(crate) model_version: String,
}

/// Tags are millionths, so that there are a hundred million of them.
const TAGS_PER_UNIT: f64 = 1e6;

impl Attempt {
    pub(crate) fn path(&self) -> &'static str {
        if self.rows == 1 { "/predict" } else { "/predict/batch" }
    }

    /// The measurements of the row at this place, in the order of the features.
    pub(crate) fn measurements(&self, place: u16) -> [f64; N_FEATURES] {
        // Places beyond the accepted range wrap into fractions, which are still distinct.
        let place_code = f64::from(place % 100) + f64::from(place / 100) / 1024.0;
        let tag = f64::from(self.tag) / TAGS_PER_UNIT;
        let bits = mix(u64::from(self.tag) << 16 | u64::from(place));
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let any = (bits >> 11) as f64 / (1_u64 << 53) as f64 * 100.0;
        let rows = f64::from(self.rows % 100) + f64::from(self.rows / 100) / 1024.0;
        [place_code, tag, any, rows]
    }

    pub(crate) fn body(&self) -> String {
        let row = |place| -> Value {
            let values = self.measurements(place);
            let fields = FEATURES.iter().zip(values);
            fields
                .map(|(feature, value)| (feature.name.to_owned(), json!(value)))
                .collect::<Map<_, _>>()
                .into()
        };
        if self.rows == 1 {
            row(0).to_string()
        } else {
            json!({"instances": (0..self.rows).map(row).collect::<Vec<_>>()}).to_string()
        }
    }

    /// The rows in the body of a 200.
    pub(crate) fn answers(&self, body: &str) -> anyhow::Result<Vec<Answer>> {
        let body: Value = serde_json::from_str(body).context("a 200 without a JSON body")?;
        let predictions = match &body["predictions"] {
            Value::Array(predictions) => predictions.as_slice(),
            _ => std::slice::from_ref(&body),
        };
        ensure!(
            predictions.len() == usize::from(self.rows),
            "{} rows sent, {} answered",
            self.rows,
            predictions.len()
        );
        predictions.iter().map(answer).collect()
    }
}

fn answer(row: &Value) -> anyhow::Result<Answer> {
    let text = |name: &str| row[name].as_str().with_context(|| format!("no {name} in {row}"));
    let probabilities = row["probabilities"].as_array().context("no probabilities")?;
    let probabilities: Vec<_> = probabilities.iter().filter_map(Value::as_f64).collect();
    Ok(Answer {
        id: text("id")?.parse()?,
        timestamp: text("timestamp")?.parse()?,
        class: i32::try_from(row[CLASS_FIELD].as_i64().context("no class")?)?,
        probabilities: probabilities
            .try_into()
            .map_err(|found| anyhow::anyhow!("probabilities are {found:?}"))?,
        model_version: text("model_version")?.to_owned(),
    })
}

/// The last step of the generator `SplitMix64`: neighbours come out unrelated.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_within_bounds_and_unlike_every_other() {
        let mut seen = std::collections::BTreeSet::new();
        for tag in [1, 2, 99_999_999] {
            let attempt = Attempt { tag, rows: 10_000, key: None };
            for place in 0..attempt.rows {
                let row = attempt.measurements(place);
                assert!(row.iter().zip(FEATURES).all(|(value, feature)| feature.admits(*value)));
                assert!(seen.insert(row.map(f64::to_bits)));
            }
        }
    }
}
