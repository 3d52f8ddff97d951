//! The DTLS certificate, made once and kept: making it is the only slow computation of a call's
//! start, and every peer of a device may use the same one (RFC 8827 §6.5).

use std::sync::OnceLock;

use rtc::crypto::{self, SignatureScheme};
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};

/// The process's certificate.
pub(super) fn certificate() -> Result<RTCCertificate, String> {
    static CERTIFICATE: OnceLock<Result<RTCCertificate, String>> = OnceLock::new();
    CERTIFICATE.get_or_init(generate).clone()
}

/// Makes the certificate now.
///
/// # Errors
/// What the cryptography library said.
pub(in crate::media) fn prewarm() -> Result<(), String> {
    certificate().map(|_| ())
}

fn generate() -> Result<RTCCertificate, String> {
    let provider = crypto::default_provider().map_err(|error| error.to_string())?;
    // The name is seen by the far side and must not tell which device this is (RFC 8827 §6.5).
    let params =
        CertificateParams::new(vec!["webrtc".to_owned()]).map_err(|error| error.to_string())?;
    RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params)
        .map_err(|error| error.to_string())
}
