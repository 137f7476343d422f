//! A database of its own for each test.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::{Client, Config, NoTls};

use super::postgres::shared;

/// An empty database in the shared PostgreSQL. It goes with that.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    name: String,
}

impl TestDatabase {
    /// A new one, with nothing in it.
    pub(crate) async fn create() -> Self {
        Self::create_with("").await
    }

    /// The same, made with these options.
    pub(crate) async fn create_with(options: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let postmaster = tokio::task::spawn_blocking(shared).await.unwrap();
        let admin = connect(postmaster.database()).await;
        admin.batch_execute(&format!("create database {name} {options}")).await.unwrap();
        Self { name }
    }

    /// Its address, as `DATABASE_URL` takes it.
    pub(crate) fn url(&self) -> String {
        let postmaster = shared();
        format!(
            "postgresql://{}@/{}?host={}&port={}",
            postmaster.user(),
            self.name,
            postmaster.socket_dir().display(),
            postmaster.port()
        )
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.name).await
    }

    /// How many rows each of the two tables has, and how many ids they have in common.
    pub(crate) async fn counts(&self) -> (i64, i64, i64) {
        const COUNTS: &str = "select (select count(*) from raw_data), (select count(*) from prediction),
                              (select count(*) from raw_data join prediction using (id, \"timestamp\"))";
        let row = self.connect().await.query_one(COUNTS, &[]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }
}

async fn connect(database: &str) -> Client {
    let postmaster = shared();
    let (client, connection) = Config::new()
        .host_path(postmaster.socket_dir())
        .port(postmaster.port())
        .user(postmaster.user())
        .dbname(database)
        .connect(NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
