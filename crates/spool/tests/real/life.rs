//! What a spool is for: to keep, to give back in order, to forget, to put apart.

use std::collections::BTreeSet;
use std::future::ready;

use chrono::DateTime;
use domain::{Class, Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
use proptest::prelude::*;
use spool::Error;
use uuid::Uuid;

use crate::support::{Home, request, waiting};

#[tokio::test]
async fn what_is_appended_is_given_back_in_order_and_after_a_reopening_too() {
    let home = Home::new();
    let (spool, found) = home.open();
    assert_eq!(found, spool::Found::default());
    spool.append((0..7).map(request).collect()).await.unwrap();
    for number in 7..20 {
        spool.append(vec![request(number)]).await.unwrap();
    }
    assert_eq!(waiting(&spool).await, (0..20).collect::<Vec<_>>());
    let depth = spool.depth();
    spool.close().await;

    let (spool, found) = home.open();
    assert_eq!(waiting(&spool).await, (0..20).collect::<Vec<_>>());
    let rows = (0..20).map(|number| request(number).len() as u64).sum();
    assert_eq!((found.entries, found.rows, found.damaged), (20, rows, 0));
    assert_eq!((depth.entries, depth.rows), (20, rows));
    assert_eq!(depth.oldest, Some(request(0)[0].timestamp));
    assert_eq!(spool.depth().oldest, depth.oldest);
}

#[tokio::test]
async fn entries_are_given_whole_up_to_so_many_rows() {
    let home = Home::new();
    let (spool, _) = home.open();
    let rows = |rows: u128| {
        let row = request(0).remove(0);
        (0..rows).map(|id| Record { id: Uuid::from_u128(id), ..row.clone() }).collect::<Vec<_>>()
    };
    spool.append(vec![rows(2), rows(3), vec![], rows(4)]).await.unwrap();
    let check = async |limit, expected: &[usize]| {
        let entries = spool.oldest(limit).await.unwrap();
        let found: Vec<_> = entries.iter().map(|entry| entry.records.len()).collect();
        assert_eq!(found, expected, "{limit}");
    };
    check(0, &[2]).await;
    check(1, &[2]).await;
    check(4, &[2]).await;
    check(5, &[2, 3]).await;
    check(8, &[2, 3]).await;
    check(9, &[2, 3, 4]).await;
}

#[tokio::test]
async fn what_is_removed_does_not_come_back() {
    let home = Home::new();
    let (spool, _) = home.open();
    assert_eq!(spool.oldest(9).await.unwrap(), []);
    spool.append((0..10).map(request).collect()).await.unwrap();
    let ids: Vec<_> =
        spool.oldest(usize::MAX).await.unwrap().iter().map(|entry| entry.id).collect();
    spool.remove(ids[..4].to_vec()).await.unwrap();
    // Once more, with one that is still there.
    spool.remove(ids[..5].to_vec()).await.unwrap();
    assert_eq!(waiting(&spool).await, [5, 6, 7, 8, 9]);
    assert_eq!(spool.depth().oldest, Some(request(5)[0].timestamp));
    spool.remove(ids).await.unwrap();
    let depth = spool.depth();
    assert_eq!((depth.entries, depth.rows, depth.oldest), (0, 0, None));
    spool.close().await;

    let (spool, found) = home.open();
    assert_eq!(found, spool::Found::default());
    // An id is never given twice.
    spool.append(vec![request(10)]).await.unwrap();
    assert_eq!(waiting(&spool).await, [10]);
}

#[tokio::test]
async fn what_is_quarantined_is_kept_and_counted_and_not_replayed() {
    let home = Home::new();
    let (spool, _) = home.open();
    spool.append((0..3).map(request).collect()).await.unwrap();
    let second = spool.oldest(usize::MAX).await.unwrap()[1].id;
    spool.quarantine(second, "value out of range").await.unwrap();
    spool.quarantine(second, "it is not there any more").await.unwrap();
    let depth = spool.depth();
    assert_eq!((depth.entries, depth.quarantined), (2, 1));
    assert_eq!(waiting(&spool).await, [0, 2]);
    spool.close().await;

    let (spool, found) = home.open();
    assert_eq!((found.entries, found.quarantined, found.damaged), (2, 1, 0));
    assert_eq!(spool.depth().quarantined, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_append_at_once_and_each_is_kept_once() {
    let home = Home::new();
    let (spool, _) = home.open();
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let spool = spool.clone();
            tokio::spawn(async move {
                for turn in 0..10 {
                    spool.append(vec![request(10 * task + turn)]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let found = waiting(&spool).await;
    assert_eq!(found.len(), 320);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), (0..320).collect());
}

#[tokio::test]
async fn who_does_not_wait_for_an_append_does_not_undo_it() {
    let home = Home::new();
    let (spool, _) = home.open();
    tokio::select! {
        biased;
        _ = spool.append(vec![request(1)]) => unreachable!("no disk is that fast"),
        () = ready(()) => {}
    }
    assert_eq!(waiting(&spool).await, [1]);
}

#[tokio::test]
async fn after_the_close_every_clone_is_refused() {
    let home = Home::new();
    let (spool, _) = home.open();
    let clone = spool.clone();
    spool.append(vec![request(1)]).await.unwrap();
    spool.close().await;
    let refused = clone.append(vec![request(2)]).await.unwrap_err();
    assert!(matches!(refused, Error::Stopped), "{refused:?}");
    clone.close().await;
    assert_eq!(home.open().1.entries, 1);
}

#[tokio::test]
async fn a_dropped_spool_finishes_what_it_was_asked_for() {
    let home = Home::new();
    for number in 0..3 {
        let (spool, found) = home.open();
        assert_eq!(found.entries, number);
        spool.append(vec![request(number)]).await.unwrap();
        drop(spool);
    }
    assert_eq!(waiting(&home.open().0).await, [0, 1, 2]);
}

prop_compose! {
    fn any_record()(
        id: u128,
        micros in 0..4_000_000_000_000_000_i64,
        row in [any::<f64>(); N_FEATURES],
        class in 0..N_CLASSES,
        probabilities in [any::<f64>(); N_CLASSES],
        version in "[0-9]?",
        truth in proptest::option::of(0..N_CLASSES),
    ) -> Record {
        Record {
            id: Uuid::from_u128(id),
            timestamp: DateTime::from_timestamp_micros(micros).unwrap(),
            measurements: Measurements::from_row(row),
            prediction: Prediction { class: Class::ALL[class], probabilities },
            model_version: version.into(),
            truth: truth.map(|index| Class::ALL[index]),
        }
    }
}

/// The bits of every number in it.
fn bits(record: &Record) -> Vec<u64> {
    let numbers = record.measurements.to_row().into_iter().chain(record.prediction.probabilities);
    numbers.map(f64::to_bits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_records_come_back_bit_for_bit(
        requests in proptest::collection::vec(proptest::collection::vec(any_record(), 1..60), 1..8),
    ) {
        let home = Home::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let entries = runtime.block_on(async {
            let (spool, _) = home.open();
            spool.append(requests.clone()).await.unwrap();
            spool.close().await;
            home.open().0.oldest(usize::MAX).await.unwrap()
        });
        let found: Vec<_> = entries.into_iter().map(|entry| entry.records).collect();
        prop_assert_eq!(&found, &requests);
        for (found, sent) in found.iter().flatten().zip(requests.iter().flatten()) {
            prop_assert_eq!(bits(found), bits(sent));
        }
    }
}
