//! Who can reach the service, and whether that is meant.

use anyhow::bail;
use tracing::warn;

use crate::{AccessSettings, Settings};

/// Who else can, by the settings.
fn also(access: &AccessSettings) -> String {
    if access.insecure {
        return ", and so can web pages and whoever is led here by a proxy (--insecure)".to_owned();
    }
    match access.allowed_hosts.as_slice() {
        [] => String::new(),
        names => format!(", and so can whoever reaches it as {}", names.join(" or ")),
    }
}

/// Refuses to let the whole network in without keys, unless told to; warns of what can be overheard.
pub(crate) fn check(settings: &Settings) -> anyhow::Result<()> {
    let Settings { listen, access, encryption, .. } = settings;
    if listen.ip().to_canonical().is_loopback() {
        if access.api_keys_file.is_none() {
            warn!(
                "no API keys: every user and program of this machine can predict and read the record{}; \
                 make keys with `onrecord key new` and give their file with --api-keys-file",
                also(access)
            );
        }
        return Ok(());
    }
    match &access.api_keys_file {
        Some(_) if encryption.tls_cert.is_some() => {}
        Some(_) => warn!(
            "{listen} can be reached from elsewhere and there is no TLS: keys, predictions and the record can be read on the way"
        ),
        None if access.insecure => warn!(
            "{listen} can be reached from elsewhere and there are no keys: whoever does may predict and read the record"
        ),
        None => bail!(
            "{listen} can be reached from elsewhere, and whoever does could predict and read the record: \
             make keys with `onrecord key new` and give their file with --api-keys-file, or say --insecure"
        ),
    }
    Ok(())
}
