//! Killed again and again under load, the service leaves a record that is whole.

use nix::sys::signal::Signal;

use crate::support::{Load, Service, TestDatabase, check_record, turn};

/// How often it is killed.
const ROUNDS: usize = 20;

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_and_nothing_is_half_there() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let admin = database.connect().await;
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        let service = Service::start(&database).await;
        let mut load = Load::start(&service, 64);
        // Each round is killed at another point, the first among its very first requests.
        load.acknowledged(1 + 23 * round).await;
        service.signal(Signal::SIGKILL);
        service.ended().await;
        let of_round = load.finish().await;
        check_record(&admin, &of_round).await;
        told.extend(of_round);
    }
    let acknowledged = check_record(&admin, &told).await;
    assert!(acknowledged > ROUNDS * 200, "{acknowledged}");

    let service = Service::start(&database).await;
    let page = service.get_json("/predictions?limit=1000").await;
    assert_eq!(page["predictions"].as_array().unwrap().len(), 1_000);
}
