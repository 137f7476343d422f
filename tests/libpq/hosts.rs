//! Each of several hosts has its time, so that one that says nothing does not hide the others.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{Server, bare, check};
use crate::support::{OwnPostgres, Service, count, eventually, flower, measured, turn};

#[tokio::test]
async fn a_silent_host_does_not_hide_another() {
    let server = Server::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent, port) = (silent.local_addr().unwrap().port().to_string(), &server.port);
    // If a standby is preferred, every host is looked at, and the primary is taken if there is none.
    for (ports, attrs) in [
        (format!("{silent},{port}"), "any"),
        (format!("{silent},{port}"), "read-write"),
        (format!("{port},{silent}"), "prefer-standby"),
        (format!("{silent},{silent},{port}"), "primary"),
    ] {
        let hosts = vec!["127.0.0.1"; ports.split(',').count()].join(",");
        let url = format!("host={hosts} port={ports} user=ada password=topsecret");
        let url = format!("{url} dbname={} target_session_attrs={attrs}", server.name);
        let (mut command, _home) = bare();
        command.env("DATABASE_URL", url);
        let began = Instant::now();
        let service = Service::spawn(command, false).await;
        service.predict(&flower()).await;
        measured(&format!("{attrs}: served past a silent host after"), began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(8), "{attrs}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_host_that_falls_silent_is_left_for_the_next() {
    let _turn = turn().await;
    let (first, second) = (OwnPostgres::start().await, OwnPostgres::start().await);
    let config = |it: &OwnPostgres| it.url().parse::<tokio_postgres::Config>().unwrap();
    let directory = |it: &OwnPostgres| it.url().split_once("?host=").unwrap().1.to_owned();
    let (one, other) = (directory(&first), directory(&second));
    let ((one, port), (other, _)) =
        (one.split_once("&port=").unwrap(), other.split_once("&port=").unwrap());
    let (user, name) = (config(&first), config(&second));
    let (user, name) = (user.get_user().unwrap(), name.get_dbname().unwrap());
    let url = format!("host={one},{other} port={port} user={user} dbname={name}");
    Service::start_at(second.url()).await.stop().await;
    let service = Service::start_at(&url).await;
    service.predict(&flower()).await;
    first.freeze();
    let mut longest = Duration::ZERO;
    let took = eventually("the second host is used", async || {
        let asked = Instant::now();
        let answer = service.post("/predict", &flower()).send().await.unwrap();
        longest = longest.max(asked.elapsed());
        answer.status() == 200
    })
    .await;
    measured("predictions go to the second host after", took);
    measured("the longest answer meanwhile took", longest);
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let sql = second.try_connect().await.unwrap();
    assert!(count(&sql, "select count(*) from prediction").await > 0);
    let page = async || service.get("/predictions").await.status() == 200;
    eventually("the second host is read", page).await;
    first.thaw();
}

#[tokio::test]
async fn the_message_names_every_host_with_its_port() {
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let url = format!("postgresql://ada:topsecret@{},{}/rec", ports[0], ports[1]);
    let named = format!("{},{} database rec user ada", ports[0], ports[1]);
    check(&[("DATABASE_URL", &url)], &named).await;
}

#[tokio::test]
async fn a_standby_or_a_primary_is_found_among_the_hosts() {
    let mut primary = OwnPostgres::start().await;
    Service::start_at(primary.url()).await.stop().await;
    let standby = primary.standby().await;
    let sockets = |it: &OwnPostgres| {
        let place = it.url().split_once("?host=").unwrap().1.to_owned();
        place.split_once("&port=").unwrap().0.to_owned()
    };
    let (of_primary, of_standby) = (sockets(&primary), sockets(&standby));
    let url = |hosts: &str, attrs: &str| {
        let url = primary.url().replace(&of_primary, hosts);
        format!("{url}&target_session_attrs={attrs}")
    };
    let both = format!("{of_standby},{of_primary}");
    for attrs in ["primary", "read-write"] {
        check(&[("DATABASE_URL", &url(&both, attrs))], "").await;
    }
    // A standby cannot keep the record, but the service says so of itself.
    for (hosts, attrs) in [(&of_standby, "primary"), (&of_primary, "standby")] {
        check(&[("DATABASE_URL", &url(hosts, attrs))], "target_session_attrs").await;
    }
    let both = format!("{of_primary},{of_standby}");
    for attrs in ["standby", "prefer-standby", "read-only"] {
        let mut command = Service::command();
        command.env("DATABASE_URL", primary.url());
        command.env("READ_DATABASE_URL", url(&both, attrs));
        let service = Service::spawn(command, false).await;
        let id = service.predict(&flower()).await["id"].as_str().unwrap().to_owned();
        service.get_json(&format!("/predictions/{id}")).await;
        let sql = standby.try_connect().await.unwrap();
        let ours = "select count(*) from pg_stat_activity where application_name = 'onrecord'";
        assert!(count(&sql, ours).await > 0, "{attrs}");
    }
}
