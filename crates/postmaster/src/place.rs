//! Where the cluster and its socket live.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tracing::info;

use crate::Error;
use crate::account::Account;
use crate::fingerprint::fingerprint;

/// Where clusters live whose user cannot reach the data directory.
const ELSEWHERE: &str = "/var/lib/onrecord";

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
}

impl Place {
    /// Finds the cluster of the canonical `data_dir`, or the place for a new one.
    ///
    /// An existing cluster is never passed over for an empty place.
    pub(crate) fn find(data_dir: &Path) -> Result<Self, Error> {
        let elsewhere = Path::new(ELSEWHERE).join(fingerprint(data_dir));
        for directory in [data_dir, &elsewhere] {
            if let Some((version, owner)) = existing(&directory.join(CLUSTER))? {
                let account = Account::choose(Some(owner))?;
                if !account.is_switched() && account.uid() != owner {
                    return Err(Error::ForeignCluster {
                        directory: directory.join(CLUSTER),
                        owner,
                        ours: account.uid(),
                    });
                }
                if !account.reaches(directory) {
                    let user = account.name().to_owned();
                    return Err(Error::Unreachable { directory: directory.to_owned(), user });
                }
                report_move(data_dir, directory, &account);
                return Ok(Self {
                    directory: directory.to_owned(),
                    account,
                    version: Some(version),
                });
            }
        }
        let account = Account::choose(None)?;
        let directory = if account.reaches(data_dir) { data_dir } else { &elsewhere };
        if directory != data_dir {
            for open in [Path::new(ELSEWHERE), directory] {
                // To be entered by that user, whatever our mask.
                fs::create_dir_all(open)
                    .and_then(|()| fs::set_permissions(open, Permissions::from_mode(0o755)))
                    .map_err(Error::file("create", open))?;
            }
        }
        report_move(data_dir, directory, &account);
        Ok(Self { directory: directory.to_owned(), account, version: None })
    }
}

/// The major version and the owner of the cluster in `directory`, if there is one.
///
/// A cluster gets its name only when it is complete, so anything else under that name is not ours;
/// an empty directory (a fresh volume) is taken away, for the cluster to take its place.
fn existing(directory: &Path) -> Result<Option<(u32, u32)>, Error> {
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

fn report_move(data_dir: &Path, directory: &Path, account: &Account) {
    if directory != data_dir {
        info!(
            "the user {} cannot reach {}: the database lives in {}",
            account.name(),
            data_dir.display(),
            directory.display()
        );
    }
}
