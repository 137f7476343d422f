//! How busy the connections are.

use std::fmt;

use deadpool_postgres::Pool;

use crate::{Store, Writer};

/// Connections that share their work, to be looked at.
#[derive(Clone)]
pub struct Connections(Pool);

/// What connections are doing at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// How many of them there may be.
    pub most: usize,
    /// How many there are.
    pub open: usize,
    /// How many of these have nothing to do.
    pub idle: usize,
    /// How many wait for one.
    pub waiting: usize,
}

impl Connections {
    /// What they are doing now. The database is not asked.
    #[must_use]
    pub fn occupancy(&self) -> Occupancy {
        let status = self.0.status();
        Occupancy {
            most: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connections").field(&self.occupancy()).finish()
    }
}

impl Store {
    /// The connections for reading.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections(self.readers.pool.clone())
    }
}

impl Writer {
    /// Its connections.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections(self.connections.clone())
    }
}
