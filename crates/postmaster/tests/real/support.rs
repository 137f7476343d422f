//! What the tests share: a home for a cluster, a service in another process, and questions to PostgreSQL.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use postmaster::{Postmaster, Settings, Stop};
use tempfile::TempDir;

/// Tells a copy of this test program which data directory to serve.
const HOLD: &str = "POSTMASTER_TEST_HOLD";

/// A directory for one test, which PostgreSQL's user may enter.
pub(crate) struct Home {
    directory: TempDir,
    name: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::named("data")
    }

    /// With another name for the data directory.
    pub(crate) fn named(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        Self { directory, name: name.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join(&self.name)
    }

    pub(crate) fn cluster_dir(&self) -> PathBuf {
        self.data_dir().join("postgres")
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { data_dir: self.data_dir(), ..Settings::default() }
    }

    pub(crate) fn start(&self) -> Postmaster {
        Postmaster::start(&self.settings(), &Stop::default()).unwrap()
    }
}

impl Home {
    /// How many processes have the data directory on their command line: PostgreSQL, and what makes its cluster.
    pub(crate) fn processes(&self) -> usize {
        let listing = Command::new("ps").args(["-A", "-ww", "-o", "command="]).output().unwrap();
        let name = self.data_dir();
        let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
        listing.lines().filter(|line| line.contains(name.to_str().unwrap())).count()
    }
}

impl Drop for Home {
    /// Whatever a failed test left running ends with it.
    fn drop(&mut self) {
        if let Some(pid) = pid_in(&self.cluster_dir()).filter(|pid| is_postgres(*pid)) {
            let _ = kill(pid, Signal::SIGQUIT);
            await_that("the orphan is gone", || !is_postgres(pid));
        }
    }
}

/// A service in another process, which logs everything into a file.
pub(crate) struct Service {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Service {
    /// Starts one, and does not wait.
    pub(crate) fn spawn(home: &Home) -> Self {
        let log = home.path().join("log");
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "support::hold", "--nocapture"])
            .env(HOLD, home.data_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, log }
    }

    /// Starts one, and waits until its PostgreSQL is ready; returns the psql line too.
    pub(crate) fn start(home: &Home) -> (Self, String) {
        let mut service = Self::spawn(home);
        let lines = service.stdout.by_ref().lines().map_while(Result::ok);
        let line = lines.filter_map(|line| Some(line.split_once("ready: ")?.1.to_owned())).next();
        let line = line.unwrap_or_else(|| panic!("the service failed: {}", service.log()));
        (service, line)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.end_by(Signal::SIGKILL);
    }

    /// Sends it a signal that it has no handler for, and waits for its end.
    pub(crate) fn end_by(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(signal as i32));
    }

    /// Kills the shell that would end its PostgreSQL.
    pub(crate) fn kill_holder(&self) {
        let mut killed = 0;
        for pid in self.holders() {
            kill(pid, Signal::SIGKILL).unwrap();
            killed += 1;
        }
        assert_eq!(killed, 1);
    }

    /// Its shells: the children that are no PostgreSQL.
    pub(crate) fn holders(&self) -> Vec<Pid> {
        let listing = Command::new("ps").args(["-A", "-o", "pid=,ppid=,comm="]).output().unwrap();
        let parent = self.pid().to_string();
        String::from_utf8_lossy(&listing.stdout)
            .lines()
            .filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok())
            .filter(|[_, of, name]: &[&str; 3]| *of == parent && name.ends_with("sh"))
            .map(|[pid, _, _]| Pid::from_raw(pid.parse().unwrap()))
            .collect()
    }

    /// Lets it stop in good order.
    pub(crate) fn stop(&mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Not a test: the service of [`Service`], which runs until its input ends.
#[test]
fn hold() {
    let Some(data_dir) = env::var_os(HOLD) else { return };
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings { data_dir: data_dir.into(), ..Settings::default() };
    let postmaster = Postmaster::start(&settings, &Stop::default()).unwrap();
    // Not `println!`, which the linter refuses and the test harness may capture.
    writeln!(std::io::stdout(), "ready: {}", postmaster.psql()).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    postmaster.stop().unwrap();
}

/// Runs a psql line as pasted into a shell, with one question.
pub(crate) fn ask(psql: &str, sql: &str) -> Result<String, String> {
    let line = format!("{psql} -X -v ON_ERROR_STOP=1 -Atqc \"$1\"");
    let output = Command::new("sh").args(["-c", &line, "sh", sql]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The answer of a running PostgreSQL.
pub(crate) fn sql(postmaster: &Postmaster, sql: &str) -> String {
    ask(&postmaster.psql(), sql).unwrap()
}

/// The postmaster process of a cluster.
pub(crate) fn pid_in(cluster_dir: &Path) -> Option<Pid> {
    let text = fs::read_to_string(cluster_dir.join("postmaster.pid")).ok()?;
    Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
}

pub(crate) fn pid_of(postmaster: &Postmaster) -> Pid {
    pid_in(postmaster.cluster_dir()).unwrap()
}

/// Whether a process is a living PostgreSQL; one that only awaits its parent is not.
#[cfg(target_os = "linux")]
pub(crate) fn is_postgres(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(postgres)") && !stat.contains("(postgres) Z")
}

/// Whether a process is a living PostgreSQL; one that only awaits its parent is not.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_postgres(pid: Pid) -> bool {
    let pid = pid.to_string();
    let ps = Command::new("ps").args(["-o", "stat=,comm=", "-p", &pid]).output().unwrap();
    let line = String::from_utf8_lossy(&ps.stdout).trim().to_owned();
    line.contains("postgres") && !line.starts_with('Z')
}

pub(crate) fn await_that(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether we are root; says so if a test does not apply.
pub(crate) fn as_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("not applicable: it takes root");
    }
    root
}
