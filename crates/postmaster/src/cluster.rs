//! The cluster: the files of the private PostgreSQL, and who runs it how.

use std::env;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::fingerprint::fingerprint;
use crate::lock::Lock;
use crate::loopback::{self, Loopback};
use crate::place::{CLUSTER, Place};
use crate::programs::Programs;
use crate::stand_in::StandIn;
use crate::stop::Stop;
use crate::{Error, Settings, creation, fetch, socket};

/// Everything needed to run PostgreSQL on one data directory.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// What PostgreSQL calls its data directory.
    pub(crate) directory: PathBuf,
    /// Where its socket is.
    pub(crate) socket_dir: PathBuf,
    /// As whom it runs.
    pub(crate) account: Account,
    /// With which programs.
    pub(crate) programs: Programs,
    /// The TCP port, if it has one.
    pub(crate) loopback: Option<Loopback>,
    /// By which name its processes are known, on their command lines.
    pub(crate) mark: String,
    /// Where it lives, if that is not the data directory: nobody else takes that meanwhile.
    _stand_in: Option<StandIn>,
}

impl Cluster {
    /// Finds the cluster of the canonical `data_dir`, whose lock we have, or creates it.
    pub(crate) fn open(
        data_dir: &Path,
        lock: &Lock,
        settings: &Settings,
        stop: &Stop,
    ) -> Result<Self, Error> {
        let place = Place::find(data_dir, lock.was_held_before())?;
        let directory = place.directory.join(CLUSTER);
        let programs = fetch::programs(settings, &place, env::var_os("PATH").as_deref(), stop)?;
        creation::sweep(&place.directory, stop)?;
        if place.version.is_none() {
            creation::create(&place.directory, &directory, &programs, &place.account, stop)?;
        }
        if let Some(stand_in) = &place.stand_in {
            stand_in.be_named(data_dir)?;
        }
        // The same after the data directory was moved away from its stand-in.
        let fingerprint = fingerprint(&place.directory);
        let socket_dir = socket::prepare(&place.directory, &place.account)?;
        let mark = format!("onrecord-{fingerprint}");
        let loopback = settings.port.map(|port| Loopback::at(port, data_dir, &place.directory));
        let Place { account, stand_in, .. } = place;
        Ok(Self { directory, socket_dir, account, programs, loopback, mark, _stand_in: stand_in })
    }

    /// The TCP port, and the number in the name of the socket: PostgreSQL has one for both.
    pub(crate) fn port(&self) -> u16 {
        loopback::number(self.loopback.as_ref())
    }
}
