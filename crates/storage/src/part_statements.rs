//! The statements that read one partition of the record.
//!
//! The planner has little to guess in them: the ids of a page come from the primary key, newest first, and each further table
//! is looked up by id, one row at a time (`offset 0` keeps a join from being planned otherwise). So they are as fast on tables
//! of which PostgreSQL has no statistics.

use domain::{CLASS_FIELD, FEATURES};
use tokio_postgres::types::Type;

use crate::statement::Statement;
use crate::statements::{feature_columns, log_columns};

/// The SQL for one partition.
#[derive(Debug)]
pub(crate) struct PartStatements {
    /// One record, by `id`.
    pub(crate) record: Statement,
    /// The newest records of a range. The parameters: the first id, the first id beyond, the first and the last time, how many
    /// rows.
    pub(crate) page: Statement,
    /// The newest records of a range that pass a filter, among so many rows. The parameters: [`FILTERED`], and how many rows to
    /// look at.
    ///
    /// Each row that it gives is a record, with the last id that was looked at and the number of rows that were; without a
    /// record there is one row, in which only these two are not null.
    pub(crate) search: Statement,
}

impl PartStatements {
    /// The statements on the partition with this suffix; `kept` unless sessions are behind a pooler.
    pub(crate) fn compose(suffix: &str, kept: bool) -> Self {
        Self {
            record: Statement::new(record(suffix), vec![Type::UUID], kept),
            page: Statement::new(page(suffix), PAGE.to_vec(), kept),
            search: Statement::new(search(suffix), [&FILTERED[..], &[Type::INT8]].concat(), kept),
        }
    }
}

const PAGE: [Type; 5] = [Type::UUID, Type::UUID, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ, Type::INT8];

/// The parameters of a page that is filtered: the first id, the first id beyond, the first and the last time, the class, the model
/// version, the least and the largest confidence, how many rows.
pub(crate) const FILTERED: [Type; 9] = [
    Type::UUID,
    Type::UUID,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::INT4,
    Type::TEXT,
    Type::FLOAT8,
    Type::FLOAT8,
    Type::INT8,
];

/// The columns of a prediction, in the order of the table.
fn prediction_columns() -> String {
    format!("id, \"timestamp\", {CLASS_FIELD}, probabilities, model_version")
}

/// The view would do as well, but PostgreSQL locks every partition of each table for a statement that was prepared without
/// knowing the id: with thirty of them it takes twice as long.
fn record(suffix: &str) -> String {
    format!(
        "select {} from (
             select prediction.id, prediction.\"timestamp\", {}, prediction.{CLASS_FIELD}, probabilities, model_version,
                    truth.{CLASS_FIELD} as truth
             from prediction{suffix} as prediction
             join raw_data{suffix} as raw_data using (id)
             left join truth{suffix} as truth using (id)
         ) as log where id = $1",
        log_columns(),
        feature_columns()
    )
}

/// The joins that complete the predictions of `page` to records.
fn completed(suffix: &str) -> String {
    let features = FEATURES.map(|feature| feature.name).join(", ");
    format!(
        "cross join lateral (select {features} from raw_data{suffix} where id = page.id offset 0) as input
         left join lateral (select {CLASS_FIELD} as truth from truth{suffix} where id = page.id offset 0) as label on true"
    )
}

/// The columns of a completed page, as [`log_columns`] has them.
fn completed_columns() -> String {
    format!(
        "page.id, \"timestamp\", {}, {CLASS_FIELD}, probabilities, model_version, truth",
        feature_columns()
    )
}

const IN_TIME: &str = "($3::timestamptz is null or \"timestamp\" >= $3) and ($4::timestamptz is null or \"timestamp\" < $4)";

fn page(suffix: &str) -> String {
    format!(
        "with page as materialized (
             select {} from prediction{suffix} where id >= $1 and id < $2 and {IN_TIME} order by id desc limit $5
         )
         select {} from page {} order by page.id desc",
        prediction_columns(),
        completed_columns(),
        completed(suffix)
    )
}

fn search(suffix: &str) -> String {
    let columns = prediction_columns();
    let confidence = format!("probabilities[{CLASS_FIELD} + 1]");
    format!(
        "with looked_at as materialized (
             select array_agg(id) filter (
                        where {IN_TIME}
                          and ($5::int4 is null or {CLASS_FIELD} = $5)
                          and ($6::text is null or model_version = $6)
                          and ($7::float8 is null or {confidence} >= $7)
                          and ($8::float8 is null or {confidence} <= $8)
                    ) as passed, (array_agg(id))[count(*)] as reached, count(*) as number
             from (select {columns} from prediction{suffix} where id >= $1 and id < $2 order by id desc limit $10) as newest
         ), page as materialized (
             select found.* from looked_at, unnest(passed[1:$9]) as passed (passed_id)
             cross join lateral (select {columns} from prediction{suffix} where id = passed_id offset 0) as found
         )
         select log.*, reached, number from looked_at
         left join (select {} from page {}) as log on true
         order by log.id desc",
        completed_columns(),
        completed(suffix)
    )
}
