//! A certificate is replaced while the service runs.

use chrono::{Days, NaiveDate, NaiveTime, Utc};
use nix::sys::signal::Signal;
use rustls::pki_types::CertificateDer;

use super::{Authority, connect, fetch, start};
use crate::support::{Service, TestDatabase, Wire, eventually, flower};

const READ: &str = "the certificate was read again";

/// The certificate that a new connection is shown.
async fn shown(service: &Service, authority: &Authority) -> CertificateDer<'static> {
    let stream = connect(service, authority).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

fn lines(service: &mut Service, text: &str) -> usize {
    service.log().lines().iter().filter(|line| line.contains(text)).count()
}

/// When the certificate expires, by the figures that it is shown with.
async fn expiry(service: &Service, trusted: &Authority) -> i64 {
    const FIGURE: &str = "\nonrecord_tls_certificate_expiry_timestamp_seconds ";
    let (_, figures) = fetch(connect(service, trusted).await, "GET /metrics", "").await;
    let figures = String::from_utf8(figures).unwrap();
    let (_, figure) = figures.split_once(FIGURE).unwrap();
    figure.lines().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_without_a_restart() {
    const STAYS: &str = "the certificate stays as it was";
    let authority = Authority::new();
    let database = TestDatabase::create().await;
    let files = authority.issue("localhost");
    let mut service = start(&database, &files).await;
    assert_eq!(shown(&service, &authority).await, files.der);
    let mut early = Wire::over(connect(&service, &authority).await);
    assert_eq!(early.get("/health/live").await.status, 200);

    let second = authority.issue("localhost");
    files.replace_by(&second);
    eventually("the second certificate is shown", async || {
        shown(&service, &authority).await == second.der
    })
    .await;

    // A key of another one: half of an update, or a mistake. It is said once, however often it is looked at.
    let third = authority.issue("localhost");
    std::fs::copy(&third.key, &files.key).unwrap();
    service.log().wait_for(STAYS).await;
    let line = service.log().wait_for("is not that of the certificate").await;
    assert!(line.contains(files.key()), "{line}");
    assert_eq!(shown(&service, &authority).await, second.der);
    let said = lines(&mut service, STAYS);

    files.replace_by(&third);
    eventually("the third certificate is shown", async || {
        shown(&service, &authority).await == third.der
    })
    .await;
    assert_eq!(lines(&mut service, STAYS), said);

    // A file that is gone for a while.
    std::fs::remove_file(&files.certificate).unwrap();
    service.log().wait_for("No such file").await;
    assert_eq!(shown(&service, &authority).await, third.der);
    files.replace_by(&third);
    let before = lines(&mut service, READ);
    eventually("the files are read again", async || lines(&mut service, READ) > before).await;

    // Asked to, it reads what has not changed.
    let before = lines(&mut service, READ);
    service.signal(Signal::SIGHUP);
    eventually("the files are read as asked", async || lines(&mut service, READ) > before).await;
    assert_eq!(shown(&service, &authority).await, third.der);

    // Who was there before is there still.
    let body = flower().to_string();
    early.announce("/predict", &body).await;
    early.send(&body).await;
    assert_eq!(early.reply().await.status, 200);
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn it_is_said_when_a_certificate_expires() {
    let authority = Authority::new();
    let database = TestDatabase::create().await;
    let files = authority.issue_until("localhost", NaiveDate::from_ymd_opt(2999, 12, 31).unwrap());
    let mut service = start(&database, &files).await;
    assert_eq!(expiry(&service, &authority).await, 32_503_593_600);
    assert_eq!(lines(&mut service, "the certificate expire"), 0);

    let soon = Utc::now().date_naive() + Days::new(2);
    files.replace_by(&authority.issue_until("localhost", soon));
    let line = service.log().wait_for("the certificate expires at").await;
    assert!(line.contains(&soon.to_string()), "{line}");
    let midnight = soon.and_time(NaiveTime::MIN).and_utc();
    assert_eq!(expiry(&service, &authority).await, midnight.timestamp());

    // Nobody talks to it any more who looks, but it serves, and can be given another.
    files.replace_by(&authority.issue_expired("localhost"));
    service.log().wait_for("the certificate expired at 2021-01-01").await;
    let good = authority.issue("localhost");
    let before = lines(&mut service, READ);
    files.replace_by(&good);
    eventually("the good certificate is read", async || lines(&mut service, READ) > before).await;
    assert_eq!(shown(&service, &authority).await, good.der);
}
