//! TLS configuration. Clients: verification is always on; a site's own CA is added, never a
//! bypass. Servers: a certificate and its key from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::CryptoProvider};

/// Why a TLS configuration could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA file is missing, unreadable or holds no PEM certificate.
    #[error("cannot read the CA certificate {path}: {reason}")]
    CaFile {
        /// The file named by the configuration.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The key file is missing, unreadable or holds no PEM key.
    #[error("cannot read the private key {path}: {reason}")]
    KeyFile {
        /// The file named by the configuration.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The TLS library refused the configuration.
    #[error("TLS set-up failed: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Installs ring as the process-wide provider; safe to call again.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // The only error is that another thread was faster, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The public web roots, plus the certificates in `ca_file` when a site has its own CA.
///
/// # Errors
/// [`TlsError::CaFile`] names the file and why it was refused.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    install_provider();
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = ca_file {
        for certificate in read_certificates(path)? {
            roots.add(certificate)?;
        }
    }
    Ok(Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}

/// A certificate as PEM (RFC 7468 §5).
pub fn pem_of(certificate: &CertificateDer<'_>) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    // base64 is ASCII, so that every byte is a character.
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// A server with this certificate (its chain included) and key.
///
/// # Errors
/// [`TlsError`] names the file; a key that does not belong to the certificate is refused.
pub fn server_config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    install_provider();
    let chain = read_certificates(certificate)?;
    let read = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::KeyFile {
        path: key.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, read)?)
}

/// Reads every PEM certificate of a file; none at all is an error.
///
/// # Errors
/// [`TlsError::CaFile`].
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refuse = |reason: String| TlsError::CaFile {
        path: path.to_owned(),
        reason,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| refuse(error.to_string()))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    if certificates.is_empty() {
        return Err(refuse("it holds no PEM certificate".into()));
    }
    Ok(certificates)
}
