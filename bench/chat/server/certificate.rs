//! A certificate as our hub makes its own: ECDSA P-256, signed by a CA of the site.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Files of a certificate for localhost.
pub struct Files {
    /// The CA's certificate.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both in one, which ejabberd wants.
    pub both: PathBuf,
}

/// Makes the files in a folder.
pub fn make(folder: &Path) -> anyhow::Result<Files> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    limit(&mut ca);
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::from_ca_cert_pem(&ca_certificate.pem(), ca_key)?;
    let key = KeyPair::generate()?;
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut certificate = CertificateParams::new(names)?;
    certificate.use_authority_key_identifier_extension = true;
    limit(&mut certificate);
    let certificate = certificate.signed_by(&key, &issuer)?;
    let files = Files {
        ca: folder.join("ca.pem"),
        certificate: folder.join("localhost.crt"),
        key: folder.join("localhost.key"),
        both: folder.join("localhost.pem"),
    };
    std::fs::write(&files.ca, ca_certificate.pem())?;
    std::fs::write(&files.certificate, certificate.pem())?;
    std::fs::write(&files.key, key.serialize_pem())?;
    std::fs::write(&files.both, certificate.pem() + &key.serialize_pem())?;
    Ok(files)
}

/// ejabberd's certificate store fails on the years the library has by default.
fn limit(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2044, 1, 1);
}

/// Trusts the CA. One cipher suite for all servers, so that the choice of one costs nobody.
pub fn connector(ca: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).context("CA certificate")?)?;
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
