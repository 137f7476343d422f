//! Reading the record back: one of it by id, or page by page, newest first.

use chrono::{DateTime, Datelike, Utc};
use deadpool_postgres::Object;
use domain::{Class, Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

#[cfg(doc)]
use crate::deadlines;
use crate::look::{LOOK, OLDEST, STRAYS};
use crate::paging::{Bounds, Found};
use crate::parts::Parts;
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
    pub(crate) fn searches(&self) -> bool {
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
    /// When its oldest prediction was made.
    Oldest,
}

impl Question<'_> {
    /// What is done to answer it, as an infinitive.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Record(_) => "read a record",
            Self::Page(_) => "read a page of the record",
            Self::Look => "look at the record as a whole",
            Self::Strays => "count what is in the default partition",
            Self::Oldest => "look for the oldest prediction",
        }
    }

    /// Whether it may look at many more rows than it gives: those that pass a filter are found by looking at all of them.
    pub(crate) fn searches(&self) -> bool {
        match self {
            Self::Page(bounds) => bounds.searches(),
            Self::Record(_) | Self::Look | Self::Strays | Self::Oldest => false,
        }
    }

    /// The rows that answer it; nothing if the partitions are others by now. Without partitions the record is read as a
    /// whole, which is always right, but slower. A search ends at this moment with what it has found.
    pub(crate) async fn ask(
        &self,
        session: &Object,
        whole: &Statements,
        parts: Option<&Parts>,
        until: Instant,
    ) -> Result<Option<Found>, tokio_postgres::Error> {
        match self {
            Self::Record(id) => {
                let part = parts.and_then(|parts| parts.of(*id));
                let statement = part.map_or(&whole.record, |part| &part.statements.record);
                let rows = statement.query(session, &[id]).await?;
                // If its partition was made meanwhile, it was looked for too late in the default, and not in the new one.
                match parts {
                    Some(parts) if part.is_none() && rows.is_empty() => {
                        let state = Parts::state(session).await?;
                        Ok((state == parts.state).then(|| rows.into()))
                    }
                    _ => Ok(Some(rows.into())),
                }
            }
            Self::Look => Ok(Some(session.query_typed(LOOK, &[]).await?.into())),
            Self::Strays => Ok(Some(session.query_typed(STRAYS, &[]).await?.into())),
            Self::Oldest => Ok(Some(session.query_typed(OLDEST, &[]).await?.into())),
            Self::Page(bounds) => match parts.filter(|parts| parts.default.is_some()) {
                Some(parts) => bounds.newest_first(session, parts, until).await,
                None => Ok(Some(whole.page.query(session, &bounds.parameters()).await?.into())),
            },
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
        let mut rows = self.read(&question).await?.rows;
        if rows.is_empty() && self.replica.is_some() {
            // A replica is behind by some time, and who was just answered may ask for it.
            rows = self.read_primary(&question).await?.rows;
        }
        rows.first().map(to_record).transpose()
    }

    /// At most `limit` records that pass the filter, newest first. Where few rows pass, a page ends when its time is up: with
    /// what it has found, maybe nothing, and a cursor for the older ones.
    ///
    /// Pages are cut by `id` and not by number, so rows that are added in the meantime neither shift nor repeat
    /// what a later page holds. A row that is not readable is left out, which is logged and [counted](Store::unreadable).
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`].
    pub async fn page(&self, limit: u16, filter: &Filter) -> Result<Page, Error> {
        let Found { mut rows, reached } =
            match self.read(&Question::Page(Bounds::of(filter, limit))).await {
                Err(error) if error.is_about_encoding() => Found::default(),
                found => found?,
            };
        let has_more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        let next_cursor = rows.last().map(|row| row.get(0)).filter(|_| has_more).or(reached);
        let records = rows.iter().filter_map(|row| self.unreadable.leave_out(to_record(row)));
        Ok(Page { records: records.collect(), next_cursor })
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
