//! The tables: what SQLite is asked, and how it is set.

use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};

/// The size of a page in bytes. Salvage reads pages without SQLite, so it is said here and not left to SQLite.
pub(crate) const PAGE: usize = 4096;

const SCHEMA: &str = "
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        arrived INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        entry INTEGER NOT NULL,
        arrived INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        payload BLOB NOT NULL,
        reason TEXT NOT NULL,
        quarantined INTEGER NOT NULL
    ) STRICT;";

/// One row of the table `entry`. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) arrived: i64,
    pub(crate) rows: i64,
    pub(crate) payload: Vec<u8>,
}

/// The connection to the database.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
}

type Result<T> = rusqlite::Result<T>;

impl Database {
    /// Opens the file, which exists, and carries out what its log has; an empty file gets the tables.
    ///
    /// A malformed one may be noticed or not: see [`check`](Self::check).
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(path, flags)?;
        let mut database = Self { connection };
        // What turns out to be malformed stays as it is.
        database.leave_log_when_closed(true)?;
        // Nobody else gets in, and the index of the log needs no file.
        database.set("locking_mode", "EXCLUSIVE")?;
        database.set("page_size", PAGE as i64)?;
        database.set("journal_mode", "WAL")?;
        // A commit waits for the disk.
        database.set("synchronous", "FULL")?;
        // The log is written out when the writer says so: SQLite would not tell that it failed.
        database.set("wal_autocheckpoint", 0)?;
        // Nothing is written before the commit.
        database.set("cache_spill", "OFF")?;
        database.set("temp_store", "MEMORY")?;
        database.set("cell_size_check", "ON")?;
        if database.number("SELECT count(*) FROM sqlite_schema")? == 0
            && database.number("PRAGMA page_count")? <= 1
        {
            let creation = database.connection.transaction()?;
            creation.execute_batch(SCHEMA)?;
            creation.commit()?;
        }
        Ok(database)
    }

    /// Whether SQLite finds nothing wrong with the file; it reads all of it.
    pub(crate) fn check(&self) -> Result<bool> {
        let first: String =
            self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok(first == "ok")
    }

    /// Whether closing leaves the log as it is, instead of writing it out and removing it.
    pub(crate) fn leave_log_when_closed(&self, leave: bool) -> Result<()> {
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)?;
        Ok(())
    }

    /// Writes the log out and closes.
    pub(crate) fn close(self) -> Result<()> {
        self.write_out_log()?;
        self.leave_log_when_closed(false)?;
        self.connection.close().map_err(|(_, error)| error)
    }

    /// Adds entries, given as arrival, number of rows and payload: all or none.
    pub(crate) fn insert(&mut self, entries: &[(i64, i64, &[u8])]) -> Result<()> {
        self.transaction(|transaction| {
            let mut insert = transaction
                .prepare("INSERT INTO entry (arrived, rows, payload) VALUES (?1, ?2, ?3)")?;
            for entry in entries {
                insert.execute(*entry)?;
            }
            Ok(())
        })
    }

    /// Shows each entry after `id`, oldest first, for as long as the answer is that more are wanted.
    pub(crate) fn scan_after(&self, id: i64, mut see: impl FnMut(Row) -> bool) -> Result<()> {
        let mut select = self
            .connection
            .prepare("SELECT id, arrived, rows, payload FROM entry WHERE id > ?1 ORDER BY id")?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let row = Row {
                id: row.get(0)?,
                arrived: row.get(1)?,
                rows: row.get(2)?,
                payload: row.get(3)?,
            };
            if !see(row) {
                break;
            }
        }
        Ok(())
    }

    /// Removes these entries, all or none. Returns how many were there, and their rows.
    pub(crate) fn remove(&mut self, ids: &[i64]) -> Result<(u64, u64)> {
        self.transaction(|transaction| {
            let mut delete =
                transaction.prepare("DELETE FROM entry WHERE id = ?1 RETURNING rows")?;
            let (mut entries, mut rows) = (0, 0);
            for id in ids {
                let removed: Option<i64> = delete.query_row([id], |row| row.get(0)).optional()?;
                entries += u64::from(removed.is_some());
                rows += removed.unwrap_or_default().unsigned_abs();
            }
            Ok((entries, rows))
        })
    }

    /// Moves entries into quarantine, each for its reason, all or none. Returns how many were there, and their rows.
    pub(crate) fn quarantine(&mut self, entries: &[(i64, String)]) -> Result<(u64, u64)> {
        self.transaction(|transaction| {
            let mut copy = transaction.prepare(
                "INSERT INTO quarantine (entry, arrived, rows, payload, reason, quarantined)
                 SELECT id, arrived, rows, payload, ?2, ?3 FROM entry WHERE id = ?1",
            )?;
            let mut delete =
                transaction.prepare("DELETE FROM entry WHERE id = ?1 RETURNING rows")?;
            let (mut moved, mut rows) = (0, 0);
            for (id, reason) in entries {
                copy.execute(params![
                    id,
                    reason,
                    DateTime::<Utc>::from(SystemTime::now()).timestamp_micros()
                ])?;
                let removed: Option<i64> = delete.query_row([id], |row| row.get(0)).optional()?;
                moved += u64::from(removed.is_some());
                rows += removed.unwrap_or_default().unsigned_abs();
            }
            Ok((moved, rows))
        })
    }

    /// The arrival of the oldest entry.
    pub(crate) fn oldest_arrival(&self) -> Result<Option<i64>> {
        self.connection
            .query_row("SELECT arrived FROM entry ORDER BY id LIMIT 1", [], |row| row.get(0))
            .optional()
    }

    /// How many rows an entry has, if it is there.
    pub(crate) fn rows_of(&self, id: i64) -> Result<Option<u64>> {
        let mut select = self.connection.prepare("SELECT rows FROM entry WHERE id = ?1")?;
        let rows: Option<i64> = select.query_row([id], |row| row.get(0)).optional()?;
        Ok(rows.map(i64::unsigned_abs))
    }

    /// How many entries there are, and their rows.
    pub(crate) fn totals(&self) -> Result<(u64, u64)> {
        let entries = self.number("SELECT count(*) FROM entry")?;
        Ok((entries, self.number("SELECT coalesce(sum(rows), 0) FROM entry")?))
    }

    /// How many entries are in quarantine.
    pub(crate) fn quarantined(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM quarantine")
    }

    /// The bytes of the pages that hold something, and of those that are free.
    pub(crate) fn size(&self) -> Result<(u64, u64)> {
        let pages = self.number("PRAGMA page_count")?;
        let free = self.number("PRAGMA freelist_count")?;
        let bytes = |pages: u64| pages.saturating_mul(PAGE as u64);
        Ok((bytes(pages.saturating_sub(free)), bytes(free)))
    }

    /// Writes the log out to the database file, and empties it.
    pub(crate) fn write_out_log(&self) -> Result<()> {
        let busy: i64 =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        // Nobody else is there to be busy.
        if busy == 0 { Ok(()) } else { Err(failure(ErrorCode::DatabaseBusy)) }
    }

    /// Writes the database anew without its free pages, which costs as much as what it holds.
    pub(crate) fn compact(&self) -> Result<()> {
        self.connection.execute_batch("VACUUM")?;
        self.write_out_log()
    }

    /// Carries out `work` in one transaction; what fails changes nothing.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let transaction = self.connection.transaction()?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// The one number that this asks for; never negative.
    pub(crate) fn number(&self, question: &str) -> Result<u64> {
        let number: i64 = self.connection.query_row(question, [], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    }

    fn set(&self, pragma: &str, value: impl rusqlite::ToSql) -> Result<()> {
        self.connection.pragma_update(None, pragma, value)
    }
}

fn failure(code: ErrorCode) -> rusqlite::Error {
    let extended_code =
        if code == ErrorCode::DatabaseBusy { rusqlite::ffi::SQLITE_BUSY } else { 0 };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error { code, extended_code }, None)
}

/// Whether there was no room on the disk. Then nothing was changed.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::TooBig))
}

/// Whether the file cannot be used for what the system or another process says, and not for what is in it.
pub(crate) fn is_out_of_reach(error: &rusqlite::Error) -> bool {
    // Too short a file is a reading error to SQLite, and damage to us.
    let short = rusqlite::ffi::SQLITE_IOERR_SHORT_READ;
    error.sqlite_error().is_some_and(|failure| {
        failure.extended_code != short
            && matches!(
                failure.code,
                ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::PermissionDenied
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
                    | ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
            )
    })
}
