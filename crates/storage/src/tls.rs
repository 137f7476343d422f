//! How a connection to the database is encrypted, in libpq's words.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::Error;
use crate::options::Options;
use crate::verification::Unnamed;

/// What is said of TLS: the value of a parameter of libpq each. They mean here what they mean there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsParameters {
    /// `sslmode`: `disable`, `allow`, `prefer` (the default), `require`, `verify-ca`, `verify-full`.
    ///
    /// `allow` is taken for `prefer`, which is more.
    pub(crate) mode: Option<String>,
    /// `sslrootcert`: a PEM file with the certificates of the authorities to trust, or `system`.
    pub(crate) root_certificate: Option<String>,
    /// `sslcert`: a PEM file with the certificate to show to the server.
    pub(crate) certificate: Option<String>,
    /// `sslkey`: a PEM file with its private key.
    pub(crate) key: Option<String>,
}

/// How far the server is trusted, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    /// Its name, if it verifies anything.
    pub(crate) fn verified(self) -> Option<&'static str> {
        match self {
            Self::VerifyCa => Some("verify-ca"),
            Self::VerifyFull => Some("verify-full"),
            Self::Disable | Self::Prefer | Self::Require => None,
        }
    }
}

impl TlsParameters {
    /// Those among all options.
    pub(crate) fn of(options: &Options) -> Self {
        let value = |name| options.get(name).map(ToOwned::to_owned);
        Self {
            mode: value("sslmode"),
            root_certificate: value("sslrootcert"),
            certificate: value("sslcert"),
            key: value("sslkey"),
        }
    }

    /// The mode. Whoever trusts what the system trusts must want the name to be verified: anybody can have a certificate.
    pub(crate) fn mode(&self) -> Result<Mode, Error> {
        let system = self.root_certificate.as_deref() == Some("system");
        let mode = match self.mode.as_deref() {
            None if system => Mode::VerifyFull,
            None | Some("allow" | "prefer") => Mode::Prefer,
            Some("disable") => Mode::Disable,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(_) => {
                // Which is not quoted: with a quote left out, it might hold the password.
                return Err(impossible(
                    "sslmode must be disable, allow, prefer, require, verify-ca or verify-full",
                ));
            }
        };
        if system && mode != Mode::VerifyFull {
            return Err(impossible("sslrootcert=system needs sslmode=verify-full"));
        }
        Ok(mode)
    }

    /// What connections are encrypted by in this mode. Whenever there are authorities to trust, they are asked.
    pub(crate) fn client(&self, mode: Mode) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| impossible(error.to_string()))?;
        let roots = if mode == Mode::Disable { None } else { self.roots()? };
        let builder = match (mode, roots) {
            (Mode::VerifyFull, Some(roots)) => builder.with_root_certificates(roots),
            (Mode::VerifyCa | Mode::VerifyFull, None) => {
                return Err(impossible(
                    "to verify the server, sslrootcert must name a file with the certificate of its authority, or be system",
                ));
            }
            (_, roots) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unnamed::new(roots, &provider))),
        };
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let certificates = certificates(Path::new(certificate), "sslcert")?;
                let key = PrivateKeyDer::from_pem_slice(&content(Path::new(key), "sslkey")?)
                    .map_err(|_error| {
                        impossible("there is no private key in the file of sslkey")
                    })?;
                builder.with_client_auth_cert(certificates, key).map_err(|error| {
                    impossible(format!("sslcert and sslkey do not fit: {error}"))
                })?
            }
            _ => return Err(impossible("sslcert and sslkey must be given together")),
        };
        // As libpq says it: nobody can pass this off as a connection to a server of another kind.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(config)
    }

    /// The authorities to trust: those of the file that is named, of libpq's own if that is there, or of the system.
    fn roots(&self) -> Result<Option<RootCertStore>, Error> {
        let mut roots = RootCertStore::empty();
        let file = match self.root_certificate.as_deref() {
            Some("system") => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(impossible("the system trusts no certificate authority"));
                }
                return Ok(Some(roots));
            }
            Some(file) if !file.is_empty() => PathBuf::from(file),
            _ => match default_root() {
                Some(file) => file,
                None => return Ok(None),
            },
        };
        for certificate in certificates(&file, "sslrootcert")? {
            roots.add(certificate).map_err(|error| {
                impossible(format!(
                    "a certificate in the file of sslrootcert is not valid: {error}"
                ))
            })?;
        }
        Ok(Some(roots))
    }
}

/// The file in which libpq looks if it is told of none.
fn default_root() -> Option<PathBuf> {
    let file = std::env::home_dir()?.join(".postgresql/root.crt");
    file.exists().then_some(file)
}

fn certificates(file: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&content(file, parameter)?).collect();
    certificates.ok().filter(|found| !found.is_empty()).ok_or_else(|| {
        impossible(format!(
            "there is no certificate in the file of {parameter}, or it is not valid PEM"
        ))
    })
}

/// What is in a file. It is called by the name of its parameter: the value might hold the password, as above.
fn content(file: &Path, parameter: &str) -> Result<Vec<u8>, Error> {
    fs::read(file)
        .map_err(|error| impossible(format!("the file of {parameter} cannot be read: {error}")))
}

fn impossible(problem: impl Into<String>) -> Error {
    Error::Tls { problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(mode: &str, root: &str) -> TlsParameters {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        TlsParameters { mode: some(mode), root_certificate: some(root), ..Default::default() }
    }

    #[test]
    fn modes_are_those_of_libpq() {
        let mode = |mode, root| parameters(mode, root).mode().unwrap();
        assert_eq!(mode("", ""), Mode::Prefer);
        assert_eq!(mode("allow", ""), Mode::Prefer);
        assert_eq!(mode("", "system"), Mode::VerifyFull);
        assert_eq!(mode("verify-full", "system"), Mode::VerifyFull);
        for (mode, root) in [("require", "system"), ("Require", ""), ("verify", ""), ("1", "")] {
            assert!(parameters(mode, root).mode().is_err(), "{mode} {root}");
        }
        let empty = TlsParameters { mode: Some(String::new()), ..Default::default() };
        assert!(empty.mode().is_err());
    }

    #[test]
    fn a_problem_does_not_quote_what_was_said() {
        let secret = "secret&password=secret";
        for parameters in [parameters(secret, ""), parameters("verify-full", secret)] {
            let error = parameters.mode().and_then(|mode| parameters.client(mode)).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
