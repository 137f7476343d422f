//! What the service can do: what it cannot do yet is not tested, and said so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;

use crate::service::Launch;

/// What this build of the service has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Abilities {
    /// `Idempotency-Key`.
    pub(crate) keys: bool,
    /// `GET /ledger`.
    pub(crate) ledger: bool,
    /// `--spool-dir`.
    pub(crate) spool: bool,
    /// Whether there is a build of it beside that can be made to panic.
    pub(crate) fail_points: bool,
}

impl Abilities {
    /// By its document and its help.
    pub(crate) async fn of(program: &Path) -> anyhow::Result<Self> {
        let ask = async |argument: &str| {
            let launch = Launch::new(program.to_owned()).argument(argument);
            let (status, said) = launch.run(Duration::from_secs(20)).await?;
            ensure!(status.success(), "{} {argument}: {status}: {said}", program.display());
            Ok(said)
        };
        let document = ask("openapi").await?;
        Ok(Self {
            keys: document.to_lowercase().contains("idempotency-key"),
            ledger: document.contains("\"/ledger\""),
            spool: ask("--help").await?.contains("--spool-dir"),
            fail_points: with_fail_points(program).exists(),
        })
    }
}

/// Where the build of a program lies that can be made to panic.
pub(crate) fn with_fail_points(program: &Path) -> PathBuf {
    let mut name = program.file_name().unwrap_or_default().to_owned();
    name.push("-with-fail-points");
    program.with_file_name(name)
}
