//! The checker: holds the ledger against the record, read by SQL.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::{CLASS_FIELD, FEATURES, N_FEATURES};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::attempt::Answer;
use crate::ledger::{Entry, Outcome};

/// What is wrong with the record, counted in rows, and how the doubts ended, counted in requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// Acknowledged rows that are not on the record.
    pub(crate) lost: usize,
    /// Rows that are on the record more often than they were asked for.
    pub(crate) duplicated: usize,
    /// Rows on the record that nobody asked for.
    pub(crate) spurious: usize,
    /// Rows whose input is not what was sent, or whose record is not what was answered, bit for bit.
    pub(crate) wrong: usize,
    /// Requests of which some rows are there and some are not, and rows of one table without the other.
    pub(crate) partial: usize,
    /// Requests in doubt that are on the record.
    pub(crate) present: usize,
    /// Requests in doubt that are not.
    pub(crate) absent: usize,
    /// Requests refused for good, or never sent, that are on the record all the same.
    pub(crate) refused_present: usize,
    /// Requests acknowledged.
    pub(crate) acknowledged: usize,
    /// Rows on the record.
    pub(crate) recorded: usize,
    /// The first few findings, in words.
    pub(crate) examples: Vec<String>,
}

/// A row of the record.
#[derive(Debug)]
struct Recorded {
    id: Uuid,
    measurements: Option<[f64; N_FEATURES]>,
    timestamps: [Option<DateTime<Utc>>; 2],
    answer: Option<Answer>,
}

impl Verdict {
    /// Whether everything acknowledged is there, once, as answered, and nothing else is.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.spurious + self.wrong == 0
            && self.partial + self.refused_present == 0
    }

    /// Adds what another database's record has shown.
    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.spurious += other.spurious;
        self.wrong += other.wrong;
        self.partial += other.partial;
        self.present += other.present;
        self.absent += other.absent;
        self.refused_present += other.refused_present;
        self.acknowledged += other.acknowledged;
        self.recorded += other.recorded;
        self.examples.extend(other.examples);
        self.examples.truncate(8);
    }

    fn example(&mut self, what: impl FnOnce() -> String) {
        if self.examples.len() < 8 {
            self.examples.push(what());
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lost {}, duplicated {}, spurious {}, wrong {}, partial {}, refused but present {}",
            self.lost,
            self.duplicated,
            self.spurious,
            self.wrong,
            self.partial,
            self.refused_present
        )
    }
}

/// Compares the whole ledger with the whole record.
pub(crate) async fn check(database: &Client, entries: &[Entry]) -> anyhow::Result<Verdict> {
    let record = read(database).await?;
    let mut verdict = Verdict { recorded: record.len(), ..Verdict::default() };
    let by_tag: HashMap<u32, &Entry> =
        entries.iter().map(|entry| (entry.attempt.tag, entry)).collect();

    // The places of each request that are on the record, and under which id.
    let mut found: BTreeMap<u32, BTreeMap<u16, Uuid>> = BTreeMap::new();
    let mut by_id: HashMap<Uuid, &Recorded> = HashMap::new();
    for row in &record {
        by_id.insert(row.id, row);
        let (Some(measurements), Some(_)) = (row.measurements, &row.answer) else {
            verdict.partial += 1;
            verdict.example(|| format!("{} is in one table only", row.id));
            continue;
        };
        if row.timestamps[0] != row.timestamps[1] {
            verdict.wrong += 1;
            verdict.example(|| format!("{} has two timestamps", row.id));
        }
        let (tag, place) = decode(measurements);
        let Some(entry) = by_tag.get(&tag).filter(|entry| place < entry.attempt.rows) else {
            verdict.spurious += 1;
            verdict.example(|| format!("{} was never asked for: {measurements:?}", row.id));
            continue;
        };
        if !same_bits(&entry.attempt.measurements(place), &measurements) {
            verdict.wrong += 1;
            verdict.example(|| format!("{} has another input than was sent", row.id));
        }
        if let Some(before) = found.entry(tag).or_default().insert(place, row.id) {
            verdict.duplicated += 1;
            verdict.example(|| format!("row {place} of request {tag} is {before} and {}", row.id));
        }
    }

    let mut ids = BTreeSet::new();
    for entry in entries {
        let present = found.get(&entry.attempt.tag).map_or(0, BTreeMap::len);
        let whole = present == usize::from(entry.attempt.rows);
        if present > 0 && !whole {
            verdict.partial += 1;
            verdict.example(|| format!("{present} of the rows of {:?} are there", entry.attempt));
        }
        match &entry.outcome {
            Outcome::Acknowledged(answers, _) => {
                verdict.acknowledged += 1;
                for (place, answer) in answers.iter().enumerate() {
                    if !ids.insert(answer.id) {
                        verdict.duplicated += 1;
                        verdict.example(|| format!("the id {} was given twice", answer.id));
                    }
                    acknowledged(&mut verdict, entry, place, answer, &by_id);
                }
            }
            Outcome::Indeterminate(_) if present > 0 => verdict.present += 1,
            Outcome::Indeterminate(_) => verdict.absent += 1,
            Outcome::Refused(_) | Outcome::Unsent | Outcome::Violation(..) if present > 0 => {
                verdict.refused_present += 1;
                verdict.example(|| {
                    format!("{} but recorded: {:?}", entry.outcome.name(), entry.attempt)
                });
            }
            Outcome::Refused(_) | Outcome::Unsent | Outcome::Violation(..) => {}
        }
    }
    Ok(verdict)
}

/// Checks one acknowledged row.
fn acknowledged(
    verdict: &mut Verdict,
    entry: &Entry,
    place: usize,
    answer: &Answer,
    by_id: &HashMap<Uuid, &Recorded>,
) {
    let Some(row) = by_id.get(&answer.id) else {
        verdict.lost += 1;
        verdict.example(|| {
            format!("{} was acknowledged to {:?} and is lost", answer.id, entry.attempt)
        });
        return;
    };
    let sent =
        u16::try_from(place).map(|place| entry.attempt.measurements(place)).unwrap_or_default();
    let as_sent = row.measurements.is_some_and(|found| same_bits(&found, &sent));
    let as_answered = row.answer.as_ref().is_some_and(|found| {
        found == answer && same_bits(&found.probabilities, &answer.probabilities)
    });
    if !(as_sent && as_answered) {
        verdict.wrong += 1;
        verdict.example(|| format!("answered {answer:?}, recorded {:?}", row.answer));
    }
}

fn same_bits<const N: usize>(one: &[f64; N], other: &[f64; N]) -> bool {
    one.map(f64::to_bits) == other.map(f64::to_bits)
}

/// The tag and the place that [`Attempt::measurements`](crate::attempt::Attempt::measurements) encodes.
fn decode([place, tag, ..]: [f64; N_FEATURES]) -> (u32, u16) {
    let whole = |value: f64| value.round().max(0.0);
    let hundreds = whole(place.fract() * 1024.0) * 100.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "they saturate, and what is out of range is nobody's"
    )]
    (whole(tag * 1e6) as u32, (place.floor() + hundreds) as u16)
}

async fn read(database: &Client) -> anyhow::Result<Vec<Recorded>> {
    let features = FEATURES.map(|feature| format!("r.{}", feature.name)).join(", ");
    let sql = format!(
        "select coalesce(r.id, p.id), r.\"timestamp\", p.\"timestamp\", p.{CLASS_FIELD}, p.probabilities,
                p.model_version, {features}
         from raw_data r full join prediction p using (id)"
    );
    let rows = database.query(&sql, &[]).await.context("the record cannot be read")?;
    rows.iter().map(recorded).collect()
}

fn recorded(row: &Row) -> anyhow::Result<Recorded> {
    let id: Uuid = row.try_get(0)?;
    let timestamps: [Option<DateTime<Utc>>; 2] = [row.try_get(1)?, row.try_get(2)?];
    let mut measurements = Some([0.0; N_FEATURES]);
    for feature in 0..N_FEATURES {
        let value: Option<f64> = row.try_get(6 + feature)?;
        measurements = measurements.zip(value).map(|(mut row, value)| {
            row[feature] = value;
            row
        });
    }
    let class: Option<i32> = row.try_get(3)?;
    let probabilities: Option<Vec<f64>> = row.try_get(4)?;
    let version: Option<String> = row.try_get(5)?;
    let answer = match (timestamps[1], class, probabilities, version) {
        (Some(timestamp), Some(class), Some(probabilities), Some(model_version)) => Some(Answer {
            id,
            timestamp,
            class,
            probabilities: probabilities
                .try_into()
                .map_err(|found| anyhow::anyhow!("{id} has the probabilities {found:?}"))?,
            model_version,
        }),
        _ => None,
    };
    Ok(Recorded { id, measurements, timestamps, answer })
}
