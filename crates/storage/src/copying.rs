//! Writing a large batch: a COPY into each table, in one transaction.

use std::pin::pin;

use deadpool_postgres::{Object, Transaction};
use domain::{N_FEATURES, Record};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use crate::statements::Statements;
use crate::{Error, left_out};

/// From so many rows on it is quicker than one statement, in spite of its six round trips: PostgreSQL puts the rows of a
/// COPY into a page together, and those of a statement one by one. Measured, a request of 10,000 rows takes 0.68 of the
/// time, of 5,000 rows 0.85, of 2,000 rows 1.3.
pub(crate) const WORTHWHILE: usize = 4_000;

/// Copies the records into both tables: all of them or none.
pub(crate) async fn copy(
    connection: &mut Object,
    statements: &Statements,
    records: &[Record],
) -> Result<(), Error> {
    let failed = Error::query("write the record");
    let transaction = connection.transaction().await.map_err(failed)?;
    let taken = fill(&transaction, statements, records).await.map_err(failed)?;
    // Without a commit the transaction is rolled back.
    left_out::check_copied(records.len(), taken)?;
    transaction.commit().await.map_err(failed)
}

/// Copies the records into both tables, and says how many rows each of them took.
async fn fill(
    transaction: &Transaction<'_>,
    statements: &Statements,
    records: &[Record],
) -> Result<[u64; 2], tokio_postgres::Error> {
    let mut types = vec![Type::UUID, Type::TIMESTAMPTZ];
    types.extend([Type::FLOAT8; N_FEATURES]);
    let sink = transaction.copy_in(&statements.copy_inputs).await?;
    let mut inputs = pin!(BinaryCopyInWriter::new(sink, &types));
    for Record { id, timestamp, measurements, .. } in records {
        let features = measurements.to_row();
        let mut row: Vec<&(dyn ToSql + Sync)> = vec![id, timestamp];
        row.extend(features.iter().map(|value| value as &(dyn ToSql + Sync)));
        inputs.as_mut().write(&row).await?;
    }
    let inputs = inputs.finish().await?;

    let types = [Type::UUID, Type::TIMESTAMPTZ, Type::INT4, Type::FLOAT8_ARRAY, Type::TEXT];
    let sink = transaction.copy_in(&statements.copy_predictions).await?;
    let mut predictions = pin!(BinaryCopyInWriter::new(sink, &types));
    for Record { id, timestamp, prediction, model_version, .. } in records {
        let class = prediction.class.number();
        let probabilities = prediction.probabilities.as_slice();
        let model_version = &**model_version;
        let row: [&(dyn ToSql + Sync); 5] = [id, timestamp, &class, &probabilities, &model_version];
        predictions.as_mut().write(&row).await?;
    }
    Ok([inputs, predictions.finish().await?])
}
