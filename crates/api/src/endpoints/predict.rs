//! `POST /predict` and `POST /predict/batch`.

use std::sync::Arc;

use domain::{Measurements, Record, Warning};
use inference::Model;
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use recorder::{Once, Recorded, Stored};

use super::{Endpoints, Group};
use crate::failure::{Failure, Failures};
use crate::front::Arrived;
use crate::guard::Caller;
use crate::idempotency::{Claimed, IdempotencyKey, fingerprint};
use crate::predicted::Predicted;
use crate::problem::{Code, Problem};
use crate::strict::Strict;
use crate::{json, schema};

/// The predicting operations.
pub(crate) struct PredictApi;

/// What can go wrong with predicting.
pub(crate) enum PredictFailures {}

impl Failures for PredictFailures {
    const STATUSES: &'static [u16] = &[400, 408, 413, 415, 422, 500, 503];
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
        /// Makes it safe to send the request again: what comes with the same key is recorded once, and answered each time
        /// as it was the first time, for a day.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        Strict(measurements): Strict<schema::Measurements>,
    ) -> Result<Predicted<schema::Prediction>, Failure<PredictFailures>> {
        // One row has one prediction.
        let render: Render = |predictions| json::body(&predictions.first());
        Ok(endpoints.record(*arrived, vec![measurements], key, "predict", render).await?)
    }

    /// Predict up to 10,000 rows
    ///
    /// The rows are recorded in one transaction, all or none of them, each under an id of its own; the predictions
    /// come in the order of the instances.
    #[oai(path = "/predict/batch", method = "post")]
    async fn predict_batch(
        &self,
        request: &Request,
        Data(endpoints): Data<&Arc<Endpoints>>,
        Data(arrived): Data<&Arrived>,
        /// Makes it safe to send the request again: what comes with the same key is recorded once, and answered each time
        /// as it was the first time, for a day.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        Strict(instances): Strict<schema::Batch>,
    ) -> Result<Predicted<schema::Predictions>, Failure<PredictFailures>> {
        // Only now it is known how many they are.
        endpoints.quotas.count_rows(request.extensions().get::<Caller>(), instances.len())?;
        let render: Render = |predictions| json::body(&schema::Predictions { predictions });
        Ok(endpoints.record(*arrived, instances, key, "predict_batch", render).await?)
    }
}

/// Makes the body of an answer.
type Render = fn(Vec<schema::Prediction>) -> Vec<u8>;

impl Endpoints {
    async fn record<T>(
        &self,
        arrived: Arrived,
        rows: Vec<Measurements>,
        IdempotencyKey(key): IdempotencyKey,
        operation: &str,
        render: Render,
    ) -> Result<Predicted<T>, Problem> {
        #[cfg(feature = "fail-points")]
        fail::fail_point!("api::record");
        if let Some(Claimed { caller, .. }) = &key {
            self.quotas.count_answer(caller, rows.len())?;
        }
        let once = key.map(|Claimed { caller, key }| {
            let model = Arc::clone(&self.model);
            Once {
                caller,
                key,
                fingerprint: fingerprint(operation, &rows),
                render: Box::new(move |records| {
                    render(predictions(&model, records, Stored::Committed))
                }),
            }
        });
        match self.recorder.record(arrived.0, rows, once).await.map_err(unrecorded)? {
            Recorded::Records { records, stored } => {
                Ok(Predicted::new(render(predictions(&self.model, &records, stored)), false))
            }
            Recorded::Answer { answer, replayed } => Ok(Predicted::new(answer, replayed)),
        }
    }
}

fn predictions(model: &Model, records: &[Record], stored: Stored) -> Vec<schema::Prediction> {
    let training = model.training_ranges();
    let prediction = |record: &Record| {
        schema::Prediction::new(record, Warning::about(&record.measurements, training), stored)
    };
    records.iter().map(prediction).collect()
}

/// What the client is told when there is no record, or none that is sure.
fn unrecorded(error: recorder::Error) -> Problem {
    let (code, detail) = match &error {
        recorder::Error::Full => {
            (Code::Overloaded, "too many predictions are waiting; nothing was recorded")
        }
        recorder::Error::TimedOut => {
            (Code::TimedOut, "the record was not written in time; nothing was recorded")
        }
        recorder::Error::Unavailable(cause) if cause.is_misfit() => {
            return Problem::internal(error);
        }
        recorder::Error::Away | recorder::Error::Unavailable(_) => (
            Code::DatabaseUnavailable,
            "the record cannot be written at the moment; nothing was recorded",
        ),
        recorder::Error::InDoubt(_) => {
            (Code::InDoubt, "the record was not confirmed in time; it may exist")
        }
        recorder::Error::Stopped => {
            (Code::Stopping, "the service is stopping; nothing was recorded")
        }
        recorder::Error::KeyReused => {
            let detail = "the Idempotency-Key was used for another request; nothing was recorded";
            return Problem::new(Code::IdempotencyKeyReused, detail);
        }
        recorder::Error::Refused(_) | recorder::Error::Model(_) | recorder::Error::Panicked => {
            return Problem::internal(error);
        }
    };
    Problem::new(code, detail).because(error)
}
