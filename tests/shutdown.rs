//! Asked to stop, the service finishes what is in flight, commits it, and goes.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::support::{
    Ask, Load, Outcome, Service, TableLock, TestDatabase, Told, Wire, check_record, count,
    eventually, flower, measured, turn,
};

/// How long a stop may take that waits for nothing; the grace for what is in flight is five seconds.
const PROMPT: Duration = Duration::from_secs(3);

/// Asks for a stop while 200 requests, most of single rows, wait for the record.
async fn check_in_flight(signal: Signal) {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let mut service = Service::start(&database).await;
    let mut waiting = Vec::new();
    for number in 0..200 {
        let ask = Ask::of(if number % 10 == 0 { 20 } else { 1 });
        let mut wire = Wire::open(&service).await;
        wire.announce(ask.path(), &ask.body().to_string()).await;
        waiting.push((ask, wire));
    }

    let lock = TableLock::take(&database).await;
    let sent = Instant::now();
    for (ask, wire) in &mut waiting {
        wire.send(&ask.body().to_string()).await;
    }
    service.signal(signal);
    service.log().wait_for("finishing what is in flight").await;
    eventually("nobody else is let in", async || {
        TcpStream::connect(service.socket()).await.is_err()
    })
    .await;
    lock.release().await;
    measured("the record was held up for", sent.elapsed());

    let mut told = Vec::new();
    for (ask, mut wire) in waiting {
        let reply = wire.reply().await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let answer = Outcome::Recorded(ask.ids(&reply.body));
        told.push(Told { ask, sent, took: sent.elapsed(), answer });
    }
    assert_eq!(service.ended().await.code(), Some(0));
    assert_eq!(check_record(&database.connect().await, &told).await, 200);
    assert_eq!(database.counts().await, (580, 580, 580));
}

#[tokio::test]
async fn after_sigterm_all_that_is_in_flight_is_answered_and_recorded() {
    check_in_flight(Signal::SIGTERM).await;
}

#[tokio::test]
async fn after_ctrl_c_all_that_is_in_flight_is_answered_and_recorded() {
    check_in_flight(Signal::SIGINT).await;
}

#[tokio::test]
async fn stopped_at_full_speed_it_loses_and_doubles_nothing() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut load = Load::start(&service, 200);
    load.acknowledged(2_000).await;
    let socket = service.socket().to_owned();
    assert_eq!(service.stop().await.code(), Some(0));
    assert!(TcpStream::connect(socket).await.is_err());

    let told = load.finish().await;
    let admin = database.connect().await;
    assert!(check_record(&admin, &told).await >= 2_000);
    // It had time for everything, so there is nothing on the record that nobody was told of, either.
    let acknowledged: usize = told
        .iter()
        .map(|told| if let Outcome::Recorded(ids) = &told.answer { ids.len() } else { 0 })
        .sum();
    let recorded = count(&admin, "select count(*) from prediction").await;
    assert_eq!(usize::try_from(recorded).unwrap(), acknowledged);
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_stop() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut idle = Vec::new();
    for number in 0..20 {
        let mut wire = Wire::open(&service).await;
        // The first never said a word.
        if number > 0 {
            assert_eq!(wire.get("/health/live").await.status, 200);
        }
        idle.push(wire);
    }
    let asked = Instant::now();
    assert_eq!(service.stop().await.code(), Some(0));
    let took = asked.elapsed();
    measured("stopped with 20 idle connections", took);
    assert!(took < PROMPT, "{took:?}");
    for mut wire in idle {
        wire.closed().await;
    }
}

#[tokio::test]
async fn requests_that_are_sent_in_part_do_not_delay_the_stop() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut halves = Vec::new();
    for part in [
        "P",
        "POST /predict HT",
        "POST /predict HTTP/1.1\r\nhost: x\r\n",
        "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n",
        "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
        "PUT /docs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{",
    ] {
        // Once after silence, and once after another request.
        for earlier in [false, true] {
            let mut wire = Wire::open(&service).await;
            if earlier {
                assert_eq!(wire.get("/health/live").await.status, 200);
            }
            wire.send(part).await;
            halves.push(wire);
        }
    }
    assert_eq!(service.get("/health/live").await.status(), 200);
    let asked = Instant::now();
    assert_eq!(service.stop().await.code(), Some(0));
    let took = asked.elapsed();
    measured("stopped with 12 requests sent in part", took);
    assert!(took < PROMPT, "{took:?}");
    for mut wire in halves {
        wire.closed().await;
    }
}

/// Whoever sends requests is told by `/health/ready` to send them elsewhere, and served until then.
#[tokio::test]
async fn a_service_that_drains_is_not_ready_and_serves_on() {
    let database = TestDatabase::create().await;
    let mut service = Service::start_with(&database, [("DRAIN_SECONDS", "3600")]).await;
    assert_eq!(service.get("/health/ready").await.status(), 200);
    service.signal(Signal::SIGTERM);
    service.log().wait_for("not ready any more").await;
    let ready = service.get("/health/ready").await;
    assert_eq!((ready.status().as_u16(), ready.headers().contains_key("retry-after")), (503, true));
    let live = service.get("/health/live").await;
    // A client that used the connection again might do so in the moment in which it ends.
    assert_eq!(
        (live.status().as_u16(), &live.headers()["connection"]),
        (200, &"close".parse().unwrap())
    );
    service.predict(&flower()).await;
    // Asked twice, it does not wait any longer.
    assert_eq!(service.stop().await.code(), Some(0));
    assert_eq!(database.counts().await, (1, 1, 1));
}
