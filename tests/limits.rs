//! What clients can take of the machine is bounded: descriptors, memory, the processor.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::{
    Service, TestDatabase, Wire, cpu, descriptors, eventually, flower, measured, resident, turn,
};

#[tokio::test]
async fn with_few_descriptors_everybody_has_a_turn_and_nobody_spins() {
    let database = TestDatabase::create().await;
    let service = Service::start_with_descriptors(&database, "-n 64").await;
    // The first ones have said something, so that they are known to be let in.
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::open(&service).await;
        assert_eq!(wire.get("/health/live").await.status, 200);
        idle.push(wire);
    }
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(Wire::open(&service).await);
    }

    let before = cpu(service.pid());
    sleep(Duration::from_secs(2)).await;
    let used = cpu(service.pid()) - before;
    measured("processor time in 2 s with 200 connections for 32", used);
    assert!(used <= Duration::from_millis(200), "{used:?}");

    // The crowd is still there, and yet:
    let asked = Instant::now();
    service.predict(&flower()).await;
    measured("a prediction behind 200 silent connections took", asked.elapsed());
    drop(crowd);
    eventually("the idle ones had to go", async || {
        let mut closed = 0;
        for wire in &mut idle {
            closed += usize::from(wire.is_closed().await);
        }
        closed == 20
    })
    .await;
    for _ in 0..20 {
        assert_eq!(Wire::open(&service).await.get("/health/ready").await.status, 200);
    }
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn the_limit_of_descriptors_is_raised_as_far_as_it_may() {
    let database = TestDatabase::create().await;
    let service = Service::start_with_descriptors(&database, "-S -n 100").await;
    let pid = service.pid();
    assert!(descriptors(pid) > 1_000, "{}", descriptors(pid));
    let service = Service::start_with_descriptors(&database, "-S -n 100 && ulimit -H -n 200").await;
    assert_eq!(descriptors(service.pid()), 200);
}

#[tokio::test]
async fn a_giant_body_takes_no_memory() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    // Both kinds of bodies have been seen before.
    service.predict(&flower()).await;
    assert_eq!(giant(&service, 5).await, "413");
    let before = resident(service.pid());
    assert_eq!(giant(&service, 300).await, "413");
    let after = resident(service.pid());
    measured_kib("resident before and after 300 MB", before, after);
    assert!(after < before + (5 << 10), "{before} KiB, then {after} KiB");
    service.predict(&flower()).await;
}

#[expect(clippy::print_stderr, reason = "the figures are for people")]
fn measured_kib(what: &str, before: u64, after: u64) {
    eprintln!("{what}: {before} KiB, {after} KiB");
}

/// Sends so many megabytes in chunks, as far as they are taken, and gives the status of the answer.
async fn giant(service: &Service, megabytes: usize) -> String {
    let (mut reader, mut writer) = TcpStream::connect(service.socket()).await.unwrap().into_split();
    let sending = tokio::spawn(async move {
        let head = "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("{:x}\r\n{}\r\n", 1_000_000, " ".repeat(1_000_000));
        for _ in 0..megabytes {
            if writer.write_all(chunk.as_bytes()).await.is_err() {
                return;
            }
        }
        let _ = writer.write_all(b"0\r\n\r\n").await;
    });
    let mut answer = vec![0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    sending.abort();
    String::from_utf8(answer[9..].to_vec()).unwrap()
}

#[tokio::test]
async fn many_large_bodies_at_once_take_bounded_memory() {
    const LENGTH: usize = 4 << 20;
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let before = resident(service.pid());
    // Each is sent but for its last byte, so that none of them ends.
    let mut bodies = Vec::new();
    let part = " ".repeat(LENGTH - 1);
    for _ in 0..64 {
        let mut wire = Wire::open(&service).await;
        wire.send(&format!(
            "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {LENGTH}\r\n\r\n"
        ))
        .await;
        // Not all of it is taken if the request is refused.
        let _ = wire.try_send(&part).await;
        bodies.push(wire);
    }
    let mut refused = 0;
    eventually("there is no room for most", async || {
        refused = 0;
        for wire in &mut bodies {
            refused += usize::from(wire.is_answered().await);
        }
        refused >= 40
    })
    .await;
    let during = resident(service.pid());
    measured_kib("resident before and during 64 bodies of 4 MiB", before, during);
    assert!(during < before + (160 << 10), "{before} KiB, then {during} KiB");
    assert!(refused < 64, "the first ones had room");
    service.predict(&flower()).await;

    drop(bodies);
    eventually("there is room again", async || {
        let body = part.clone() + "x";
        let request = service.client.post(service.url("/predict")).body(body);
        let request = request.header("content-type", "application/json");
        request.send().await.unwrap().status() == 400
    })
    .await;
}
