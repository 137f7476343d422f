//! Reading the record back: one of it by id, or page by page, newest first.

use std::cmp::Reverse;

use chrono::{DateTime, Datelike, DurationRound, TimeDelta, Utc};
use deadpool_postgres::Object;
use domain::{Class, Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
use futures_util::future::{try_join, try_join_all};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

#[cfg(doc)]
use crate::deadlines;
use crate::look::{LOOK, STRAYS};
use crate::parts::{Part, Parts, first_id_at};
use crate::statements::Statements;
use crate::{Error, Store};

/// Which records a page holds. The default leaves nothing out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Only ids below this one: the last id of the page before.
    pub cursor: Option<Uuid>,
    /// Only requests that arrived at this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Only requests that arrived before this instant.
    pub to: Option<DateTime<Utc>>,
    /// Only this class.
    pub class: Option<Class>,
    /// Only this model version. It must not contain NUL, which PostgreSQL's text cannot hold.
    pub model_version: Option<String>,
    /// Only where the largest probability is at least this, 0 to 1.
    pub min_confidence: Option<f64>,
    /// Only where the largest probability is at most this, 0 to 1.
    pub max_confidence: Option<f64>,
}

impl Filter {
    /// Whether it looks at what the rows hold. Ids and times are found by the index.
    fn searches(&self) -> bool {
        let Self {
            cursor: _,
            from: _,
            to: _,
            class,
            model_version,
            min_confidence,
            max_confidence,
        } = self;
        class.is_some()
            || model_version.is_some()
            || min_confidence.is_some()
            || max_confidence.is_some()
    }
}

/// Some records, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The records, in falling order of `id`.
    pub records: Vec<Record>,
    /// The cursor of the next page; `None` if this is the last.
    pub next_cursor: Option<Uuid>,
}

/// What a page is asked for, as the parameters of its statement.
#[derive(Debug)]
pub(crate) struct Bounds<'a> {
    lowest: Uuid,
    beyond: Uuid,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    class: Option<i32>,
    filter: &'a Filter,
    rows: i64,
}

impl<'a> Bounds<'a> {
    fn of(filter: &'a Filter, limit: u16) -> Self {
        let from = filter.from.map(round_up);
        let to = filter.to.map(round_up);
        // An id begins with the milliseconds of its timestamp, so a time range is a range of ids and needs no index.
        let lowest = from.map_or(Uuid::nil(), first_id_at);
        let beyond = to.map_or(Uuid::max(), |to| first_id_at(to + TimeDelta::milliseconds(1)));
        let beyond = filter.cursor.map_or(beyond, |cursor| cursor.min(beyond));
        let class = filter.class.map(Class::number);
        // One more, to see whether there is a next page.
        Self { lowest, beyond, from, to, class, filter, rows: i64::from(limit) + 1 }
    }

    /// The types of the parameters.
    pub(crate) fn types() -> Vec<Type> {
        vec![
            Type::UUID,
            Type::UUID,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMPTZ,
            Type::INT4,
            Type::TEXT,
            Type::FLOAT8,
            Type::FLOAT8,
            Type::INT8,
        ]
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.lowest,
            &self.beyond,
            &self.from,
            &self.to,
            &self.class,
            &self.filter.model_version,
            &self.filter.min_confidence,
            &self.filter.max_confidence,
            &self.rows,
        ]
    }

    /// Whether rows of this partition can be on the page.
    fn meets(&self, part: &Part) -> bool {
        part.from < self.beyond && self.lowest < part.to
    }
}

/// What is asked of the record.
#[derive(Debug)]
pub(crate) enum Question<'a> {
    /// The record with this id.
    Record(Uuid),
    /// A page.
    Page(Bounds<'a>),
    /// What the record is as a whole.
    Look,
    /// How much of it is in no partition but the default.
    Strays,
}

impl Question<'_> {
    /// What is done to answer it, as an infinitive.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Record(_) => "read a record",
            Self::Page(_) => "read a page of the record",
            Self::Look => "look at the record as a whole",
            Self::Strays => "count what is in the default partition",
        }
    }

    /// Whether it may look at many more rows than it gives: those that pass a filter are found by looking at all of them.
    pub(crate) fn searches(&self) -> bool {
        match self {
            Self::Page(bounds) => bounds.filter.searches(),
            Self::Record(_) | Self::Look | Self::Strays => false,
        }
    }

    /// The rows that answer it; nothing if the partitions are others by now. Without partitions the record is read as a
    /// whole, which is always right, but slower.
    pub(crate) async fn ask(
        &self,
        session: &Object,
        whole: &Statements,
        parts: Option<&Parts>,
    ) -> Result<Option<Vec<Row>>, tokio_postgres::Error> {
        match self {
            Self::Record(id) => {
                let part = parts.and_then(|parts| parts.of(*id));
                let statement = part.map_or(&whole.record, |part| &part.record);
                let rows = statement.query(session, &[id]).await?;
                // If its partition was made meanwhile, it was looked for too late in the default, and not in the new one.
                match parts {
                    Some(parts) if part.is_none() && rows.is_empty() => {
                        let state = Parts::state(session).await?;
                        Ok((state == parts.state).then_some(rows))
                    }
                    _ => Ok(Some(rows)),
                }
            }
            Self::Look => session.query_typed(LOOK, &[]).await.map(Some),
            Self::Strays => session.query_typed(STRAYS, &[]).await.map(Some),
            Self::Page(bounds) => {
                let parts = parts.and_then(|parts| parts.default.as_ref().map(|it| (parts, it)));
                match parts {
                    Some((parts, default)) => newest_first(session, default, parts, bounds).await,
                    None => whole.page.query(session, &bounds.parameters()).await.map(Some),
                }
            }
        }
    }
}

impl Store {
    /// The record with this id, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`].
    pub async fn record(&self, id: Uuid) -> Result<Option<Record>, Error> {
        let question = Question::Record(id);
        let mut rows = self.read(&question).await?;
        if rows.is_empty() && self.replica.is_some() {
            // A replica is behind by some time, and who was just answered may ask for it.
            rows = self.read_primary(&question).await?;
        }
        rows.first().map(to_record).transpose()
    }

    /// At most `limit` records that pass the filter, newest first.
    ///
    /// Pages are cut by `id` and not by number, so rows that are added in the meantime neither shift nor repeat
    /// what a later page holds. A row that is not readable is left out, which is logged and [counted](Store::unreadable).
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`].
    pub async fn page(&self, limit: u16, filter: &Filter) -> Result<Page, Error> {
        let mut rows = match self.read(&Question::Page(Bounds::of(filter, limit))).await {
            Err(error) if error.is_about_encoding() => Vec::new(),
            rows => rows?,
        };
        let has_more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        let next_cursor = rows.last().map(|row| row.get(0)).filter(|_| has_more);
        let records = rows.iter().filter_map(|row| self.unreadable.leave_out(to_record(row)));
        Ok(Page { records: records.collect(), next_cursor })
    }
}

/// The rows of a page, partition by partition, until there are enough; nothing if the partitions are others by now.
///
/// Asked for the page of all of them, PostgreSQL would look for the first row of each that passes the filter, however old.
async fn newest_first(
    session: &Object,
    default: &Part,
    parts: &Parts,
    bounds: &Bounds<'_>,
) -> Result<Option<Vec<Row>>, tokio_postgres::Error> {
    let parameters = bounds.parameters();
    let id = |row: &Row| row.get::<_, Uuid>(0);
    let enough = usize::try_from(bounds.rows).unwrap_or(usize::MAX);
    let among: Vec<&Part> = parts.parts.iter().filter(|part| bounds.meets(part)).collect();
    // Sent together: partitions made ahead and the one that is written to, and the default.
    let now = first_id_at(Utc::now());
    let current = among.iter().position(|part| part.from <= now).map_or(among.len(), |at| at + 1);
    let (first, older) = among.split_at(current);
    let mut asked = vec![default.page.query(session, &parameters)];
    for part in first {
        asked.push(part.page.query(session, &parameters));
    }
    // After them: what is moved out of the default meanwhile was seen there, and what was moved before is noticed.
    let (asked, state) = try_join(try_join_all(asked), Parts::state(session)).await?;
    if state != parts.state {
        return Ok(None);
    }
    let mut rows: Vec<Row> = asked.into_iter().flatten().collect();
    let mut reached = first.last().map_or(Uuid::max(), |part| part.from);
    for part in older {
        if rows.iter().filter(|row| id(row) >= reached).count() >= enough {
            break;
        }
        rows.extend(part.page.query(session, &parameters).await?);
        reached = part.from;
    }
    rows.sort_by_cached_key(|row| Reverse(id(row)));
    rows.truncate(enough);
    Ok(Some(rows))
}

/// To the next whole microsecond: stored times have no finer part, so the comparison stays exact.
fn round_up(time: DateTime<Utc>) -> DateTime<Utc> {
    let microsecond = TimeDelta::microseconds(1);
    match time.duration_trunc(microsecond) {
        Ok(truncated) if truncated < time => truncated + microsecond,
        Ok(truncated) => truncated,
        Err(_) => time, // Beyond the years that nanoseconds can count; nothing is stored there.
    }
}

/// Reads a row whose columns are those of `Statements::log_columns`.
fn to_record(row: &Row) -> Result<Record, Error> {
    let id: Uuid = row.get(0);
    let unreadable = |column| Error::Unreadable { id, column };
    let to_class = |number: i32| Class::from_number(number);

    let timestamp: Option<DateTime<Utc>> = get(row, 1);
    // What RFC 3339 can say.
    let timestamp = timestamp.filter(|time| (1..=9_999).contains(&time.year()));
    let timestamp = timestamp.ok_or_else(|| unreadable("timestamp"))?;
    let mut measurements = [0.0; N_FEATURES];
    for (place, value) in (2..).zip(&mut measurements) {
        *value = get(row, place).ok_or_else(|| unreadable("input"))?;
    }
    let class = get(row, 2 + N_FEATURES).and_then(to_class).ok_or_else(|| unreadable("class"))?;
    let probabilities: Option<Vec<f64>> = get(row, 3 + N_FEATURES);
    let probabilities: Option<[f64; N_CLASSES]> = probabilities.and_then(|it| it.try_into().ok());
    let probabilities = probabilities.ok_or_else(|| unreadable("probabilities"))?;
    let model_version: Option<&str> = get(row, 4 + N_FEATURES);
    let model_version = model_version.ok_or_else(|| unreadable("model_version"))?;
    let truth: Option<Option<i32>> = get(row, 5 + N_FEATURES);
    let truth = truth.ok_or_else(|| unreadable("truth"))?;
    let truth =
        truth.map(|number| to_class(number).ok_or_else(|| unreadable("truth"))).transpose()?;
    Ok(Record {
        id,
        timestamp,
        measurements: Measurements::from_row(measurements),
        prediction: Prediction { class, probabilities },
        model_version: model_version.into(),
        truth,
    })
}

/// The value of a column; nothing if it is none that Rust can hold, such as the time `infinity`.
fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Option<T> {
    row.try_get(column).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_is_rounded_up_to_the_microsecond() {
        let whole = time("2026-11-23T10:00:00.123456Z");
        assert_eq!(round_up(whole), whole);
        assert_eq!(round_up(whole + TimeDelta::nanoseconds(1)), whole + TimeDelta::microseconds(1));
        assert_eq!(
            round_up(time("1912-06-23T00:00:00.000000001Z")),
            time("1912-06-23T00:00:00.000001Z")
        );
        assert_eq!(round_up(time("9999-12-31T23:59:59Z")), time("9999-12-31T23:59:59Z"));
    }
}
