//! `GET /predictions` and `GET /predictions/{id}`.

use std::sync::Arc;

use domain::Class;
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use storage::Filter;

use super::{Endpoints, Group, unreadable};
use crate::failure::{Failure, Failures};
use crate::json::Json;
use crate::problem::{Code, Flaw, Problem};
use crate::scalar::{Id, Timestamp};
use crate::schema;

/// The operations that read the record.
pub(crate) struct PredictionsApi;

/// What can go wrong with reading many records.
pub(crate) enum ListFailures {}

impl Failures for ListFailures {
    const STATUSES: &'static [u16] = &[422, 500, 503];
}

/// What can go wrong with reading one record.
pub(crate) enum FindFailures {}

impl Failures for FindFailures {
    const STATUSES: &'static [u16] = &[404, 422, 500, 503];
}

#[OpenApi(tag = "Group::Record")]
impl PredictionsApi {
    /// Read the record, newest first
    ///
    /// A page holds up to `limit` records. To read on, pass its `next_cursor` as `cursor`; pages neither shift nor
    /// repeat when predictions are added in the meantime. Where few records pass the filter a page may end early, even
    /// without a record: the last page is the one whose `next_cursor` is null.
    #[oai(path = "/predictions", method = "get")]
    #[expect(
        clippy::too_many_arguments,
        reason = "poem-openapi documents a parameter for each argument"
    )]
    async fn list(
        &self,
        Data(endpoints): Data<&Arc<Endpoints>>,
        request: &Request,
        /// How many records a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<u16>,
        /// Only records older than the one with this id: the `next_cursor` of the page before.
        cursor: Query<Option<Id>>,
        /// Only requests that arrived at this time or later (RFC 3339).
        from: Query<Option<Timestamp>>,
        /// Only requests that arrived before this time (RFC 3339).
        to: Query<Option<Timestamp>>,
        /// Only predictions of this class.
        #[oai(validator(minimum(value = "0"), maximum(value = "2")))]
        iris_class: Query<Option<i32>>,
        /// Only predictions of this model.
        #[oai(validator(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$"))]
        model_version: Query<Option<String>>,
        /// Only predictions whose largest probability is at least this.
        #[oai(validator(minimum(value = "0"), maximum(value = "1")))]
        min_confidence: Query<Option<f64>>,
        /// Only predictions whose largest probability is at most this.
        #[oai(validator(minimum(value = "0"), maximum(value = "1")))]
        max_confidence: Query<Option<f64>>,
    ) -> Result<Json<schema::Page>, Failure<ListFailures>> {
        let (earliest, end) = (from.0.map(|it| it.0), to.0.map(|it| it.0));
        if earliest.zip(end).is_some_and(|(from, to)| from > to) {
            let message = "must not be later than `to`";
            return Err(Problem::invalid_parameter("from", Flaw::OutOfRange, message).into());
        }
        if min_confidence.0.zip(max_confidence.0).is_some_and(|(least, most)| least > most) {
            let message = "must not be more than `max_confidence`";
            let problem = Problem::invalid_parameter("min_confidence", Flaw::OutOfRange, message);
            return Err(problem.into());
        }
        let filter = Filter {
            cursor: cursor.0.map(|Id(id)| id),
            from: earliest,
            to: end,
            class: iris_class.0.and_then(Class::from_number),
            model_version: model_version.0,
            min_confidence: min_confidence.0,
            max_confidence: max_confidence.0,
        };
        let _turn = endpoints.turns.of(request).await?;
        let page = endpoints.store.page(limit.0, &filter).await.map_err(unreadable)?;
        Ok(Json(page.into()))
    }

    /// Read one record
    ///
    /// Input, prediction and, once somebody has said it, the truth.
    #[oai(path = "/predictions/:id", method = "get")]
    async fn find(
        &self,
        Data(endpoints): Data<&Arc<Endpoints>>,
        request: &Request,
        /// The id that the prediction was answered with.
        id: Path<Id>,
    ) -> Result<Json<schema::Record>, Failure<FindFailures>> {
        let Path(Id(id)) = id;
        let _turn = endpoints.turns.of(request).await?;
        let record = endpoints.store.record(id).await.map_err(unreadable)?;
        let missing = || Problem::new(Code::NoSuchRecord, format!("no record has the id {id}"));
        Ok(Json(schema::Record::from(record.ok_or_else(missing)?)))
    }
}

fn default_limit() -> u16 {
    50
}
