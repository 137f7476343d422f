//! The background tasks.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Exposition;
use crate::tasks::Restarts;

/// How often each of them was started again.
#[derive(Debug)]
pub(super) struct Tasks(Vec<Restarts>);

impl Tasks {
    pub(super) fn new(restarts: Vec<Restarts>) -> Self {
        Self(restarts)
    }
}

impl Collector for Tasks {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let restarts = self.0.iter().map(|it| ([("task", it.task)], it.count.load(Relaxed)));
        Exposition::from(encoder).counters(
            "onrecord_background_task_restarts",
            "How often a background task ended or panicked, and was started again",
            restarts,
        )
    }
}
