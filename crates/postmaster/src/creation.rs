//! Creating the cluster: all of it, or nothing.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::info;

use crate::Error;
use crate::account::Account;
use crate::programs::Programs;

/// The superuser and the database.
pub(crate) const NAME: &str = "onrecord";

/// The head of the name of a cluster in the making. The tail differs each time, so that an `initdb`
/// that outlived its service cannot write into the next one's.
const UNFINISHED: &str = "postgres.new-";

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
) -> Result<(), Error> {
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
    let mut initdb = account.command(&programs.path("initdb"));
    initdb.arg("-D").arg(&unfinished).arg(format!("--username={NAME}"));
    initdb.args(["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-locale"]);
    initdb.args(["--data-checksums", "--no-instructions", "--no-sync"]);
    run(&mut initdb, "")?;

    let mut single = account.command(&programs.path("postgres"));
    single.args(["--single", "-F", "-D"]).arg(&unfinished).arg("postgres");
    run(&mut single, &format!("create database {NAME}\n"))?;

    sync(&unfinished)?;
    fs::rename(&unfinished, directory).map_err(Error::file("name", directory))?;
    File::open(place).and_then(|place| place.sync_all()).map_err(Error::file("sync", place))?;
    info!("created the cluster in {} ms", started.elapsed().as_millis());
    Ok(())
}

/// Removes the clusters in `place` that were never finished.
pub(crate) fn sweep(place: &Path) -> Result<(), Error> {
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
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                Err(error) => return Err(Error::file("remove", entry.path())(error)),
            }
        }
    }
    Ok(())
}

/// Runs a program on `input` to its end.
fn run(command: &mut Command, input: &str) -> Result<(), Error> {
    let program = PathBuf::from(command.get_program());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(Error::run(&program))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended without reading says why in its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    let Output { status, stdout, stderr } =
        child.wait_with_output().map_err(Error::run(&program))?;
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    // `postgres --single` ends well even when a statement failed.
    if status.success() && !said.contains("ERROR:") {
        return Ok(());
    }
    let lines: Vec<&str> = said.lines().collect();
    let output = lines[lines.len().saturating_sub(10)..].join("\n");
    Err(Error::Failed { program, status, output })
}

/// Brings a directory and all that is in it to the disk.
fn sync(directory: &Path) -> Result<(), Error> {
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
