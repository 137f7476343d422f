//! The spool: what its users hold.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use domain::Record;
use tokio::sync::oneshot;

use crate::command::{Answer, Append, Command, Pending};
use crate::lock::Lock;
use crate::place::Place;
use crate::writer::Writer;
use crate::{Depth, Entry, EntryId, Error, Found, Limits, capacity, format, home, opening};

/// A durable queue of records on the local disk. A clone is the same spool.
///
/// When the last clone is dropped, what was asked for is done and the directory let go, without anybody waiting for it; who
/// wants to wait calls [`close`](Self::close).
#[derive(Debug, Clone)]
pub struct Spool {
    commands: Sender<Command>,
    depth: Arc<Mutex<Depth>>,
    directory: Arc<PathBuf>,
    limits: Limits,
}

impl Spool {
    /// Opens the spool of a directory that may hold other things, which is made if it is not there: the spool is in a directory
    /// of its own in it, `onrecord-spool`, unless an earlier version has put its files there.
    ///
    /// # Errors
    ///
    /// [`Error::TwoSpools`] if both are the case; else as [`open`](Self::open).
    pub fn open_in(directory: &Path, limits: Limits) -> Result<(Self, Found), Error> {
        Self::open(&home::find(directory)?, limits)
    }

    /// Opens the spool whose files are in `directory`, which is made if it is not there, and says what was in it.
    ///
    /// It blocks: everything that is there is read and checked. Damage is no failure; see [`Found`].
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if somebody else has it open; [`Error::File`] or [`Error::Open`] if the system does not let us read
    /// or write there.
    pub fn open(directory: &Path, limits: Limits) -> Result<(Self, Found), Error> {
        let place = Place::prepare(directory)?;
        let lock = Lock::take(place.directory())?;
        let (database, found) = opening::open(&place)?;
        let directory = Arc::new(place.directory().to_owned());
        let depth = Arc::new(Mutex::new(Depth::default()));
        let writer = Writer::new(database, place, lock, limits, &found, Arc::clone(&depth))?;
        let (commands, received) = mpsc::channel();
        thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|error| Error::Thread(Arc::new(error)))?;
        Ok((Self { commands, depth, directory, limits }, found))
    }

    /// Keeps the records, one entry for each request, in this order: all of them or none.
    ///
    /// When it returns `Ok`, they are on the disk and flushed. Once it was polled, it is carried out even if it is dropped.
    /// A request without records leaves no entry.
    ///
    /// # Errors
    ///
    /// Nothing is kept after [`Error::Full`] and [`Error::Poisoned`]; [`Error::Failed`] and [`Error::Stopped`] leave doubt.
    pub async fn append(&self, requests: Vec<Vec<Record>>) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(requests.len());
        for records in &requests {
            let Some(first) = records.first() else { continue };
            entries.push(Pending {
                arrived: first.timestamp.timestamp_micros(),
                rows: i64::try_from(records.len()).map_err(|_| Error::Full)?,
                payload: format::encode(records).ok_or(Error::Full)?,
            });
        }
        drop(requests);
        if entries.is_empty() {
            return Ok(());
        }
        self.ask(|answer| Command::Append(Append { entries, answer })).await
    }

    /// The oldest entries: whole ones, oldest first, with no more than so many rows together, but one entry at least if there
    /// is any.
    ///
    /// What is damaged since the opening goes into quarantine on the way.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the disk fails, [`Error::Stopped`].
    pub async fn oldest(&self, rows: usize) -> Result<Vec<Entry>, Error> {
        self.ask(|answer| Command::Oldest { rows, answer }).await
    }

    /// Removes entries that are committed elsewhere, all or none. One that is not there is no error.
    ///
    /// On a disk that has failed nothing can be removed; then the entries are only passed over, and come back at the next
    /// opening.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if the disk has no room even for this; [`Error::Failed`] and [`Error::Stopped`]: they may come back.
    pub async fn remove(&self, entries: Vec<EntryId>) -> Result<(), Error> {
        self.ask(|answer| Command::Remove { entries, answer }).await
    }

    /// Puts an entry apart that the database refuses: it is kept and counted, and not replayed.
    ///
    /// `reason` is kept with it, for people.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub async fn quarantine(&self, entry: EntryId, reason: &str) -> Result<(), Error> {
        let reason = reason.to_owned();
        self.ask(|answer| Command::Quarantine { entry, reason, answer }).await
    }

    /// What it holds now. It is known without the disk.
    #[must_use]
    pub fn depth(&self) -> Depth {
        *self.depth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// About how many bytes it may still take, by its limits and by what else lies on the disk, which is asked. 0 if it takes
    /// nothing: it is full, or its disk has failed.
    #[must_use]
    pub fn room(&self) -> u64 {
        capacity::left_beside(self.depth(), &self.directory, self.limits)
    }

    /// Does what was asked for before, and lets the directory go. Whoever asks later, of any clone, is told
    /// [`Error::Stopped`].
    pub async fn close(&self) {
        // One that has stopped is closed.
        let _: Result<(), Error> = self.ask(|answer| Command::Close { answer }).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Error> {
        let (sender, answer) = oneshot::channel();
        self.commands.send(command(sender)).map_err(|_| Error::Stopped)?;
        answer.await.unwrap_or(Err(Error::Stopped))
    }
}
