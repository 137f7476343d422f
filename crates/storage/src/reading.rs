//! Reading the record back: one of it by id, or page by page, newest first.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use deadpool_postgres::Object;
use domain::{Class, Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store, deadlines};

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

/// Some records, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The records, in falling order of `id`.
    pub records: Vec<Record>,
    /// The cursor of the next page; `None` if this is the last.
    pub next_cursor: Option<Uuid>,
}

impl Store {
    /// The record with this id, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`].
    pub async fn record(&self, id: Uuid) -> Result<Option<Record>, Error> {
        let rows = self.read("read a record", &self.statements.record, &[&id]).await?;
        rows.first().map(to_record).transpose()
    }

    /// At most `limit` records that pass the filter, newest first.
    ///
    /// Pages are cut by `id` and not by number, so rows that are added in the meantime neither shift nor repeat
    /// what a later page holds.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`].
    pub async fn page(&self, limit: u16, filter: &Filter) -> Result<Page, Error> {
        let from = filter.from.map(round_up);
        let to = filter.to.map(round_up);
        // An id begins with the milliseconds of its timestamp, so a time range is a range of ids and needs no index.
        let lowest = from.map_or(Uuid::nil(), first_id_at);
        let beyond = to.map_or(Uuid::max(), |to| first_id_at(to + TimeDelta::milliseconds(1)));
        let beyond = filter.cursor.map_or(beyond, |cursor| cursor.min(beyond));
        let class = filter.class.map(Class::number);

        let rows = self
            .read(
                "read a page of the record",
                &self.statements.page,
                &[
                    &lowest,
                    &beyond,
                    &from,
                    &to,
                    &class,
                    &filter.model_version,
                    &filter.min_confidence,
                    &filter.max_confidence,
                    &(i64::from(limit) + 1), // One more, to see whether there is a next page.
                ],
            )
            .await?;
        let mut records = rows.iter().map(to_record).collect::<Result<Vec<_>, _>>()?;
        let has_more = records.len() > usize::from(limit);
        records.truncate(usize::from(limit));
        let next_cursor = records.last().map(|record| record.id).filter(|_| has_more);
        Ok(Page { records, next_cursor })
    }

    pub(crate) async fn read(
        &self,
        action: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        // Held outside of the deadline, so that a connection with a statement still running is not used again.
        let mut connection = None;
        let rows = timeout(deadlines::READ, async {
            let connection = connection.insert(self.reader().await?);
            let refused = Error::query(action);
            let statement = connection.prepare_cached(statement).await.map_err(refused)?;
            connection.query(&statement, parameters).await.map_err(refused)
        })
        .await
        .unwrap_or(Err(Error::TimedOut { action }));

        if let (Some(connection), Err(_)) = (connection, &rows) {
            drop(Object::take(connection));
        }
        rows
    }
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

/// The smallest UUIDv7-like id with the milliseconds of this instant.
fn first_id_at(time: DateTime<Utc>) -> Uuid {
    const LAST: u64 = (1 << 48) - 1;
    let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or(0).min(LAST);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

/// Reads a row whose columns are those of `Statements::log_columns`.
fn to_record(row: &Row) -> Result<Record, Error> {
    let id: Uuid = row.get(0);
    let unreadable = |column| Error::Unreadable { id, column };
    let to_class = |number| Class::from_number(number);

    let class = to_class(row.get(2 + N_FEATURES)).ok_or_else(|| unreadable("class"))?;
    let probabilities: Vec<f64> = row.get(3 + N_FEATURES);
    let probabilities: [f64; N_CLASSES] =
        probabilities.try_into().map_err(|_| unreadable("probabilities"))?;
    let truth: Option<i32> = row.get(5 + N_FEATURES);
    let truth =
        truth.map(|number| to_class(number).ok_or_else(|| unreadable("truth"))).transpose()?;
    Ok(Record {
        id,
        timestamp: row.get(1),
        measurements: Measurements::from_row(std::array::from_fn(|feature| row.get(2 + feature))),
        prediction: Prediction { class, probabilities },
        model_version: row.get::<_, &str>(4 + N_FEATURES).into(),
        truth,
    })
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

    #[test]
    fn the_first_id_of_an_instant_has_its_milliseconds() {
        assert_eq!(first_id_at(time("1970-01-01T00:00:00.001Z")), Uuid::from_u128(1 << 80));
        assert_eq!(first_id_at(time("1900-01-01T00:00:00Z")), Uuid::nil());
        assert!(first_id_at(time("9999-12-31T23:59:59Z")) < Uuid::max());
    }
}
