//! TLS client configuration: verification is always on; a site's own CA is added, never a bypass.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};

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
