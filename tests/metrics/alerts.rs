//! The alert rules and the dashboard: each figure and each label that they name is served.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Scrape, Service, TestDatabase, flower};

/// What Prometheus adds itself.
const OF_PROMETHEUS: [&str; 1] = ["up"];
/// What is served only by HTTPS; `tls::renewal` sees it.
const OF_HTTPS: [&str; 1] = ["onrecord_tls_certificate_expiry_timestamp_seconds"];
const LABELS_OF_PROMETHEUS: [&str; 2] = ["instance", "job"];

/// The words of its language that are followed by no parenthesis, and those that are followed by labels.
const OPERATORS: [&str; 4] = ["and", "or", "unless", "bool"];
const OVER_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What a rule names.
#[derive(Debug, Default)]
struct Named {
    figures: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Named {
    /// Reads an expression; what it does not understand it takes for the name of a figure.
    fn read(&mut self, expression: &str) {
        let mut rest = expression;
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let (word, after) = rest.split_at(word.unwrap_or(rest.len()));
            let followed_by = after.trim_start();
            rest = if first == '[' {
                &rest[rest.find(']').unwrap()..]
            } else if first == '{' {
                self.matchers(&rest[1..])
            } else if word.is_empty() {
                &rest[first.len_utf8()..]
            } else if OVER_LABELS.contains(&word) && followed_by.starts_with('(') {
                let (labels, after) = followed_by[1..].split_once(')').unwrap();
                self.labels.extend(labels.split(',').map(|label| label.trim().to_owned()));
                after
            } else {
                let is_number = word.starts_with(|c: char| c.is_ascii_digit());
                let is_function =
                    ["(", "by ", "without "].iter().any(|it| followed_by.starts_with(it));
                if !is_number && !is_function && !OPERATORS.contains(&word) {
                    self.figures.insert(word.to_owned());
                }
                after
            };
        }
    }

    /// Reads `label="value", …}` and gives what follows.
    fn matchers<'e>(&mut self, mut rest: &'e str) -> &'e str {
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let (label, after) = rest.split_once(['=', '!']).unwrap();
            self.labels.insert(label.trim().to_owned());
            let (_operator, after) = after.split_once('"').unwrap();
            rest = after.split_once('"').unwrap().1;
        }
    }
}

/// A file of `deploy/`.
fn deployed(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("deploy").join(file)).unwrap()
}

/// What the panels of the dashboard ask.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&deployed("grafana/onrecord.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn rules() -> Vec<Value> {
    let text = deployed("prometheus/alerts.yaml");
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap()).cloned().collect()
}

#[tokio::test]
async fn every_figure_of_the_rules_and_the_dashboard_is_served() {
    let mut named = Named::default();
    let queries = queries();
    assert!(queries.len() > 10, "{queries:?}");
    for query in queries {
        named.read(&query);
    }
    let mut made = BTreeSet::new();
    for rule in rules() {
        named.read(rule["expr"].as_str().unwrap());
        made.extend(rule["record"].as_str().map(ToOwned::to_owned));
    }
    let (database, spool) = (TestDatabase::create().await, TempDir::new().unwrap());
    // The record is looked at when the service starts.
    let earlier = Service::start(&database).await;
    earlier.predict(&flower()).await;
    earlier.stop().await;
    let variables = [("SPOOL_DIR", spool.path().as_os_str()), ("RETAIN_DAYS", OsStr::new("30"))];
    let service = Service::start_with(&database, variables).await;
    service.predict(&flower()).await;
    let scrape = Scrape::whole(&service).await;

    let names = scrape.names();
    assert!(named.figures.contains("onrecord_circuit_open"), "{named:?}");
    assert!(named.figures.len() > 15, "{named:?}");
    let elsewhere = [OF_PROMETHEUS, OF_HTTPS].concat();
    for figure in &named.figures {
        let known = made.contains(figure) || elsewhere.contains(&figure.as_str());
        assert!(known || names.contains(figure.as_str()), "a rule or a panel wants {figure}");
    }
    let labels = scrape.labels();
    assert!(named.labels.contains("http_route"), "{named:?}");
    for label in &named.labels {
        let known = LABELS_OF_PROMETHEUS.contains(&label.as_str());
        assert!(
            known || labels.contains(label.as_str()),
            "a rule or a panel wants the label {label}"
        );
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let alerts: Vec<_> = rules().into_iter().filter(|rule| rule["alert"].is_string()).collect();
    assert!(alerts.len() > 15, "{}", alerts.len());
    for alert in alerts {
        let severity = alert["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning")), "{alert}");
        for annotation in ["summary", "description", "runbook"] {
            let text = alert["annotations"][annotation].as_str().unwrap_or_default();
            assert!(text.len() > 15 && !text.contains('\n'), "{annotation} of {alert}");
        }
    }
}
