//! A program that ends with this process, however this process ends.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account::Account;
use crate::{Error, children};

const SHELL: &str = "/bin/sh";

/// The holder: it waits for the end of its input, which comes when this process is gone, whatever ended it; then it
/// sends the signals of its arguments, ten seconds apart, to whom the last line of its input names.
///
/// A process group of its own keeps a terminal's Ctrl-C from it, and what it ignores, the rest that a terminal sends; a
/// session of its own would take a program that macOS does not have, or unsafe code.
const HOLD: &str = r#"
    trap '' HUP INT QUIT TERM TSTP TTIN TTOU
    while read -r line; do told=$line; done
    [ -n "$told" ] || exit 0
    for signal in "$@"; do
        kill -s "$signal" -- "$told" || exit 0
        n=0
        while [ "$n" -lt 100 ]; do
            kill -s 0 -- "$told" || exit 0
            sleep 0.1
            n=$((n + 1))
        done
    done
"#;

/// The program names itself to the holder before it is the program: so there is no moment at which it lives and nobody
/// would end it. Its standard output is its standard error; the pipe is closed.
const RUN: &str = r#"echo "$1$$"; shift; exec "$@" >&2"#;

/// What the holder does to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It tells a postmaster to shut down, and not to wait for anything if that takes more than ten seconds.
    Shutdown,
    /// It kills a program and what that has started.
    Kill,
}

/// A program, as our child, and who ends it when we cannot. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Tied {
    child: Child,
    /// Gone once the child is waited for: its process id may then be somebody else's.
    holder: Option<Holder>,
}

impl Tied {
    /// Starts a program as this user, in a process group of its own and with its standard error piped.
    pub(crate) fn spawn(
        account: &Account,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdin: Stdio,
        ending: Ending,
    ) -> Result<Self, Error> {
        let shell = |shell: &Path| account.command(shell);
        Self::spawn_in(shell, program, arguments, stdin, ending)
    }

    /// Starts a program in the environment that `shell` gives a shell, without input; it is killed with what it has started.
    pub(crate) fn spawn_by(
        shell: impl Fn(&Path) -> Command,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, Error> {
        Self::spawn_in(shell, program, arguments, Stdio::null(), Ending::Kill)
    }

    fn spawn_in(
        shell: impl Fn(&Path) -> Command,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdin: Stdio,
        ending: Ending,
    ) -> Result<Self, Error> {
        let holder = Holder::spawn(shell(Path::new(SHELL)), ending).map_err(Error::run(SHELL))?;
        let mut command = shell(Path::new(SHELL));
        let scope = if ending == Ending::Kill { "-" } else { "" };
        command.args(["-c", RUN, "sh", scope]).arg(program).args(arguments);
        command.stdin(stdin).stdout(holder.pipe().map_err(Error::run(SHELL))?);
        // Out of the terminal's reach: its Ctrl-C is for the service.
        command.stderr(Stdio::piped()).process_group(0);
        let child = children::spawn(&mut command).map_err(Error::run(program))?;
        Ok(Self { child, holder: Some(holder) })
    }

    /// The process id, as long as it is not waited for.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard error, once.
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.waited_for();
        }
        Ok(status)
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.waited_for();
        Ok(status)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let (Ok(pid), Some(_)) = (i32::try_from(self.child.id()), &self.holder) {
            // It is not waited for yet, so the signal has an addressee.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Kills it and what it has started, and waits for its end.
    pub(crate) fn kill(&mut self) {
        if let (Ok(pid), Some(_)) = (i32::try_from(self.child.id()), &self.holder) {
            let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
            let _ = self.wait();
        }
    }

    fn waited_for(&mut self) {
        children::forget(&self.child);
        self.holder = None;
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The shell that runs [`HOLD`]. Dropping it ends it, and nothing else.
#[derive(Debug)]
struct Holder(Child);

impl Holder {
    fn spawn(mut command: Command, ending: Ending) -> io::Result<Self> {
        let signals: &[&str] = match ending {
            Ending::Shutdown => &["INT", "QUIT"],
            Ending::Kill => &["KILL"],
        };
        command.args(["-c", HOLD, "sh"]).args(signals);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        children::spawn(&mut command).map(Self)
    }

    /// The end of the pipe that a program writes to. Ours closes itself in every program that is started beside it.
    fn pipe(&self) -> io::Result<Stdio> {
        let pipe = self.0.stdin.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(pipe.as_fd().try_clone_to_owned()?.into())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Killed before the pipe ends, it does nothing any more.
        let _ = self.0.kill();
        let _ = self.0.wait();
        children::forget(&self.0);
    }
}
