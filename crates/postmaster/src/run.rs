//! Running one of PostgreSQL's programs to its end.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::stop::Stop;
use crate::tied::{Ending, Tied};

/// How often it is looked whether a program has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// Runs a program on `input` to its end, unless that is called off.
pub(crate) fn run(
    account: &Account,
    program: &Path,
    arguments: &[&OsStr],
    input: &str,
    stop: &Stop,
) -> Result<(), Error> {
    let mut child = Tied::spawn(account, program, arguments, Stdio::piped(), Ending::Kill)?;
    if let Some(mut stdin) = child.take_stdin() {
        // A program that ended without reading says why in its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    let stderr = child.take_stderr();
    let said = thread::Builder::new().name("initdb-log".to_owned()).spawn(move || {
        let mut said = Vec::new();
        // Output that cannot be read counts as none.
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut said));
        String::from_utf8_lossy(&said).into_owned()
    });
    let said = said.map_err(Error::Thread)?;
    let status = loop {
        if let Some(status) = child.exited().map_err(Error::run(program))? {
            break status;
        }
        if stop.within(GLANCE) {
            // It is killed as it is dropped; what it wrote has a name that the next start knows.
            return Err(Error::CalledOff);
        }
    };
    let said = said.join().map_err(|_| Error::Panicked)?;
    // `postgres --single` ends well even when a statement failed.
    if status.success() && !said.contains("ERROR:") {
        return Ok(());
    }
    let lines: Vec<&str> = said.lines().collect();
    let output = lines[lines.len().saturating_sub(10)..].join("\n");
    Err(Error::Failed { program: program.to_owned(), status, output })
}
