//! Out of a malformed database into a fresh one: every row that can still be read.

use rusqlite::{Statement, Transaction, params};

use crate::Error;
use crate::cells::{Cell, cells};
use crate::database::{Database, Row};
use crate::format::{Unreadable, decode};
use crate::pages::Pages;
use crate::place::Place;

/// How many bytes are written together, about.
const BATCH: usize = 4 << 20;

/// What one entry takes on the disk at least, in bytes.
const SMALLEST_ENTRY: u64 = 64;

/// Makes the salvaged database, complete and on the disk, and leaves the malformed one as it is. Returns of how many
/// entries nothing was found, at most.
///
/// Rows of which the payload is damaged are taken over as they are: it is the opening that judges them. So may be
/// entries that were removed, where the list of free pages is damaged too.
pub(crate) fn salvage(place: &Place) -> Result<u64, Error> {
    let pages = Pages::open(place).map_err(Error::file("read", place.database()))?;
    let path = place.unfinished();
    place.remove_unfinished()?;
    place.create_file(&path)?;
    let mut fresh = Database::open(&path).map_err(Error::open(&path))?;

    let (mut batch, mut bytes) = (Vec::new(), 0);
    let (mut lost, mut last) = (0_u64, 0);
    for image in pages.images() {
        cells(&pages, &image, |cell| match &cell {
            Cell::Lost => lost += 1,
            Cell::Sequence(id) => last = last.max(*id),
            Cell::Entry(entry) | Cell::Quarantined { entry, .. } => {
                bytes += entry.payload.len() + 64;
                batch.push(cell);
            }
        });
        if bytes >= BATCH {
            write(&mut fresh, &batch).map_err(Error::open(&path))?;
            batch.clear();
            bytes = 0;
        }
    }
    write(&mut fresh, &batch).map_err(Error::open(&path))?;
    let missing = missing(&mut fresh, last).map_err(Error::open(&path))?;
    fresh.close().map_err(Error::open(&path))?;
    place.finish_salvage()?;
    Ok(lost.max(missing.min(pages.size() / SMALLEST_ENTRY)))
}

fn write(fresh: &mut Database, cells: &[Cell]) -> rusqlite::Result<()> {
    fresh.transaction(|transaction| {
        let mut add = transaction.prepare(
            "INSERT OR IGNORE INTO entry (id, arrived, rows, payload) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for cell in cells {
            match cell {
                Cell::Entry(entry) => {
                    if insert(&mut add, Some(entry.id), entry)? == 0 {
                        add_again(transaction, &mut add, entry)?;
                    }
                }
                Cell::Quarantined { entry, reason, quarantined } => {
                    transaction.execute(
                        "INSERT INTO quarantine (entry, arrived, rows, payload, reason, quarantined)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        params![
                            entry.id,
                            entry.arrived,
                            entry.rows,
                            entry.payload,
                            reason,
                            quarantined
                        ],
                    )?;
                }
                Cell::Sequence(_) | Cell::Lost => {}
            }
        }
        Ok(())
    })?;
    fresh.write_out_log()
}

fn insert(add: &mut Statement<'_>, id: Option<i64>, entry: &Row) -> rusqlite::Result<usize> {
    add.execute(params![id, entry.arrived, entry.rows, entry.payload])
}

/// Adds an entry whose id is there already: SQLite moves rows between pages, and an id may be damaged, too.
fn add_again(
    transaction: &Transaction<'_>,
    add: &mut Statement<'_>,
    entry: &Row,
) -> rusqlite::Result<()> {
    let there: Vec<u8> =
        transaction
            .query_row("SELECT payload FROM entry WHERE id = ?1", [entry.id], |row| row.get(0))?;
    let is_damaged = |payload: &[u8]| decode(payload) == Err(Unreadable::Damaged);
    if there == entry.payload || is_damaged(&entry.payload) {
        return Ok(());
    }
    if is_damaged(&there) {
        transaction.execute("DELETE FROM entry WHERE id = ?1", [entry.id])?;
        insert(add, Some(entry.id), entry)?;
    } else {
        insert(add, None, entry)?;
    }
    Ok(())
}

/// How many ids are missing between the first entry and the last that was ever given. What is in quarantine is not missing;
/// if a copy of it was found among the entries, it is removed.
fn missing(fresh: &mut Database, last: i64) -> rusqlite::Result<u64> {
    fresh
        .transaction(|transaction| {
            transaction
                .execute("DELETE FROM entry WHERE id IN (SELECT entry FROM quarantine)", [])?;
            // No id is given twice, not even that of an entry that was removed.
            transaction.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'entry'",
                [last],
            )?;
            transaction.query_row(
                "WITH known AS (SELECT id FROM entry UNION SELECT entry FROM quarantine)
             SELECT max(?1, coalesce(max(id), 0)) - min(id) + 1 - count(*) FROM known
             WHERE id >= (SELECT min(id) FROM entry)",
                [last],
                |row| row.get::<_, Option<i64>>(0),
            )
        })
        .map(|missing| missing.map_or(0, |missing| u64::try_from(missing).unwrap_or(0)))
}
