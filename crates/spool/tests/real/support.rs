//! What the tests share: requests that can be recognized, a directory, and a spool in another process.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use chrono::DateTime;
use domain::{Class, Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spool::{Found, Limits, Spool};
use tempfile::TempDir;
use uuid::Uuid;

/// A request of which every bit follows from its number. Most have one row, a few more than a page of the file holds.
pub(crate) fn request(number: u64) -> Vec<Record> {
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let rows = match number % 10 {
        3 => random.random_range(2..20),
        7 => random.random_range(40..300),
        _ => 1,
    };
    let model_version: Arc<str> = format!("1.{}.0+0123abcd", number / 50).into();
    let timestamp =
        DateTime::from_timestamp_micros(1_700_000_000_000_000 + i64::try_from(number).unwrap());
    (0..rows)
        .map(|row| Record {
            id: Uuid::from_u64_pair(number, row),
            timestamp: timestamp.unwrap(),
            measurements: Measurements::from_row([(); N_FEATURES].map(|()| random.random())),
            prediction: Prediction {
                class: Class::ALL[random.random_range(0..N_CLASSES)],
                probabilities: [(); N_CLASSES].map(|()| random.random()),
            },
            model_version: Arc::clone(&model_version),
            truth: None,
        })
        .collect()
}

/// The number of the request that these are the records of: of exactly these, bit for bit.
pub(crate) fn number(records: &[Record]) -> u64 {
    let number = records[0].id.as_u64_pair().0;
    // No value of a request is NaN or minus zero, so equal is equal bit for bit.
    assert_eq!(records, request(number), "these are no records that were appended");
    number
}

/// A directory for one test.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("spool")
    }

    /// Makes it as a spool does: another test has the process create everything open to everybody.
    pub(crate) fn make(&self) {
        std::fs::DirBuilder::new().mode(0o700).create(self.path()).unwrap();
    }

    pub(crate) fn open(&self) -> (Spool, Found) {
        Spool::open(&self.path(), Limits::default()).unwrap()
    }

    /// A new one, with this database and this log in it.
    pub(crate) fn of(database: &[u8], log: Option<&[u8]>) -> Self {
        let home = Self::new();
        home.make();
        std::fs::write(home.path().join(DATABASE), database).unwrap();
        if let Some(log) = log {
            std::fs::write(home.path().join(LOG), log).unwrap();
        }
        home
    }
}

pub(crate) const DATABASE: &str = "spool.sqlite3";
pub(crate) const LOG: &str = "spool.sqlite3-wal";

/// The numbers of all requests that wait, oldest first.
pub(crate) async fn waiting(spool: &Spool) -> Vec<u64> {
    let entries = spool.oldest(usize::MAX).await.unwrap();
    assert!(entries.is_sorted_by_key(|entry| entry.id));
    entries.iter().map(|entry| number(&entry.records)).collect()
}

/// The sizes of the files that are there, by their names.
pub(crate) fn sizes(directory: &Path) -> BTreeMap<String, u64> {
    let files = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    files
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .collect()
}

/// Tells a copy of this test program in which directory to work.
const DIRECTORY: &str = "SPOOL_TEST_DIRECTORY";

/// What a copy of this test program was told; nothing if this is not a copy.
pub(crate) fn told() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

/// A copy of this test program that runs one test. It is killed when it is dropped.
pub(crate) struct Copy {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Copy {
    pub(crate) fn start(test: &str, directory: &Path) -> Self {
        // What goes beyond a limit of size fails, instead of ending the process.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture"])
            .arg(env::current_exe().unwrap())
            .arg(test)
            .env(DIRECTORY, directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that begins with this word, without it; nothing at the end.
    pub(crate) fn line(&mut self, word: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // A line that the kill has cut says nothing.
            let whole = line.strip_suffix('\n').and_then(|line| line.strip_prefix(word));
            if let Some(rest) = whole {
                return Some(rest.trim().to_owned());
            }
        }
    }

    pub(crate) fn kill(&self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL).unwrap();
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // One that has ended need not be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
