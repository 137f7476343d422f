//! Every failure that a client can see, as RFC 9457 problem details.

use std::error::Error as StdError;
use std::sync::Arc;

use domain::Causes;
use poem::error::{MethodNotAllowedError, NotFoundError, ResponseError};
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Error, IntoResponse, Response};
use poem_openapi::Object;
use poem_openapi::error::{ParseParamError, ParsePathError};
use serde::Serialize;

/// The media type of every failure.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// How long a client should wait before it tries again, in seconds.
const RETRY_AFTER: u32 = 1;

/// A request that failed: what is said to the client, and what only the log is told.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.details.detail)]
pub(crate) struct Problem {
    status: StatusCode,
    details: Box<ProblemDetails>,
    headers: Vec<(HeaderName, HeaderValue)>,
    closes: bool,
    of_bad_key: bool,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// A failure, as problem details (RFC 9457).
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Problem")]
pub(crate) struct ProblemDetails {
    /// What kind of problem it is; `about:blank` says that the status tells it.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// A word for programs, where more than one failure has this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Where the input is invalid, at most 100 places.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<Misfit>>,
}

/// One place where the input is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "InvalidInput")]
pub(crate) struct Misfit {
    /// A JSON pointer (RFC 6901) into the body, or a slash and the name of a parameter.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) message: String,
}

impl Problem {
    /// A failure with this status and explanation.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let details = ProblemDetails {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Unknown").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: None,
            errors: None,
        };
        let details = Box::new(details);
        let headers = vec![];
        Self { status, details, headers, closes: false, of_bad_key: false, cause: None }
    }

    /// 422: the request is understood, but these places of it do not fit.
    pub(crate) fn invalid(misfits: Vec<Misfit>) -> Self {
        Self::invalid_among(misfits.len(), misfits)
    }

    /// 422: so many places do not fit, these among them.
    pub(crate) fn invalid_among(all: usize, misfits: Vec<Misfit>) -> Self {
        let detail = match misfits.as_slice() {
            [one] => format!("{}: {}", one.pointer, one.message),
            listed if listed.len() < all => {
                format!("{all} places do not fit; the first {} are listed", listed.len())
            }
            _ => format!("{all} places do not fit"),
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        problem.details.errors = Some(misfits);
        problem
    }

    /// 422 because of one parameter.
    pub(crate) fn invalid_parameter(name: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![Misfit { pointer: format!("/{name}"), message: message.into() }])
    }

    /// 500: the reason is for the log only.
    pub(crate) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the service failed; the request is not at fault",
        )
        .because(cause)
    }

    /// 503: try again later.
    pub(crate) fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Adds what only the log is told.
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// 404: nothing is served there.
    pub(crate) fn nowhere() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "there is nothing at this address; the routes are at /docs",
        )
    }

    /// 405: the address answers to these methods.
    pub(crate) fn wrong_method(allowed: &HeaderValue) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not answer to this method")
            .with(header::ALLOW, allowed.clone())
    }

    /// Adds the word by which programs tell this failure from others of its status.
    pub(crate) fn coded(mut self, code: &str) -> Self {
        self.details.code = Some(code.to_owned());
        self
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// After this answer the connection ends: what else comes on it cannot be trusted, or waited for.
    pub(crate) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// The same, about a key that was shown and does not count.
    pub(crate) fn of_bad_key(mut self) -> Self {
        self.of_bad_key = true;
        self
    }

    /// Whether it is about a key that was shown and does not count.
    pub(crate) fn is_of_bad_key(&self) -> bool {
        self.of_bad_key
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What the log is told: the cause and its causes in turn.
    pub(crate) fn cause(&self) -> Option<String> {
        Some(Causes(self.cause.as_deref()?).to_string())
    }

    /// Gives the failures of the HTTP stack the form of ours; `path_parameter` is the name of the address's own.
    pub(crate) fn from_poem(error: Error, path_parameter: Option<&str>) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(problem) => return problem,
            Err(error) => error,
        };
        if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
            return Self::invalid_parameter(name, misfit(reason));
        }
        if let (Some(name), Some(ParsePathError { reason, .. })) =
            (path_parameter, error.downcast_ref())
        {
            return Self::invalid_parameter(name, misfit(reason));
        }
        let undecodable = error.is::<poem::error::ParsePathError>();
        if let (Some(name), true) = (path_parameter, undecodable) {
            return Self::invalid_parameter(name, "must be UTF-8");
        }
        // The router decodes addresses that it does not know as well.
        if undecodable || error.is::<NotFoundError>() {
            return Self::nowhere();
        }
        // Pages: nothing else is routed whose method was not looked up before.
        if error.is::<MethodNotAllowedError>() {
            return Self::wrong_method(&HeaderValue::from_static("GET, HEAD"));
        }
        let status = error.status();
        if status.is_server_error() {
            Self::internal(error.to_string())
        } else {
            Self::new(status, excerpt(&error.to_string()))
        }
    }
}

/// The reason why a parameter does not fit, without what poem-openapi puts around it.
fn misfit(reason: &str) -> String {
    let reason = reason
        .strip_prefix("failed to parse")
        .and_then(|rest| rest.split_once("\": "))
        .map_or(reason, |it| it.1);
    let reason = reason.split_once(" (occurred while parsing").map_or(reason, |it| it.0);
    excerpt(&reason.replace("verification failed. ", "must satisfy "))
}

/// The beginning of a text that may quote what was sent.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut excerpt: String = text.chars().take(LONGEST).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response
    where
        Self: StdError + Send + Sync + 'static,
    {
        self.clone().into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Strings and numbers always serialize.
        let body = serde_json::to_vec(&self.details).unwrap_or_default();
        let mut response =
            Response::builder().status(self.status).content_type(CONTENT_TYPE).body(body);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
        }
        if self.closes {
            // HTTP/2 has no such header; hyper leaves it out there.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response.headers_mut().extend(self.headers);
        response
    }
}
