//! A certificate is replaced while the service runs.

use nix::sys::signal::Signal;
use rustls::pki_types::CertificateDer;

use super::{Authority, connect, start};
use crate::support::{Service, TestDatabase, Wire, eventually, flower};

/// The certificate that a new connection is shown.
async fn shown(service: &Service, authority: &Authority) -> CertificateDer<'static> {
    let stream = connect(service, authority).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

fn lines(service: &mut Service, text: &str) -> usize {
    service.log().lines().iter().filter(|line| line.contains(text)).count()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_without_a_restart() {
    const STAYS: &str = "the certificate stays as it was";
    const READ: &str = "the certificate was read again";
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
