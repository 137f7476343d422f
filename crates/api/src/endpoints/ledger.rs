//! `GET /ledger`.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use spool::Spool;

use super::{Endpoints, Group};
use crate::json::Json;
use crate::schema;

/// The operation that gives account.
pub(crate) struct LedgerApi;

#[OpenApi(tag = "Group::Record")]
impl LedgerApi {
    /// What became of every row
    ///
    /// Since this process started, and at every moment: `received` = `committed` + `spooled` + `refused` + `failed` +
    /// `waiting`.
    #[oai(path = "/ledger", method = "get")]
    async fn ledger(&self, Data(endpoints): Data<&Arc<Endpoints>>) -> Json<schema::Ledger> {
        let spool = endpoints.spool.as_ref();
        let depth = spool.map(Spool::depth).unwrap_or_default();
        let spool = schema::Spool::new(depth, spool.map_or(0, Spool::room));
        Json(schema::Ledger::new(endpoints.started, endpoints.recorder.tally(), spool))
    }
}
