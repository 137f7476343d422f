//! The package clients of this machine, set up by its user: they know mirrors, proxies and certificates.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::patience::Patience;
use super::pins::{self, Kind, Package};
use super::said::Said;
use crate::Error;
use crate::programs::is_program;
use crate::stop::Stop;
use crate::tied::Tied;

/// What people call a client, its program, and what comes before its own arguments; in the order in which they are tried.
const CLIENTS: [(&str, Kind, &str, &[&str]); 4] = [
    ("pip", Kind::Wheel, "pip", &[]),
    ("pip3", Kind::Wheel, "pip3", &[]),
    ("python3 -m pip", Kind::Wheel, "python3", &["-m", "pip"]),
    ("npm", Kind::Npm, "npm", &[]),
];

const PIP: [&str; 10] = [
    "download",
    "--no-input",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--retries",
    "1",
    "--timeout",
    "10",
    "-r",
];

const NPM: [&str; 3] = ["pack", "--ignore-scripts", "--fetch-retries=1"];

/// How often it is looked whether a client has ended, or brought something.
const GLANCE: Duration = Duration::from_millis(50);

/// A package client that is there, which does not mean that it works.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    program: PathBuf,
    first: &'static [&'static str],
}

/// The names of all clients, for people.
pub(crate) const NAMES: &str = "pip, pip3, python3 or npm";

/// The clients on this `PATH`.
pub(crate) fn on(path: Option<&OsStr>) -> Vec<Client> {
    let directories: Vec<_> = path.map(|path| env::split_paths(path).collect()).unwrap_or_default();
    let find = |name: &str| {
        let mut paths = directories.iter().filter(|it| it.is_absolute()).map(|it| it.join(name));
        paths.find(|path| is_program(path))
    };
    let clients = CLIENTS.iter().filter_map(|&(name, kind, program, first)| {
        Some(Client { name, kind, program: find(program)?, first })
    });
    clients.collect()
}

impl Client {
    /// Has it fetch a package into the directory `work`, which is removed later; returns the file.
    ///
    /// It is killed as this ends, and if this process does.
    pub(crate) fn fetch(
        &self,
        package: &Package,
        work: &Path,
        patience: &mut Patience,
        stop: &Stop,
    ) -> Result<PathBuf, Error> {
        let brought = work.join("brought");
        let temporary = work.join("temporary");
        for directory in [&brought, &temporary] {
            fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
        }
        let arguments = self.arguments(package, work, &brought)?;
        // What it leaves half done lies where it is seen growing, and is removed.
        let shell = |shell: &Path| {
            let mut command = Command::new(shell);
            command.env("TMPDIR", &temporary).env("npm_config_cache", temporary.join("npm"));
            command.env("PIP_REQUIRE_VIRTUALENV", "0").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
            command.env("PIP_PROGRESS_BAR", "off").env("npm_config_update_notifier", "false");
            // Not a `pip.py` of whatever directory this is.
            command.env("PYTHONSAFEPATH", "1");
            command.stdin(Stdio::null());
            command
        };
        let mut child = Tied::spawn_by(shell, &self.program, arguments)?;
        let said = Said::follow(child.take_stderr())?;
        let failed =
            |how: String| Error::ClientFailed { client: self.name, how, said: said.last() };
        let status = loop {
            if let Some(status) = child.exited().map_err(Error::run(&self.program))? {
                break status;
            }
            if stop.within(GLANCE) {
                return Err(Error::CalledOff);
            }
            if let Err(how) = patience.look(work, package) {
                child.kill();
                return Err(failed(how));
            }
        };
        drop(child);
        if !status.success() {
            return Err(failed(format!("that failed ({status})")));
        }
        let mut files = fs::read_dir(&brought).map_err(Error::file("list", &brought))?;
        match files.next() {
            Some(Ok(file)) => Ok(file.path()),
            _ => Err(failed("that left no file".to_owned())),
        }
    }

    fn arguments(
        &self,
        package: &Package,
        work: &Path,
        brought: &Path,
    ) -> Result<Vec<OsString>, Error> {
        let mut arguments: Vec<OsString> = self.first.iter().map(Into::into).collect();
        match self.kind {
            Kind::Wheel => {
                let file = work.join("requirements.txt");
                fs::write(&file, pins::requirements()).map_err(Error::file("write", &file))?;
                arguments.extend(PIP.map(Into::into));
                arguments.extend([file.into(), "-d".into(), brought.into()]);
            }
            Kind::Npm => {
                arguments.extend(NPM.map(Into::into));
                let package = package.asked_for().into();
                arguments.extend([package, "--pack-destination".into(), brought.into()]);
            }
        }
        Ok(arguments)
    }
}
