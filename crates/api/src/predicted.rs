//! The answer to a prediction, in the words in which it may have been kept for its key.

use std::marker::PhantomData;

use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::{idempotency, json};

/// A 200 whose body is a `T` in JSON.
#[derive(Debug)]
pub(crate) struct Predicted<T> {
    body: Vec<u8>,
    /// Whether the answer was kept for an earlier request.
    replayed: bool,
    shape: PhantomData<fn() -> T>,
}

impl<T> Predicted<T> {
    pub(crate) fn new(body: Vec<u8>, replayed: bool) -> Self {
        Self { body, replayed, shape: PhantomData }
    }
}

impl<T: Type> ApiResponse for Predicted<T> {
    fn meta() -> MetaResponses {
        let replayed = MetaHeader {
            name: "Idempotency-Replayed".to_owned(),
            description: Some(
                "`true` if this is the answer to an earlier request with the same key, and nothing was recorded now."
                    .to_owned(),
            ),
            required: false,
            deprecated: false,
            schema: bool::schema_ref(),
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The prediction, on the record.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: json::CONTENT_TYPE,
                    schema: T::schema_ref(),
                }],
                headers: vec![replayed],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Send> IntoResponse for Predicted<T> {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(json::CONTENT_TYPE);
        let mut response =
            Response::builder().header(header::CONTENT_TYPE, content_type).body(self.body);
        if self.replayed {
            let headers = response.headers_mut();
            headers.insert(&idempotency::REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
