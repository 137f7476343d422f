//! What holds of every record, batch and key: random cases, shrunk to the smallest that breaks the law.

mod batches;
mod keys;
mod pages;

use domain::{FEATURES, Measurements, N_FEATURES};
use proptest::prelude::Strategy;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::support::{Service, TestDatabase};

/// Checks a law on so many random cases, one after the other on the same record.
fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    law: impl AsyncFn(&Service, &TestDatabase, S::Value),
) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (database, service) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let service = Service::start(&database).await;
        (database, service)
    });
    let config =
        Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let (on, service, database) = (&runtime, &service, &database);
    let checked = TestRunner::new(config).run(strategy, move |case| {
        on.block_on(law(service, database, case));
        Ok(())
    });
    checked.unwrap_or_else(|broken| panic!("{broken}"));
}

/// A row that is accepted: mostly what flowers are like, sometimes at the bounds or beyond anything seen.
fn any_row() -> impl Strategy<Value = Value> {
    let values: [_; N_FEATURES] = FEATURES.map(|feature| {
        let (minimum, maximum) = (feature.minimum, feature.maximum);
        let bounds = proptest::sample::select(vec![minimum, -minimum, 5e-324, maximum]);
        proptest::prop_oneof![6 => 0.0..8.0_f64, 2 => minimum..=maximum, 1 => bounds]
    });
    values.prop_map(|values| serde_json::to_value(Measurements::from_row(values)).unwrap())
}
