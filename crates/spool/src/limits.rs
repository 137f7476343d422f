//! How much a spool may take.

/// The limits of a spool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// How many bytes of disk entries and quarantine may take, write-ahead log included.
    pub bytes: u64,
    /// Which share of the file system, 0 to 1, stays free, though never more than [`bytes`](Self::bytes): of a large one
    /// there is enough left then. Free is what an ordinary user may still use.
    pub free_disk: f64,
}

impl Default for Limits {
    /// 1 GiB, and a tenth of the file system stays free, or 1 GiB.
    fn default() -> Self {
        Self { bytes: 1 << 30, free_disk: 0.10 }
    }
}
