//! What `/metrics` says, checked as strictly as OpenMetrics is written.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Service, eventually};

/// One look at the figures.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// The type of each family.
    types: BTreeMap<String, String>,
    /// The values, by the name of the sample and its labels.
    series: BTreeMap<(String, Labels), f64>,
}

type Labels = BTreeMap<String, String>;

/// The endings of the samples of a type.
fn endings(of: &str) -> &'static [&'static str] {
    match of {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum"],
        "info" => &["_info"],
        other => panic!("an unknown type: {other}"),
    }
}

impl Scrape {
    pub(crate) async fn of(service: &Service) -> Self {
        Self::answered(service.get("/metrics").await).await
    }

    /// The same of a service with keys, to which this secret is shown.
    pub(crate) async fn with(service: &Service, secret: &str) -> Self {
        let request = service.client.get(service.url("/metrics")).bearer_auth(secret);
        Self::answered(request.send().await.unwrap()).await
    }

    async fn answered(response: reqwest::Response) -> Self {
        let answer = Answer::read(response).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.header("content-type"), content_type);
        Self::parse(&answer.body)
    }

    /// The same, once the record was looked at, which is done after the start.
    pub(crate) async fn whole(service: &Service) -> Self {
        eventually("the size of the record is known", async || {
            Self::of(service).await.find("onrecord_record_bytes", &[]).is_some()
        })
        .await;
        Self::of(service).await
    }

    /// Panics if something is not as it must be.
    fn parse(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").expect("it ends with an end");
        let mut scrape = Self { types: BTreeMap::new(), series: BTreeMap::new() };
        let mut family = String::new();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(!help.is_empty(), "{line}");
                assert!(helped.insert(name.to_owned()), "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, of) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(helped.contains(name), "no help: {line}");
                assert!(scrape.types.insert(name.to_owned(), of.to_owned()).is_none(), "{line}");
                name.clone_into(&mut family);
            } else {
                let (name, labels, value) = sample(line);
                let ending = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line}"));
                assert!(endings(&scrape.types[&family]).contains(&ending), "{line}");
                assert!(scrape.series.insert((name, labels), value).is_none(), "twice: {line}");
            }
        }
        scrape.check_histograms();
        scrape
    }

    /// Buckets rise, and the last one holds everything.
    fn check_histograms(&self) {
        let mut last: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.series {
            if let Some(family) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").unwrap().parse().unwrap();
                last.entry((family.to_owned(), labels)).or_default().push((bound, *value));
            }
        }
        for ((family, labels), mut buckets) in last {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{family}: {buckets:?}");
            let count = self.series[&(format!("{family}_count"), labels)];
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{family}");
        }
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    /// The names of all samples.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.series.keys().map(|(name, _)| name.as_str()).collect()
    }

    /// The names of all labels.
    pub(crate) fn labels(&self) -> BTreeSet<&str> {
        self.series.keys().flat_map(|(_, labels)| labels.keys()).map(String::as_str).collect()
    }

    /// The sum of the series of this name that have these labels, if there is any.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |has: &Labels| {
            labels.iter().all(|(name, value)| has.get(*name).is_some_and(|it| it == value))
        };
        let found = self.series.iter().filter(|((own, has), _)| own == name && fits(has));
        found.map(|(_, value)| *value).reduce(|a, b| a + b)
    }

    /// The same; there must be one.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?}: {self:#?}"))
    }

    /// How many requests for this address were answered with this status.
    pub(crate) fn requests(&self, method: &str, route: &str, status: &str) -> f64 {
        let labels = [
            ("http_request_method", method),
            ("http_route", route),
            ("http_response_status_code", status),
        ];
        self.find("http_server_request_duration_seconds_count", &labels).unwrap_or(0.0)
    }
}

/// Name, labels and value; none of ours has a quotation mark, a comma or a backslash in a label's value.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
    let Some((name, labels)) = series.split_once('{') else {
        return (series.to_owned(), Labels::new(), value);
    };
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    let labels = labels.split(',').map(|label| {
        let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
        let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        (name.to_owned(), value.unwrap_or_else(|| panic!("{line}")).to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}
