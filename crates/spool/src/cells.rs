//! The rows on a page, read without SQLite, so that one damaged page costs no other.
//!
//! Only what a checksum or a type confirms is believed. The format: <https://www.sqlite.org/fileformat2.html#b_tree_pages>

use crate::database::{PAGE, Row};
use crate::pages::{Page, Pages, word};

/// What a page says that it is: a leaf of a table, which has rows.
const LEAF: u8 = 0x0d;
/// The smallest row: a pointer to it, and the shortest contents.
const SMALLEST: usize = 6;

/// A row that was found.
#[derive(Debug)]
pub(crate) enum Cell {
    Entry(Row),
    Quarantined {
        entry: Row,
        reason: String,
        quarantined: i64,
    },
    /// The largest id that was given to an entry.
    Sequence(i64),
    /// There was a row, and nothing is left of it that could be read.
    Lost,
}

/// Shows every row of this image of a page.
pub(crate) fn cells(pages: &Pages, image: &Page, mut see: impl FnMut(Cell)) {
    let kind = image[0];
    // What was a leaf may be called otherwise by now; what is none has nothing that passes for a row.
    if kind == 0 {
        return;
    }
    let count = half(image, 3);
    if usize::from(count) > PAGE / SMALLEST {
        if kind == LEAF {
            see(Cell::Lost);
        }
        return;
    }
    for index in 0..usize::from(count) {
        let pointer = usize::from(half(image, 8 + 2 * index));
        match row(pages, image, pointer) {
            Some(Some(cell)) => see(cell),
            Some(None) => {}
            None if kind == LEAF => see(Cell::Lost),
            None => {}
        }
    }
}

fn half(page: &Page, at: usize) -> u16 {
    page.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |half| u16::from_be_bytes(*half))
}

/// The row at this place; `Some(None)` if it belongs to a table that does not matter.
fn row(pages: &Pages, image: &Page, pointer: usize) -> Option<Option<Cell>> {
    let mut bytes = image.get(pointer..)?;
    let length = usize::try_from(varint(&mut bytes)?).ok()?;
    let id = varint(&mut bytes)?;
    let record = contents(pages, bytes, length)?;
    let columns = columns(&record)?;
    Some(match columns.as_slice() {
        [Value::Null, Value::Integer(arrived), Value::Integer(rows), Value::Bytes(payload)] => {
            Some(Cell::Entry(Row { id, arrived: *arrived, rows: *rows, payload: payload.to_vec() }))
        }
        [
            Value::Null,
            Value::Integer(entry),
            Value::Integer(arrived),
            Value::Integer(rows),
            Value::Bytes(payload),
            Value::Text(reason),
            Value::Integer(quarantined),
        ] => Some(Cell::Quarantined {
            entry: Row { id: *entry, arrived: *arrived, rows: *rows, payload: payload.to_vec() },
            reason: String::from_utf8_lossy(reason).into_owned(),
            quarantined: *quarantined,
        }),
        [Value::Text(b"entry"), Value::Integer(last)] => Some(Cell::Sequence(*last)),
        // What the table `quarantine` has come to.
        [Value::Text(_), Value::Integer(_)] => None,
        _ => return None,
    })
}

/// The contents of a row, those on overflow pages included.
fn contents(pages: &Pages, local: &[u8], length: usize) -> Option<Vec<u8>> {
    /// The most that a leaf keeps of one row, the least, and what an overflow page has room for.
    const MOST: usize = PAGE - 35;
    const LEAST: usize = (PAGE - 12) * 32 / 255 - 23;
    const OVERFLOW: usize = PAGE - 4;
    if length <= MOST {
        return Some(local.get(..length)?.to_vec());
    }
    if length as u64 > pages.size() {
        return None;
    }
    let kept = LEAST + (length - LEAST) % OVERFLOW;
    let kept = if kept <= MOST { kept } else { LEAST };
    let mut contents = local.get(..kept)?.to_vec();
    let mut next = word(local, kept);
    while contents.len() < length {
        if next == 0 {
            return None;
        }
        let page = pages.page(next);
        let wanted = (length - contents.len()).min(OVERFLOW);
        contents.extend(&page[4..4 + wanted]);
        next = word(&page, 0);
    }
    Some(contents)
}

/// A value of a column.
#[derive(Debug)]
enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
}

/// The columns of a record.
fn columns(record: &[u8]) -> Option<Vec<Value<'_>>> {
    let mut types = record;
    let header = usize::try_from(varint(&mut types)?).ok()?;
    let of_header = record.len() - types.len();
    let mut types = types.get(..header.checked_sub(of_header)?)?;
    let mut body = record.get(header..)?;
    let mut columns = Vec::new();
    while !types.is_empty() {
        let kind = varint(&mut types)?;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 => 8,
            12.. => (kind - 12) / 2,
            // The tables have no other.
            _ => return None,
        };
        let (bytes, rest) = body.split_at_checked(usize::try_from(size).ok()?)?;
        body = rest;
        columns.push(match kind {
            0 => Value::Null,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            1..=6 => Value::Integer(integer(bytes)),
            _ if kind % 2 == 0 => Value::Bytes(bytes),
            _ => Value::Text(bytes),
        });
    }
    body.is_empty().then_some(columns)
}

/// A signed number of up to eight bytes, the highest first.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

/// A number of one to nine bytes, seven bits in each and eight in the last.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_i64;
    for index in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if index == 8 {
            return Some((number << 8) | i64::from(*byte));
        }
        number = (number << 7) | i64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
