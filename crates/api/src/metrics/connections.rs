//! The connections to the database.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use storage::{Connections, Occupancy};

use super::exposition::Exposition;

/// Pools of connections, to be looked at.
#[derive(Debug)]
pub(super) struct Pools(Vec<(&'static str, Connections)>);

/// One figure of a pool.
struct Figure {
    name: &'static str,
    help: &'static str,
    of: fn(Occupancy) -> usize,
}

const FIGURES: [Figure; 4] = [
    Figure {
        name: "onrecord_db_pool_max",
        help: "Connections that there may be",
        of: |occupancy| occupancy.most,
    },
    Figure {
        name: "onrecord_db_pool_size",
        help: "Connections that are open",
        of: |occupancy| occupancy.open,
    },
    Figure {
        name: "onrecord_db_pool_available",
        help: "Open connections that have nothing to do",
        of: |occupancy| occupancy.idle,
    },
    Figure {
        name: "onrecord_db_pool_waiting",
        help: "Operations that wait for a connection",
        of: |occupancy| occupancy.waiting,
    },
];

impl Pools {
    pub(super) fn new(pools: Vec<(&'static str, Connections)>) -> Self {
        Self(pools)
    }
}

impl Collector for Pools {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::from(encoder);
        let occupancies: Vec<_> =
            self.0.iter().map(|(pool, connections)| (*pool, connections.occupancy())).collect();
        for Figure { name, help, of } in FIGURES {
            let values = occupancies
                .iter()
                .map(|(pool, occupancy)| ([("pool", *pool)], of(*occupancy) as u64));
            exposition.gauges(name, help, values)?;
        }
        Ok(())
    }
}
