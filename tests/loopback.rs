//! `--pg-port`: a way to the private PostgreSQL for tools that know no Unix socket.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::signal::Signal;
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{Service, flower, home, spawn};

/// A port that nobody had a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn start(data_dir: &Path, port: u16) -> Service {
    let mut command = Service::command();
    command.env("DATA_DIR", data_dir).env("PG_PORT", port.to_string());
    Service::spawn(command, true).await
}

/// Connects as a tool does, with what the log says to it.
async fn connect(port: u16, password: Option<&str>) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user("onrecord").dbname("onrecord");
    if let Some(password) = password {
        config.password(password);
    }
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[tokio::test]
async fn tools_without_unix_sockets_get_in_with_the_password_and_nobody_without_it() {
    let home = home();
    let data_dir = home.path().join("data");
    // The first start has no such port, so the cluster has no password yet.
    let service = Service::start_private(&data_dir).await;
    service.predict(&flower()).await;
    assert_eq!(service.stop().await.code(), Some(0));
    assert!(!data_dir.join("password").exists());

    let port = free_port();
    let mut service = start(&data_dir, port).await;
    let line = service.log().wait_for("tools without Unix sockets").await;
    let file = fs::canonicalize(&data_dir).unwrap().join("password");
    let told = format!(
        "host 127.0.0.1, port {port}, database onrecord, user onrecord, password in {}",
        file.display()
    );
    assert!(line.ends_with(&told), "{line}");
    let password = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert!(!service.log().lines().join("\n").contains(password.trim()));

    let client = connect(port, Some(password.trim())).await.unwrap();
    let rows: i64 =
        client.query_typed_one("select count(*) from prediction_log", &[]).await.unwrap().get(0);
    assert_eq!(rows, 1);
    let listens = client.query_typed_one("show listen_addresses", &[]).await.unwrap();
    assert_eq!(listens.get::<_, String>(0), "127.0.0.1");
    for wrong in [None, Some(""), Some("onrecord")] {
        assert!(connect(port, wrong).await.is_err(), "{wrong:?} is let in");
    }
    // The service itself, and the line for psql, go by the socket still.
    service.predict(&flower()).await;
    let line = service.log().wait_for("psql ").await;
    assert!(line.contains(&format!("port={port}")), "{line}");

    // The password outlives a crash, and another port.
    service.signal(Signal::SIGKILL);
    service.ended().await;
    let port = free_port();
    let service = start(&data_dir, port).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), password);
    connect(port, Some(password.trim())).await.unwrap();
    // A lost one is made anew.
    assert_eq!(service.stop().await.code(), Some(0));
    fs::remove_file(&file).unwrap();
    let service = start(&data_dir, port).await;
    let renewed = fs::read_to_string(&file).unwrap();
    assert_ne!(renewed, password);
    connect(port, Some(renewed.trim())).await.unwrap();
    assert!(connect(port, Some(password.trim())).await.is_err(), "the old password is let in");
    assert_eq!(service.stop().await.code(), Some(0));

    // Without the setting nothing listens.
    let service = Service::start_private(&data_dir).await;
    assert!(connect(port, Some(renewed.trim())).await.is_err(), "the port is open still");
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_by_the_name_of_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let home = home();
    let mut command = Service::command();
    command.env("DATA_DIR", home.path().join("data")).env("PG_PORT", port.to_string());
    let (mut process, mut log) = spawn(command);
    let line = log.wait_for("the private PostgreSQL cannot be used").await;
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    assert!(line.contains("--pg-port takes another") && line.contains("in use"), "{line}");
    assert!(!process.wait().unwrap().success());
}
