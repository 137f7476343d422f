//! What can go wrong with the private PostgreSQL.

mod advice;
mod making;
mod stand_in;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

pub(crate) use self::advice::is_exhausted;
pub use self::stand_in::StandInError;

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another service, or another start in this process, holds the data directory.
    #[error(
        "the data directory {} is in use by another service{}; stop that one, or begin another record with --data-dir DIRECTORY",
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
        "no PostgreSQL (initdb and postgres, version {oldest} or newer) was found in {searched}{}; \
         {hint}, or set DATABASE_URL to a running one",
        broken.iter().map(|one| format!(" ({one})")).collect::<String>()
    )]
    NotInstalled {
        /// The oldest major version that would do.
        oldest: u32,
        /// Where it was looked for.
        searched: String,
        /// Programs that were found and do not run, with the reasons.
        broken: Vec<String>,
        /// What to do about it on this platform.
        hint: String,
    },

    /// The system gives this process too little to look for PostgreSQL.
    #[error(
        "the system gives this process too little to use {}",
        path.display()
    )]
    Exhausted {
        /// The file or directory that was to be used.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },

    /// The cluster belongs to a major version that this machine does not have.
    #[error(
        "the cluster {} was created by PostgreSQL {cluster}, and {searched} {}; \
         install PostgreSQL {cluster}, or set DATABASE_URL to a running one",
        directory.display(),
        if found.is_empty() { "holds none".to_owned() } else { format!("holds {}", found.join(", ")) }
    )]
    OtherVersion {
        /// The cluster.
        directory: PathBuf,
        /// The major version that created it.
        cluster: u32,
        /// Where the programs were looked for.
        searched: String,
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
        "The service would fetch it, but --no-download (or NO_DOWNLOAD) forbids that: start without it to allow that"
    )]
    DownloadForbidden,

    /// There is no package client.
    #[error(
        "The service cannot fetch it, because none of {clients} is in PATH; one of them would do"
    )]
    NoClient {
        /// The names of those that would do.
        clients: &'static str,
    },

    /// Nobody packs such programs, or this program does not know about it.
    #[error(
        "The service cannot fetch PostgreSQL{}, because it knows no package of it for {machine}",
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

    /// The user of this process has no name, which `initdb` needs.
    #[error(
        "user id {uid} runs the service and has no name on this machine, and PostgreSQL needs one to create its data. As root, add \
         a line such as `onrecord:x:{uid}:{uid}::/tmp:/bin/sh` to /etc/passwd (in a container: of the image), or run the service \
         as another user, or set DATABASE_URL to a running PostgreSQL"
    )]
    NamelessUser {
        /// The user of this process.
        uid: u32,
    },

    /// We are root, and may not run a program as somebody else.
    #[error("PostgreSQL refuses to run as root, and switching to the user {user} failed")]
    CannotSwitch {
        /// The user who would run PostgreSQL.
        user: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },

    /// The cluster belongs to root, as whom PostgreSQL does not run.
    #[error(
        "PostgreSQL's data in {0} belongs to root, and PostgreSQL refuses to run as root. Give it to the user {user} with \
         `chown -R {user} {0} && chmod 700 {0}` (to copy a data directory with its owners, use `cp -a`)",
        directory.display()
    )]
    ClusterOfRoot {
        /// The cluster.
        directory: PathBuf,
        /// As whom PostgreSQL would run.
        user: String,
    },

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

    /// The record is not where it should be, or cannot be there.
    #[error(transparent)]
    StandIn(#[from] StandInError),

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

    /// The user of this process may not write in the data directory.
    #[error(
        "user id {ours} runs the service and cannot write in the data directory {}, which belongs to user id {owner}",
        directory.display()
    )]
    NotWritable {
        /// The data directory.
        directory: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        ours: u32,
        /// The system's error.
        #[source]
        source: io::Error,
    },

    /// A file or a dangling link stands in the place of the data directory, or on the way to it.
    #[error(
        "{} {what}, so the data directory {} cannot be there; take it away, or choose another directory with --data-dir",
        path.display(),
        directory.display()
    )]
    NoDirectory {
        /// The data directory.
        directory: PathBuf,
        /// The place.
        path: PathBuf,
        /// The description of what stands there.
        what: String,
    },

    /// The data directory is not there, and could not be made.
    #[error(
        "the data directory {} cannot be created",
        directory.display()
    )]
    NotCreated {
        /// The data directory.
        directory: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
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

    /// PostgreSQL could not listen on the TCP port.
    #[error("PostgreSQL cannot listen on 127.0.0.1:{port}")]
    Port {
        /// The port.
        port: u16,
        /// The system's error.
        #[source]
        source: io::Error,
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
        /// The system's error.
        #[source]
        source: io::Error,
    },

    /// A program could not be started, or waited for.
    #[error("failed to run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's error.
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
