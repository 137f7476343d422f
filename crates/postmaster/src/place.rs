//! Where the cluster and its socket live.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tracing::info;

use crate::account::Account;
use crate::stand_in::{self, StandIn};
use crate::{Error, StandInError};

/// The name of the cluster in the directory that holds it.
pub(crate) const CLUSTER: &str = "postgres";

/// The directory that holds the cluster, and the user who runs it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The data directory, or its stand-in.
    pub(crate) directory: PathBuf,
    /// As whom PostgreSQL runs.
    pub(crate) account: Account,
    /// The major version of the cluster, if there is one.
    pub(crate) version: Option<u32>,
    /// The stand-in, if it is one.
    pub(crate) stand_in: Option<StandIn>,
}

impl Place {
    /// Finds the cluster of the canonical `data_dir`, or the place for a new one.
    ///
    /// An existing cluster is never passed over for an empty place. `was_used` is whether a version may have left one
    /// elsewhere that did not say so.
    pub(crate) fn find(data_dir: &Path, was_used: bool) -> Result<Self, Error> {
        Self::find_below(Path::new(stand_in::ROOT), data_dir, was_used)
    }

    /// The same with another directory for the stand-ins.
    fn find_below(root: &Path, data_dir: &Path, was_used: bool) -> Result<Self, Error> {
        let here = existing(&data_dir.join(CLUSTER))?;
        let named = stand_in::named(root, data_dir)?;
        match (here, named) {
            (Some(_), Some(stand_in)) => {
                Err(StandInError::TwoClusters { data_dir: data_dir.to_owned(), stand_in }.into())
            }
            (Some(found), None) => Self::with_cluster(data_dir, found),
            (None, Some(directory)) => match existing(&directory.join(CLUSTER))? {
                Some(found) => Self::with_cluster(&directory, found)?.standing_in_for(data_dir),
                None => Err(StandInError::MissingCluster {
                    data_dir: data_dir.to_owned(),
                    stand_in: directory,
                }
                .into()),
            },
            (None, None) => {
                if let Some(directory) = stand_in::found(root, data_dir)?
                    && let Some(found) = existing(&directory.join(CLUSTER))?
                {
                    return Self::with_cluster(&directory, found)?.standing_in_for(data_dir);
                }
                Self::new(root, data_dir, was_used)
            }
        }
    }

    /// The place of a cluster of this version and this owner.
    fn with_cluster(directory: &Path, (version, owner): (u32, u32)) -> Result<Self, Error> {
        let account = Account::choose(Some(owner))?;
        if account.uid() != owner {
            let directory = directory.join(CLUSTER);
            // Root chooses the owner, unless that is root.
            return Err(if account.is_switched() {
                Error::ClusterOfRoot { directory, user: account.name().to_owned() }
            } else {
                Error::ForeignCluster { directory, owner, ours: account.uid() }
            });
        }
        let directory = directory.to_owned();
        if !account.reaches(&directory)? {
            let user = account.name().to_owned();
            return Err(Error::Unreachable { directory, user });
        }
        Ok(Self { directory, account, version: Some(version), stand_in: None })
    }

    /// The place of a new cluster.
    fn new(root: &Path, data_dir: &Path, was_used: bool) -> Result<Self, Error> {
        // Another user never had one elsewhere.
        if was_used && geteuid().is_root() {
            let nameless = stand_in::nameless(root)?;
            if !nameless.is_empty() {
                return Err(
                    StandInError::PerhapsMoved { data_dir: data_dir.to_owned(), nameless }.into()
                );
            }
        }
        let account = Account::choose(None)?;
        if account.reaches(data_dir)? {
            let directory = data_dir.to_owned();
            return Ok(Self { directory, account, version: None, stand_in: None });
        }
        let directory = stand_in::make(root, data_dir, &account)?;
        Self { directory, account, version: None, stand_in: None }.standing_in_for(data_dir)
    }

    /// Takes the place for a data directory that is another one.
    fn standing_in_for(mut self, data_dir: &Path) -> Result<Self, Error> {
        self.stand_in = Some(StandIn::claim(&self.directory, data_dir)?);
        info!(
            "the record of the data directory {} is in {}, where the user {} may enter",
            data_dir.display(),
            self.directory.display(),
            self.account.name()
        );
        Ok(self)
    }
}

/// The major version and the owner of the cluster in `directory`, if there is one.
///
/// A cluster gets its name only when it is complete, so anything else under that name is not ours;
/// an empty directory (a fresh volume) is taken away, for the cluster to take its place.
pub(crate) fn existing(directory: &Path) -> Result<Option<(u32, u32)>, Error> {
    let metadata = match fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("look at", directory)(error)),
    };
    let file = directory.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(version) => match version.trim().parse() {
            Ok(version) => Ok(Some((version, metadata.uid()))),
            Err(_) => Err(Error::NotACluster { directory: directory.to_owned() }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::remove_dir(directory) {
            Ok(()) => Ok(None),
            Err(_) => Err(Error::NotACluster { directory: directory.to_owned() }),
        },
        // Somebody else's, who lets nobody in: its owner says more than the missing version.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(Some((0, metadata.uid()))),
        Err(error) => Err(Error::file("read", &file)(error)),
    }
}

#[cfg(test)]
mod tests;
