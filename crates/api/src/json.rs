//! An answer in JSON.

use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde::Serialize;

/// The media type of every answer, without parameters, which trip up several client generators.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// A 200 whose body is written by serde, without the detour of a `Value`.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Type> Payload for Json<T> {
    const CONTENT_TYPE: &'static str = CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type> ApiResponse for Json<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The answer.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: CONTENT_TYPE,
                    schema: T::schema_ref(),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Serialize + Send> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(CONTENT_TYPE);
        Response::builder().header(header::CONTENT_TYPE, content_type).body(body(&self.0))
    }
}

/// The value in JSON. All answers consist of strings, numbers, lists and objects, which always serialize.
pub(crate) fn body<T: Serialize>(value: &T) -> Vec<u8> {
    // One prediction fits into it.
    let mut body = Vec::with_capacity(512);
    let written = serde_json::to_writer(&mut body, value);
    debug_assert!(written.is_ok(), "{written:?}");
    // A long answer may wait for its client: then what it was written into should be no longer than itself.
    if body.capacity() > 64 << 10 {
        body.shrink_to_fit();
    }
    body
}
