//! `GET /health/live` and `GET /health/ready`.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;

use super::{Endpoints, Group};
use crate::failure::{Failure, Failures};
use crate::json::Json;
use crate::problem::Problem;
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
    #[oai(path = "/health/live", method = "get")]
    async fn live(&self) -> Json<Health> {
        Json(Health::ok())
    }

    /// Can it predict and record?
    ///
    /// The model is loaded as long as the process lives; the database is asked.
    #[oai(path = "/health/ready", method = "get")]
    async fn ready(
        &self,
        Data(endpoints): Data<&Arc<Endpoints>>,
    ) -> Result<Json<Health>, Failure<ReadyFailures>> {
        let unready = |error| Problem::unavailable("the record cannot be reached").because(error);
        endpoints.store.ping().await.map_err(unready)?;
        Ok(Json(Health::ok()))
    }
}
