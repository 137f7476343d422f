//! A certificate authority, what it issues, and clients that trust nobody else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, whose files are gone with it.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key, in files.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) der: CertificateDer<'static>,
}

impl Authority {
    /// Each is another one, of the same name.
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("root.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// Its own certificate, for those who trust it.
    pub(super) fn root(&self) -> String {
        self.directory.path().join("root.pem").to_str().unwrap().to_owned()
    }

    /// A certificate for this host, or, as its common name, for a user.
    pub(super) fn issue(&self, name: &str) -> Issued {
        let (params, key) = of(name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.keep(&certificate, &key)
    }

    /// One that was good until yesteryear.
    pub(super) fn issue_expired(&self, name: &str) -> Issued {
        self.issue_until(name, NaiveDate::from_ymd_opt(2021, 1, 1).unwrap())
    }

    /// One that expires at the beginning of this day.
    pub(super) fn issue_until(&self, name: &str, day: NaiveDate) -> Issued {
        let (mut params, key) = of(name);
        let part = |part: u32| u8::try_from(part).unwrap();
        params.not_after = date_time_ymd(day.year(), part(day.month()), part(day.day()));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.keep(&certificate, &key)
    }

    /// One that nobody has signed but its owner.
    pub(super) fn self_signed(&self, name: &str) -> Issued {
        let (params, key) = of(name);
        let certificate = params.self_signed(&key).unwrap();
        self.keep(&certificate, &key)
    }

    fn keep(&self, certificate: &rcgen::Certificate, key: &KeyPair) -> Issued {
        let directory = tempfile::tempdir_in(&self.directory).unwrap().keep();
        let issued = Issued {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
            der: certificate.der().clone(),
        };
        fs::write(&issued.certificate, certificate.pem()).unwrap();
        fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }

    /// Shakes hands as a client that trusts this authority, knows the service as `localhost` and speaks this protocol.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        protocol: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::new(self.client(protocol));
        TlsConnector::from(config).connect(localhost(), stream).await
    }

    pub(super) fn client(&self, protocol: &str) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config
    }
}

impl Issued {
    /// Puts another one in the place of this one, first the certificate, then the key.
    pub(super) fn replace_by(&self, other: &Self) {
        fs::copy(&other.certificate, &self.certificate).unwrap();
        fs::copy(&other.key, &self.key).unwrap();
    }

    pub(super) fn certificate(&self) -> &str {
        text(&self.certificate)
    }

    pub(super) fn key(&self) -> &str {
        text(&self.key)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn of(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params, KeyPair::generate().unwrap())
}

pub(super) fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}
