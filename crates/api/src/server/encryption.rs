//! Keeps the certificate that is shown to clients up to date, without a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::certificate::{Certificate, Files};
use super::expiry::Expiry;
use crate::clock;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// The certificate of the moment.
pub(crate) type Shown = watch::Receiver<Certificate>;

/// A certificate, and what renews it.
#[derive(Debug)]
pub(crate) struct Encryption {
    files: Files,
    /// What the files looked like when they were read.
    seen: Look,
    hangup: Signal,
    show: watch::Sender<Certificate>,
}

impl Encryption {
    /// Reads the files. From now on it hears SIGHUP, as others may beside it.
    pub(crate) fn load(files: Files) -> anyhow::Result<Self> {
        // First looked at, then read: what changes in between is noticed.
        let seen = look(&files);
        let (show, _) = watch::channel(files.read()?);
        Ok(Self { files, seen, hangup: signal(SignalKind::hangup())?, show })
    }

    /// What connections are encrypted by, now and later.
    pub(crate) fn shown(&self) -> Shown {
        self.show.subscribe()
    }

    /// Reads the files whenever they have changed, or SIGHUP asks for it. What cannot be used leaves the old certificate in
    /// place, and is tried again at every look, as it may be half written.
    pub(crate) async fn keep_up_to_date(&mut self) {
        let mut complaint = None;
        let mut expiry = Expiry::default();
        loop {
            if let Some(validity) = self.show.borrow().validity
                && let Some(notice) = expiry.notice(validity, clock::now())
            {
                warn!("{notice}");
            }
            let asked = tokio::select! {
                () = sleep(INTERVAL) => false,
                _ = self.hangup.recv() => true,
            };
            let (files, seen) = (self.files.clone(), self.seen);
            let anyway = asked || complaint.is_some();
            let read = spawn_blocking(move || {
                let now = look(&files);
                (now, (anyway || now != seen).then(|| files.read()))
            });
            match read.await {
                Ok((now, Some(Ok(certificate)))) => {
                    (self.seen, complaint) = (now, None);
                    self.show.send_replace(certificate);
                    info!("the certificate was read again; new connections get it");
                }
                Ok((now, Some(Err(error)))) => {
                    self.seen = now;
                    let words = Some(format!("{error:#}"));
                    if asked || complaint != words {
                        error!("the certificate stays as it was: {error:#}");
                    }
                    complaint = words;
                }
                Ok((_, None)) => {}
                Err(error) => {
                    error!(%error, "the certificate could not be looked at; trying again");
                }
            }
        }
    }
}

/// What both files look like from outside; none if they are not there.
type Look = [Option<(u64, u64, u64, [i64; 4])>; 2];

fn look(files: &Files) -> Look {
    let of = |file: &Path| {
        let it = fs::metadata(file).ok()?;
        let times = [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()];
        Some((it.dev(), it.ino(), it.len(), times))
    };
    [of(&files.certificate), of(&files.key)]
}
