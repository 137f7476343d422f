//! Damaged files: cut anywhere, flipped anywhere. The spool opens, and what is missing is counted.

use std::collections::BTreeSet;
use std::fs;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spool::Found;

use crate::support::{DATABASE, Home, LOG, request, waiting};

/// What lies on the disk at a moment, and what should be there.
struct Image {
    database: Vec<u8>,
    log: Vec<u8>,
    /// The requests that wait, each with the size that the log had when it was acknowledged.
    waiting: Vec<(u64, usize)>,
    quarantined: u64,
}

/// A spool of which the log was written out half-way, as a crash leaves it.
async fn image() -> Image {
    let home = Home::new();
    let (spool, _) = home.open();
    let mut waiting = Vec::new();
    for number in 0..120 {
        spool.append(vec![request(number)]).await.unwrap();
        waiting.push((number, 0));
    }
    let oldest = spool.oldest(usize::MAX).await.unwrap();
    spool.remove(oldest[..20].iter().map(|entry| entry.id).collect()).await.unwrap();
    spool.quarantine(oldest[50].id, "refused").await.unwrap();
    waiting.remove(50);
    waiting.drain(..20);
    spool.close().await;
    assert!(!home.path().join(LOG).exists());

    let (spool, found) = home.open();
    let read = |name| fs::read(home.path().join(name)).unwrap();
    assert_eq!((found.entries, found.quarantined), (99, 1));
    for number in 120..180 {
        spool.append(vec![request(number)]).await.unwrap();
        waiting.push((number, read(LOG).len()));
    }
    Image { database: read(DATABASE), log: read(LOG), waiting, quarantined: 1 }
}

/// What is found in this database and log, with the requests of the image that are missing.
async fn open(image: &Image, database: &[u8], log: Option<&[u8]>) -> (Found, Vec<u64>) {
    let home = Home::of(database, log);
    let (spool, found) = home.open();
    let there = waiting(&spool).await;
    let depth = spool.depth();
    assert_eq!((depth.entries, depth.quarantined), (found.entries, found.quarantined));
    assert_eq!(found.entries, there.len() as u64);
    let set: BTreeSet<_> = there.iter().copied().collect();
    assert_eq!(set.len(), there.len(), "none is there twice: {there:?}");
    assert!(there.is_sorted(), "the order is kept: {there:?}");
    assert_eq!(set.range(180..).next(), None);

    // It works on, and the next opening finds no further damage.
    spool.append(vec![request(999)]).await.unwrap();
    spool.close().await;
    let (spool, again) = home.open();
    assert_eq!((again.entries, again.damaged), (found.entries + 1, 0), "{found:?}");
    assert_eq!((again.quarantined, &again.set_aside), (found.quarantined, &None));
    assert_eq!(waiting(&spool).await.last(), Some(&999));

    if let Some(kept) = &found.set_aside {
        // The damaged files are there as they were, the log perhaps cut by nothing.
        let bytes = fs::read(kept.join(DATABASE)).unwrap_or_default();
        assert!(bytes == database, "what is set aside is what was there");
    }
    let missing = image.waiting.iter().map(|(number, _)| *number);
    (found, missing.filter(|number| !set.contains(number)).collect())
}

#[tokio::test]
async fn a_crash_alone_is_no_damage() {
    let image = image().await;
    let (found, missing) = open(&image, &image.database, Some(&image.log)).await;
    assert_eq!((found.damaged, found.set_aside, missing), (0, None, vec![]));
    assert_eq!(found.quarantined, image.quarantined);
}

#[tokio::test]
async fn a_log_that_is_cut_keeps_what_was_acknowledged_before() {
    let image = image().await;
    let mut random = ChaCha8Rng::seed_from_u64(35);
    let ends = image.waiting.iter().map(|(_, end)| *end).filter(|end| *end > 0);
    let mut cuts: Vec<_> = ends.step_by(6).flat_map(|end| [end - 1, end, end + 1]).collect();
    cuts.extend((0..40).map(|_| random.random_range(0..image.log.len())));
    cuts.extend([0, 1, 31, 32, 33, 55, 56, 57, image.log.len() - 1]);
    for cut in cuts {
        let cut = cut.min(image.log.len());
        let (found, missing) = open(&image, &image.database, Some(&image.log[..cut])).await;
        let expected =
            image.waiting.iter().filter(|(_, end)| *end > cut).map(|(number, _)| *number);
        assert_eq!(missing, expected.collect::<Vec<_>>(), "cut to {cut}: {found:?}");
        assert_eq!((found.damaged, &found.set_aside), (0, &None), "cut to {cut}");
    }
}

/// Flips a few bits within a few bytes.
fn flip(random: &mut ChaCha8Rng, bytes: &mut [u8]) -> usize {
    let at = random.random_range(0..bytes.len());
    let end = (at + random.random_range(1..9)).min(bytes.len());
    for byte in &mut bytes[at..end] {
        *byte ^= random.random_range(1..=255_u8);
    }
    at
}

#[tokio::test]
async fn a_flipped_log_loses_nothing_that_is_not_counted() {
    let image = image().await;
    let mut random = ChaCha8Rng::seed_from_u64(36);
    for round in 0..120 {
        let mut log = image.log.clone();
        // The header, too, which is a small part of it.
        let end = if round % 6 == 0 { 60 } else { log.len() };
        let at = flip(&mut random, &mut log[..end]);
        let (found, missing) = open(&image, &image.database, Some(&log)).await;
        assert!(missing.len() as u64 <= found.damaged, "{missing:?} by {at}: {found:?}");
        assert!(found.set_aside.is_some(), "flipped at {at}");
    }
}

#[tokio::test]
async fn a_flipped_database_loses_nothing_that_is_not_counted() {
    let image = image().await;
    let mut random = ChaCha8Rng::seed_from_u64(37);
    let mut set_aside = 0;
    for round in 0..200 {
        let mut database = image.database.clone();
        // Anywhere; or where a page says which rows are on it; or in the first page.
        let leaves: Vec<_> = (0..database.len() / 4096)
            .map(|page| page * 4096)
            .filter(|start| database[*start] == 0x0d)
            .collect();
        let leaf = leaves[random.random_range(0..leaves.len())];
        let range = match round % 3 {
            0 => 0..database.len(),
            1 => leaf..leaf + 16,
            _ => 0..130,
        };
        let at = range.start + flip(&mut random, &mut database[range]);
        // With the log, which has newer images of some pages, or as if it had been written out before.
        let log = (round % 2 == 0).then_some(image.log.as_slice());
        let (found, missing) = open(&image, &database, log).await;
        let beyond_log = missing.iter().filter(|number| log.is_some() || **number < 120).count();
        assert!(beyond_log as u64 <= found.damaged, "{missing:?} by {at}: {found:?}");
        set_aside += u64::from(found.set_aside.is_some());
    }
    assert!((20..180).contains(&set_aside), "both kinds of damage are tried: {set_aside}");
}

#[tokio::test]
async fn a_database_that_is_cut_keeps_the_rest() {
    let image = image().await;
    let mut random = ChaCha8Rng::seed_from_u64(38);
    let length = image.database.len();
    let mut cuts: Vec<_> = (0..40).map(|_| random.random_range(1..length)).collect();
    cuts.extend([1, 99, 100, 4_095, 4_096, 8_192, length - 4_096, length - 1]);
    for cut in cuts {
        let (found, missing) = open(&image, &image.database[..cut], None).await;
        assert!(found.set_aside.is_some(), "cut to {cut}: {found:?}");
        // Entries are smaller than what is left of the file, so most of them are there.
        let lost = missing.iter().filter(|number| **number < 120).count();
        assert!(lost <= 10 + 120 * (length - cut) / length, "{lost} by a cut to {cut} of {length}");
    }
    // Nothing but the log: its pages are all there is.
    for database in [[].as_slice(), &[0; 4_096]] {
        let (found, missing) = open(&image, database, Some(&image.log)).await;
        assert!(found.set_aside.is_some());
        let of_log = missing.iter().filter(|number| **number >= 120).count();
        assert_eq!(of_log, 0, "{missing:?}");
    }
}

#[tokio::test]
async fn several_damages_at_once_are_survived() {
    let image = image().await;
    let mut random = ChaCha8Rng::seed_from_u64(39);
    for _ in 0..40 {
        let (mut database, mut log) = (image.database.clone(), image.log.clone());
        for _ in 0..random.random_range(2..200) {
            flip(&mut random, &mut database);
            flip(&mut random, &mut log);
        }
        log.truncate(random.random_range(0..=image.log.len()));
        let (found, _) = open(&image, &database, Some(&log)).await;
        assert!(found.damaged > 0 || found.set_aside.is_some(), "{found:?}");
    }
}

#[tokio::test]
async fn what_is_damaged_while_it_is_open_is_put_apart_when_it_is_read() {
    let home = Home::new();
    let (spool, _) = home.open();
    spool.append((0..200).map(request).collect()).await.unwrap();
    spool.close().await;
    let (spool, found) = home.open();
    assert_eq!((found.entries, found.damaged), (200, 0));

    // In large entries, of which SQLite remembers no more than the beginning.
    let large: Vec<_> = (0..200).filter(|number| request(*number).len() > 100).collect();
    let damaged = [large[0], large[1], large[4]];
    let path = home.path().join(DATABASE);
    let mut database = fs::read(&path).unwrap();
    for number in damaged {
        let id = request(number)[90].id.into_bytes();
        let at = database.windows(16).position(|bytes| bytes == id).unwrap();
        database[at + 16] ^= 1;
    }
    fs::write(&path, &database).unwrap();

    let there = waiting(&spool).await;
    let expected: Vec<_> = (0..200).filter(|number| !damaged.contains(number)).collect();
    assert!(there == expected, "{there:?}");
    assert_eq!((spool.depth().entries, spool.depth().quarantined), (197, 3));
}
