//! Who the hub is to a push service (RFC 8292): a key of its own, made at the first start, whose
//! public half browsers bind their subscriptions to.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::json;

use crate::base::disk::Explained;

/// Seconds a token is good for; services refuse more than a day (RFC 8292 §2).
const TOKEN_LIFE: i64 = 12 * 3600;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum VapidError {
    /// The file cannot be read or written.
    #[error("{path}: {}", Explained(.source))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds no key of this kind.
    #[error(
        "{path}: no PKCS #8 key on P-256; remove the file for a new one, and browsers have to subscribe anew"
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
}

/// The key and the contact that push services are told.
pub struct Vapid {
    key: EcdsaKeyPair,
    random: SystemRandom,
    subject: String,
    public_key: String,
}

impl Vapid {
    /// Opens the key of a file (PEM, mode 0600), or makes one.
    ///
    /// # Errors
    /// [`VapidError`] names the file. A damaged one is never replaced: every subscription would be
    /// lost with it.
    pub fn open(path: &Path, subject: String) -> Result<Self, VapidError> {
        let random = SystemRandom::new();
        let no_key = || VapidError::Key {
            path: path.to_owned(),
        };
        if !path.exists() {
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
            write_key(path, made.map_err(|_| no_key())?.as_ref())?;
        }
        let text = std::fs::read(path).map_err(|source| file_error(path, source))?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|_| no_key())?;
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            der.secret_pkcs8_der(),
            &random,
        )
        .map_err(|_| no_key())?;
        let public_key = BASE64.encode(key.public_key());
        Ok(Self {
            key,
            random,
            subject,
            public_key,
        })
    }

    /// The public key as browsers take it (`applicationServerKey`): base64url of the point.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The `Authorization` of a request to a push service of this origin, such as
    /// `https://push.example.org`. `None` if the system has no random numbers.
    pub fn authorization(&self, origin: &str, now: i64) -> Option<String> {
        let header = BASE64.encode(json!({"typ": "JWT", "alg": "ES256"}).to_string());
        let claims = json!({"aud": origin, "exp": now + TOKEN_LIFE, "sub": self.subject});
        let signed = format!("{header}.{}", BASE64.encode(claims.to_string()));
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok()?;
        let signature = BASE64.encode(signature);
        Some(format!(
            "vapid t={signed}.{signature}, k={}",
            self.public_key
        ))
    }
}

fn file_error(path: &Path, source: std::io::Error) -> VapidError {
    VapidError::File {
        path: path.to_owned(),
        source,
    }
}

/// Writes beside the place and renames: a power cut leaves no half of a key.
fn write_key(path: &Path, der: &[u8]) -> Result<(), VapidError> {
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in BASE64_STANDARD.encode(der).as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    let pem = zeroize::Zeroizing::new(pem);
    let beside = path.with_extension("new");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(pem.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| file_error(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use std::os::unix::fs::PermissionsExt;

    fn open(folder: &tempfile::TempDir) -> Vapid {
        let file = folder.path().join("vapid.key");
        Vapid::open(&file, "mailto:a@example.org".into()).unwrap()
    }

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(&folder).public_key().to_owned();
        assert_eq!(open(&folder).public_key(), first);
        assert_eq!(BASE64.decode(&first).unwrap().len(), 65);
        let file = folder.path().join("vapid.key");
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vapid.key");
        std::fs::write(&file, "nothing").unwrap();
        let error = Vapid::open(&file, String::new()).err().unwrap();
        assert!(error.to_string().contains("vapid.key"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"nothing");
    }

    #[test]
    fn a_token_names_the_service_and_its_end_and_is_signed() {
        let folder = tempfile::tempdir().unwrap();
        let vapid = open(&folder);
        let header = vapid
            .authorization("https://push.example.org", 1_000)
            .unwrap();
        let (token, key) = header
            .strip_prefix("vapid t=")
            .and_then(|rest| rest.split_once(", k="))
            .unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = BASE64.decode(key).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
            .verify(signed.as_bytes(), &BASE64.decode(signature).unwrap())
            .unwrap();
        let claims = BASE64.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let expected = json!({
            "aud": "https://push.example.org", "exp": 1_000 + TOKEN_LIFE,
            "sub": "mailto:a@example.org",
        });
        assert_eq!(claims, expected);
    }
}
