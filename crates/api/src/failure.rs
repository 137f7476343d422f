//! Which failures an operation can end in, for the document.

use std::marker::PhantomData;

use poem::Error;
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::problem::{self, Problem, ProblemDetails};

/// The failures of one kind of operation.
pub(crate) trait Failures {
    /// Their statuses.
    const STATUSES: &'static [u16];
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
            // The document describes each status once.
            description: "",
            status: Some(*status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: problem::CONTENT_TYPE,
                schema: ProblemDetails::schema_ref(),
            }],
            headers: vec![],
        };
        MetaResponses { responses: F::STATUSES.iter().map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        ProblemDetails::register(registry);
    }
}
