//! The service in a terminal, with nothing configured: a newcomer sees the record and every request.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use reqwest::Client;

use crate::endings::children;
use crate::support::{Service, eventually, flower, home, in_a_terminal};

/// A service in a terminal.
struct Terminal {
    terminal: Child,
    shown: PathBuf,
}

impl Terminal {
    /// Starts one on this data directory, and waits until it listens; nothing if there is no program `script` to make a terminal.
    #[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
    async fn start(data_dir: &Path, shown: PathBuf) -> Option<Self> {
        let mut command = Service::command();
        // The terminal chooses the format of the log.
        command.env("DATA_DIR", data_dir).env_remove("LOG_FORMAT");
        let Ok(terminal) = in_a_terminal(&command, "", &shown).spawn() else {
            eprintln!("not applicable: there is no program `script`");
            return None;
        };
        let service = Self { terminal, shown };
        service.wait_for("listening on").await;
        Some(service)
    }

    /// All that it has shown, without colors.
    fn text(&self) -> String {
        let bytes = fs::read(&self.shown).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut parts = text.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once('m').map_or("", |it| it.1))
    }

    async fn wait_for(&self, words: &str) -> String {
        eventually(words, async || self.text().contains(words)).await;
        let text = self.text();
        text.lines().find(|line| line.contains(words)).unwrap().to_owned()
    }

    /// Presses Ctrl-C, and waits for the end.
    async fn stop(mut self) {
        let shell = nix::unistd::Pid::from_raw(self.terminal.id().cast_signed());
        for service in children(shell, "onrecord") {
            kill(service, Signal::SIGINT).unwrap();
        }
        eventually("it ends", async || self.terminal.try_wait().unwrap().is_some()).await;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The service notices, and stops.
        let _ = self.terminal.kill();
        let _ = self.terminal.wait();
    }
}

#[tokio::test]
async fn a_newcomer_sees_where_the_record_is_and_every_request() {
    let home = home();
    let data_dir = home.path().join("data");
    let Some(service) = Terminal::start(&data_dir, home.path().join("first")).await else { return };
    let place = fs::canonicalize(&data_dir).unwrap();
    let new = service.wait_for("this is a new, empty record, in ").await;
    assert!(new.contains(place.to_str().unwrap()), "{new}");
    service.wait_for("psql 'host=").await;
    service
        .wait_for(
            "for SQLAlchemy, psycopg, ADBC and the like: postgresql://onrecord@/onrecord?host=",
        )
        .await;
    let listening = service.wait_for("listening on").await;
    let address = listening.split("listening on ").nth(1).unwrap().split(';').next().unwrap();

    let client = Client::new();
    let predict = format!("{address}/predict");
    assert_eq!(client.post(&predict).json(&flower()).send().await.unwrap().status(), 200);
    let line = service.wait_for("POST /predict 200 in ").await;
    let time = line.split("200 in ").nth(1).unwrap().split(" ms").next().unwrap();
    assert!(time.parse::<f64>().unwrap() > 0.0 && time.len() <= 8, "{line}");
    assert_eq!(client.post(&predict).json(&0).send().await.unwrap().status(), 422);
    let line = service.wait_for("status=422").await;
    assert!(line.contains("invalid_input"), "{line}");
    service.stop().await;

    let service = Terminal::start(&data_dir, home.path().join("second")).await.unwrap();
    service.wait_for("the record holds 1 prediction").await;
    assert!(!service.text().contains("new, empty record"), "{}", service.text());
    service.stop().await;
}
