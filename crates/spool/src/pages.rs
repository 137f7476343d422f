//! The pages of a malformed database, as far as they can be had.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::database::PAGE;
use crate::place::{self, Place};
use crate::wal;

/// The bytes of one page.
pub(crate) type Page = [u8; PAGE];

/// A database and its log, either of which may be missing.
#[derive(Debug)]
pub(crate) struct Pages {
    database: Option<File>,
    log: Option<File>,
    /// Where in the log the newest intact image of a page begins.
    newest: BTreeMap<u32, u64>,
    /// Where in the log the damaged images begin.
    damaged: Vec<u64>,
    /// The number of the last page.
    last: u32,
}

impl Pages {
    pub(crate) fn open(place: &Place) -> io::Result<Self> {
        let database = open(&place.database())?;
        let log = open(&place.wal())?;
        let bytes = match &database {
            Some(file) => file.metadata()?.len(),
            None => 0,
        };
        let mut last = u32::try_from(bytes.div_ceil(PAGE as u64)).unwrap_or(u32::MAX);
        let frames = log.as_ref().map_or(Ok((Vec::new(), true)), wal::frames)?.0;
        let (mut newest, mut damaged) = (BTreeMap::new(), Vec::new());
        for frame in frames {
            if frame.intact {
                newest.insert(frame.page, frame.offset);
                last = last.max(frame.page);
            } else {
                damaged.push(frame.offset);
            }
        }
        Ok(Self { database, log, newest, damaged, last })
    }

    /// How many bytes there are at most.
    pub(crate) fn size(&self) -> u64 {
        (u64::from(self.last) + self.damaged.len() as u64) * PAGE as u64
    }

    /// Every image of a page that may hold entries: first the pages as they are now, without those that are free, then
    /// the damaged ones. On the first page there is only the schema.
    pub(crate) fn images(&self) -> impl Iterator<Item = Page> {
        let free = self.free();
        // A log of which little is left may name pages far behind the end.
        let in_file = self.database.as_ref().and_then(|file| file.metadata().ok());
        let in_file = in_file.map_or(0, |metadata| metadata.len().div_ceil(PAGE as u64));
        let in_file = u32::try_from(in_file).unwrap_or(u32::MAX);
        let beyond = self.newest.keys().copied().filter(move |page| *page > in_file);
        let current = (2..=in_file)
            .chain(beyond)
            .filter(move |number| !free.contains(number))
            .map(|number| self.page(number));
        let log = self.log.as_ref();
        current.chain(self.damaged.iter().map(move |offset| read(log, *offset)))
    }

    /// A page as it is now; zeros where there is nothing to be had.
    pub(crate) fn page(&self, number: u32) -> Page {
        match self.newest.get(&number) {
            Some(offset) => read(self.log.as_ref(), *offset),
            None => {
                let index = u64::from(number.saturating_sub(1));
                read(self.database.as_ref(), index * PAGE as u64)
            }
        }
    }

    /// The free pages, whose entries were removed. None, if the list is not whole: to replay an entry once more does no
    /// harm, to pass one over would.
    fn free(&self) -> BTreeSet<u32> {
        let header = self.page(1);
        let (mut trunk, count) = (word(&header, 32), word(&header, 36) as usize);
        let mut free = BTreeSet::new();
        while trunk != 0 {
            let page = self.page(trunk);
            let leaves = word(&page, 4) as usize;
            let fits = trunk <= self.last && leaves <= PAGE / 4 - 2 && free.insert(trunk);
            if !fits || free.len() + leaves > count {
                return BTreeSet::new();
            }
            free.extend((0..leaves).map(|leaf| word(&page, 8 + 4 * leaf)));
            trunk = word(&page, 0);
        }
        if free.len() == count { free } else { BTreeSet::new() }
    }
}

fn open(path: &std::path::Path) -> io::Result<Option<File>> {
    match place::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// What can be read of the page that begins there; the rest is zeros.
fn read(file: Option<&File>, offset: u64) -> Page {
    let mut page = [0; PAGE];
    let mut done = 0;
    while let Some(file) = file
        && done < PAGE
    {
        match file.read_at(&mut page[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    page
}

/// The number at this place of a page.
pub(crate) fn word(page: &[u8], at: usize) -> u32 {
    page.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word))
}
