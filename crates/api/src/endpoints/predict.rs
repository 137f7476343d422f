//! `POST /predict` and `POST /predict/batch`.

use std::sync::Arc;

use domain::{Measurements, Record, Warning};
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::OpenApi;

use super::{Endpoints, Group};
use crate::failure::{Failure, Failures};
use crate::front::Arrived;
use crate::json::Json;
use crate::problem::Problem;
use crate::schema;
use crate::strict::Strict;

/// The predicting operations.
pub(crate) struct PredictApi;

/// What can go wrong with predicting.
pub(crate) enum PredictFailures {}

impl Failures for PredictFailures {
    const STATUSES: &'static [u16] = &[400, 413, 415, 422, 500, 503];
}

#[OpenApi(tag = "Group::Predict")]
impl PredictApi {
    /// Predict one row
    ///
    /// Input and prediction are committed to PostgreSQL before this answers.
    #[oai(path = "/predict", method = "post")]
    async fn predict(
        &self,
        Data(endpoints): Data<&Arc<Endpoints>>,
        Data(arrived): Data<&Arrived>,
        Strict(measurements): Strict<schema::Measurements>,
    ) -> Result<Json<schema::Prediction>, Failure<PredictFailures>> {
        let mut predictions = endpoints.record(*arrived, vec![measurements]).await?;
        predictions
            .pop()
            .map(Json)
            .ok_or_else(|| Problem::internal("one row gave no record").into())
    }

    /// Predict up to 10,000 rows
    ///
    /// The rows are recorded in one transaction, all or none of them, each under an id of its own; the predictions
    /// come in the order of the instances.
    #[oai(path = "/predict/batch", method = "post")]
    async fn predict_batch(
        &self,
        Data(endpoints): Data<&Arc<Endpoints>>,
        Data(arrived): Data<&Arrived>,
        Strict(instances): Strict<schema::Batch>,
    ) -> Result<Json<schema::Predictions>, Failure<PredictFailures>> {
        let predictions = endpoints.record(*arrived, instances).await?;
        Ok(Json(schema::Predictions { predictions }))
    }
}

impl Endpoints {
    async fn record(
        &self,
        arrived: Arrived,
        rows: Vec<Measurements>,
    ) -> Result<Vec<schema::Prediction>, Problem> {
        let records = self.recorder.record(arrived.0, rows).await.map_err(unrecorded)?;
        let training = self.model.training_ranges();
        let answer = |record: &Record| {
            schema::Prediction::new(record, Warning::about(&record.measurements, training))
        };
        Ok(records.iter().map(answer).collect())
    }
}

/// What the client is told when there is no record, or none that is sure.
fn unrecorded(error: recorder::Error) -> Problem {
    let detail = match &error {
        recorder::Error::Full => "too many predictions are waiting; nothing was recorded",
        recorder::Error::TimedOut => "the record was not confirmed in time; it may exist",
        recorder::Error::Unavailable(_) => {
            "the record could not be written or not be confirmed; it may exist"
        }
        recorder::Error::Stopped => "the service is stopping; nothing was recorded",
        recorder::Error::Refused(_) | recorder::Error::Model(_) => return Problem::internal(error),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).because(error)
}
