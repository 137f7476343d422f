//! Every failure that a client can see, as RFC 9457 problem details.

mod code;
mod misfit;

use std::error::Error as StdError;
use std::sync::Arc;

use domain::Causes;
use poem::error::{MethodNotAllowedError, NotFoundError, ResponseError};
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Error, IntoResponse, Response};
use poem_openapi::Object;
use poem_openapi::error::{ParseParamError, ParsePathError};
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::code::{Code, Recorded};
pub(crate) use self::misfit::{Flaw, Misfit};

use crate::contract::Contract;
use crate::one_of::OneOf;

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
    code: Code,
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
    /// The kind of failure, for programs; each status lists its own.
    code: String,
    /// Whether the request has left a record; told with 503. `no`: it can be sent again. `unknown`: it can be sent again with the same
    /// `Idempotency-Key`, and without one may be recorded twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<OneOf<Recorded>>,
    /// Where the input is invalid, at most 100 places.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<Misfit>>,
}

impl Problem {
    /// A failure of this kind, with this explanation.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status();
        let details = ProblemDetails {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Unknown").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.name().to_owned(),
            recorded: code.recorded().map(OneOf),
            errors: None,
        };
        let details = Box::new(details);
        let headers = vec![];
        Self { status, details, headers, closes: false, code, cause: None }
    }

    /// 422: the request is understood, but these places of it do not fit.
    pub(crate) fn invalid(misfits: Vec<Misfit>) -> Self {
        Self::invalid_among(misfits.len(), misfits)
    }

    /// 422: so many places do not fit, these among them.
    pub(crate) fn invalid_among(all: usize, misfits: Vec<Misfit>) -> Self {
        let detail = match misfits.as_slice() {
            [one] if one.pointer.is_empty() => format!("the body {}", one.message),
            [one] => format!("{}: {}", one.pointer, one.message),
            listed if listed.len() < all => {
                format!("{all} values are invalid; `errors` lists the first {}", listed.len())
            }
            _ => format!("{all} values are invalid; `errors` lists them"),
        };
        let mut problem = Self::new(Code::InvalidInput, detail);
        problem.details.errors = Some(misfits);
        problem
    }

    /// 422 because of one parameter.
    pub(crate) fn invalid_parameter(name: &str, flaw: Flaw, message: impl Into<String>) -> Self {
        Self::invalid(vec![Misfit::new(flaw, format!("/{name}"), message)])
    }

    /// 500: the reason is for the log only.
    pub(crate) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "the service failed; the request is not at fault").because(cause)
    }

    /// 503: the service has too much to do.
    pub(crate) fn overloaded(detail: &str) -> Self {
        Self::new(Code::Overloaded, detail)
    }

    /// Adds what only the log is told.
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// 404: nothing is served there.
    pub(crate) fn nowhere() -> Self {
        Self::new(Code::NoSuchAddress, "nothing is served at this address; /docs shows what is")
    }

    /// 405: the address answers to these methods.
    pub(crate) fn wrong_method(allowed: &HeaderValue) -> Self {
        let methods = allowed.to_str().unwrap_or_default();
        Self::new(Code::MethodNotAllowed, format!("this address takes other methods: {methods}"))
            .with(header::ALLOW, allowed.clone())
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

    /// Whether it is about a key that was shown and does not count.
    pub(crate) fn is_of_bad_key(&self) -> bool {
        matches!(self.code, Code::ApiKeyInvalid | Code::TooManyInvalidKeys)
    }

    /// The same with another status, which the HTTP stack has chosen.
    fn answered_with(mut self, status: StatusCode) -> Self {
        self.status = status;
        self.details.status = status.as_u16();
        status.canonical_reason().unwrap_or("Unknown").clone_into(&mut self.details.title);
        self
    }

    /// The details, as they are sent.
    pub(crate) fn to_json(&self) -> Value {
        // Strings and numbers always serialize.
        serde_json::to_value(&self.details).unwrap_or_default()
    }

    /// The code, with the first places that are invalid, for the log: names of fields and parameters of ours, and nothing that the
    /// client has sent.
    pub(crate) fn reason(&self) -> String {
        const MOST: usize = 5;
        let misfits = self.details.errors.as_deref().unwrap_or_default();
        let places = misfits.iter().take(MOST).map(Misfit::place).collect::<Vec<_>>().join(", ");
        let more = if misfits.len() > MOST { ", …" } else { "" };
        let separator = if places.is_empty() { "" } else { ": " };
        format!("{}{separator}{places}{more}", self.code.name())
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What the log is told: the cause and its causes in turn.
    pub(crate) fn cause(&self) -> Option<String> {
        Some(Causes(self.cause.as_deref()?).to_string())
    }

    /// Gives the failures of the HTTP stack the form of ours, for a request at this path.
    pub(crate) fn from_poem(error: Error, contract: &Contract, path: &str) -> Self {
        let path_parameter = contract.path_parameter(path);
        let error = match error.downcast::<Self>() {
            Ok(problem) => return problem,
            Err(error) => error,
        };
        if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
            let (flaw, message) = misfit::of_parameter(contract.expected(path, name), reason);
            return Self::invalid_parameter(name, flaw, message);
        }
        if let (Some(name), Some(ParsePathError { reason, .. })) =
            (path_parameter, error.downcast_ref())
        {
            let (flaw, message) = misfit::of_parameter(contract.expected(path, name), reason);
            return Self::invalid_parameter(name, flaw, message);
        }
        let undecodable = error.is::<poem::error::ParsePathError>();
        if let (Some(name), true) = (path_parameter, undecodable) {
            return Self::invalid_parameter(name, Flaw::Malformed, "must be UTF-8");
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
            let problem = Self::new(Code::MalformedRequest, excerpt(&error.to_string()));
            problem.answered_with(status)
        }
    }
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
