//! Rows that make a record large, and are no client's.

use std::time::Duration;

use tokio_postgres::Client;

/// The model version that they are known by.
const FILLER: &str = "filler";

/// Adds so many rows, each older by this time than the one before; each thousandth is of the last class.
pub(super) async fn fill(database: &Client, rows: i64, apart: Duration) -> anyhow::Result<()> {
    let apart = i64::try_from(apart.as_millis())?;
    database
        .batch_execute(&format!(
            "with row as materialized (
                 select (lpad(to_hex((extract(epoch from now()) * 1000)::int8 - number * {apart}), 12, '0') || '70008000'
                         || lpad(to_hex(number), 12, '0'))::uuid as id,
                        now() - number * {apart} * interval '1 ms' as at, number
                 from generate_series({rows}, 1, -1) as number
             ), output as (
                 insert into prediction
                 select id, at, case when number % 1000 = 0 then 2 else 0 end, '{{0.5,0.25,0.25}}', '{FILLER}' from row
             )
             insert into raw_data select id, at, 3.5, 5.1, 0.2, 1.4 from row"
        ))
        .await?;
    Ok(())
}

/// Removes them.
pub(super) async fn empty(database: &Client) -> anyhow::Result<()> {
    database
        .batch_execute(&format!(
            "create temporary table gone as select id from prediction where model_version = '{FILLER}';
             analyze gone;
             delete from raw_data using gone where raw_data.id = gone.id;
             delete from prediction where model_version = '{FILLER}'"
        ))
        .await?;
    Ok(())
}
