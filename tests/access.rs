//! Who is let in, and who is not: API keys from outside, with the program's own commands.

mod callers;
mod command;
mod exposure;
mod logged;
mod matrix;
mod names;
mod rates;
mod refusals;
mod renewal;
mod room;
mod timing;
mod trust;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;

use reqwest::RequestBuilder;
use tempfile::TempDir;

use crate::support::{Answer, Service, TestDatabase, eventually, flower};

/// All the scopes there are.
const SCOPES: [&str; 4] = ["predict", "read", "label", "admin"];

/// A service that lets in only who shows a key.
struct Keyed {
    service: Service,
    database: TestDatabase,
    file: PathBuf,
    _directory: TempDir,
}

impl Keyed {
    async fn start() -> Self {
        Self::start_with([("", ""); 0]).await
    }

    /// Starts one with more environment variables; its file has no key yet.
    async fn start_with<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys.toml");
        std::fs::write(&file, "# ours\n").unwrap();
        let database = TestDatabase::create().await;
        let mut command = Service::command();
        command.env("DATABASE_URL", database.url()).env("API_KEYS_FILE", &file).envs(variables);
        let service = Service::spawn(command, false).await;
        Self { service, database, file, _directory: directory }
    }

    /// Changes the file and waits until the service has read it.
    async fn change<T>(&mut self, change: impl FnOnce(&Path) -> T) -> T {
        let log = self.service.log().clone();
        let renewals =
            || log.lines().iter().filter(|it| it.contains("there are other keys")).count();
        let before = renewals();
        let made = change(&self.file);
        eventually("the file is read", async || renewals() > before).await;
        made
    }

    /// Makes a key with these arguments.
    async fn key(&mut self, arguments: &[&str]) -> String {
        self.change(|file| new_key(file, arguments)).await
    }

    /// Writes this field into the table of this key, as an administrator might.
    async fn amend(&mut self, secret: &str, field: &str) {
        let line = format!("id = \"{}\"\n", id(secret));
        self.change(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(&line));
            std::fs::write(file, text.replace(&line, &format!("{line}{field}\n"))).unwrap();
        })
        .await;
    }

    /// Makes a key with all scopes.
    async fn master_key(&mut self) -> String {
        self.key(&SCOPES.map(|scope| ["--scope", scope]).concat()).await
    }

    /// A request to predict, with this secret.
    fn predict(&self, secret: &str) -> RequestBuilder {
        self.service.post("/predict", &flower()).bearer_auth(secret)
    }

    async fn answer(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.unwrap()).await
    }
}

/// Runs `onrecord key …` on this file.
fn run_key(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Service::command();
    command.arg("key").args(arguments).arg("--api-keys-file").arg(file).output().unwrap()
}

/// The secret of a new key.
fn new_key(file: &Path, arguments: &[&str]) -> String {
    let output = run_key(file, &[&["new"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    let secret = String::from_utf8(output.stdout).unwrap();
    secret.strip_suffix('\n').unwrap().to_owned()
}

fn keys_in(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap().matches("[[key]]").count()
}

/// The id in a secret.
fn id(secret: &str) -> &str {
    secret.split('_').nth(1).unwrap()
}

/// The same secret with another last digit.
fn spoilt(secret: &str) -> String {
    let (rest, last) = secret.split_at(secret.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

/// A secret of the right form that nobody made.
const UNKNOWN: &str = "onr_00000000_0123456789abcdefghjkmnpqrstvwxyz01234567";
