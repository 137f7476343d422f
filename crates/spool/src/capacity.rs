//! How much room there is.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::database::{Database, PAGE};
use crate::place::Place;
use crate::{Cause, Depth, Error, Limits};

/// At this size the log is written out to the database: 4 MiB, or less if the whole spool may not take much.
pub(crate) fn log_limit(limits: Limits) -> u64 {
    (limits.bytes / 8).min(4 << 20)
}

/// What counts against [`Limits::bytes`]: the pages in use, and the log.
///
/// Free pages do not count: they are what the next entries are written to, so after a drain there is all the room again.
pub(crate) fn used(database: &Database, place: &Place) -> rusqlite::Result<u64> {
    Ok(database.size()?.0.saturating_add(log_size(place)))
}

/// The size of the log file; it is emptied whenever it is written out.
pub(crate) fn log_size(place: &Place) -> u64 {
    std::fs::metadata(place.wal()).map_or(0, |metadata| metadata.len())
}

/// What stays free in any case, in bytes: to remove entries takes room, too.
const RESERVE: u64 = 256 << 10;

/// What is left, counted down while entries are chosen.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: u64,
}

impl Room {
    /// The room within the limits: by bytes, and by what else lies on the file system.
    pub(crate) fn measure(
        database: &Database,
        place: &Place,
        limits: Limits,
    ) -> Result<Self, Error> {
        let used = used(database, place).map_err(|error| Error::Failed {
            action: "measure the spool",
            source: Cause::from(error),
        })?;
        Ok(Self { bytes: left(used, place.directory(), limits)? })
    }

    /// How many bytes are left.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the room for entries with payloads of these sizes, in bytes, if it is there.
    pub(crate) fn take(&mut self, payloads: impl Iterator<Item = usize>) -> bool {
        // Each page is written to the log first, and from there to the database.
        let needed = payloads.map(charge).sum::<u64>().saturating_mul(2);
        let fits = needed <= self.bytes;
        if fits {
            self.bytes -= needed;
        }
        fits
    }
}

/// The bytes that may still be written, as whoever only looks sees it: without waiting for the writer, and 0 if that would
/// not take anything, or less than a page is left.
pub(crate) fn left_beside(depth: Depth, directory: &Path, limits: Limits) -> u64 {
    match left(depth.bytes, directory, limits) {
        Ok(bytes) if !depth.failed && bytes >= PAGE as u64 => bytes,
        _ => 0,
    }
}

fn left(used: u64, directory: &Path, limits: Limits) -> Result<u64, Error> {
    Ok(limits.bytes.saturating_sub(used).min(spare(directory, limits)?))
}

/// The bytes of the file system that may still be used.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a disk need not be exact to the byte"
)]
fn spare(directory: &Path, limits: Limits) -> Result<u64, Error> {
    let disk = statvfs(directory)
        .map_err(|errno| Error::file("look at the disk of", directory)(errno.into()))?;
    let unit = disk.fragment_size();
    let free = disk.blocks_available().saturating_mul(unit);
    let share = disk.blocks().saturating_mul(unit) as f64 * limits.free_disk;
    let kept = limits.bytes.min(share as u64);
    Ok(free.saturating_sub(RESERVE.max(kept)))
}

/// The bytes that an entry takes in the database at most, its share of half-empty pages included.
fn charge(payload: usize) -> u64 {
    /// What a row needs beside its payload, at most: lengths, id and the other columns.
    const AROUND: usize = 40;
    /// What a page has room for: rows, and the bytes of one overflowing row.
    const ROWS: usize = PAGE - 8;
    const OVERFLOW: usize = PAGE - 4;
    let row = payload + AROUND;
    let bytes = if row <= ROWS { PAGE / (ROWS / row) } else { (row.div_ceil(OVERFLOW) + 1) * PAGE };
    // The inner pages of the table: one for some hundred others.
    (bytes + bytes / 64) as u64
}
