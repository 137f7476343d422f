//! As whom PostgreSQL runs.

use std::env;
use std::io;
use std::os::unix::fs::lchown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, getegid, geteuid};

use crate::Error;
use crate::children::undisturbed;

/// Who runs PostgreSQL when we are root, the best first.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// The variables of our environment that PostgreSQL's programs see: where to find things, no secrets.
const INHERITED: [&str; 5] =
    ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];

/// The user as whom PostgreSQL runs, and who owns its files.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    name: String,
    has_name: bool,
    uid: Uid,
    gid: Gid,
    /// Whether it is somebody else: only root may run programs as another user.
    switched: bool,
}

impl Account {
    /// Ourselves; or, when we are root, the owner of the existing cluster, else a stand-in.
    pub(crate) fn choose(cluster_owner: Option<u32>) -> Result<Self, Error> {
        let ours = geteuid();
        if !ours.is_root() {
            let name = User::from_uid(ours).ok().flatten().map(|user| user.name);
            let has_name = name.is_some();
            let name = name.unwrap_or_else(|| ours.to_string());
            return Ok(Self { name, has_name, uid: ours, gid: getegid(), switched: false });
        }
        let owner = cluster_owner.map(Uid::from_raw).filter(|uid| !uid.is_root());
        let user = match owner {
            Some(uid) => match User::from_uid(uid) {
                Ok(Some(user)) => Some(user),
                // A user without an entry, such as a container's.
                _ => return Ok(Self::nameless(uid)),
            },
            None => STAND_INS.iter().find_map(|name| User::from_name(name).ok().flatten()),
        };
        let user = user.ok_or(Error::NoAccount)?;
        let User { name, uid, gid, .. } = user;
        Ok(Self { name, has_name: true, uid, gid, switched: true })
    }

    fn nameless(uid: Uid) -> Self {
        let gid = Gid::from_raw(uid.as_raw());
        Self { name: uid.to_string(), has_name: false, uid, gid, switched: true }
    }

    /// The name of the user, or the number of one who has none.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the system knows a name for the user, which `initdb` asks for.
    pub(crate) fn has_name(&self) -> bool {
        self.has_name
    }

    /// The number of the user.
    pub(crate) fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// Whether PostgreSQL runs as somebody else than we do.
    pub(crate) fn is_switched(&self) -> bool {
        self.switched
    }

    /// A program to be run by this user: in `/`, without input, and with little of our environment.
    ///
    /// The standard library also drops root's supplementary groups when it switches users.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        command.envs(INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.current_dir("/").stdin(Stdio::null());
        if self.switched {
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw()).env_remove("HOME");
        }
        command
    }

    /// Makes this user the owner of `path`, which we have just created.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        if !self.switched {
            return Ok(());
        }
        lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
    }

    /// Whether this user may enter `directory`, found out by trying.
    ///
    /// Fails if nothing can be run as this user: the root of a user namespace may not become every other user.
    pub(crate) fn reaches(&self, directory: &Path) -> Result<bool, Error> {
        if !self.switched {
            return Ok(true);
        }
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", "cd -- \"$1\"", "sh"]).arg(directory);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = undisturbed(|| command.status());
        let status =
            status.map_err(|source| Error::CannotSwitch { user: self.name.clone(), source })?;
        Ok(status.success())
    }
}
