//! The built program as a process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::TestDatabase;

/// A valid row.
pub(crate) fn flower() -> Value {
    json!({"sepal_width": 3.5, "sepal_length": 5.1, "petal_width": 0.2, "petal_length": 1.4})
}

/// A running service; it is killed with the test.
#[derive(Debug)]
pub(crate) struct Service {
    process: Child,
    log: Log,
    address: String,
    pub(crate) client: Client,
    /// Whether it runs a PostgreSQL of its own, which it must be given time to stop.
    private: bool,
}

/// What a process has logged so far.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Service {
    /// Starts one on this database and waits until it listens.
    pub(crate) async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, [("", ""); 0]).await
    }

    /// The same, with more environment variables.
    pub(crate) async fn start_with<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        database: &TestDatabase,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut command = Self::command();
        command.env("DATABASE_URL", database.url()).envs(variables);
        Self::spawn(command, false).await
    }

    /// The same under limits of descriptors, in the words of the shell: `-n 64`.
    pub(crate) async fn start_with_descriptors(database: &TestDatabase, limits: &str) -> Self {
        let limited = format!("ulimit {limits} && exec \"$0\"");
        let mut command = wrapped(&["sh", "-c", &limited], &Self::command());
        command.env("DATABASE_URL", database.url());
        Self::spawn(command, false).await
    }

    /// Starts one on the database at this address and waits until it listens.
    pub(crate) async fn start_at(database_url: &str) -> Self {
        let mut command = Self::command();
        command.env("DATABASE_URL", database_url);
        Self::spawn(command, false).await
    }

    /// Starts one with a private PostgreSQL in this directory and waits until it listens.
    pub(crate) async fn start_private(data_dir: &Path) -> Self {
        let mut command = Self::command();
        command.env("DATA_DIR", data_dir);
        Self::spawn(command, true).await
    }

    /// The program, with nothing set but what every process has and a free port.
    pub(crate) fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onrecord"));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("LISTEN", "127.0.0.1:0").env("LOG_FORMAT", "json");
        // No test begins a record beside the sources.
        command.env("DATA_DIR", "/dev/null/nowhere");
        // Requests that are written by hand, and those of HTTP/2, are for one of these.
        command.env("ALLOWED_HOST", "x,test");
        command
    }

    /// Starts this command and waits until it listens.
    pub(crate) async fn spawn(command: Command, private: bool) -> Self {
        let (process, log) = spawn(command);
        let mut service =
            Self { process, log, address: String::new(), client: Client::new(), private };
        let listening = "listening on ";
        let line = service.log.wait_for(listening).await;
        let start = line.find(listening).unwrap() + listening.len();
        service.address = line[start..].split(';').next().unwrap().to_owned();
        service
    }

    /// The address of a path, for example `http://127.0.0.1:1234/predict`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// `127.0.0.1:1234`, for those who speak to the socket themselves.
    pub(crate) fn socket(&self) -> &str {
        self.address.split_once("://").unwrap().1
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// Gets a JSON answer that must be a 200.
    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).json(body)
    }

    /// Predicts one row, which must be a 200.
    pub(crate) async fn predict(&self, row: &Value) -> Value {
        let response = self.post("/predict", row).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{row}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What it has logged.
    pub(crate) fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.process.wait().unwrap()).await.unwrap()
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended().await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.process.try_wait() {
            return;
        }
        if self.private {
            let _ = kill(self.pid(), Signal::SIGTERM);
            let give_up = Instant::now() + Duration::from_secs(20);
            while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < give_up {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The same command, run by another program, whose name and arguments come first.
pub(crate) fn wrapped(words: &[&str], command: &Command) -> Command {
    let mut other = Command::new(words[0]);
    other.args(&words[1..]).arg(command.get_program()).args(command.get_args()).env_clear();
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other
}

/// A command that runs this one in a terminal, and keeps in a file what that shows. `words` stand behind it in a shell.
pub(crate) fn in_a_terminal(command: &Command, words: &str, shown: &Path) -> Command {
    let line = format!("exec {} {words}", command.get_program().to_str().unwrap());
    let mut terminal = Command::new("script");
    terminal.args(["-q", "-f", "-c", &line]).arg(shown).env_clear().env("SHELL", "/bin/sh");
    terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    terminal
}

/// Starts a command whose log is read in the background.
pub(crate) fn spawn(mut command: Command) -> (Child, Log) {
    let mut process =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(process.stderr.take().unwrap());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (count, receiver) = watch::channel(0);
    let log = Log { lines: Arc::clone(&lines), count: receiver };
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
            count.send_modify(|count| *count += 1);
        }
    });
    (process, log)
}

impl Log {
    /// Waits until the process says no more.
    pub(crate) async fn ended(&mut self) {
        while self.count.changed().await.is_ok() {}
    }

    /// Every line so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that contains this text and gives its message, or the line itself if it is not JSON.
    ///
    /// Panics with the log if the process ends before or says nothing like it for a minute.
    pub(crate) async fn wait_for(&mut self, text: &str) -> String {
        let found = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                self.count.mark_unchanged();
                if let Some(line) = self.lines().into_iter().find(|line| line.contains(text)) {
                    return Some(line);
                }
                if self.count.changed().await.is_err() {
                    return self.lines().into_iter().find(|line| line.contains(text));
                }
            }
        })
        .await
        .ok()
        .flatten();
        let line =
            found.unwrap_or_else(|| panic!("no «{text}» in the log:\n{}", self.lines().join("\n")));
        let event: Option<Value> = serde_json::from_str(&line).ok();
        let message =
            event.and_then(|event| event["fields"]["message"].as_str().map(ToOwned::to_owned));
        message.unwrap_or(line)
    }
}
