//! A log that cannot be written.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use tokio::task::spawn_blocking;

use crate::support::{Service, TestDatabase, eventually, flower, home};

/// How long a stop may take that waits for nothing; a stalled log may take a second of it.
const PROMPT: Duration = Duration::from_secs(5);

/// A service whose log nobody reads.
struct Mute {
    process: Child,
    address: String,
    client: Client,
}

impl Mute {
    /// Starts it with this as its standard error and waits until it is ready.
    async fn start(mut command: Command, log: impl Into<Stdio>) -> Self {
        // A port that was free a moment ago: the log does not say which one it took.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        command.env("LISTEN", format!("127.0.0.1:{port}")).env("RUST_LOG", "info,api=debug");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap();
        // The pipe's end, which the command would keep.
        drop(command);
        let address = format!("http://127.0.0.1:{port}");
        let mut mute = Self { process, address, client: Client::new() };
        eventually("it is ready", async || {
            assert_eq!(mute.process.try_wait().unwrap(), None);
            let ready = mute.client.get(format!("{}/health/ready", mute.address)).send().await;
            ready.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        mute
    }

    /// Asks for so many things that are not there, each of which leaves a line of half a kilobyte or so.
    async fn annoy(&self, times: usize) {
        let path = "x".repeat(200);
        for _ in 0..times.div_ceil(100) {
            let asking = (0..100).map(|_| async {
                // A success leaves a line at this level, and is under no budget.
                let request = self.client.get(format!("{}/health/live", self.address));
                let answer = request.header("x-request-id", &path[..120]).send().await.unwrap();
                assert_eq!(answer.status(), 200);
            });
            join_all(asking).await;
        }
        let nothing = format!("{}/{path}", self.address);
        assert_eq!(self.client.get(nothing).send().await.unwrap().status(), 404);
        let request = self.client.post(format!("{}/predict", self.address)).json(&flower());
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    async fn dropped_lines(&self) -> f64 {
        let answer = self.client.get(format!("{}/metrics", self.address)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let name = "onrecord_log_lines_dropped_total ";
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    }

    /// Asks it to stop; gives how it ended and how long that took.
    async fn stop(mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM).unwrap();
        let mut ended = None;
        while ended.is_none() && asked.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            ended = self.process.try_wait().unwrap();
        }
        (ended.expect("it does not stop"), asked.elapsed())
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM);
        let give_up = Instant::now() + Duration::from_secs(20);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nobody() {
    let home = home();
    let data_dir = home.path().join("data");
    let private = || {
        let mut command = Service::command();
        command.env("DATA_DIR", &data_dir);
        command
    };
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, unread) = pipe().unwrap();
    drop(reader);
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$0\" 2>&-"]).arg(private().get_program());
    closed.env_clear().envs(private().get_envs().filter_map(|(name, value)| Some((name, value?))));

    // One after the other, as they share the data directory.
    for (way, command, log, drops) in [
        ("full", private(), Stdio::from(full()), true),
        ("a pipe without a reader", private(), Stdio::from(unread), true),
        ("closed", closed, Stdio::null(), false),
    ] {
        let mute = Mute::start(command, log).await;
        mute.annoy(100).await;
        // Of what is closed, Rust makes /dev/null, which takes everything.
        assert_eq!(mute.dropped_lines().await > 0.0, drops, "{way}");
        let (status, took) = mute.stop().await;
        assert_eq!(status.code(), Some(0), "{way}");
        assert!(took < PROMPT, "{way}: {took:?}");
        assert!(!data_dir.join("postgres/postmaster.pid").exists(), "{way}: PostgreSQL is left");
    }
}

/// Reads a pipe to its end.
async fn read(pipe: PipeReader) -> Vec<String> {
    spawn_blocking(|| BufReader::new(pipe).lines().map_while(Result::ok).collect()).await.unwrap()
}

/// More lines than the pipe and the queue have room for.
const TOO_MANY: usize = 6_000;

#[tokio::test]
async fn a_log_whose_reader_stalls_stops_nobody() {
    let database = TestDatabase::create().await;
    let mut command = Service::command();
    command.env("DATABASE_URL", database.url());
    let (_reader, log) = pipe().unwrap();
    let mute = Mute::start(command, log).await;
    mute.annoy(TOO_MANY).await;
    assert!(mute.dropped_lines().await > 0.0);
    let (status, took) = mute.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < PROMPT, "{took:?}");
}

#[tokio::test]
async fn lines_that_could_not_be_written_are_counted_in_the_log_itself() {
    let database = TestDatabase::create().await;
    let mut command = Service::command();
    command.env("DATABASE_URL", database.url());
    let (reader, log) = pipe().unwrap();
    let mute = Mute::start(command, log).await;
    mute.annoy(TOO_MANY).await;
    assert!(mute.dropped_lines().await > 0.0);
    let reading = tokio::spawn(read(reader));
    assert_eq!(mute.stop().await.0.code(), Some(0));
    let lines = reading.await.unwrap();
    assert!(lines.iter().any(|line| line.contains("log lines could not be written")));
    assert!(lines.iter().any(|line| line.contains("everything in flight is answered")));
}
