//! A salvage that is interrupted loses nothing.

use std::fs;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spool::{Limits, Spool};

use crate::support::{Copy, DATABASE, Home, LOG, request, told, waiting};

/// A database with these requests.
async fn database(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let home = Home::new();
    let (spool, _) = home.open();
    spool.append(numbers.map(request).collect()).await.unwrap();
    spool.close().await;
    fs::read(home.path().join(DATABASE)).unwrap()
}

#[tokio::test]
async fn wherever_it_was_interrupted_the_next_opening_goes_on() {
    let salvaged = database(0..9).await;
    // In which of these the files are is how far it has come.
    let check = async |database: Option<&str>, log: Option<&str>, ready: &str| {
        let home = Home::of(b"malformed", Some(b"its log"));
        let there = |name: &str| home.path().join(name);
        fs::create_dir(there("leaving")).unwrap();
        for (to, from) in [(database, DATABASE), (log, LOG)] {
            if let Some(to) = to {
                fs::rename(there(from), there(to).join(from)).unwrap();
            }
        }
        if database.is_none() && log.is_none() {
            fs::remove_dir(there("leaving")).unwrap();
        }
        fs::write(there(ready), &salvaged).unwrap();
        // From an earlier time.
        fs::create_dir(there("damaged-1")).unwrap();

        let (spool, found) = home.open();
        assert_eq!(waiting(&spool).await, (0..9).collect::<Vec<_>>(), "{database:?} {log:?}");
        let kept = found.set_aside.unwrap();
        assert_eq!(kept, there("damaged-2").canonicalize().unwrap());
        assert_eq!(fs::read(kept.join(DATABASE)).unwrap(), b"malformed");
        assert_eq!(fs::read(kept.join(LOG)).unwrap(), b"its log");
        spool.close().await;
        let mut left: Vec<_> = crate::support::sizes(&home.path()).into_keys().collect();
        left.sort();
        assert_eq!(left, ["damaged-1", "damaged-2", "lock", DATABASE]);
    };
    let (ready, installed, leaving) = ("salvaged.sqlite3", DATABASE, Some("leaving"));
    check(None, None, ready).await;
    check(None, leaving, ready).await;
    check(leaving, leaving, ready).await;
    check(leaving, leaving, installed).await;
}

#[tokio::test]
async fn an_unfinished_one_begins_again() {
    let mut malformed = database(0..9).await;
    malformed[..16].fill(0);
    let home = Home::of(&malformed, None);
    fs::write(home.path().join("unfinished.sqlite3"), "half of it").unwrap();
    fs::write(home.path().join("unfinished.sqlite3-wal"), "half of it").unwrap();
    let (spool, found) = home.open();
    assert_eq!(waiting(&spool).await, (0..9).collect::<Vec<_>>());
    assert_eq!(found.damaged, 0);
    spool.close().await;
    let left: Vec<_> = crate::support::sizes(&home.path()).into_keys().collect();
    assert_eq!(left, ["damaged-1", "lock", DATABASE]);
}

#[tokio::test]
async fn who_is_killed_while_salvaging_loses_nothing() {
    let mut malformed = database(0..500).await;
    malformed[..16].fill(0);
    let mut random = ChaCha8Rng::seed_from_u64(40);
    for _ in 0..4 {
        let home = Home::of(&malformed, None);
        // Until it was done before it was killed.
        loop {
            let mut copy = Copy::start("salvage::open_and_say_so", &home.path());
            copy.line("opening").unwrap();
            // Any moment will do: this waits for nothing.
            std::thread::sleep(Duration::from_micros(random.random_range(0..40_000)));
            copy.kill();
            if copy.line("opened").is_some() {
                break;
            }
        }
        let (spool, _) = home.open();
        assert_eq!(waiting(&spool).await, (0..500).collect::<Vec<_>>());
        let kept = fs::read(home.path().join("damaged-1").join(DATABASE)).unwrap();
        assert!(kept == malformed, "what is set aside is what was there");
        assert!(!home.path().join("damaged-2").exists());
    }
}

/// What the copies do; a test that does nothing otherwise.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "this is how a copy speaks")]
async fn open_and_say_so() {
    if let Some(directory) = told() {
        println!("\nopening");
        let (_spool, found) = Spool::open(&directory, Limits::default()).unwrap();
        println!("opened {}", found.entries);
    }
}
