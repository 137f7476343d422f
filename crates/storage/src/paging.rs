//! The rows of a page.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use deadpool_postgres::Object;
use domain::Class;
use futures_util::future::{try_join, try_join_all};
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::parts::{Parts, first_id_at};
use crate::reading::Filter;
use crate::segments::{Segment, segments};

/// How many rows the first step of a search looks at, and how many any step may: fewer than a page is waited for, as a page
/// ends with a step.
const FIRST_STEP: i64 = 1_000;
const LONGEST_STEP: i64 = 64_000;

/// The next step is longer after one that was shorter than this.
const SHORT: Duration = Duration::from_millis(20);

/// The question for a page, as the parameters of its statement.
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

/// The answer to a question.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The rows, in falling order of `id`.
    pub(crate) rows: Vec<Row>,
    /// The last id that was looked at, if the time was up before all were: older ones may follow.
    pub(crate) reached: Option<Uuid>,
}

impl From<Vec<Row>> for Found {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, reached: None }
    }
}

impl<'a> Bounds<'a> {
    pub(crate) fn of(filter: &'a Filter, limit: u16) -> Self {
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

    /// The parameters for the record as a whole.
    pub(crate) fn parameters(&self) -> [&(dyn ToSql + Sync); 9] {
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

    /// Whether rows have to be looked at to be found.
    pub(crate) fn searches(&self) -> bool {
        self.filter.searches()
    }

    /// The rows, partition by partition, until there are enough or this moment has come; nothing if the partitions are others
    /// by now, or there is no default.
    ///
    /// Asked for the page of all of them, PostgreSQL would look for the first row of each that passes the filter, however old.
    pub(crate) async fn newest_first(
        &self,
        session: &Object,
        parts: &Parts,
        until: Instant,
    ) -> Result<Option<Found>, Error> {
        let Some(segments) = segments(parts, self.lowest, self.beyond) else { return Ok(None) };
        if self.searches() {
            let found = self.search(session, &segments, until).await?;
            // A row that was moved out of the default meanwhile may have been missed in both places.
            return Ok((Parts::state(session).await? == parts.state).then_some(found));
        }
        // Sent together: partitions made ahead and the one that is written to, and the default beyond and between them.
        let now = first_id_at(Utc::now());
        let current = segments.iter().position(|it| it.from <= now);
        let (first, older) = segments.split_at(current.map_or(segments.len(), |at| at + 1));
        let first = try_join_all(first.iter().map(|it| self.newest_of(session, it)));
        // After them: what is moved out of the default meanwhile was seen there, and what was moved before is noticed.
        let (first, state) = try_join(first, Parts::state(session)).await?;
        if state != parts.state {
            return Ok(None);
        }
        let mut rows: Vec<Row> = first.into_iter().flatten().collect();
        let enough = self.enough();
        for segment in older {
            if rows.len() >= enough {
                break;
            }
            rows.extend(self.newest_of(session, segment).await?);
        }
        rows.truncate(enough);
        Ok(Some(rows.into()))
    }

    fn enough(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }

    /// The newest rows of a segment.
    async fn newest_of(&self, session: &Object, segment: &Segment<'_>) -> Result<Vec<Row>, Error> {
        let Segment { from, to, statements } = segment;
        statements.page.query(session, &[from, to, &self.from, &self.to, &self.rows]).await
    }

    /// The newest rows that pass the filter: looks at all rows, some at a time, until there are enough or this moment has come.
    async fn search(
        &self,
        session: &Object,
        segments: &[Segment<'_>],
        until: Instant,
    ) -> Result<Found, Error> {
        let mut found = Found::default();
        let mut step = FIRST_STEP;
        for (number, segment) in (1..).zip(segments) {
            let mut beyond = segment.to;
            loop {
                let begun = Instant::now();
                let some = self.look_at(session, segment, beyond, step, &mut found).await?;
                if found.rows.len() >= self.enough() {
                    return Ok(found);
                }
                let is_last = some.is_none() && number == segments.len();
                if Instant::now() >= until && !is_last {
                    found.reached = Some(some.unwrap_or(segment.from));
                    return Ok(found);
                }
                let Some(reached) = some else { break };
                beyond = reached;
                if begun.elapsed() < SHORT {
                    step = (step * 4).min(LONGEST_STEP);
                }
            }
        }
        Ok(found)
    }

    /// Looks at the newest rows of a segment before this id, so many of them, and adds those that pass the filter; says which
    /// id it has reached, if there may be more.
    async fn look_at(
        &self,
        session: &Object,
        segment: &Segment<'_>,
        beyond: Uuid,
        step: i64,
        found: &mut Found,
    ) -> Result<Option<Uuid>, Error> {
        let Self { from, to, class, filter, .. } = self;
        let missing = i64::try_from(self.enough() - found.rows.len()).unwrap_or(i64::MAX);
        let Filter { model_version, min_confidence, max_confidence, .. } = filter;
        let parameters: [&(dyn ToSql + Sync); 10] = [
            &segment.from,
            &beyond,
            from,
            to,
            class,
            model_version,
            min_confidence,
            max_confidence,
            &missing,
            &step,
        ];
        let rows = segment.statements.search.query(session, &parameters).await?;
        let end = rows.first().map(|row| {
            let reached: Option<Uuid> = row.get("reached");
            let number: i64 = row.get("number");
            (reached, number)
        });
        found.rows.extend(rows.into_iter().filter(|row| row.get::<_, Option<Uuid>>(0).is_some()));
        Ok(end.and_then(|(reached, number)| reached.filter(|_| number >= step)))
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
