//! The PostgreSQL of this machine, and a cluster made once of which every row gets a copy.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use postmaster::{Postmaster, Settings, Stop};

/// Where PostgreSQL's programs are, as whom they run, and the cluster to copy.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) postgres: PathBuf,
    pub(crate) template: PathBuf,
    uid: u32,
    gid: u32,
}

impl Installation {
    /// The `postmaster` crate finds the programs, chooses the user and makes the cluster; PostgreSQL itself writes down
    /// how it was started. Blocks.
    pub(crate) fn find(scratch: &Path) -> anyhow::Result<Self> {
        Self::find_in(scratch, None)
    }

    /// The same with the programs in this directory.
    pub(crate) fn find_in(scratch: &Path, programs: Option<PathBuf>) -> anyhow::Result<Self> {
        let data_dir = scratch.join("template");
        let settings = Settings { data_dir, programs, ..Settings::default() };
        let postmaster = Postmaster::start(&settings, &Stop::default())
            .context("PostgreSQL cannot be started")?;
        let template = postmaster.cluster_dir().to_owned();
        postmaster.stop()?;
        let options = fs::read_to_string(template.join("postmaster.opts"))?;
        let postgres = options.split(' ').next().context("postmaster.opts is empty")?.into();
        let owner = fs::metadata(&template)?;
        Ok(Self { postgres, template, uid: owner.uid(), gid: owner.gid() })
    }

    /// A program that runs as the user of the cluster.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env_clear().env("LC_ALL", "C");
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        if nix::unistd::geteuid().is_root() {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a directory to the user of the cluster.
    pub(crate) fn own(&self, path: &Path) -> anyhow::Result<()> {
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))?;
        }
        Ok(())
    }

    /// Moves a directory of a cluster elsewhere and leaves a link to it.
    pub(crate) fn move_to(&self, directory: &Path, elsewhere: &Path) -> anyhow::Result<()> {
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(directory).arg(elsewhere).output()?;
        ensure!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        fs::remove_dir_all(directory)?;
        std::os::unix::fs::symlink(
            elsewhere.join(directory.file_name().context("no name")?),
            directory,
        )?;
        self.own(elsewhere)
    }

    /// Copies the cluster to a directory that is not there yet.
    pub(crate) fn copy_to(&self, directory: &Path) -> anyhow::Result<()> {
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(&self.template).arg(directory).output()?;
        ensure!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        Ok(())
    }
}
