//! Failures to find the record by the stand-in of a data directory.

use std::path::PathBuf;

/// Why the record of a data directory is not served from the stand-in.
#[derive(Debug, thiserror::Error)]
pub enum StandInError {
    /// A data directory has a cluster, and says that it is elsewhere.
    #[error(
        "the data directory {} holds a cluster, and its file cluster-elsewhere says that the record is in {}; keep one \
         of them: move away postgres in the data directory, or remove that file",
        data_dir.display(),
        stand_in.display()
    )]
    TwoClusters {
        /// The data directory.
        data_dir: PathBuf,
        /// Its stand-in.
        stand_in: PathBuf,
    },

    /// The cluster is not where the data directory says.
    #[error(
        "the record of the data directory {0} must be in {1}, as {0}/cluster-elsewhere says, and there is no cluster; \
         restore that, or remove the file to begin an empty record",
        data_dir.display(),
        stand_in.display()
    )]
    MissingCluster {
        /// The data directory.
        data_dir: PathBuf,
        /// The stand-in that it names.
        stand_in: PathBuf,
    },

    /// The record belongs to another data directory.
    #[error(
        "the data directory {0} is a copy of {1}, whose record is in {2} and not in either of them; go on with {1}, or move \
         that away if this one shall have the record, or remove {0}/cluster-elsewhere to begin an empty one",
        data_dir.display(),
        original.display(),
        stand_in.display()
    )]
    CopiedDirectory {
        /// The copy.
        data_dir: PathBuf,
        /// The data directory that has the record.
        original: PathBuf,
        /// The place of the record.
        stand_in: PathBuf,
    },

    /// A data directory was used, and its record may be elsewhere.
    #[error(
        "an earlier version has used the data directory {0}, where no record is; if it was moved here, its record is {1}: \
         write the right path into the file {0}/cluster-elsewhere, or remove {0}/lock to begin an empty record",
        data_dir.display(),
        nameless.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
    )]
    PerhapsMoved {
        /// The data directory.
        data_dir: PathBuf,
        /// The stand-ins that name no data directory.
        nameless: Vec<PathBuf>,
    },

    /// A file that says where the record is, or whose it is, does not say it, or could be somebody else's.
    #[error(
        "{} cannot be trusted to say where the record is: it must belong to root or to the user of this process, nobody \
         else may write it, and its last line is an absolute path, that of cluster-elsewhere directly below \
         /var/lib/onrecord",
        file.display()
    )]
    UntrustedPointer {
        /// The file.
        file: PathBuf,
    },

    /// Others could replace the cluster in a stand-in.
    #[error(
        "{} must be a directory of root that nobody else can write, as it holds, or is to hold, the record of a data \
         directory which PostgreSQL's user may not enter; mend that (chown root, chmod go-w), or choose another data \
         directory with --data-dir",
        directory.display()
    )]
    UnsafeStandIn {
        /// The directory.
        directory: PathBuf,
    },

    /// There is no place for the cluster that its user may enter.
    #[error(
        "PostgreSQL runs as the user {user}, who may enter neither {} nor {}; let that user in (chmod o+x, on the way too), \
         or choose another data directory with --data-dir",
        data_dir.display(),
        root.display()
    )]
    UnreachableStandIn {
        /// The data directory.
        data_dir: PathBuf,
        /// The place of its stand-in.
        root: PathBuf,
        /// The user who runs PostgreSQL.
        user: String,
    },
}
