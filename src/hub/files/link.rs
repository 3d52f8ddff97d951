//! Signed links: whoever has one may do one thing with one file until a time.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hmac::{Hmac, Mac};
use rand::Rng;
use sha2::Sha256;

/// What a link is for; a signature for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Uploading with a form; the text signed is the form's policy.
    Form,
    /// Carrying an upload on.
    Append,
    /// Reading the content.
    Read,
}

/// Signs and checks.
pub struct Links {
    key: [u8; 32],
}

impl Links {
    /// Reads the key, or makes one: links outlive a restart of the hub.
    pub(super) fn open(file: &Path) -> std::io::Result<Self> {
        match std::fs::read(file) {
            Ok(bytes) => {
                let key = bytes.try_into().map_err(|_| {
                    let text = format!("{} does not hold 32 bytes", file.display());
                    std::io::Error::new(std::io::ErrorKind::InvalidData, text)
                })?;
                Ok(Self { key })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key: [u8; 32] = rand::rng().random();
                // Whole or not there: a power cut must not leave a key that is refused.
                let draft = file.with_extension("new");
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(0o600);
                let mut opened = options.open(&draft)?;
                opened.write_all(&key)?;
                opened.sync_all()?;
                std::fs::rename(&draft, file)?;
                Ok(Self { key })
            }
            Err(error) => Err(error),
        }
    }

    fn mac(&self, purpose: Purpose, text: &str) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        #[allow(clippy::expect_used)]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length");
        let purpose = match purpose {
            Purpose::Form => "form\n",
            Purpose::Append => "append\n",
            Purpose::Read => "read\n",
        };
        mac.update(purpose.as_bytes());
        mac.update(text.as_bytes());
        mac
    }

    /// The signature of a text, in hex.
    pub fn sign(&self, purpose: Purpose, text: &str) -> String {
        hex::encode(self.mac(purpose, text).finalize().into_bytes())
    }

    /// Whether a signature is the text's, compared in constant time.
    pub fn is_signed(&self, purpose: Purpose, text: &str, signature: &str) -> bool {
        let signature = hex::decode(signature).unwrap_or_default();
        self.mac(purpose, text).verify_slice(&signature).is_ok()
    }

    /// The query of a link to a file: `expires` (Unix seconds) and `signature`.
    pub fn query(&self, purpose: Purpose, uid: &str, expires: i64) -> String {
        let signature = self.sign(purpose, &format!("{uid}\n{expires}"));
        format!("expires={expires}&signature={signature}")
    }

    /// Whether a link is good at `now`.
    pub fn allows(
        &self,
        purpose: Purpose,
        uid: &str,
        expires: i64,
        signature: &str,
        now: i64,
    ) -> bool {
        now < expires && self.is_signed(purpose, &format!("{uid}\n{expires}"), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_purpose_file_and_time_and_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("link.key");
        let links = Links::open(&file).unwrap();
        let query = links.query(Purpose::Read, "a", 100);
        let signature = query.rsplit_once('=').unwrap().1;
        let again = Links::open(&file).unwrap();
        assert!(again.allows(Purpose::Read, "a", 100, signature, 99));
        assert!(!again.allows(Purpose::Read, "a", 100, signature, 100));
        assert!(!again.allows(Purpose::Read, "a", 101, signature, 99));
        assert!(!again.allows(Purpose::Read, "b", 100, signature, 99));
        assert!(!again.allows(Purpose::Append, "a", 100, signature, 99));
        assert!(!again.allows(Purpose::Read, "a", 100, "", 99));
    }

    #[test]
    fn a_key_that_was_tampered_with_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("link.key");
        std::fs::write(&file, "short").unwrap();
        assert!(Links::open(&file).is_err());
    }
}
