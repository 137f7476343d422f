//! The same work done the obvious way: per request a connection of a pool, BEGIN, two INSERTs, COMMIT.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use benchmarks::{Measurements, Prediction, Warning, serve};
use chrono::{DateTime, Utc};
use clap::Parser;
use deadpool_postgres::{Manager, Pool};
use inference::Model;
use poem::Route;
use poem::error::InternalServerError;
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, OpenApiService};
use tokio_postgres::NoTls;
use uuid::{Builder, Uuid};

const CONNECTIONS: usize = 20;

const INSERT_INPUT: &str = "
    insert into raw_data (id, \"timestamp\", sepal_width, sepal_length, petal_width, petal_length)
    values ($1, $2, $3, $4, $5, $6)";

const INSERT_OUTPUT: &str = "
    insert into prediction (id, \"timestamp\", iris_class, probabilities, model_version)
    values ($1, $2, $3, $4, $5)";

#[derive(Parser)]
struct Settings {
    /// The address to answer on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,

    /// A database that `onrecord migrate` has prepared
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

struct Naive {
    model: Arc<Model>,
    pool: Pool,
}

#[OpenApi]
impl Naive {
    #[oai(path = "/predict", method = "post")]
    async fn predict(
        &self,
        Json(measurements): Json<Measurements>,
    ) -> poem::Result<Json<Prediction>> {
        let (arrived, input) = (Utc::now(), domain::Measurements::from(measurements));
        let id = new_id(arrived);
        let output = self.model.predict(&input).map_err(InternalServerError)?;
        self.record(id, arrived, &input, &output).await?;
        let warnings = domain::Warning::about(&input, self.model.training_ranges());
        Ok(Json(Prediction {
            id: id.to_string(),
            timestamp: arrived.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            iris_class: output.class.number(),
            species: output.class.name().to_owned(),
            probabilities: output.probabilities.to_vec(),
            model_version: self.model.version().to_owned(),
            warnings: warnings.into_iter().map(Warning::from).collect(),
        }))
    }
}

impl Naive {
    async fn record(
        &self,
        id: Uuid,
        arrived: DateTime<Utc>,
        input: &domain::Measurements,
        output: &domain::Prediction,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut connection = self.pool.get().await?;
        let transaction = connection.transaction().await?;
        let statement = transaction.prepare_cached(INSERT_INPUT).await?;
        let [a, b, c, d] = input.to_row();
        transaction.execute(&statement, &[&id, &arrived, &a, &b, &c, &d]).await?;
        let statement = transaction.prepare_cached(INSERT_OUTPUT).await?;
        let (class, probabilities) = (output.class.number(), output.probabilities.as_slice());
        let version = self.model.version();
        transaction.execute(&statement, &[&id, &arrived, &class, &probabilities, &version]).await?;
        Ok(transaction.commit().await?)
    }
}

/// A UUIDv7.
fn new_id(arrived: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(arrived.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(milliseconds, &rand::random()).into_uuid()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    let database = settings.database_url.parse().context("the address of the database")?;
    let pool = Pool::builder(Manager::new(database, NoTls)).max_size(CONNECTIONS).build()?;
    let naive = Naive { model: Arc::new(Model::embedded()?), pool };
    let service = OpenApiService::new(naive, "naive", "1");
    serve(settings.listen, Route::new().nest("/", service)).await
}
