//! Killed again and again, the spool has what it acknowledged.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spool::{Limits, Spool};

use crate::support::{Copy, Home, number, request, told, waiting};

/// How often it is killed.
const ROUNDS: u64 = 20;
/// How many numbers a round may use.
const NUMBERS: u64 = 1_000_000;

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let home = Home::new();
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let (mut kept, mut removed) = (BTreeSet::new(), BTreeSet::new());
    let mut acknowledged = 0;
    for _ in 0..ROUNDS {
        let mut copy = Copy::start("killed::append_until_killed", &home.path());
        let mut lines = random.random_range(1..400);
        while let Some(line) = copy.line("spool:") {
            let (what, number) = line.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            match what {
                "kept" => {
                    acknowledged += 1;
                    kept.insert(number);
                }
                _ => {
                    removed.insert(number);
                }
            }
            // What it has said before it was killed is read to the end.
            lines -= 1;
            if lines == 0 {
                copy.kill();
            }
        }
        drop(copy);
        let (spool, found) = home.open();
        let there: BTreeSet<_> = waiting(&spool).await.into_iter().collect();
        assert_eq!((found.damaged, &found.set_aside), (0, &None), "{found:?}");
        let lost: Vec<_> = kept.difference(&removed).filter(|it| !there.contains(it)).collect();
        assert!(lost.is_empty(), "{lost:?} of {acknowledged}");
        spool.close().await;
    }
    assert!(acknowledged > 1_000, "{acknowledged}");
}

/// What the copies do; a test that does nothing otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "this is how a copy speaks")]
async fn append_until_killed() {
    let Some(directory) = told() else { return };
    // A small log, so that it is written out often.
    let limits = Limits { bytes: 64 << 20, ..Limits::default() };
    let limits = Limits { bytes: limits.bytes / 64, ..limits };
    let (spool, _) = Spool::open(&directory, limits).unwrap();
    println!();
    let start = u64::from(std::process::id()) * NUMBERS;
    for task in 0..8 {
        let spool = spool.clone();
        tokio::spawn(async move {
            for number in (start + task..).step_by(8) {
                if spool.append(vec![request(number)]).await.is_ok() {
                    println!("spool: kept {number}");
                }
            }
        });
    }
    loop {
        let entries = spool.oldest(100).await.unwrap();
        if spool.depth().entries < 50 {
            tokio::task::yield_now().await;
            continue;
        }
        for entry in &entries {
            // Said before it is done: it may or may not be there then.
            println!("spool: remove {}", number(&entry.records));
        }
        spool.remove(entries.into_iter().map(|entry| entry.id).collect()).await.unwrap();
    }
}
