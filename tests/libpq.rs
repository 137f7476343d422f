//! libpq's variables, files and defaults: followed, or refused by name.

mod hosts;
mod places;
mod table;

use std::process::Command;

use tempfile::TempDir;
use tokio_postgres::config::Host;

use crate::support::{OwnPostgres, Service, home};

/// A PostgreSQL that can be reached by a Unix socket, and by TCP with a password.
struct Server {
    postgres: OwnPostgres,
    directory: String,
    port: String,
    user: String,
    name: String,
}

impl Server {
    async fn start() -> Self {
        let mut postgres = OwnPostgres::start().await;
        let port = postgres.listen("host all all all scram-sha-256").await.to_string();
        let config: tokio_postgres::Config = postgres.url().parse().unwrap();
        let [Host::Unix(directory)] = config.get_hosts() else { panic!("{config:?}") };
        let admin = postgres.try_connect().await.unwrap();
        let role = "create role ada superuser login password 'topsecret'";
        admin.batch_execute(role).await.unwrap();
        Self {
            directory: directory.to_str().unwrap().to_owned(),
            port,
            user: config.get_user().unwrap().to_owned(),
            name: config.get_dbname().unwrap().to_owned(),
            postgres,
        }
    }

    /// Its address, by its socket.
    fn url(&self) -> String {
        let Self { directory, port, user, name, .. } = self;
        format!("postgresql://{user}@/{name}?host={directory}&port={port}")
    }

    /// The variables that name it, by its socket.
    fn variables(&self) -> [(&str, &str); 4] {
        let Self { directory, port, user, name, .. } = self;
        [("PGHOST", directory), ("PGPORT", port), ("PGUSER", user), ("PGDATABASE", name)]
    }
}

/// A home without any of libpq's files.
fn bare() -> (Command, TempDir) {
    let home = home();
    let mut command = Service::command();
    command.env("HOME", home.path()).env("DATA_DIR", home.path().join("data"));
    (command, home)
}

/// Runs `onrecord migrate` with these variables; gives whether it succeeds and what it says. It begins no record of its own.
async fn migrate(variables: &[(&str, &str)]) -> (bool, String) {
    let (mut command, home) = bare();
    command.arg("migrate").envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!home.path().join("data").exists(), "{variables:?}: {said}");
    assert!(!said.contains("topsecret"), "{variables:?}: {said}");
    (output.status.success(), said)
}

/// It succeeds, if there are no words to be said, or fails and says these.
async fn check(variables: &[(&str, &str)], words: &str) {
    let (succeeds, said) = migrate(variables).await;
    assert_eq!(succeeds, words.is_empty(), "{variables:?}: {said}");
    assert!(said.contains(words), "{variables:?}: no «{words}» in {said}");
}
