//! A disk that fails.

use nix::sys::resource::{Resource, setrlimit};
use spool::{Error, Limits, Spool};

use crate::support::{Copy, Home, request, told, waiting};

#[tokio::test]
async fn a_disk_that_fails_poisons_the_spool_until_it_is_opened_anew() {
    let home = Home::new();
    let mut copy = Copy::start("failing::append_until_the_disk_fails", &home.path());
    let kept: u64 = copy.line("kept").unwrap().parse().unwrap();
    assert_eq!(copy.line("done").as_deref(), Some(""));
    drop(copy);
    let (spool, found) = home.open();
    let there = waiting(&spool).await;
    // The one in doubt may be there too.
    assert_eq!(there[..usize::try_from(kept).unwrap()], (0..kept).collect::<Vec<_>>());
    assert!(there.len() as u64 <= kept + 1, "{there:?}");
    assert_eq!(found.damaged, 0);
    assert!(!spool.depth().failed);
    spool.append(vec![request(kept)]).await.unwrap();
}

/// What the copy does; a test that does nothing otherwise. A file may not grow beyond a size: that is a failure to write,
/// and no lack of room.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "this is how a copy speaks")]
async fn append_until_the_disk_fails() {
    let Some(directory) = told() else { return };
    let (spool, _) = Spool::open(&directory, Limits::default()).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 300_000, 300_000).unwrap();
    let mut kept = 0;
    let failure = loop {
        match spool.append(vec![request(kept)]).await {
            Ok(()) => kept += 1,
            Err(failure) => break failure,
        }
    };
    assert!(matches!(failure, Error::Failed { .. }) && failure.is_in_doubt(), "{failure:?}");
    println!("\nkept {kept}");
    assert!(kept > 20 && spool.depth().failed);

    // Room again, but it takes nothing: who knows what the system still remembers.
    let refused = spool.append(vec![request(0)]).await.unwrap_err();
    assert!(matches!(refused, Error::Poisoned(_)) && !refused.is_in_doubt(), "{refused:?}");

    // What there is can be replayed, once.
    let mut replayed = Vec::new();
    loop {
        let mut entries = spool.oldest(200).await.unwrap();
        if entries.is_empty() {
            break;
        }
        replayed.extend(entries.iter().map(|entry| crate::support::number(&entry.records)));
        // Not in order, either.
        entries.reverse();
        let rest = entries.split_off(entries.len() / 2);
        for entries in [entries, rest] {
            spool.remove(entries.into_iter().map(|entry| entry.id).collect()).await.unwrap();
        }
    }
    assert_eq!(replayed, (0..kept).collect::<Vec<_>>());
    let depth = spool.depth();
    assert_eq!((depth.entries, depth.rows, depth.oldest), (0, 0, None), "nothing waits");
    println!("done");
}
