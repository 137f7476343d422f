//! While the database is away every request is told so in time, and when it is back the service is.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::support::{
    Load, Outcome, OwnPostgres, Service, TestDatabase, Told, check_record, end_sessions,
    eventually, measured, turn, unavailable,
};

/// How soon a request is answered while the database is away, and how soon all is well once it is back.
const PROMISED: Duration = Duration::from_secs(2);

/// How long it is away.
const AWAY: Duration = Duration::from_secs(10);

/// Asks this of the service until `end`; each time it must say in time that the database is away.
async fn check_reading(service: &Service, path: &str, end: Instant) -> Duration {
    let mut longest = Duration::ZERO;
    // The last one is answered while the database is still away.
    while Instant::now() + PROMISED < end {
        let sent = Instant::now();
        let response = service.get(path).await;
        let checked = unavailable(response).await;
        longest = longest.max(sent.elapsed());
        checked.unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
        sleep(Duration::from_millis(50)).await;
    }
    assert!(longest < PROMISED, "{path}: {longest:?}");
    longest
}

/// Asks whether the process is alive; it is.
async fn check_alive(service: &Service, end: Instant) {
    while Instant::now() < end {
        let sent = Instant::now();
        assert_eq!(service.get("/health/live").await.status(), 200);
        assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the service has noticed that the database is away.
async fn unready(service: &Service) {
    eventually("it is not ready", async || service.get("/health/ready").await.status() == 503)
        .await;
}

/// Waits until this address answers 200.
async fn well(service: &Service, path: &str) {
    eventually(path, async || service.get(path).await.status() == 200).await;
}

/// The requests of a load were all answered in time: with 200 or 503, with 503 if sent and answered between `gone` and
/// `back`, and with 200 once the service was well.
fn check_answers(told: &[Told], gone: Instant, back: Instant, well: Instant) {
    let mut refused = 0;
    let mut longest = Duration::ZERO;
    for Told { ask, sent, took, answer } in told {
        assert!(*took < PROMISED, "{} took {took:?}: {answer:?}", ask.path());
        match answer {
            Outcome::Recorded(_) => assert!(*sent < gone || *sent + *took > back),
            Outcome::Unavailable => {
                assert!(
                    *sent < well,
                    "503 to a request sent {:?} after all was well",
                    *sent - well
                );
                longest = longest.max(*took);
                refused += 1;
            }
            Outcome::Lost => panic!("a request was not answered"),
            Outcome::Wrong(what) => panic!("{what}"),
        }
    }
    assert!(refused >= 20, "only {refused} requests were sent in the meantime");
    measured(&format!("longest of {refused} answers 503 to predicting"), longest);
}

/// Takes the database away under load, for ten seconds, and brings it back.
async fn check_outage(
    take: impl AsyncFnOnce(&mut OwnPostgres),
    bring: impl AsyncFnOnce(&mut OwnPostgres),
) {
    let _turn = turn().await;
    let mut postgres = OwnPostgres::start().await;
    let service = Service::start_at(postgres.url()).await;
    let mut load = Load::start(&service, 16);
    load.acknowledged(200).await;

    take(&mut postgres).await;
    let gone = Instant::now();
    let end = gone + AWAY;
    // It is looked at once a second.
    unready(&service).await;
    let (ready, list, find, ()) = tokio::join!(
        check_reading(&service, "/health/ready", end),
        check_reading(&service, "/predictions", end),
        check_reading(&service, "/predictions/01890000-0000-7000-8000-000000000000", end),
        check_alive(&service, end),
    );
    measured("longest 503 of /health/ready", ready);
    measured("longest 503 of reading", list.max(find));

    let back = Instant::now();
    bring(&mut postgres).await;
    let returned = Instant::now();
    tokio::join!(
        load.acknowledged(1),
        well(&service, "/health/ready"),
        well(&service, "/predictions"),
    );
    let recovery = returned.elapsed();
    measured("all is well again after", recovery);
    assert!(recovery < PROMISED, "{recovery:?}");
    let well = Instant::now();
    load.acknowledged(200).await;

    let told = load.finish().await;
    check_answers(&told, gone, back, well);
    check_record(&postgres.try_connect().await.unwrap(), &told).await;
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_stopped_database_costs_timely_503s_and_no_row() {
    // 70 of the catalogue of bad inputs
    check_outage(OwnPostgres::crash, OwnPostgres::start_again).await;
}

#[tokio::test]
async fn a_frozen_database_costs_timely_503s_and_no_row() {
    check_outage(async |postgres| postgres.freeze(), async |postgres| postgres.thaw()).await;
}

#[tokio::test]
async fn lost_connections_cost_nothing() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let admin = database.connect().await;
    let mut load = Load::start(&service, 32);
    let mut ended = 0;
    for _ in 0..50 {
        load.acknowledged(20).await;
        ended += end_sessions(&admin).await;
    }
    // Now and then the service has not connected again by the time of the next one.
    assert!(ended >= 25, "{ended}");
    load.acknowledged(100).await;
    let told = load.finish().await;
    let acknowledged = check_record(&admin, &told).await;
    // One batch may meet the end of two connections in a row.
    let lost = told.len() - acknowledged;
    assert!(lost * 100 <= told.len() * 5, "{lost} of {} were not answered with 200", told.len());
    measured("longest request", told.iter().map(|told| told.took).max().unwrap());
}

#[tokio::test]
async fn a_service_whose_database_is_frozen_still_stops() {
    let _turn = turn().await;
    let postgres = OwnPostgres::start().await;
    let service = Service::start_at(postgres.url()).await;
    let mut load = Load::start(&service, 16);
    load.acknowledged(100).await;
    postgres.freeze();
    // Some requests are being written by now, and some are queued.
    unready(&service).await;
    let asked = Instant::now();
    assert_eq!(service.stop().await.code(), Some(0));
    measured("stopped while the database was frozen", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());

    postgres.thaw();
    let told = load.finish().await;
    check_record(&postgres.try_connect().await.unwrap(), &told).await;
}
