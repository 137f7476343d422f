//! The certificate that is shown to clients, read from its files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use chrono::{DateTime, Utc};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error, ServerConfig};
use tracing::warn;
use x509_cert::der::Decode;
use x509_cert::time::Time;

/// What is spoken inside, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The permission to read for every user.
const EVERYBODY_READS: u32 = 0o004;

/// The permissions to write for the group and for every user.
const OTHERS_WRITE: u32 = 0o022;

/// The files of a certificate and its key, both as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The certificate, and those that lead from it to its authority.
    pub(crate) certificate: PathBuf,
    /// Its private key: PKCS#8, SEC1 or PKCS#1.
    pub(crate) key: PathBuf,
}

/// What was read from the files.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// What connections are encrypted by.
    pub(super) config: Arc<ServerConfig>,
    /// When clients accept it, unless that cannot be told.
    pub(crate) validity: Option<Validity>,
}

/// From when to when clients accept a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(super) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
}

impl Validity {
    /// That of the first of a chain; those above it are the authority's care.
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let time = |time: Time| {
            DateTime::from_timestamp_secs(time.to_unix_duration().as_secs().try_into().ok()?)
        };
        let validity = x509_cert::Certificate::from_der(certificate).ok()?.tbs_certificate.validity;
        Some(Self { from: time(validity.not_before)?, to: time(validity.not_after)? })
    }
}

impl Files {
    /// Reads both, and makes of them what connections are encrypted by: TLS 1.2 and 1.3 with the cipher suites of rustls,
    /// all of which are authenticated and forward secret.
    pub(super) fn read(&self) -> anyhow::Result<Certificate> {
        let (name, key_name) = (self.certificate.display(), self.key.display());
        let chain = content(&self.certificate, "the certificate")?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|_error| anyhow!("{name} is not valid PEM"))?;
        ensure!(!chain.is_empty(), "there is no certificate in {name}");
        let validity = chain.first().and_then(Validity::of);
        if fs::metadata(&self.key)
            .is_ok_and(|key| key.mode() & (EVERYBODY_READS | OTHERS_WRITE) != 0)
        {
            warn!(
                "the private key {key_name} can be read by every user of this machine, or written by others than its owner: \
                 chmod 600, or 640"
            );
        }
        let key = PrivateKeyDer::from_pem_slice(&content(&self.key, "the private key")?);
        let key = key.map_err(|error| match error {
            pem::Error::NoItemsFound => {
                anyhow!("there is no private key in {key_name}, or it is encrypted")
            }
            // Which might quote the key.
            _ => anyhow!("{key_name} is not valid PEM"),
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                Error::InconsistentKeys(_) => {
                    anyhow!(
                        "the private key in {key_name} is not that of the certificate in {name}"
                    )
                }
                other => anyhow!(other).context(format!(
                    "{name} with {key_name} cannot be used; keys of RSA with 2048 bits or more, of ECDSA on P-256 and P-384, \
                     and of Ed25519 can be"
                )),
            })?;
        // The stronger one of what both know is taken, whatever the client likes better.
        config.ignore_client_order = true;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Certificate { config: Arc::new(config), validity })
    }
}

/// The bytes of a PEM file, without the mark that editors of Windows put before a text.
fn content(file: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| format!("{what} cannot be read from {name}"))?;
    let is_utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    ensure!(!is_utf16, "{name} is a text in UTF-16; save it as UTF-8 or ASCII");
    Ok(bytes.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(bytes))
}
