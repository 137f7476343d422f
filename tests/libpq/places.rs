//! The place of the database: a place that libpq knows is never taken for a private PostgreSQL.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use storage::{Database, Variables};

use nix::unistd::{Uid, User};

use super::{Server, bare, check};
use crate::support::{Service, count, flower};

#[tokio::test]
async fn without_a_host_the_socket_in_the_default_directory_is_taken() {
    let mut server = Server::start().await;
    server.postgres.crash().await;
    let directories = format!("-c unix_socket_directories={},/tmp", server.directory);
    server.postgres.start_with(&directories).await;
    let Server { port, user, name, .. } = &server;
    let url = format!("postgresql://:{port}/{name}");
    let pairs = format!("port={port} dbname={name}");
    let nameless = format!("postgresql:///{name}");
    let of_user = ("PGUSER", &**user);
    for place in [
        &[("DATABASE_URL", &*url), of_user][..],
        &[("DATABASE_URL", &pairs), of_user],
        &[("DATABASE_URL", &nameless), ("PGPORT", port), of_user],
        &[("PGDATABASE", name), ("PGPORT", port), of_user],
        &[("PGPORT", port), ("PGDATABASE", name), ("PGHOST", ""), ("PGSSLMODE", ""), of_user],
    ] {
        check(place, "").await;
    }
}

#[tokio::test]
async fn an_empty_variable_counts_as_unset() {
    let server = Server::start().await;
    let Server { directory, port, user, name, .. } = &server;
    let empty = ["PGHOSTADDR", "PGPASSWORD", "PGSERVICE", "PGSSLMODE", "PGSSLCERT", "PGSSLKEY"];
    let empty =
        empty.into_iter().chain(["PGSSLROOTCERT", "PGREQUIREAUTH", "PGOPTIONS", "PGAPPNAME"]);
    let mut variables: Vec<_> = empty.map(|variable| (variable, "")).collect();
    variables.extend(server.variables());
    check(&variables, "").await;
    // The default port, by a socket whose directory has none for it.
    let url = format!("postgresql://{user}@/{name}?host={directory}");
    check(&[("DATABASE_URL", &url), ("PGPORT", "")], directory).await;
    check(&[("DATABASE_URL", &url), ("PGPORT", port)], "").await;
}

#[tokio::test]
async fn a_list_of_hosts_has_a_list_of_ports() {
    let server = Server::start().await;
    let Server { directory, port, user, name, .. } = &server;
    let named = [("PGUSER", &**user), ("PGDATABASE", name)];
    let hosts = format!("/nowhere,{directory}");
    for (host, ports, words) in [
        (&hosts, port.clone(), ""),
        (&hosts, format!("1,{port}"), ""),
        (&hosts, format!(",{port}"), ""),
        (&hosts, format!("1,2,{port}"), "3 ports"),
        (directory, format!("1,{port}"), "2 ports"),
    ] {
        let place = [("PGHOST", &**host), ("PGPORT", &ports)];
        check(&[&place[..], &named].concat(), words).await;
    }
    let addresses = [("PGHOSTADDR", "127.0.0.1,::1"), ("PGHOST", "localhost")];
    check(&[&addresses[..], &named].concat(), "2 addresses").await;
}

#[tokio::test]
async fn the_password_file_in_the_home_is_read() {
    let server = Server::start().await;
    let Server { port, name, .. } = &server;
    for (line, mode, words) in [
        (format!("127.0.0.1:{port}:{name}:ada:topsecret"), 0o600, ""),
        ("*:*:*:*:topsecret".to_owned(), 0o600, ""),
        ("*:*:*:*:topsecret".to_owned(), 0o644, "password missing"),
        (format!("127.0.0.1:1:{name}:ada:topsecret"), 0o600, "password missing"),
    ] {
        let (mut command, home) = bare();
        let file = home.path().join(".pgpass");
        fs::write(&file, line).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let url = format!("postgresql://ada@127.0.0.1:{port}/{name}");
        let output = command.arg("migrate").env("DATABASE_URL", url).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), words.is_empty(), "{said}");
        assert!(said.contains(words) && !said.contains("topsecret"), "{said}");
        assert_eq!(said.contains("may read"), mode == 0o644, "{said}");
    }
}

#[tokio::test]
async fn a_service_names_the_database_and_no_private_one_is_begun() {
    let server = Server::start().await;
    let (mut command, home) = bare();
    let Server { directory, port, user, name, .. } = &server;
    let service = format!("[prod]\nhost={directory}\nport={port}\nuser={user}\ndbname={name}\n");
    fs::write(home.path().join(".pg_service.conf"), service).unwrap();
    command.env("PGSERVICE", "prod").env("PGAPPNAME", "ours");
    let running = Service::spawn(command, false).await;
    running.predict(&flower()).await;
    assert!(!home.path().join("data").exists());
    let sql = server.postgres.try_connect().await.unwrap();
    assert_eq!(count(&sql, "select count(*) from prediction").await, 1);
    let ours = "select count(*) from pg_stat_activity where application_name = 'ours'";
    assert!(count(&sql, ours).await > 0);
}

#[tokio::test]
async fn the_line_for_psql_opens_the_same_database() {
    let server = Server::start().await;
    let Server { directory, port, user, name, .. } = &server;
    let hosts = format!("/nowhere,{directory}");
    let variables = [("PGHOST", &*hosts), ("PGPORT", port), ("PGUSER", user)];
    let more = [("PGDATABASE", &**name), ("PGTARGETSESSIONATTRS", "read-write")];
    let variables = [&variables[..], &more].concat();
    let read = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let database = Database::from_variables(&Variables::read(read).unwrap()).unwrap();
    let line = format!("{} -XAtc 'select current_database()'", database.psql());
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), name, "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn at_a_socket_the_required_user_answers() {
    let server = Server::start().await;
    let owner =
        fs::metadata(format!("{}/.s.PGSQL.{}", server.directory, server.port)).unwrap().uid();
    let owner = User::from_uid(Uid::from_raw(owner)).unwrap().unwrap().name;
    check(&[&server.variables()[..], &[("PGREQUIREPEER", &owner)]].concat(), "").await;
}
