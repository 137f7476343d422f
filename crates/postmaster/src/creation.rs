//! Creating the cluster: all of it, or nothing.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::info;

use crate::Error;
use crate::account::Account;
use crate::programs::Programs;
use crate::run::run;
use crate::stop::Stop;

/// The superuser and the database.
pub(crate) const NAME: &str = "onrecord";

/// The head of the name of a cluster in the making. The tail differs each time, so that an `initdb`
/// that outlived its service cannot write into the next one's.
const UNFINISHED: &str = "postgres.new-";

/// How the cluster is made, besides where and for whom.
const INITDB: [&str; 7] = [
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--no-locale",
    "--data-checksums",
    "--no-instructions",
    "--no-sync",
];

/// How many files are synced at once: the disk answers them together.
const SYNCS_AT_ONCE: usize = 16;

/// How long an `initdb` that outlived its service may keep putting back what is being removed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Creates a cluster with an empty database in `place` and, once it is on the disk, names it `directory`.
pub(crate) fn create(
    place: &Path,
    directory: &Path,
    programs: &Programs,
    account: &Account,
    stop: &Stop,
) -> Result<(), Error> {
    if !account.has_name() {
        return Err(Error::NamelessUser { uid: account.uid() });
    }
    let started = Instant::now();
    info!(
        "creating a PostgreSQL {} cluster in {}, as the user {}",
        programs.major(),
        directory.display(),
        account.name()
    );
    let nonce = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let unfinished = place.join(format!("{UNFINISHED}{nonce:x}"));
    DirBuilder::new()
        .mode(0o700)
        .create(&unfinished)
        .and_then(|()| account.own(&unfinished))
        .map_err(Error::file("create", &unfinished))?;

    // Neither program syncs: everything is, once, below.
    let initdb = programs.path("initdb");
    let user = format!("--username={NAME}");
    let mut arguments: Vec<&OsStr> = vec!["-D".as_ref(), unfinished.as_ref(), user.as_ref()];
    arguments.extend(INITDB.map(OsStr::new));
    run(account, &initdb, &arguments, "", stop)?;

    let postgres = programs.path("postgres");
    let single = ["--single", "-F", "-D"].map(OsStr::new);
    let arguments = [&single[..], &[unfinished.as_ref(), "postgres".as_ref()]].concat();
    run(account, &postgres, &arguments, &format!("create database {NAME}\n"), stop)?;

    sync(&unfinished, stop)?;
    fs::rename(&unfinished, directory).map_err(Error::file("name", directory))?;
    File::open(place).and_then(|place| place.sync_all()).map_err(Error::file("sync", place))?;
    info!("created the cluster in {} ms", started.elapsed().as_millis());
    Ok(())
}

/// Removes the clusters in `place` that were never finished.
pub(crate) fn sweep(place: &Path, stop: &Stop) -> Result<(), Error> {
    for entry in fs::read_dir(place).map_err(Error::file("list", place))? {
        let entry = entry.map_err(Error::file("list", place))?;
        if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        info!("removing {}, which was never finished", entry.path().display());
        let deadline = Instant::now() + PATIENCE;
        loop {
            match fs::remove_dir_all(entry.path()) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(_) if stop.within(Duration::from_millis(50)) => return Err(Error::CalledOff),
                Err(_) if Instant::now() < deadline => {}
                Err(error) => return Err(Error::file("remove", entry.path())(error)),
            }
        }
    }
    Ok(())
}

/// Brings a directory and all that is in it to the disk.
pub(crate) fn sync(directory: &Path, stop: &Stop) -> Result<(), Error> {
    let mut paths = vec![directory.to_owned()];
    let mut n_listed = 0;
    while let Some(path) = paths.get(n_listed).cloned() {
        n_listed += 1;
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(Error::file("list", &path))? {
                paths.push(entry.map_err(Error::file("list", &path))?.path());
            }
        }
    }
    let next = AtomicUsize::new(0);
    let sync_some = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            stop.check()?;
            File::open(path).and_then(|file| file.sync_all()).map_err(Error::file("sync", path))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..SYNCS_AT_ONCE {
            let thread = thread::Builder::new().spawn_scoped(scope, sync_some);
            threads.push(thread.map_err(Error::Thread)?);
        }
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| Error::Panicked)?)
    })
}
