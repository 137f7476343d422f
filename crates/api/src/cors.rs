//! Pages of other origins that may call the service from a browser (the CORS protocol of the Fetch standard).

use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

/// The methods that a page may use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");

/// The headers that a page may set.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-encoding, content-type, idempotency-key, x-request-id",
);

/// The headers of answers that a page may read, besides those that every page may.
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("allow, idempotency-replayed, retry-after, x-request-id");

/// For how long a browser need not ask again, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins that are allowed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cors(Vec<HeaderValue>);

impl Cors {
    /// The origins of the settings, each `scheme://host` with or without a port.
    pub(crate) fn of(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// The origin of this request, if it is an allowed one. Requests of programs have none.
    pub(crate) fn origin(&self, request: &Request) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let origin = request.headers().get(header::ORIGIN)?;
        self.0.iter().find(|allowed| *allowed == origin).cloned()
    }
}

/// Whether a browser asks if a page may send what it is about to send.
pub(crate) fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to such a question: what may be sent.
pub(crate) fn preflight() -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Lets the pages of this origin read the answer.
pub(crate) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
