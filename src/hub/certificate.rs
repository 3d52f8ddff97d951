//! The site's own certificate authority: made at the first start, its key never leaves the
//! folder; the server's certificate is made anew at every start and lives in memory only.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use time::{Date, Duration, Month, OffsetDateTime};

use crate::base::interfaces;

/// The server's certificate lives this long; Apple's systems refuse more than 825 days.
const SERVER_LIFE: Duration = Duration::days(397);
/// A running hub renews it after this long.
pub const RENEW_AFTER: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);
/// The CA is installed on phones by hand, so it outlives the hardware.
const CA_YEARS: i32 = 20;
/// Boards without a battery-backed clock wake up in the past: nothing starts later than this.
const VALID_FROM_YEAR: i32 = 2024;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file of the authority cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is damaged, or a name cannot be certified.
    #[error("certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library refused.
    #[error("certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// A file is no PEM certificate.
    #[error("{path}: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The authority, with the server certificate in use.
pub struct Authority {
    /// The CA's certificate file, for clients.
    pub ca_file: PathBuf,
    /// Its text.
    pub ca_pem: String,
    /// SHA-256 of it, `AB:CD:…`, for people to compare.
    pub fingerprint: String,
    /// The same, as it is.
    pub digest: [u8; 32],
    /// The CA's certificate in DER.
    pub ca: CertificateDer<'static>,
    key_pem: zeroize::Zeroizing<String>,
    configured: Vec<String>,
    addresses: Mutex<Vec<IpAddr>>,
    current: Arc<Current>,
}

impl Authority {
    /// Opens the authority of a folder, or makes one, and a server certificate for `names`,
    /// localhost, the machine's addresses and its name.
    ///
    /// # Errors
    /// [`CertificateError`] names the file.
    pub fn open(folder: &Path, names: &[String]) -> Result<Self, CertificateError> {
        let ca_file = folder.join("ca.pem");
        let key_file = folder.join("ca.key");
        if !key_file.exists() {
            let (certificate, key) = make_ca()?;
            // The key first: a certificate without key would be handed out and never usable.
            write_new(&key_file, key.as_bytes(), 0o600)?;
            write_new(&ca_file, certificate.as_bytes(), 0o644)?;
        }
        let ca_pem = read(&ca_file)?;
        let key_pem = zeroize::Zeroizing::new(read(&key_file)?);
        let AuthorityCertificate {
            certificate: der,
            digest,
        } = read_authority(folder)?;
        let fingerprint: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let addresses = interfaces::own_addresses();
        let all = all_names(names, &addresses);
        let certified = make_server(&ca_pem, &der, &key_pem, &all)?;
        Ok(Self {
            ca_file,
            ca_pem,
            fingerprint: fingerprint.join(":"),
            digest,
            ca: der.clone(),
            key_pem,
            configured: names.to_vec(),
            addresses: Mutex::new(addresses),
            current: Arc::new(Current(RwLock::new(Arc::new(certified)))),
        })
    }

    /// A TLS configuration that follows renewals.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn server_config(&self) -> Result<rustls::ServerConfig, CertificateError> {
        let resolver = Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>;
        Ok(rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(resolver))
    }

    /// Replaces the server's certificate; open connections keep theirs.
    ///
    /// # Errors
    /// [`CertificateError`]; the old one stays in use.
    pub fn renew(&self) -> Result<(), CertificateError> {
        let names = all_names(&self.configured, &self.addresses.lock());
        let certified = make_server(&self.ca_pem, &self.ca, &self.key_pem, &names)?;
        *self.current.0.write() = Arc::new(certified);
        Ok(())
    }

    /// Renews it if the machine has other addresses than it names: a hub may be up before its
    /// network, and a router hands out other numbers. Whether it did.
    ///
    /// # Errors
    /// [`CertificateError`]; the old one stays in use.
    pub fn follow(&self, addresses: Vec<IpAddr>) -> Result<bool, CertificateError> {
        // Without a network, the old ones may well be those of after.
        if addresses.is_empty() || *self.addresses.lock() == addresses {
            return Ok(false);
        }
        *self.addresses.lock() = addresses;
        self.renew().map(|()| true)
    }
}

/// The public half of an authority.
pub struct AuthorityCertificate {
    /// In DER.
    pub certificate: CertificateDer<'static>,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

/// Reads the certificate of a folder's authority, which must be there.
///
/// # Errors
/// [`CertificateError`] names the file.
pub fn read_authority(folder: &Path) -> Result<AuthorityCertificate, CertificateError> {
    let path = folder.join("ca.pem");
    let certificate = CertificateDer::from_pem_slice(read(&path)?.as_bytes()).map_err(|error| {
        CertificateError::Pem {
            path,
            reason: error.to_string(),
        }
    })?;
    Ok(AuthorityCertificate {
        digest: Sha256::digest(&certificate).into(),
        certificate,
    })
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

fn all_names(configured: &[String], addresses: &[IpAddr]) -> Vec<String> {
    let mut names = configured.to_vec();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        let host = host.trim();
        names.push(host.to_owned());
        names.push(format!("{host}.local"));
    }
    // On a site without names of its own, devices and browsers go by number.
    names.extend(addresses.iter().map(ToString::to_string));
    names.retain(|name| is_certifiable(name));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn is_certifiable(name: &str) -> bool {
    let is_host = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    is_host || name.parse::<IpAddr>().is_ok()
}

fn valid_from() -> OffsetDateTime {
    Date::from_calendar_date(VALID_FROM_YEAR, Month::January, 1)
        .map_or(OffsetDateTime::UNIX_EPOCH, |date| {
            date.midnight().assume_utc()
        })
}

fn make_ca() -> Result<(String, zeroize::Zeroizing<String>), CertificateError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    let year = OffsetDateTime::now_utc().year().max(VALID_FROM_YEAR);
    // Two sites' authorities must be told apart in a phone's list.
    let site = &hex::encode(Sha256::digest(key.public_key_raw()))[..8];
    params
        .distinguished_name
        .push(DnType::CommonName, format!("cubelet hub {site}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = valid_from();
    params.not_after = rcgen::date_time_ymd(year + CA_YEARS, 1, 1);
    let certificate = params.self_signed(&key)?;
    Ok((
        certificate.pem(),
        zeroize::Zeroizing::new(key.serialize_pem()),
    ))
}

fn make_server(
    ca_pem: &str,
    ca: &CertificateDer<'static>,
    key_pem: &str,
    names: &[String],
) -> Result<CertifiedKey, CertificateError> {
    let issuer = Issuer::from_ca_cert_pem(ca_pem, KeyPair::from_pem(key_pem)?)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::NoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = valid_from().max(OffsetDateTime::now_utc() - Duration::days(30));
    params.not_after =
        OffsetDateTime::now_utc().max(valid_from()) + SERVER_LIFE - Duration::days(30);
    if OffsetDateTime::now_utc() < valid_from() {
        params.not_before = valid_from();
    }
    let certificate = params.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = rustls::crypto::ring::sign::any_supported_type(&private)?;
    // The authority comes along for devices that know no more of it than the pin of an enrolment
    // code; everybody else skips what they have.
    let chain = vec![certificate.der().clone(), ca.clone()];
    Ok(CertifiedKey::new(chain, signing))
}

fn read(path: &Path) -> Result<String, CertificateError> {
    std::fs::read_to_string(path).map_err(|source| CertificateError::File {
        path: path.to_owned(),
        source,
    })
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CertificateError> {
    let fail = |source| CertificateError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .map_err(fail)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_authority_is_made_once_and_its_key_is_private() {
        crate::base::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::open(folder.path(), &["hub.example".into()]).unwrap();
        let again = Authority::open(folder.path(), &["hub.example".into()]).unwrap();
        assert_eq!(first.fingerprint, again.fingerprint);
        let mode = folder
            .path()
            .join("ca.key")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        again.renew().unwrap();
    }

    #[test]
    fn the_certificate_follows_the_machine_to_other_addresses() {
        use rustls::client::verify_server_name;
        use rustls::server::ParsedCertificate;

        crate::base::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), &["hub.example".into()]).unwrap();
        let is_named = |name: &'static str| {
            let shown = Arc::clone(&authority.current.0.read());
            let parsed = ParsedCertificate::try_from(&shown.cert[0]).unwrap();
            verify_server_name(&parsed, &name.try_into().unwrap()).is_ok()
        };
        assert!(!is_named("192.0.2.9"));
        let moved = vec![IpAddr::from([192, 0, 2, 9])];
        assert!(authority.follow(moved.clone()).unwrap());
        assert!(is_named("192.0.2.9") && is_named("hub.example"));
        assert!(!authority.follow(moved).unwrap());
        assert!(!authority.follow(Vec::new()).unwrap());
        assert!(is_named("192.0.2.9"));
    }

    #[test]
    fn names_no_certificate_can_carry_are_left_out() {
        let configured = ["hub.example".into(), "bad name".into(), "10.0.0.7".into()];
        let names = all_names(&configured, &[]);
        assert!(names.contains(&"hub.example".to_owned()));
        assert!(names.contains(&"10.0.0.7".to_owned()));
        assert!(!names.contains(&"bad name".to_owned()));
    }
}
