//! What the recorder does: batches, commits, predictions, and what became of every row.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{Class, N_CLASSES, Record, WarningCode};
use inference::Model;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use recorder::{Observer, Recorder, Stored, Tally};

use super::exposition::Exposition;

/// Up to the largest batch there is: a request of 10,000 rows.
const ROWS: [f64; 12] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 10_000.0];

/// From a disk that need not be waited for to the deadline of a write.
const SECONDS: [f64; 13] =
    [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Narrow where a model that knows its classes is.
const CONFIDENCES: [f64; 9] = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];

/// What the recorder has done, noted as it is done.
#[derive(Debug)]
pub(crate) struct Recording {
    model: Arc<Model>,
    batch_rows: Histogram,
    commit_seconds: Histogram,
    failures: Counter,
    predictions: [Counter; N_CLASSES],
    confidences: [Histogram; N_CLASSES],
    warnings: [Counter; WarningCode::ALL.len()],
    spooled: Counter,
}

impl Recording {
    /// Nothing so far, by this model.
    pub(crate) fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            batch_rows: Histogram::new(ROWS),
            commit_seconds: Histogram::new(SECONDS),
            failures: Counter::default(),
            predictions: Default::default(),
            confidences: std::array::from_fn(|_| Histogram::new(CONFIDENCES)),
            warnings: Default::default(),
            spooled: Counter::default(),
        }
    }
}

impl Observer for Recording {
    fn wrote(&self, rows: usize, took: Duration) {
        self.batch_rows.observe(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
        self.commit_seconds.observe(took.as_secs_f64());
    }

    fn failed(&self) {
        self.failures.inc();
    }

    fn recorded(&self, records: &[Record], stored: Stored) {
        if stored == Stored::Spooled {
            self.spooled.inc_by(records.len() as u64);
        }
        for Record { measurements, prediction, .. } in records {
            let class = prediction.class.index();
            self.predictions[class].inc();
            self.confidences[class].observe(prediction.confidence());
            for code in WarningCode::about(measurements, self.model.training_ranges()) {
                self.warnings[code as usize].inc();
            }
        }
    }
}

impl Collector for Recording {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::from(encoder);
        let version = self.model.version();
        exposition.counters(
            "onrecord_predictions",
            "Predictions on the record, or promised to it by the spool, by class",
            Class::ALL.iter().zip(&self.predictions).map(|(class, predictions)| {
                ([("model_version", version), ("class", class.name())], predictions.get())
            }),
        )?;
        exposition.histograms(
            "onrecord_prediction_confidence",
            "The probability of the predicted class",
            Class::ALL.iter().zip(&self.confidences).map(|(class, confidences)| {
                ([("model_version", version), ("class", class.name())], confidences)
            }),
        )?;
        exposition.counters(
            "onrecord_predict_warnings",
            "Warnings about predicted rows, by kind",
            WarningCode::ALL
                .iter()
                .zip(&self.warnings)
                .map(|(code, warnings)| ([("code", code.as_str())], warnings.get())),
        )?;
        exposition.histogram(
            "onrecord_batch_rows",
            "Rows written by one commit",
            &self.batch_rows,
        )?;
        exposition.histogram(
            "onrecord_commit_duration_seconds",
            "How long a batch took to be written, from a connection to the end of the commit",
            &self.commit_seconds,
        )?;
        exposition.counter(
            "onrecord_commit_failures",
            "Writes that failed, each attempt, and not because of their rows",
            self.failures.get(),
        )
    }
}

/// What became of every row, read off the recorder.
#[derive(Debug)]
pub(super) struct Rows {
    recorder: Recorder,
    recording: Arc<Recording>,
}

impl Rows {
    pub(super) fn new(recorder: Recorder, recording: Arc<Recording>) -> Self {
        Self { recorder, recording }
    }
}

impl Collector for Rows {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { recorder, recording } = self;
        let mut exposition = Exposition::from(encoder);
        let Tally { committed, refused, failed, waiting, replayed, .. } = recorder.tally();
        // The ledger's `spooled` is what is in the spool now, which goes down; a counter must not.
        let spooled = recording.spooled.get();
        exposition.counters(
            "onrecord_rows",
            "What became of rows; those that were spooled are committed later, and then among both",
            [
                ("committed", committed),
                ("spooled", spooled),
                ("refused", refused),
                ("failed", failed),
            ]
            .map(|(state, rows)| ([("state", state)], rows)),
        )?;
        exposition.counter(
            "onrecord_replayed",
            "Rows of requests that got the answer kept for their key",
            replayed,
        )?;
        exposition.gauge(
            "onrecord_rows_waiting",
            "Rows that are queued, being written, or in doubt",
            waiting,
        )?;
        exposition.gauge(
            "onrecord_queue_rows",
            "Rows that wait for their batch",
            recorder.queued() as u64,
        )?;
        exposition.gauge(
            "onrecord_queue_limit_rows",
            "With so many rows waiting, a request is refused",
            recorder.most() as u64,
        )?;
        exposition.gauge(
            "onrecord_circuit_open",
            "1 while the database is taken to be away, else 0",
            u64::from(recorder.is_away()),
        )
    }
}
