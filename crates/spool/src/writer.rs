//! The one thread that reads and writes: a commit for all appends that wait.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::DateTime;

use crate::capacity::{Room, log_limit, log_size, used};
use crate::command::{Append, Command, tell};
use crate::database::{Database, is_full};
use crate::lock::Lock;
use crate::opening::judge;
use crate::passing::Passing;
use crate::place::Place;
use crate::{Cause, Depth, Entry, EntryId, Error, Found, Limits};

/// The free pages from which on a database that holds next to nothing is made small again, in bytes.
const WORTH_COMPACTING: u64 = 1 << 20;

/// The owner of the database.
#[derive(Debug)]
pub(crate) struct Writer {
    database: Database,
    place: Place,
    limits: Limits,
    depth: Depth,
    /// The same, for everybody to see.
    shown: Arc<Mutex<Depth>>,
    /// What the disk said when it failed. A flush that failed is never tried again: the system may have forgotten what
    /// it could not write, and say yes.
    poisoned: Option<Cause>,
    /// After that: what was removed, but stays on the disk.
    passing: Passing,
    /// Let go last.
    _lock: Lock,
}

impl Writer {
    pub(crate) fn new(
        database: Database,
        place: Place,
        lock: Lock,
        limits: Limits,
        found: &Found,
        shown: Arc<Mutex<Depth>>,
    ) -> Result<Self, Error> {
        let depth = Depth {
            entries: found.entries,
            rows: found.rows,
            quarantined: found.quarantined,
            ..Depth::default()
        };
        let mut writer = Self {
            database,
            place,
            limits,
            depth,
            shown,
            poisoned: None,
            passing: Passing::default(),
            _lock: lock,
        };
        writer.tidy();
        writer.show();
        match writer.poisoned.take() {
            Some(source) => Err(Error::Open { path: writer.place.database(), source }),
            None => Ok(writer),
        }
    }

    /// Does what it is told until it is told to close, or nobody is left to tell it anything.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        let mut next = None;
        while let Some(command) = next.take().or_else(|| commands.recv().ok()) {
            match command {
                Command::Append(first) => next = self.append(first, commands),
                Command::Oldest { rows, answer } => {
                    let oldest = self.oldest(rows);
                    self.show();
                    tell(answer, oldest);
                }
                Command::Remove { entries, answer } => {
                    let removed = self.remove(&entries);
                    self.show();
                    tell(answer, removed);
                    self.tidy();
                    self.show();
                }
                Command::Quarantine { entry, reason, answer } => {
                    let done =
                        self.quarantine(&[(entry.0, reason)], "put an entry into quarantine");
                    self.show();
                    tell(answer, done);
                    self.tidy();
                    self.show();
                }
                Command::Close { answer } => {
                    drop(self);
                    return tell(answer, Ok(()));
                }
            }
        }
    }

    /// Writes this and whatever else waits with one commit. Returns what else was waiting.
    fn append(&mut self, first: Append, commands: &Receiver<Command>) -> Option<Command> {
        let (mut group, mut other) = (Vec::new(), None);
        let (mut bytes, mut room) = (0, self.room());
        let mut next = Some(first);
        while let Some(append) = next.take() {
            match &mut room {
                Err(error) => tell(append.answer, Err(error.clone())),
                Ok(room) => {
                    if room.take(append.sizes()) {
                        bytes += append.sizes().sum::<usize>();
                        group.push(append);
                    } else {
                        tell(append.answer, Err(Error::Full));
                    }
                }
            }
            if bytes as u64 >= log_limit(self.limits) {
                break;
            }
            match commands.try_recv() {
                Ok(Command::Append(append)) => next = Some(append),
                Ok(command) => other = Some(command),
                Err(_) => {}
            }
        }
        if group.is_empty() {
            return other;
        }
        let entries = || group.iter().flat_map(|append| &append.entries);
        let rows: Vec<_> =
            entries().map(|entry| (entry.arrived, entry.rows, entry.payload.as_slice())).collect();
        let written = self.database.insert(&rows).map_err(|error| self.failed("append", error));
        if written.is_ok() {
            self.depth.entries += rows.len() as u64;
            self.depth.rows += rows.iter().map(|row| row.1.unsigned_abs()).sum::<u64>();
        }
        drop(rows);
        self.show();
        for append in group {
            tell(append.answer, written.clone());
        }
        self.tidy();
        other
    }

    /// The room there is; if there is little, after the log is written out.
    fn room(&mut self) -> Result<Room, Error> {
        if let Some(cause) = &self.poisoned {
            return Err(Error::Poisoned(cause.clone()));
        }
        let room = Room::measure(&self.database, &self.place, self.limits)?;
        if room.bytes() > 2 * log_limit(self.limits) || log_size(&self.place) == 0 {
            return Ok(room);
        }
        self.database.write_out_log().map_err(|error| self.failed("write out the log", error))?;
        Room::measure(&self.database, &self.place, self.limits)
    }

    fn oldest(&mut self, rows: usize) -> Result<Vec<Entry>, Error> {
        loop {
            let (mut entries, mut taken) = (Vec::new(), 0);
            let mut damaged = Vec::new();
            let passing = &mut self.passing;
            let read = self.database.scan_after(passing.start(), |row| {
                let is_first = entries.is_empty() && damaged.is_empty();
                if passing.passes(row.id, is_first) {
                    return true;
                }
                match judge(&row) {
                    Ok(records) => {
                        taken += records.len();
                        let fits = taken <= rows || entries.is_empty();
                        if fits {
                            entries.push(Entry { id: EntryId(row.id), records });
                        }
                        fits && taken < rows
                    }
                    Err(reason) => {
                        damaged.push((row.id, reason.to_string()));
                        true
                    }
                }
            });
            read.map_err(|error| self.failed("read the oldest entries", error))?;
            if !damaged.is_empty() {
                tracing::error!(entries = damaged.len(), "entries of the spool are damaged");
                self.quarantine(&damaged, "put damaged entries into quarantine")?;
                if entries.is_empty() {
                    continue;
                }
            }
            return Ok(entries);
        }
    }

    fn remove(&mut self, entries: &[EntryId]) -> Result<(), Error> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.0).collect();
        if self.poisoned.is_some() {
            self.pass_over(ids);
            return Ok(());
        }
        let (entries, rows) = self
            .insist(|database| database.remove(&ids))
            .map_err(|error| self.failed("remove entries", error))?;
        self.depth.entries -= entries.min(self.depth.entries);
        self.depth.rows -= rows.min(self.depth.rows);
        Ok(())
    }

    fn quarantine(&mut self, entries: &[(i64, String)], action: &'static str) -> Result<(), Error> {
        if self.poisoned.is_some() {
            self.pass_over(entries.iter().map(|entry| entry.0));
            return Ok(());
        }
        let (moved, rows) = self
            .insist(|database| database.quarantine(entries))
            .map_err(|error| self.failed(action, error))?;
        self.depth.entries -= moved.min(self.depth.entries);
        self.depth.rows -= rows.min(self.depth.rows);
        self.depth.quarantined += moved;
        Ok(())
    }

    /// Nothing can be removed any more; these entries are not shown again, and do not wait.
    fn pass_over(&mut self, ids: impl IntoIterator<Item = i64>) {
        for id in ids {
            if let Ok(Some(rows)) = self.database.rows_of(id)
                && self.passing.add(id)
            {
                self.depth.entries = self.depth.entries.saturating_sub(1);
                self.depth.rows = self.depth.rows.saturating_sub(rows);
            }
        }
    }

    /// Does what makes room in the end; if there is none even for that, in the room of the log.
    fn insist<T>(
        &mut self,
        work: impl Fn(&mut Database) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        match work(&mut self.database) {
            Err(error) if is_full(&error) => {
                self.database.write_out_log()?;
                work(&mut self.database)
            }
            done => done,
        }
    }

    /// Keeps the log short, and gives the disk back what is not needed any more.
    fn tidy(&mut self) {
        if self.poisoned.is_some() {
            return;
        }
        let log = log_size(&self.place);
        let tidied = self.database.size().and_then(|(held, free)| {
            if free >= WORTH_COMPACTING && held < free / 16 {
                self.database.compact()
            } else if log >= log_limit(self.limits) || (log > 0 && self.depth.entries == 0) {
                self.database.write_out_log()
            } else {
                Ok(())
            }
        });
        if let Err(error) = tidied
            && !is_full(&error)
        {
            self.failed("write out the log", error);
        }
    }

    /// What the caller is told of this failure; and unless there was merely no room, nothing is written any more.
    fn failed(&mut self, action: &'static str, error: rusqlite::Error) -> Error {
        if is_full(&error) {
            return Error::Full;
        }
        let source = Cause::from(error);
        if self.poisoned.is_none() {
            tracing::error!(error = %source, action, "the spool's disk has failed; it takes nothing any more");
            // To write the log out when closing would be to flush it once more.
            let _ = self.database.leave_log_when_closed(true);
            self.poisoned = Some(source.clone());
        }
        Error::Failed { action, source }
    }

    /// Lets everybody see how much is waiting.
    fn show(&mut self) {
        if self.depth.entries == 0 {
            self.depth.oldest = None;
        } else if let Ok(oldest) = self.database.oldest_arrival() {
            self.depth.oldest = oldest.and_then(DateTime::from_timestamp_micros);
        }
        if let Ok(used) = used(&self.database, &self.place) {
            self.depth.bytes = used;
        }
        self.depth.failed = self.poisoned.is_some();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = self.depth;
    }
}
