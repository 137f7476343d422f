//! Where the spool may be: apart from the private PostgreSQL's files.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, ensure};

use crate::Settings;

/// Refuses a spool in the directory of the cluster, or around it: each is closed to whoever needs the other.
pub(crate) fn check(settings: &Settings, cluster: &Path) -> anyhow::Result<()> {
    let Some(spool) = &settings.spool_dir else { return Ok(()) };
    let whole = |path: &Path| {
        canonical(path)
            .with_context(|| format!("failed to find out what {} leads to", path.display()))
    };
    let (spool, cluster) = (whole(spool)?, whole(cluster)?);
    ensure!(
        !spool.starts_with(&cluster) && !cluster.starts_with(&spool),
        "the spool cannot be in {}: the private PostgreSQL is in {}, and neither may hold the other; \
         choose another directory with --spool-dir",
        spool.display(),
        cluster.display()
    );
    Ok(())
}

/// The path without links, as far as it is there, nor `..`.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    let mut canonical = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => drop(canonical.pop()),
            part => canonical.push(part),
        }
        match fs::canonicalize(&canonical) {
            Ok(there) => canonical = there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(canonical)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use clap::Parser;

    use super::*;

    #[test]
    fn a_spool_in_or_around_the_cluster_is_refused_whatever_it_is_called() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let cluster = home.join("data/postgres");
        fs::create_dir_all(home.join("elsewhere")).unwrap();
        symlink(&home, home.join("elsewhere/link")).unwrap();
        let check = |spool: &str| {
            let settings = Settings::parse_from([
                "api".as_ref(),
                "--spool-dir".as_ref(),
                home.join(spool).as_os_str(),
            ]);
            check(&settings, &cluster)
        };
        for refused in [
            "data/postgres",
            "data",
            "",
            "data/postgres/base",
            "elsewhere/link/data",
            "elsewhere/../data/postgres/new",
            "nothing/../data",
        ] {
            let error = check(refused).unwrap_err().to_string();
            assert!(error.contains("neither may hold the other"), "{refused}: {error}");
        }
        for fine in ["data/spool", "data/postgres-spool", "elsewhere", "new"] {
            check(fine).unwrap();
        }
    }
}
