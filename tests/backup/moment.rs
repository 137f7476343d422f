//! Back to a moment, on a server of its own: its files are replaced.

use std::os::unix::fs::chown;

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use super::page::blocks;
use super::shell::Shell;
use super::{predict, recorded};
use crate::support::{Service, eventually, home};

/// A server that `pg_ctl` starts and stops; it is stopped with the test.
struct Server {
    shell: Shell,
    home: TempDir,
}

impl Server {
    async fn start() -> Self {
        let home = home();
        let place = |name: &str| home.path().join(name).display().to_string();
        let mut shell = Shell::new(home.path()).with("PGDATA", &place("pgdata"));
        shell = shell.with("PGHOST", home.path().to_str().unwrap()).with("PGUSER", "onrecord");
        if geteuid().is_root() {
            // PostgreSQL refuses to run as root.
            let nobody = User::from_name("nobody").unwrap().unwrap().uid;
            for path in [home.path().to_owned(), home.path().join("backup")] {
                chown(path, Some(nobody.as_raw()), Some(nobody.as_raw())).unwrap();
            }
            shell = shell.of(nobody.as_raw());
        }
        let server = Self { shell, home };
        let make = "initdb --username=onrecord --auth=trust --no-locale --encoding=UTF8 --no-sync
            echo \"listen_addresses = ''\nunix_socket_directories = '$PGHOST'\" >> \"$PGDATA/postgresql.conf\"
            pg_ctl start --log=\"$BACKUP/log\"
            createdb onrecord";
        server.shell.run(make).await;
        server
    }

    fn url(&self) -> String {
        format!("postgresql://onrecord@/onrecord?host={}", self.home.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.shell.command("pg_ctl stop --mode=immediate > /dev/null").status();
    }
}

#[tokio::test]
async fn the_record_goes_back_to_a_moment() {
    let server = Server::start().await;
    let [archive, copy, clean, back, forget] = blocks("Go back to a moment");
    server.shell.run(&archive).await;
    let service = Service::start_at(&server.url()).await;
    server.shell.run(&copy).await;
    // A week later, the first copy is too old.
    server.shell.run("mv \"$BACKUP\"/base-* \"$BACKUP/base-2000-01-01\"").await;
    predict(&service).await;
    server.shell.run(&copy).await;
    server.shell.run(&clean).await;
    let archived = "ls \"$BACKUP/wal\" | grep -c '^[0-9A-F]*$'";
    let all = server.shell.run(archived).await;
    server.shell.run("rm -r \"$BACKUP/base-2000-01-01\"").await;
    server.shell.run(&clean).await;
    let needed = server.shell.run(archived).await;
    let number = |text: &str| text.trim().parse::<u32>().unwrap();
    assert!(number(&needed) < number(&all), "{needed} of {all}");
    let kept = predict(&service).await;
    let now = "psql -X -At -d postgres -c 'select clock_timestamp()'";
    let moment = server.shell.run(now).await;
    let lost = predict(&service).await;

    let base = server.shell.run("printf %s \"$BACKUP\"/base-*").await;
    let shell = server.shell.clone().with("MOMENT", moment.trim()).with("BASE", &base);
    shell.run(&back).await;
    eventually("the server may be written to", async || {
        let state = "psql -X -At -d postgres -c 'select pg_is_in_recovery()'";
        server.shell.run(state).await.trim() == "f"
    })
    .await;
    server.shell.run(&forget).await;
    eventually("the service is back", async || recorded(&service, &kept).await == 200).await;
    assert_eq!(recorded(&service, &lost).await, 404);
    eventually("rows are taken", async || service.get("/health/ready").await.status() == 200).await;
    predict(&service).await;
    service.stop().await;
}
