//! How a device comes by its account on a hub: a code that somebody types or scans once, and what
//! the hub gives for it. cubelet's own addition to the API; the cloud has nothing of the kind.
//!
//! The code is made of two halves: a **secret** that the hub exchanges for an account, and a **pin**
//! by which the device knows the hub's certificate authority before it says anything. Both have 50
//! bits, for they are typed; so whatever somebody could try offline is behind argon2id, at some
//! tens of milliseconds a try. Online, the hub counts.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

/// Crockford's base 32: no I, L, O or U, so that nothing is misread and no word appears.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of each half, 5 bits each.
const HALF: usize = 10;
/// Letters between two dashes.
const GROUP: usize = 4;
/// Ties a pin to its purpose, where a salt would have nothing to keep apart.
const PIN_SALT: &[u8] = b"cubelet enrolment pin";
/// What a QR code's text begins with.
const SCHEME: &str = "cubelet";

/// The half of a code that only the hub's operator and the device know.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeSecret(Zeroizing<String>);

impl CodeSecret {
    /// Of 50 random bits; what `random` has beyond them is not used.
    pub fn of(random: u64) -> Self {
        Self(Zeroizing::new(letters(random)))
    }

    /// Reads one that came from a device.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn read(text: &str) -> Result<Self, CodeError> {
        let letters = canonical(text)?;
        if letters.len() == HALF {
            Ok(Self(letters))
        } else {
            Err(CodeError::Length {
                found: letters.len(),
                wanted: HALF,
            })
        }
    }

    /// The letters. Hand them to the one call that needs them.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a hub keeps of it. `site` keeps two hubs' apart: the digest of the authority. Takes
    /// some tens of milliseconds of a core and 19 MiB, on purpose.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn stretched(&self, site: &[u8; 32]) -> Result<[u8; 32], StretchError> {
        stretch(self.0.as_bytes(), &site[..16])
    }
}

impl fmt::Debug for CodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The half of a code that says which certificate authority the hub must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// Of an authority's certificate in DER. As slow as [`CodeSecret::stretched`], so that nobody
    /// finds another certificate with the same few letters.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn of(certificate: &[u8]) -> Result<Self, StretchError> {
        let stretched = stretch(&Sha256::digest(certificate), PIN_SALT)?;
        let mut first = [0; 8];
        first.copy_from_slice(&stretched[..8]);
        Ok(Self(letters(u64::from_be_bytes(first))))
    }
}

/// What somebody types: both halves, in groups of four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// For the hub.
    pub secret: CodeSecret,
    /// For the device.
    pub pin: Pin,
}

impl Code {
    /// The text in full. Shown once, to the hub's operator.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        let letters = self.secret.0.chars().chain(self.pin.0.chars());
        for (n, letter) in letters.enumerate() {
            if n > 0 && n % GROUP == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// Small letters, blanks, missing dashes, and the letters that are not in the alphabet but
    /// look like one that is, are all taken.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let letters = canonical(text)?;
        if letters.len() != 2 * HALF {
            return Err(CodeError::Length {
                found: letters.len(),
                wanted: 2 * HALF,
            });
        }
        let (secret, pin) = letters.split_at(HALF);
        Ok(Self {
            secret: CodeSecret(Zeroizing::new(secret.to_owned())),
            pin: Pin(pin.to_owned()),
        })
    }
}

/// Why a text is no code. The text itself is not repeated: most of it may be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Letters are missing or too many.
    #[error("it has {found} letters and digits where a code has {wanted}")]
    Length {
        /// As typed.
        found: usize,
        /// As it must be.
        wanted: usize,
    },
    /// A sign no code has.
    #[error("{0:?} is in no code")]
    Letter(char),
    /// A scanned text of something else.
    #[error("it is no cubelet://HOST:PORT/enroll?code=… address")]
    Address,
}

/// There was no memory to stretch a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argon2: {0}")]
pub struct StretchError(String);

/// What a QR code says: a code, the hub to take it to, and the authority's whole digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The hub's `https` address.
    pub hub: Url,
    /// The code.
    pub code: Code,
    /// SHA-256 of the authority's certificate, if the text has it.
    pub authority: Option<[u8; 32]>,
}

impl Invitation {
    /// The text for a QR code.
    pub fn expose(&self) -> Zeroizing<String> {
        let place = &self.hub[url::Position::BeforeHost..url::Position::AfterPort];
        let code = self.code.expose();
        let mut text = Zeroizing::new(format!("{SCHEME}://{place}/enroll?code={}", *code));
        if let Some(digest) = &self.authority {
            text.push_str("&ca=");
            text.push_str(&hex::encode(digest));
        }
        text
    }

    /// Whether a text means to be one, and not a code alone.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://")
    }
}

impl FromStr for Invitation {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let url = Url::parse(text.trim()).map_err(|_| CodeError::Address)?;
        let host = url.host_str().filter(|host| !host.is_empty());
        if url.scheme() != SCHEME || url.path() != "/enroll" {
            return Err(CodeError::Address);
        }
        let mut hub = format!("https://{}", host.ok_or(CodeError::Address)?);
        if let Some(port) = url.port() {
            hub.push_str(&format!(":{port}"));
        }
        let mut code = None;
        let mut authority = None;
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "code" => code = Some(value.parse()?),
                "ca" => {
                    let mut digest = [0; 32];
                    hex::decode_to_slice(value.as_ref(), &mut digest)
                        .map_err(|_| CodeError::Address)?;
                    authority = Some(digest);
                }
                // A later version may say more.
                _ => {}
            }
        }
        Ok(Self {
            hub: Url::parse(&hub).map_err(|_| CodeError::Address)?,
            code: code.ok_or(CodeError::Address)?,
            authority,
        })
    }
}

/// What a hub gives for a code, as JSON. It goes over TLS to the device and nowhere else.
#[derive(Clone, Deserialize, Serialize)]
pub struct Account {
    /// The device's login.
    pub login: String,
    /// The device's number.
    pub user_id: u64,
    /// A password made for it just now.
    pub password: String,
    /// The application's number.
    pub app_id: u64,
    /// The application's key.
    pub auth_key: String,
    /// The address of REST, as the device reached it.
    pub api: Url,
    /// The address of chat, on the same port.
    pub chat: Url,
    /// The domain of chat addresses.
    pub chat_host: String,
}

// Not derived: password and key must not reach a log.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("login", &self.login)
            .field("user_id", &self.user_id)
            .field("api", &self.api.as_str())
            .finish_non_exhaustive()
    }
}

fn letters(bits: u64) -> String {
    (0..HALF)
        .map(|n| char::from(ALPHABET[(bits >> (5 * n) & 31) as usize]))
        .collect()
}

fn canonical(text: &str) -> Result<Zeroizing<String>, CodeError> {
    let mut letters = Zeroizing::new(String::new());
    for typed in text.chars() {
        if typed == '-' || typed.is_whitespace() {
            continue;
        }
        let letter = match typed.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            letter => letter,
        };
        if !letter.is_ascii() || !ALPHABET.contains(&(letter as u8)) {
            return Err(CodeError::Letter(typed));
        }
        letters.push(letter);
    }
    Ok(letters)
}

/// argon2id with OWASP's parameters: 19 MiB, 2 passes, 1 lane.
fn stretch(text: &[u8], salt: &[u8]) -> Result<[u8; 32], StretchError> {
    let mut stretched = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
        .hash_password_into(text, salt, &mut stretched)
        .map_err(|error| StretchError(error.to_string()))?;
    Ok(stretched)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Code {
        Code {
            secret: CodeSecret::of(0x1234_5678_9abc),
            pin: Pin::of(b"a certificate").unwrap(),
        }
    }

    #[test]
    fn a_code_is_five_groups_of_four_and_reads_back_however_it_is_typed() {
        let text = code().expose();
        assert_eq!(text.len(), 24, "{}", *text);
        assert_eq!(text.split('-').count(), 5);
        for typed in [
            text.to_string(),
            text.to_lowercase(),
            text.replace('-', ""),
            format!(" {} ", text.replace('-', "  ")),
            text.replace('0', "o").replace('1', "l"),
        ] {
            assert_eq!(typed.parse::<Code>(), Ok(code()), "{typed}");
        }
    }

    #[test]
    fn what_is_no_code_says_why_without_repeating_it() {
        let mistake = "ABCD-EFGH".parse::<Code>().unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "it has 8 letters and digits where a code has 20"
        );
        assert_eq!("AB?D".parse::<Code>(), Err(CodeError::Letter('?')));
        assert_eq!("ABUD".parse::<Code>(), Err(CodeError::Letter('U')));
    }

    #[test]
    fn an_invitation_carries_hub_code_and_authority() {
        for hub in [
            "https://hub.lan:8443",
            "https://192.168.1.7",
            "https://[fe80::1]:9",
        ] {
            let invitation = Invitation {
                hub: hub.parse().unwrap(),
                code: code(),
                authority: Some([7; 32]),
            };
            let text = invitation.expose();
            assert!(Invitation::is_meant(&text));
            assert_eq!(text.parse::<Invitation>(), Ok(invitation), "{}", *text);
        }
    }

    #[test]
    fn another_scheme_path_or_digest_is_no_invitation() {
        let code = code().expose();
        for text in [
            format!("https://hub/enroll?code={}", *code),
            format!("cubelet://hub/?code={}", *code),
            "cubelet://hub/enroll".to_owned(),
            format!("cubelet:///enroll?code={}", *code),
            format!("cubelet://hub/enroll?code={}&ca=12", *code),
        ] {
            assert!(text.parse::<Invitation>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_secret_is_kept_differently_at_two_sites() {
        let secret = CodeSecret::of(5);
        let kept = secret.stretched(&[1; 32]).unwrap();
        assert_eq!(kept, secret.stretched(&[1; 32]).unwrap());
        assert_ne!(kept, secret.stretched(&[2; 32]).unwrap());
        assert_ne!(Pin::of(b"a").unwrap(), Pin::of(b"b").unwrap());
    }

    #[test]
    fn neither_code_nor_account_shows_its_secret_in_a_debug_print() {
        let shown = format!("{:?}", code());
        assert!(!shown.contains(code().secret.expose()), "{shown}");
        let account = Account {
            login: "door".into(),
            user_id: 7,
            password: "hidden-password".into(),
            app_id: 1,
            auth_key: "hidden-key".into(),
            api: "https://hub".parse().unwrap(),
            chat: "wss://hub/xmpp".parse().unwrap(),
            chat_host: "hub".into(),
        };
        assert!(!format!("{account:?}").contains("hidden"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".{0,60}") {
            let _ = text.parse::<Code>();
            let _ = text.parse::<Invitation>();
            let _ = format!("cubelet://{text}").parse::<Invitation>();
        }
    }
}
