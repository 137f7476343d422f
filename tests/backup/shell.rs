//! Who types the commands, and where.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::task::spawn_blocking;

/// A shell in a directory, with PostgreSQL's programs and ours on its path; the checkout's `deploy/` is in it.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    directory: PathBuf,
    variables: Vec<(String, String)>,
    user: Option<u32>,
}

impl Shell {
    pub(super) fn new(directory: &Path) -> Self {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let _ = std::os::unix::fs::symlink(deploy, directory.join("deploy"));
        let backup = directory.join("backup");
        fs::create_dir_all(&backup).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_onrecord")).parent().unwrap();
        let path = env::var("PATH").unwrap();
        let path = format!("{}:{}:{path}", programs(None).display(), program.display());
        let shell = Self { directory: directory.to_owned(), variables: Vec::new(), user: None };
        shell.with("PATH", &path).with("BACKUP", backup.to_str().unwrap())
    }

    /// With this value of the variable, instead of any other.
    pub(super) fn with(self, variable: &str, value: &str) -> Self {
        let mut shell = self.without(variable);
        shell.variables.push((variable.to_owned(), value.to_owned()));
        shell
    }

    pub(super) fn without(mut self, variable: &str) -> Self {
        self.variables.retain(|(name, _)| name != variable);
        self
    }

    pub(super) fn variable(&self, variable: &str) -> &str {
        &self.variables.iter().find(|(name, _)| name == variable).unwrap().1
    }

    /// Everything from here on is done by this user, and not by root.
    pub(super) fn of(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    pub(super) fn command(&self, commands: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-euc", commands]).current_dir(&self.directory).env_clear();
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            shell.uid(user).gid(user);
        }
        shell
    }

    /// Runs these commands, none of which may fail; gives what they print.
    pub(super) async fn run(&self, commands: &str) -> String {
        self.ran(commands).await.unwrap_or_else(|said| panic!("{commands}{said}"))
    }

    /// Runs these commands, one of which must fail; gives what they say.
    pub(super) async fn fail(&self, commands: &str) -> String {
        let said = self.ran(commands).await;
        said.expect_err(commands)
    }

    async fn ran(&self, commands: &str) -> Result<String, String> {
        let mut command = self.command(commands);
        let ran = spawn_blocking(move || {
            // Files and not pipes, which a server that they start would hold open.
            let (out, error) = (tempfile::NamedTempFile::new(), tempfile::NamedTempFile::new());
            let (out, error) = (out.unwrap(), error.unwrap());
            let open = |file: &Path| Stdio::from(File::options().write(true).open(file).unwrap());
            command.stdin(Stdio::null()).stdout(open(out.path())).stderr(open(error.path()));
            let status = command.status().unwrap();
            let (out, error) = (fs::read_to_string(out.path()), fs::read_to_string(error.path()));
            let (out, error) = (out.unwrap(), error.unwrap());
            if status.success() { Ok(out) } else { Err(format!("{status}: {out}{error}")) }
        });
        ran.await.unwrap()
    }
}

/// The directory of PostgreSQL's programs: that which this variable names, else that of the newest.
pub(super) fn programs(variable: Option<&str>) -> PathBuf {
    if let Some(named) = variable.and_then(env::var_os) {
        return named.into();
    }
    let complete =
        |it: &PathBuf| ["initdb", "pg_ctl", "pg_dump"].iter().all(|name| it.join(name).exists());
    let on_path = env::split_paths(&env::var_os("PATH").unwrap()).find(complete);
    let debian = || fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let major = |path: &Path| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = || debian().map(|it| it.path().join("bin")).max_by_key(|it| major(it));
    on_path.or_else(newest).expect("PostgreSQL's programs are not found")
}
