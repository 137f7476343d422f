//! `GET /metrics`.

use std::sync::Arc;

use poem::http::{HeaderValue, header};
use poem::web::Data;
use poem::{IntoResponse, Request, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, OpenApi};

use super::{Endpoints, Group};
use crate::metrics::Format;

/// The operation that Prometheus calls.
pub(crate) struct MetricsApi;

/// The figures, written.
pub(crate) struct Figures {
    text: String,
    format: Format,
}

#[OpenApi(tag = "Group::Health")]
impl MetricsApi {
    /// Figures for Prometheus
    ///
    /// In the format OpenMetrics; in the older one of Prometheus if only that is asked for (`Accept: text/plain`). They
    /// count from the start of this process.
    #[oai(path = "/metrics", method = "get")]
    async fn metrics(&self, Data(endpoints): Data<&Arc<Endpoints>>, request: &Request) -> Figures {
        let format = format(request);
        Figures { text: endpoints.metrics.write(format), format }
    }
}

/// What is asked for, as far as it matters: who takes OpenMetrics, or anything, gets that.
fn format(request: &Request) -> Format {
    let accepted = request.header(header::ACCEPT).unwrap_or_default();
    let older = accepted.contains("text/plain") && !accepted.contains("openmetrics-text");
    if older { Format::Prometheus } else { Format::OpenMetrics }
}

impl Format {
    /// The media type in the document.
    const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text",
            Self::Prometheus => "text/plain",
        }
    }

    /// The media type of the answer, with the version of the format.
    const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl ApiResponse for Figures {
    fn meta() -> MetaResponses {
        let content = |format: Format| MetaMediaType {
            content_type: format.media_type(),
            schema: String::schema_ref(),
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The figures of this moment.",
                status: Some(200),
                status_range: None,
                content: vec![content(Format::OpenMetrics), content(Format::Prometheus)],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        String::register(registry);
    }
}

impl IntoResponse for Figures {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.format.content_type());
        Response::builder().header(header::CONTENT_TYPE, content_type).body(self.text)
    }
}
