//! How long it takes to refuse a key says nothing of the reason.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use reqwest::Client;

use super::{Keyed, UNKNOWN, spoilt};
use crate::support::{measured, turn};

/// How many refusals of each kind a client asks for: together fewer than may fail from one address.
const ROUNDS: usize = 120;

/// How many clients do, each from an address of its own.
const CLIENTS: u8 = 5;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The bound: the medians of the four kinds differ by no more than three times what the medians of the first and second
/// half of one kind do, or by 5 % of the time of an answer. Noise may break it, once or twice.
#[tokio::test]
async fn an_unknown_key_is_refused_as_quickly_as_one_that_was_known() {
    let _turn = turn().await;
    let mut keyed = Keyed::start().await;
    let good = keyed.key(&["--scope", "predict"]).await;
    let expired = keyed.key(&["--scope", "predict"]).await;
    let revoked = keyed.key(&["--scope", "predict"]).await;
    keyed.amend(&expired, "expires = 2026-01-01T00:00:00Z").await;
    keyed.amend(&revoked, "revoked = 2026-01-01T00:00:00Z").await;

    let kinds = [UNKNOWN, &spoilt(&good), &expired, &revoked];
    let mut told = String::new();
    for attempt in 1..=3_u8 {
        let began = Instant::now();
        let mut times = [const { Vec::new() }; 4];
        for client in 0..CLIENTS {
            let address = IpAddr::from([127, 0, attempt, 1 + client]);
            let client = Client::builder().local_address(address).build().unwrap();
            for round in 0..ROUNDS {
                for kind in 0..kinds.len() {
                    let kind = (kind + round) % kinds.len();
                    let request = client.get(keyed.service.url("/ledger")).bearer_auth(kinds[kind]);
                    let started = Instant::now();
                    let answer = request.send().await.unwrap();
                    times[kind].push(started.elapsed());
                    assert_eq!(answer.status(), 401);
                    drop(answer.bytes().await.unwrap());
                }
            }
        }
        let medians = times.clone().map(median);
        let (least, most) = (*medians.iter().min().unwrap(), *medians.iter().max().unwrap());
        let noise = times.iter().map(|times| {
            let (first, second) = times.split_at(times.len() / 2);
            median(first.to_vec()).abs_diff(median(second.to_vec()))
        });
        let bound = (noise.max().unwrap() * 3).max(least / 20);
        measured(&format!("{medians:?}, bound {bound:?}; all of it"), began.elapsed());
        if most - least <= bound {
            return;
        }
        told.push_str(&format!("{medians:?} differ by more than {bound:?}\n"));
    }
    panic!("{told}");
}
