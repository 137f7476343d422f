//! Requests: how many are in work, and how long each took, by address, method and status.

use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

use poem::http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::exposition::Exposition;

/// The bounds of OpenTelemetry's HTTP conventions, in seconds, and two below them: most answers take less than the first.
const BOUNDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// What every address that is none of the document's is called here.
const OTHER_ROUTE: &str = "other";

/// The methods that the document knows; OpenTelemetry's name for all others.
const METHODS: [&str; 4] = ["GET", "POST", "HEAD", "_OTHER"];

/// More statuses than there are to the requests of one method for one address.
const STATUSES: usize = 24;

/// The requests since the service started.
///
/// What a client sends chooses among what is there, and adds nothing.
#[derive(Debug)]
pub(crate) struct Requests {
    in_work: Gauge,
    /// In the order of the contract; the last is every other address.
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    template: String,
    methods: [Answers; METHODS.len()],
}

/// The durations of requests by the status of their answer, filled from the front as statuses come up.
#[derive(Debug, Default)]
struct Answers([OnceLock<(u16, Histogram)>; STATUSES]);

/// A request in work. If it is dropped before it is answered, its client has gone.
#[derive(Debug)]
pub(crate) struct InWork<'a> {
    requests: &'a Requests,
    answers: Option<&'a Answers>,
    started: Instant,
}

impl Requests {
    /// None so far, for any of these addresses.
    pub(crate) fn new<'a>(templates: impl Iterator<Item = &'a str>) -> Self {
        let route =
            |template: &str| Route { template: template.to_owned(), methods: Default::default() };
        Self {
            in_work: Gauge::default(),
            routes: templates.chain([OTHER_ROUTE]).map(route).collect(),
        }
    }

    /// A request has come; `route` is the place of its address in the contract, if it has one.
    pub(crate) fn begin(
        &self,
        method: &Method,
        route: Option<usize>,
        started: Instant,
    ) -> InWork<'_> {
        self.in_work.inc();
        let route = route.and_then(|route| self.routes.get(route)).or(self.routes.last());
        let method = match *method {
            Method::GET => 0,
            Method::POST => 1,
            Method::HEAD => 2,
            _ => 3,
        };
        InWork { requests: self, answers: route.map(|route| &route.methods[method]), started }
    }
}

impl InWork<'_> {
    /// It is answered, after so many seconds.
    pub(crate) fn answered(mut self, status: StatusCode, seconds: f64) {
        if let Some(answers) = self.answers.take() {
            answers.observe(status.as_u16(), seconds);
        }
    }
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        self.requests.in_work.dec();
        if let Some(answers) = self.answers {
            answers.observe(0, self.started.elapsed().as_secs_f64());
        }
    }
}

impl Answers {
    /// `status`: 0 if nobody was there to be answered.
    fn observe(&self, status: u16, seconds: f64) {
        for slot in &self.0 {
            let (own, histogram) = slot.get_or_init(|| (status, Histogram::new(BOUNDS)));
            if *own == status {
                return histogram.observe(seconds);
            }
        }
    }
}

impl Collector for Requests {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::from(encoder);
        exposition.gauge(
            "http_server_active_requests",
            "Requests that are not answered yet",
            self.in_work.get(),
        )?;
        let series = self.routes.iter().flat_map(|Route { template, methods }| {
            METHODS.iter().zip(methods).flat_map(move |(method, Answers(answers))| {
                answers.iter().map_while(OnceLock::get).map(move |(status, histogram)| {
                    let status = if *status == 0 { String::new() } else { status.to_string() };
                    let labels = [
                        ("http_request_method", (*method).to_owned()),
                        ("http_route", template.clone()),
                        ("http_response_status_code", status),
                    ];
                    (labels, histogram)
                })
            })
        });
        exposition.histograms(
            "http_server_request_duration_seconds",
            "From the head of a request to its answer; without a status: the client went away before",
            series,
        )
    }
}
