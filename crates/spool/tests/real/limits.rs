//! What a spool may take, and that it gives it back.

use std::process::Command;

use nix::unistd::geteuid;
use spool::{Error, Limits, Spool};

use crate::support::{DATABASE, Home, LOG, request, sizes, waiting};

const SMALL: Limits = Limits { bytes: 512 << 10, free_disk: 0.0 };

/// Appends requests, from this number on, until there is no room. Returns the first that did not fit.
async fn fill(spool: &Spool, first: u64) -> u64 {
    for number in first.. {
        match spool.append(vec![request(number)]).await {
            Ok(()) => {}
            Err(Error::Full) => return number,
            Err(error) => panic!("{error:?}"),
        }
    }
    unreachable!()
}

async fn drain(spool: &Spool) {
    loop {
        let ids: Vec<_> =
            spool.oldest(100).await.unwrap().into_iter().map(|entry| entry.id).collect();
        if ids.is_empty() {
            return;
        }
        spool.remove(ids).await.unwrap();
    }
}

#[tokio::test]
async fn a_full_spool_refuses_and_has_all_its_room_again_after_a_drain() {
    let home = Home::new();
    let (spool, _) = Spool::open(&home.path(), SMALL).unwrap();
    let mut room = Vec::new();
    for _ in 0..4 {
        let full = fill(&spool, 0).await;
        room.push(full);
        assert_eq!(waiting(&spool).await, (0..full).collect::<Vec<_>>());
        let taken = sizes(&home.path());
        assert!(taken[DATABASE] + taken[LOG] <= SMALL.bytes, "{taken:?}");
        assert!(spool.depth().bytes <= SMALL.bytes, "{:?}", spool.depth());
        drain(&spool).await;
        assert_eq!(sizes(&home.path())[LOG], 0, "the log is emptied");
        assert_eq!(spool.depth().entries, 0);
        assert!(spool.depth().bytes < SMALL.bytes / 16, "{:?}", spool.depth());
    }
    // 3 of 4 bytes at least are put to use.
    let payload: usize = (0..room[0]).map(|number| 50 + 84 * request(number).len()).sum();
    assert!(payload as u64 > SMALL.bytes * 3 / 4, "{payload}");
    assert!(room.iter().all(|full| *full >= room[0]), "{room:?}");
}

#[tokio::test]
async fn what_is_partly_removed_makes_room_for_as_much() {
    let home = Home::new();
    let (spool, _) = Spool::open(&home.path(), SMALL).unwrap();
    let mut next = fill(&spool, 0).await;
    for _ in 0..5 {
        let before = spool.depth().rows;
        let entries = spool.oldest(500).await.unwrap();
        spool.remove(entries.into_iter().map(|entry| entry.id).collect()).await.unwrap();
        next = fill(&spool, next).await;
        assert!(spool.depth().rows + 300 > before, "{:?} after {before}", spool.depth());
        let taken = sizes(&home.path());
        assert!(taken[DATABASE] + taken[LOG] <= SMALL.bytes * 9 / 8, "{taken:?}");
    }
}

#[tokio::test]
async fn an_append_that_does_not_fit_is_refused_whole() {
    let home = Home::new();
    let (spool, _) = Spool::open(&home.path(), SMALL).unwrap();
    let refused = spool.append((0..1_000).map(request).collect()).await.unwrap_err();
    assert!(matches!(refused, Error::Full) && !refused.is_in_doubt(), "{refused:?}");
    spool.append(vec![request(1)]).await.unwrap();
    assert_eq!(waiting(&spool).await, [1]);
}

#[tokio::test]
async fn a_full_spool_can_quarantine_all_the_same() {
    let home = Home::new();
    let (spool, _) = Spool::open(&home.path(), SMALL).unwrap();
    let full = fill(&spool, 0).await;
    for entry in spool.oldest(usize::MAX).await.unwrap() {
        spool.quarantine(entry.id, "refused").await.unwrap();
    }
    assert_eq!((spool.depth().entries, spool.depth().quarantined), (0, full));
    // What is in quarantine takes room.
    assert!(fill(&spool, full).await < full + full / 10);
}

#[tokio::test]
async fn the_disk_is_not_filled_beyond_its_share() {
    let home = Home::new();
    // More than any disk has.
    let limits = Limits { free_disk: 1.0, bytes: 1 << 60 };
    let (spool, _) = Spool::open(&home.path(), limits).unwrap();
    assert!(matches!(spool.append(vec![request(1)]).await, Err(Error::Full)));
    assert_eq!(spool.room(), 0);
    spool.close().await;
    let (spool, found) = home.open();
    assert_eq!(found.entries, 0);
    spool.append(vec![request(1)]).await.unwrap();
}

#[tokio::test]
async fn of_a_disk_no_more_stays_free_than_the_spool_may_take() {
    let home = Home::new();
    // All of the disk is not free, but as much as this is.
    let limits = Limits { free_disk: 1.0, ..SMALL };
    let (spool, _) = Spool::open(&home.path(), limits).unwrap();
    spool.append(vec![request(1)]).await.unwrap();
    assert_eq!(spool.room(), limits.bytes - spool.depth().bytes);
    fill(&spool, 8).await;
    assert!(spool.room() < limits.bytes / 4, "{}", spool.room());
    drain(&spool).await;
    assert!(spool.room() > limits.bytes / 2, "{}", spool.room());
}

/// A small file system of its own, which only root can have.
struct Disk(Home);

impl Disk {
    fn mount() -> Option<Self> {
        let home = Home::new();
        home.make();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "spool-test"]).arg(home.path());
        (geteuid().is_root() && mount.status().is_ok_and(|status| status.success()))
            .then(|| Self(home))
    }
}

impl Disk {
    fn remount(&self, option: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{option}")]).arg(self.0.path());
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because a failed test may still have files open.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "it says why it is skipped")]
async fn a_disk_that_others_fill_makes_it_full_until_there_is_room_again() {
    let Some(disk) = Disk::mount() else {
        eprintln!("skipped: no file system of its own without root");
        return;
    };
    let (directory, ballast) = (disk.0.path().join("spool"), disk.0.path().join("ballast"));
    let (spool, _) = Spool::open(&directory, Limits::default()).unwrap();
    spool.append(vec![request(0)]).await.unwrap();
    std::fs::write(&ballast, vec![1; 3_600 << 10]).unwrap();
    let large = || vec![(0..400).flat_map(|_| request(7)).collect()];
    assert!(matches!(spool.append(large()).await, Err(Error::Full)));
    std::fs::remove_file(&ballast).unwrap();
    spool.append(vec![request(7)]).await.unwrap();
    assert_eq!(waiting(&spool).await, [0, 7]);
    spool.close().await;

    // To the last block: nothing is kept in reserve, and it is full all the same, or works.
    let (spool, _) = Spool::open(&directory, Limits { bytes: 1 << 30, free_disk: 0.0 }).unwrap();
    let full = fill(&spool, 8).await;
    std::fs::write(&ballast, vec![1; 4_096 << 10]).unwrap_err();
    let refused = spool.append(vec![request(full)]).await.unwrap_err();
    assert!(matches!(refused, Error::Full), "{refused:?}");
    std::fs::remove_file(&ballast).unwrap();
    drain(&spool).await;
    spool.append(vec![request(full)]).await.unwrap();
    assert_eq!(waiting(&spool).await, [full]);
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "it says why it is skipped")]
async fn a_read_only_disk_is_an_error_and_no_damage() {
    let Some(disk) = Disk::mount() else {
        eprintln!("skipped: no file system of its own without root");
        return;
    };
    let directory = disk.0.path().join("spool");
    let open = || Spool::open(&directory, Limits { free_disk: 0.0, ..Limits::default() });
    let (spool, _) = open().unwrap();
    spool.append(vec![request(0)]).await.unwrap();
    spool.close().await;
    disk.remount("ro");
    let refused = open().unwrap_err();
    assert!(matches!(&refused, Error::File { action: "open", .. }), "{refused:?}");
    disk.remount("rw");
    let (spool, found) = open().unwrap();
    assert_eq!((found.damaged, found.set_aside), (0, None));
    assert_eq!(waiting(&spool).await, [0]);
}
