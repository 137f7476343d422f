//! Opening: what is there is checked, and what is damaged kept apart.

use std::io::{ErrorKind, Read};

use crate::database::{Database, PAGE, Row, is_out_of_reach};
use crate::format::{Unreadable, decode};
use crate::place::{self, Place};
use crate::salvage::salvage;
use crate::wal;
use crate::{Error, Found};

/// The database in this place, sound, with nothing among its entries that cannot be replayed.
pub(crate) fn open(place: &Place) -> Result<(Database, Found), Error> {
    // A salvage that was interrupted goes on where it can, and else begins again.
    let mut set_aside = place.install_salvaged()?;
    place.remove_unfinished()?;
    let mut lost = 0;
    let mut database = sound(place)?;
    if database.is_none() {
        lost = salvage(place)?;
        set_aside = place.install_salvaged()?;
        database = sound(place)?;
    }
    let mut database = database.ok_or_else(|| {
        // What was written a moment ago cannot be read: it is the disk.
        Error::open(place.database())(rusqlite::Error::InvalidQuery)
    })?;
    let failed = || Error::open(place.database());

    let mut unreadable = Vec::new();
    let mut damaged = lost;
    database
        .scan_after(0, |row| {
            if let Err(reason) = judge(&row) {
                damaged += u64::from(reason == Unreadable::Damaged);
                unreadable.push((row.id, reason.to_string()));
            }
            true
        })
        .map_err(failed())?;
    let misfits = lost + unreadable.len() as u64 - damaged;
    if !unreadable.is_empty() {
        database.quarantine(&unreadable).map_err(failed())?;
    }
    let (entries, rows) = database.totals().map_err(failed())?;
    let quarantined = database.quarantined().map_err(failed())?;
    Ok((database, Found { entries, rows, damaged, misfits, quarantined, set_aside }))
}

/// Whether an entry can be replayed, and says of itself what its payload says.
pub(crate) fn judge(row: &Row) -> Result<Vec<domain::Record>, Unreadable> {
    let records = decode(&row.payload)?;
    let fits = i64::try_from(records.len()) == Ok(row.rows)
        && records.first().is_some_and(|first| first.timestamp.timestamp_micros() == row.arrived);
    if fits { Ok(records) } else { Err(Unreadable::Damaged) }
}

/// The database, if nothing is wrong with it; nothing if it is malformed.
fn sound(place: &Place) -> Result<Option<Database>, Error> {
    let (path, log) = (place.database(), place.wal());
    let written = place::open(&log).and_then(|log| wal::frames(&log));
    let (frames, whole) = match written {
        Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), true),
        written => written.map_err(Error::file("read", &log))?,
    };
    let begins_well = match header(place).map_err(Error::file("read", &path))? {
        // SQLite would throw away a log without a database.
        None => frames.is_empty(),
        Some(header) => is_ours(&header),
    };
    if !whole || !begins_well {
        return Ok(None);
    }
    place.create_file(&path)?;
    let opened = Database::open(&path).and_then(|database| {
        let sound = database.check()?;
        // The tables are those that are expected, too.
        database.totals()?;
        database.quarantined()?;
        database.oldest_arrival()?;
        database.leave_log_when_closed(!sound)?;
        Ok(sound.then_some(database))
    });
    match opened {
        Ok(database) => Ok(database),
        Err(error) if is_out_of_reach(&error) => Err(Error::open(&path)(error)),
        Err(_) => Ok(None),
    }
}

/// The first bytes of the database; nothing if it is empty, or not there.
fn header(place: &Place) -> std::io::Result<Option<Vec<u8>>> {
    let mut header = Vec::new();
    match place::open(&place.database()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?.take(100).read_to_end(&mut header)?,
    };
    Ok((!header.is_empty()).then_some(header))
}

/// Whether a database begins as this crate's do. SQLite takes a few damages here for a lack of rights.
fn is_ours(header: &[u8]) -> bool {
    let size = u16::try_from(PAGE).map(u16::to_be_bytes).unwrap_or_default();
    header.len() == 100
        && header.starts_with(b"SQLite format 3\0")
        && header[16..18] == size
        // Legacy while it is made, then with a write-ahead log.
        && matches!(header[18..20], [1, 1] | [2, 2])
        && header[20..24] == [0, 64, 32, 32]
}

#[cfg(test)]
mod tests {
    use domain::{Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
    use uuid::Uuid;

    use super::*;
    use crate::format::encode;

    fn record() -> Record {
        Record {
            id: Uuid::from_u128(1),
            timestamp: chrono::DateTime::from_timestamp_micros(5).unwrap(),
            measurements: Measurements::from_row([1.0; N_FEATURES]),
            prediction: Prediction::from_probabilities([0.0; N_CLASSES]),
            model_version: "1".into(),
            truth: None,
        }
    }

    #[test]
    fn what_cannot_be_replayed_is_put_into_quarantine_for_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::prepare(directory.path()).unwrap();
        let (mut database, _) = open(&place).unwrap();
        let good = encode(&[record()]).unwrap();
        // One feature more, under a checksum that fits.
        let mut other_shape = good[..good.len() - 4].to_vec();
        other_shape[1] += 1;
        other_shape.extend(crc32fast::hash(&other_shape).to_le_bytes());
        let mut damaged = good.clone();
        damaged[40] ^= 1;
        database
            .insert(&[
                (5, 1, &good),
                (5, 1, &other_shape),
                (5, 1, &damaged),
                // Columns that say something else than the payload.
                (5, 2, &good),
                (6, 1, &good),
            ])
            .unwrap();
        database.close().unwrap();

        let (database, found) = open(&place).unwrap();
        let expected =
            Found { entries: 1, rows: 1, damaged: 3, misfits: 1, quarantined: 4, set_aside: None };
        assert_eq!(found, expected);
        let kept = database.number(&format!(
            "SELECT count(*) FROM quarantine WHERE entry = 2 AND reason LIKE 'of another shape: {} %'",
            N_FEATURES + 1
        ));
        assert_eq!(kept, Ok(1));
        drop(database);
        let (_, found) = open(&place).unwrap();
        assert_eq!(found, Found { damaged: 0, misfits: 0, ..expected });
    }
}
