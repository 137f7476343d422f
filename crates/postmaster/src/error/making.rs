//! Making errors, telling them apart, and putting several into words.

use std::io;
use std::path::PathBuf;

use super::Error;

impl Error {
    /// A failure to do `action` to the file or directory `path`.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// A failure to use `path`, as this process lacks descriptors, memory or the like.
    pub(crate) fn exhausted(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Exhausted { path, source }
    }

    /// A failure to unpack the file `name` of a package.
    pub(crate) fn unpack(name: &str) -> impl FnOnce(io::Error) -> Self + use<> {
        let name = name.to_owned();
        move |source| Self::Unpack { name, source }
    }

    /// A failure to start `program`, or to wait for it.
    pub(crate) fn run(program: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |source| Self::Run { program, source }
    }

    /// Whether another way to get the programs may do better: it is neither this machine's disk nor a wish to stop.
    pub(crate) fn is_of_fetching(&self) -> bool {
        matches!(
            self,
            Self::DownloadForbidden
                | Self::NoClient { .. }
                | Self::ClientFailed { .. }
                | Self::OtherPackage { .. }
                | Self::Unusable { .. }
        )
    }

    /// Whether PostgreSQL ended because processes of its predecessor have not quite gone yet.
    ///
    /// Time heals that.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::EndedEarly { log, .. } if log.contains("shared memory block"))
    }
}

/// What is said of a package client, or of several that failed alike.
pub(super) fn failed(clients: &str, how: &str, said: &str) -> String {
    format!("The service tried to fetch PostgreSQL with {clients}, and {how}: {said}")
}

/// Why each way failed, as sentences: clients that failed alike share one.
pub(super) fn sentences(tried: &[Error]) -> String {
    let mut sentences = String::new();
    let mut told: Vec<(&str, &str)> = Vec::new();
    for error in tried {
        let sentence = match error {
            Error::ClientFailed { how, said, .. } if told.contains(&(how, said)) => continue,
            Error::ClientFailed { how, said, .. } => {
                told.push((how, said));
                failed(&all_that_failed(tried, how, said), how, said)
            }
            error => error.to_string(),
        };
        sentences.push_str(&sentence);
        sentences.push_str(". ");
    }
    sentences
}

/// The clients that failed like this.
fn all_that_failed(tried: &[Error], how: &str, said: &str) -> String {
    let alike = tried.iter().filter_map(|other| match other {
        Error::ClientFailed { client, how: theirs, said: words }
            if theirs == how && words == said =>
        {
            Some(*client)
        }
        _ => None,
    });
    let mut clients: Vec<_> = alike.collect();
    let last = clients.pop().unwrap_or_default();
    if clients.is_empty() { last.to_owned() } else { format!("{} and {last}", clients.join(", ")) }
}

/// How to go on with a package that somebody brings.
pub(super) fn bring(command: Option<&str>) -> String {
    command.map_or_else(
        || "Nothing was changed".to_owned(),
        |command| {
            format!(
                "If this machine has no network: run `{command}` on another machine, copy the file that it gets to this one, and \
                 start the service with --pg-archive FILE"
            )
        },
    )
}
