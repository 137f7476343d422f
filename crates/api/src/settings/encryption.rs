//! The settings of TLS.

use std::path::PathBuf;

use clap::Args;

use super::NETWORK;

/// How clients are spoken to: encrypted if there is a certificate.
#[derive(Debug, Clone, Args)]
pub struct Encryption {
    /// The certificate to answer by HTTPS with, as PEM, with those that lead from it to its authority; needs --tls-key
    ///
    /// Both files are looked at every two seconds, and on SIGHUP: new connections get a new certificate without a restart. A
    /// pair that cannot be used leaves the old one in place.
    #[arg(long, env = "TLS_CERT", value_name = "FILE", global = true, help_heading = NETWORK)]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate, as PEM; needs --tls-cert
    #[arg(long, env = "TLS_KEY", value_name = "FILE", global = true, help_heading = NETWORK)]
    pub tls_key: Option<PathBuf>,
}
