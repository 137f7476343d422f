//! The write-ahead log, read without SQLite, which ends at the first frame that does not fit and says nothing about it.
//!
//! This log is emptied whenever it is written out, so all that lies in it was written since, one frame after the other. A
//! process that dies leaves the last frame incomplete at most. A whole frame that does not fit is therefore damage, and
//! what comes after it was acknowledged perhaps. (Or the power was lost: then it costs a salvage for nothing.)
//!
//! The format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::database::PAGE;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + PAGE;

/// One whole frame of the log: a page as it is from then on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// The number of the page, counted from 1.
    pub(crate) page: u32,
    /// Where its bytes begin in the log.
    pub(crate) offset: u64,
    /// Whether its checksum fits.
    pub(crate) intact: bool,
}

/// The whole frames of a log, and whether all of it fits together.
pub(crate) fn frames(log: &File) -> io::Result<(Vec<Frame>, bool)> {
    let length = log.metadata()?.len();
    let mut header = [0; HEADER];
    if length < (HEADER + FRAME) as u64 {
        return Ok((Vec::new(), true));
    }
    log.read_exact_at(&mut header, 0)?;
    let magic = word(&header, 0);
    let order = if magic & 1 == 1 { u32::from_be_bytes } else { u32::from_le_bytes };
    let mut whole = magic & !1 == 0x377f_0682
        && word(&header, 8) as usize == PAGE
        && checksum(order, (0, 0), &header[..24]) == (word(&header, 24), word(&header, 28));
    let salts = (word(&header, 16), word(&header, 20));

    let mut frames = Vec::new();
    let mut bytes = [0; FRAME];
    // Each frame continues the sum that the one before it has stored, so that it can be judged alone.
    let mut stored = (word(&header, 24), word(&header, 28));
    let mut offset = HEADER as u64;
    while offset + FRAME as u64 <= length {
        log.read_exact_at(&mut bytes, offset)?;
        let sum = checksum(order, stored, &bytes[..8]);
        let sum = checksum(order, sum, &bytes[FRAME_HEADER..]);
        stored = (word(&bytes, 16), word(&bytes, 20));
        let intact = sum == stored && salts == (word(&bytes, 8), word(&bytes, 12));
        whole &= intact;
        frames.push(Frame { page: word(&bytes, 0), offset: offset + FRAME_HEADER as u64, intact });
        offset += FRAME as u64;
    }
    Ok((frames, whole))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word))
}

/// SQLite's sum over pairs of words, continued from `start`.
fn checksum(order: fn([u8; 4]) -> u32, start: (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let (pairs, _) = bytes.as_chunks::<8>();
    pairs.iter().fold(start, |(first, second), [a, b, c, d, e, f, g, h]| {
        let first = first.wrapping_add(order([*a, *b, *c, *d])).wrapping_add(second);
        (first, second.wrapping_add(order([*e, *f, *g, *h])).wrapping_add(first))
    })
}
