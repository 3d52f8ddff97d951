//! The first contact with a server whose certificate authority is known by its digest only. The
//! server sends the authority along; it is recognised during the handshake, before a byte is sent,
//! and from then on everything is checked as always.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::tls::{TlsError, install_provider};

/// Certificates of a chain that are looked at; recognising one may be slow on purpose.
const MOST: usize = 3;

/// What came of the handshakes of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Contact(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    authority: Option<CertificateDer<'static>>,
    is_stranger: bool,
}

impl Contact {
    /// The authority, once a server was verified by it.
    pub fn authority(&self) -> Option<CertificateDer<'static>> {
        self.0.lock().authority.clone()
    }

    /// Whether a server showed no certificate that was recognised.
    pub fn is_stranger(&self) -> bool {
        self.0.lock().is_stranger
    }
}

/// A client that trusts servers of the one authority that `is_the_one` recognises by its
/// certificate, and no others: no public root counts.
///
/// # Errors
/// When there is no cryptography to work with.
pub fn client_config(
    is_the_one: impl Fn(&CertificateDer<'_>) -> bool + Send + Sync + 'static,
) -> Result<(ClientConfig, Contact), TlsError> {
    install_provider();
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider
        .ok_or_else(|| Error::General("no cryptography is installed".into()))
        .map_err(TlsError::Rustls)?;
    let contact = Contact::default();
    let verifier = Pinned {
        is_the_one: Box::new(is_the_one),
        provider,
        contact: contact.clone(),
    };
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok((config, contact))
}

struct Pinned {
    is_the_one: Box<dyn Fn(&CertificateDer<'_>) -> bool + Send + Sync>,
    provider: Arc<CryptoProvider>,
    contact: Contact,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut shown = intermediates.iter().rev().take(MOST);
        let Some(authority) = shown.find(|shown| (self.is_the_one)(shown)) else {
            self.contact.0.lock().is_stranger = true;
            return Err(CertificateError::UnknownIssuer.into());
        };
        let authority = authority.clone().into_owned();
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let verified =
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&self.provider))
                .build()
                .map_err(|error| Error::General(error.to_string()))?
                .verify_server_cert(end_entity, &[], server_name, ocsp, now)?;
        self.contact.0.lock().authority = Some(authority);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
