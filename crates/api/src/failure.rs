//! Which failures an operation can end in, for the document.

use std::marker::PhantomData;

use poem::Error;
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::problem::{self, Problem, ProblemDetails};

/// The failures of one kind of operation.
pub(crate) trait Failures {
    /// The statuses, each of which has a line in [`description`].
    const STATUSES: &'static [u16];
    /// Whether a request may come with a key.
    const KEYED: bool = false;
}

/// A failure of an operation that documents the statuses of `F`.
pub(crate) struct Failure<F> {
    problem: Problem,
    kind: PhantomData<fn() -> F>,
}

impl<F> From<Problem> for Failure<F> {
    fn from(problem: Problem) -> Self {
        Self { problem, kind: PhantomData }
    }
}

impl<F> From<Failure<F>> for Error {
    fn from(failure: Failure<F>) -> Self {
        failure.problem.into()
    }
}

impl<F: Failures> ApiResponse for Failure<F> {
    fn meta() -> MetaResponses {
        let response = |status: &u16| MetaResponse {
            description: description(*status, F::KEYED),
            status: Some(*status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: problem::CONTENT_TYPE,
                schema: ProblemDetails::schema_ref(),
            }],
            headers: headers(*status),
        };
        MetaResponses { responses: F::STATUSES.iter().map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        ProblemDetails::register(registry);
    }
}

fn description(status: u16, keyed: bool) -> &'static str {
    match status {
        400 if keyed => {
            "The body is not JSON, holds a number beyond float64, or is nested deeper than 128; or the `Idempotency-Key` is malformed."
        }
        400 => "The body is not JSON, holds a number beyond float64, or is nested deeper than 128.",
        404 => "There is no such record.",
        408 => "The body took longer than 15 s to come. Nothing was recorded.",
        413 => "The body is larger than 4 MiB.",
        415 => "The body is not declared as `application/json`, or it is compressed.",
        422 if keyed => {
            "The request does not fit the schema; `errors` says where. Or its `Idempotency-Key` was used for another request. Nothing was recorded."
        }
        422 => "The request does not fit the schema; `errors` says where. Nothing was recorded.",
        500 => "The service failed; the request is not at fault. Nothing was recorded.",
        503 => {
            "The service has too much to do, or the record cannot be reached or written in time. `detail` says whether something may have been recorded."
        }
        _ => "",
    }
}

fn headers(status: u16) -> Vec<MetaHeader> {
    if status != 503 {
        return vec![];
    }
    vec![MetaHeader {
        name: "Retry-After".to_owned(),
        description: Some("After how many seconds to try again.".to_owned()),
        required: true,
        deprecated: false,
        schema: u32::schema_ref(),
    }]
}
