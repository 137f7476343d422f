//! The service under test, as a process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::client::Address;
use crate::resources::Usage;

/// How long it may take to start.
const START: Duration = Duration::from_secs(30);

/// What processes of one service have logged, over all its lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// How it is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    /// Commands that end by running the program: `["faketime", "+1h"]`.
    pub(crate) wrapper: Vec<String>,
    pub(crate) arguments: Vec<String>,
    /// Nothing else is in its environment but `PATH`.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Launch {
    pub(crate) fn new(program: PathBuf) -> Self {
        let variables = [("LOG_FORMAT".to_owned(), "json".to_owned())].into();
        Self { program, wrapper: Vec::new(), arguments: Vec::new(), variables }
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.iter().map(PathBuf::from).chain([self.program.clone()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(&self.arguments).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(&self.variables);
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end, within this time, and gives its status and all that it said.
    pub(crate) async fn run(&self, patience: Duration) -> anyhow::Result<(ExitStatus, String)> {
        let mut command = tokio::process::Command::from(self.command());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = tokio::time::timeout(patience, command.output())
            .await
            .with_context(|| format!("{:?} does not end", self.arguments))??;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status, String::from_utf8_lossy(&said).into_owned()))
    }
}

/// The service, running or not; killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) launch: Launch,
    pub(crate) log: Log,
    address: Address,
    process: Option<Child>,
}

impl Service {
    /// One that does not run yet.
    pub(crate) fn new(launch: Launch, log: Log) -> Self {
        Self { launch, log, address: Address::default(), process: None }
    }

    /// Where it answers, over every restart.
    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    /// Starts it, at the address it had before if it had one, and waits until it listens.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let before = self.address.socket();
        let listen = if before.is_empty() { "127.0.0.1:0" } else { &before };
        let mut command = self.launch.command();
        command.env("LISTEN", listen).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().context("the service cannot be run")?;
        let output = BufReader::new(process.stderr.take().context("no log")?);
        let log = self.log.clone();
        let (found, listening) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(address) = listening_on(&line) {
                    let _ = found.send(address);
                }
                log.add(line);
            }
        });
        self.process = Some(process);
        let give_up = Instant::now() + START;
        loop {
            if let Ok(address) = listening.try_recv() {
                self.address.set(address);
                return Ok(());
            }
            if let Some(status) = self.exited()? {
                self.process = None;
                bail!("the service ended with {status} before it listened");
            }
            if Instant::now() > give_up {
                bail!("the service does not listen");
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.process.as_ref().map(Child::id).context("the service does not run")
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.pid()?)
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.pid()?.cast_signed()), signal).context("no such process")
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let process = self.process.as_mut().context("the service does not run")?;
        Ok(process.try_wait()?)
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let give_up = Instant::now() + patience;
        loop {
            if let Some(status) = self.exited()? {
                self.process = None;
                return Ok(status);
            }
            if Instant::now() > give_up {
                bail!("the service did not end within {patience:?}");
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Kills it as a crash does.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.ended(Duration::from_secs(10)).await.map(drop)
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.ended(Duration::from_secs(20)).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The address in the line that says that it listens.
fn listening_on(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    Some(rest.split([';', '"', ' ']).next()?.to_owned())
}
