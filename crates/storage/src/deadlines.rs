//! How long each operation may take before it is an error.
//!
//! Together with the recorder's own deadline they keep every answer under two seconds while the database is away.

use std::time::Duration;

/// Getting a connection that works: waiting for a free one, connecting, checking that it answers. Several hosts share it.
pub const CONNECT: Duration = Duration::from_millis(900);

/// Writing one batch, the wait for a connection included.
pub const WRITE: Duration = Duration::from_millis(1_200);

/// Reading one record or one page of them, the wait for a connection included.
pub const READ: Duration = Duration::from_millis(1_500);

/// Waiting for another process that is migrating, and each statement of a migration's wait for a lock.
pub const MIGRATION_LOCK: Duration = Duration::from_secs(120);

/// Reaching the database when the service starts: a server may be starting at the same time.
pub const START: Duration = Duration::from_secs(5);

/// Each wait of the upkeep for a lock; behind it wait those who read and write.
pub const UPKEEP_LOCK: Duration = Duration::from_millis(100);
