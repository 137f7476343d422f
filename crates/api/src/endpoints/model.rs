//! `GET /model`.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;

use super::{Endpoints, Group};
use crate::json::Json;
use crate::schema;

/// The operation that says which model this is.
pub(crate) struct ModelApi;

#[OpenApi(tag = "Group::Predict")]
impl ModelApi {
    /// Which model is served
    ///
    /// What it is called, what it takes and answers, and how well its model card says that it does.
    #[oai(path = "/model", method = "get")]
    async fn model(&self, Data(endpoints): Data<&Arc<Endpoints>>) -> Json<schema::Model> {
        Json(schema::Model::of(&endpoints.model, endpoints.started))
    }
}
