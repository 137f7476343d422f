//! `GET /health/live` and `GET /health/ready`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use poem::web::Data;
use poem_openapi::OpenApi;

use super::{Endpoints, Group};
use crate::failure::{Failure, Failures};
use crate::json::Json;
use crate::problem::{Code, Problem};
use crate::schema::Health;

/// The operations that a supervisor calls.
pub(crate) struct HealthApi;

/// What can be wrong with the service's surroundings.
pub(crate) enum ReadyFailures {}

impl Failures for ReadyFailures {
    const STATUSES: &'static [u16] = &[503];
}

#[OpenApi(tag = "Group::Health")]
impl HealthApi {
    /// Is the process alive?
    ///
    /// It says yes as long as it answers, whatever becomes of the database.
    #[oai(path = "/health/live", method = "get")]
    async fn live(&self) -> Json<Health> {
        Json(Health::ok())
    }

    /// Can it predict and record?
    ///
    /// The model is loaded as long as the process lives. The database is asked once a second, for everybody who wants to
    /// know, whether it answers, whether its commits last, and whether this service may write to it. A service that was given a spool is ready without a database, as
    /// long as the spool takes something. One that is about to stop is not.
    #[oai(path = "/health/ready", method = "get")]
    async fn ready(
        &self,
        Data(endpoints): Data<&Arc<Endpoints>>,
    ) -> Result<Json<Health>, Failure<ReadyFailures>> {
        if endpoints.draining.load(Relaxed) {
            return Err(Problem::new(Code::Stopping, "the service is about to stop").into());
        }
        if endpoints.spool.as_ref().is_some_and(|spool| spool.room() > 0) {
            return Ok(Json(Health::ok()));
        }
        endpoints.readiness.check()?;
        Ok(Json(Health::ok()))
    }
}
