//! The server's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
//!
//! The secret a client proves may be one of several (wire reference A.4: the password, or the
//! token of any live session), all derived with the same salt and iterations, so that what is
//! announced does not tell which is meant.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sasl::common::Password;
use sasl::common::scram::{ScramProvider, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// Bytes of a message of the exchange; real ones have some 200.
pub const MESSAGE_MAX: usize = 4_096;

const KEY: usize = 32;

/// Why an exchange ends, each with its SASL condition (RFC 6120 §6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message breaks the grammar of RFC 5802 §7.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// The client wants channel binding, which was not offered, or an extension nobody knows.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// The proof fits none of the secrets.
    #[error("wrong proof")]
    WrongProof,
}

impl ScramError {
    /// The SASL condition.
    pub fn condition(self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Unsupported(_) => "malformed-request",
            Self::WrongProof => "not-authorized",
        }
    }
}

/// What is stored of a secret: enough to check a proof, not enough to make one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// `H(HMAC(SaltedPassword, "Client Key"))`.
    pub stored: [u8; KEY],
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server: [u8; KEY],
}

// Key material stays out of logs.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Derives the keys of a secret. Takes milliseconds by design.
    ///
    /// A text that SASLprep (RFC 4013) forbids is taken as it is, as clients do.
    pub fn derive(secret: &str, salt: &[u8], iterations: u32) -> Self {
        let prepared = stringprep::saslprep(secret).map_or_else(|_| secret.to_owned(), Into::into);
        // The library fails only for secrets derived beforehand, which this is not.
        let salted = Sha256::derive(&Password::Plain(prepared), salt, iterations.max(1));
        let salted = salted.unwrap_or_default();
        Self {
            stored: key(&Sha256::hash(&hmac(b"Client Key", &salted))),
            server: key(&hmac(b"Server Key", &salted)),
        }
    }
}

/// HMAC takes keys of any length, so the library's error cannot come.
fn hmac(data: &[u8], key: &[u8]) -> Vec<u8> {
    Sha256::hmac(data, key).unwrap_or_default()
}

fn key(bytes: &[u8]) -> [u8; KEY] {
    let mut key = [0; KEY];
    let length = bytes.len().min(KEY);
    key[..length].copy_from_slice(&bytes[..length]);
    key
}

/// `client-first-message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirst {
    /// The name the client authenticates with.
    pub name: String,
    /// Whom it wants to act for, if it said so.
    pub authzid: Option<String>,
    // "n,," or "y,,", which the client repeats in its final message.
    header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    /// Reads the client's first message.
    ///
    /// # Errors
    /// [`ScramError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ScramError> {
        let text = text_of(bytes)?;
        let (flag, rest) = text
            .split_once(',')
            .ok_or(ScramError::Malformed("no header"))?;
        match flag {
            // "y": it could bind to a channel and sees that we do not offer it, which is true.
            "n" | "y" => {}
            _ if flag.starts_with("p=") => {
                return Err(ScramError::Unsupported("channel binding"));
            }
            _ => return Err(ScramError::Malformed("no channel binding flag")),
        }
        let (authzid, bare) = rest
            .split_once(',')
            .ok_or(ScramError::Malformed("no header"))?;
        let authzid = match authzid {
            "" => None,
            text => Some(
                text.strip_prefix("a=")
                    .and_then(unescape)
                    .ok_or(ScramError::Malformed("no authorisation id"))?,
            ),
        };
        if bare.starts_with("m=") {
            return Err(ScramError::Unsupported("a mandatory extension"));
        }
        let mut parts = bare.split(',');
        let name = parts
            .next()
            .and_then(|part| part.strip_prefix("n="))
            .and_then(unescape)
            .filter(|name| !name.is_empty())
            .ok_or(ScramError::Malformed("no name"))?;
        let nonce = parts
            .next()
            .and_then(|part| part.strip_prefix("r="))
            .filter(|nonce| is_nonce(nonce))
            .ok_or(ScramError::Malformed("no nonce"))?;
        let header = &text[..text.len() - bare.len()];
        Ok(Self {
            name,
            authzid,
            header: header.to_owned(),
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// Our answer. `nonce` is random and fresh, of letters and digits.
    pub fn challenge(self, nonce: &str, salt: &[u8], iterations: u32) -> Challenge {
        let nonce = format!("{}{nonce}", self.nonce);
        let salt = BASE64_STANDARD.encode(salt);
        Challenge {
            text: format!("r={nonce},s={salt},i={iterations}"),
            nonce,
            first: self,
        }
    }
}

/// An exchange that waits for the client's proof.
#[derive(Clone, Debug)]
pub struct Challenge {
    text: String,
    nonce: String,
    first: ClientFirst,
}

impl Challenge {
    /// `server-first-message`, to be sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks `client-final-message` against every secret the client may mean. Returns the place
    /// of the one it meant and `server-final-message`. How long it takes does not depend on which
    /// one fits.
    ///
    /// # Errors
    /// [`ScramError`].
    pub fn verify(&self, bytes: &[u8], candidates: &[Keys]) -> Result<(usize, String), ScramError> {
        let text = text_of(bytes)?;
        let (without_proof, proof) = text
            .rsplit_once(",p=")
            .ok_or(ScramError::Malformed("no proof"))?;
        let proof = BASE64_STANDARD.decode(proof);
        let proof: [u8; KEY] = proof
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or(ScramError::Malformed("no proof"))?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|part| part.strip_prefix("c="));
        let binding = binding.and_then(|text| BASE64_STANDARD.decode(text).ok());
        if binding.as_deref() != Some(self.first.header.as_bytes()) {
            return Err(ScramError::Malformed("the header has changed"));
        }
        if parts.next().and_then(|part| part.strip_prefix("r=")) != Some(self.nonce.as_str()) {
            return Err(ScramError::Malformed("the nonce has changed"));
        }
        let message = format!("{},{},{without_proof}", self.first.bare, self.text);
        let (mut found, mut place, mut server) = (subtle::Choice::from(0), 0_u64, [0_u8; KEY]);
        for (index, keys) in candidates.iter().enumerate() {
            let signature = hmac(message.as_bytes(), &keys.stored);
            let client: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
            let fits = Sha256::hash(&client).ct_eq(&keys.stored);
            found |= fits;
            place.conditional_assign(&(index as u64), fits);
            for (byte, of_this) in server.iter_mut().zip(&keys.server) {
                byte.conditional_assign(of_this, fits);
            }
        }
        if !bool::from(found) {
            return Err(ScramError::WrongProof);
        }
        let signature = BASE64_STANDARD.encode(hmac(message.as_bytes(), &server));
        Ok((place as usize, format!("v={signature}")))
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, ScramError> {
    if bytes.len() > MESSAGE_MAX {
        return Err(ScramError::Malformed("too long"));
    }
    std::str::from_utf8(bytes).map_err(|_| ScramError::Malformed("not UTF-8"))
}

/// RFC 5802 §5.1: printable ASCII without the comma.
fn is_nonce(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// `saslname`: a comma is written `=2C` and an equals sign `=3D`; other equals signs are errors.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('=');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (sign, rest) = part
            .strip_prefix("2C")
            .map(|rest| (',', rest))
            .or_else(|| part.strip_prefix("3D").map(|rest| ('=', rest)))?;
        plain.push(sign);
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7677 §3.
    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
    const FINAL: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn challenge() -> Challenge {
        let salt = BASE64_STANDARD.decode(SALT).unwrap();
        let first = ClientFirst::read(FIRST).unwrap();
        first.challenge(SERVER_NONCE, &salt, 4_096)
    }

    fn keys(password: &str) -> Keys {
        Keys::derive(password, &BASE64_STANDARD.decode(SALT).unwrap(), 4_096)
    }

    #[test]
    fn the_example_of_rfc_7677_passes() {
        let challenge = challenge();
        assert_eq!(
            challenge.text(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let proved = challenge.verify(FINAL, &[keys("pencil")]);
        let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(proved, Ok((0, signature.to_owned())));
    }

    #[test]
    fn the_secret_may_be_any_of_several_and_none_is_none() {
        let challenge = challenge();
        let several = [keys("token-a"), keys("pencil"), keys("token-b")];
        assert_eq!(challenge.verify(FINAL, &several).unwrap().0, 1);
        assert_eq!(
            challenge.verify(FINAL, &several[..1]),
            Err(ScramError::WrongProof)
        );
        assert_eq!(challenge.verify(FINAL, &[]), Err(ScramError::WrongProof));
    }

    #[test]
    fn a_changed_header_or_nonce_is_refused() {
        let final_text = String::from_utf8(FINAL.to_vec()).unwrap();
        for changed in [
            final_text.replace("c=biws", "c=eSws"),
            final_text.replace("Ilj)", "Ilj("),
            final_text.replace(",p=", ",q="),
            final_text.replace("dHzb", "dHz"),
        ] {
            let answer = challenge().verify(changed.as_bytes(), &[keys("pencil")]);
            assert!(matches!(answer, Err(ScramError::Malformed(_))), "{changed}");
        }
    }

    #[test]
    fn names_are_unescaped_and_an_authorisation_id_is_told() {
        let first = ClientFirst::read(b"y,a=me=2Cmyself,n=a=3Db,r=x").unwrap();
        assert_eq!(first.authzid.as_deref(), Some("me,myself"));
        assert_eq!(first.name, "a=b");
    }

    #[test]
    fn broken_first_messages_are_refused() {
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=,r=x",
            "n,,n=a=2D,r=x",
            "n,,n=a",
            "n,,n=a,r=",
            "n,,n=a,r=\u{7f}",
            "x,,n=a,r=x",
            "n,b,n=a,r=x",
        ] {
            let read = ClientFirst::read(bad.as_bytes());
            assert!(matches!(read, Err(ScramError::Malformed(_))), "{bad}");
        }
        for bad in ["p=tls-unique,,n=a,r=x", "n,,m=x,n=a,r=x"] {
            let read = ClientFirst::read(bad.as_bytes());
            assert!(matches!(read, Err(ScramError::Unsupported(_))), "{bad}");
        }
        let long = vec![b'n'; MESSAGE_MAX + 1];
        assert!(ClientFirst::read(&long).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_message_makes_reading_panic_and_no_guess_passes(
            first in "[ny],(a=[a-z=]{0,4})?,n=[a-z=2C3D]{0,6},r=[!-~]{0,8}",
            last in "c=[a-zA-Z=]{0,8},r=[!-~]{0,8},p=[A-Za-z0-9+/]{43}=",
        ) {
            if let Ok(first) = ClientFirst::read(first.as_bytes()) {
                let challenge = first.challenge("server", b"salt", 1);
                let keys = Keys { stored: [7; 32], server: [9; 32] };
                proptest::prop_assert!(challenge.verify(last.as_bytes(), &[keys]).is_err());
            }
        }
    }
}
