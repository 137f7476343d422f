//! Who can reach the service, and whether that is meant.

use std::net::SocketAddr;

use anyhow::bail;
use tracing::warn;

use crate::settings::AccessSettings;

/// Refuses to let the whole network in without keys, unless told to; warns of what can be overheard.
pub(crate) fn check(listen: SocketAddr, access: &AccessSettings) -> anyhow::Result<()> {
    if listen.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    match &access.api_keys_file {
        Some(_) => warn!(
            "{listen} can be reached from elsewhere and there is no TLS: keys, predictions and the record can be read on the way"
        ),
        None if access.insecure => warn!(
            "{listen} can be reached from elsewhere and there are no keys: whoever does may predict and read the record"
        ),
        None => bail!(
            "{listen} can be reached from elsewhere, and whoever does could predict and read the record: \
             make keys with `api key new` and give their file with --api-keys-file, or say --insecure"
        ),
    }
    Ok(())
}
