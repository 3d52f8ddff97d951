//! Encryption of one notification for one subscription (RFC 8291, on RFC 8188's `aes128gcm`):
//! the push service that carries it learns its length and nothing else.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of an uncompressed point on P-256.
pub const PUBLIC_KEY: usize = 65;
/// Bytes of a subscription's authentication secret (RFC 8291 §3.2).
pub const AUTH_SECRET: usize = 16;
/// Bytes of a body that every push service takes (RFC 8030 §7.2).
const RECORD: usize = 4096;
const SALT: usize = 16;
const TAG: usize = 16;
/// Salt, record size, length of the key, key (RFC 8188 §2.1).
const HEADER: usize = SALT + 4 + 1 + PUBLIC_KEY;
/// Bytes of text one notification can carry; one byte ends the text.
pub const MAX_TEXT: usize = RECORD - HEADER - TAG - 1;

/// What a browser or a distributor handed out for its subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// `p256dh`: its public key.
    pub public_key: [u8; PUBLIC_KEY],
    /// `auth`: its authentication secret.
    pub auth: [u8; AUTH_SECRET],
}

impl Receiver {
    /// Reads both; `None` if one has another length than it must have.
    pub fn read(public_key: &[u8], auth: &[u8]) -> Option<Self> {
        Some(Self {
            public_key: public_key.try_into().ok()?,
            auth: auth.try_into().ok()?,
        })
    }
}

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// More than [`MAX_TEXT`] bytes.
    #[error("the text has more than {MAX_TEXT} bytes")]
    TooLong,
    /// The receiver's key is no point on the curve, or the system has no random numbers.
    #[error("the receiver's key cannot be used")]
    Key,
}

impl From<Unspecified> for EncryptionError {
    fn from(_: Unspecified) -> Self {
        Self::Key
    }
}

/// The body of a request to the push service.
///
/// # Errors
/// [`EncryptionError`].
pub fn encrypt(receiver: &Receiver, text: &[u8]) -> Result<Vec<u8>, EncryptionError> {
    let random = SystemRandom::new();
    let mut salt = [0; SALT];
    random.fill(&mut salt)?;
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
    let own_public = own.compute_public_key()?;
    let own_public: [u8; PUBLIC_KEY] = own_public
        .as_ref()
        .try_into()
        .map_err(|_| EncryptionError::Key)?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, receiver.public_key);
    agree_ephemeral(own, &peer, |shared| {
        seal(receiver, &own_public, &salt, shared, text)
    })?
}

/// Everything after the agreement on a secret, so that it can be held against the RFC's example.
fn seal(
    receiver: &Receiver,
    own_public: &[u8; PUBLIC_KEY],
    salt: &[u8; SALT],
    shared: &[u8],
    text: &[u8],
) -> Result<Vec<u8>, EncryptionError> {
    if text.len() > MAX_TEXT {
        return Err(EncryptionError::TooLong);
    }
    // RFC 8291 §3.4: the secret of both keys, bound to the subscription's.
    let info: [&[u8]; 3] = [b"WebPush: info\0", &receiver.public_key, own_public];
    let input: [u8; 32] = derive(&receiver.auth, shared, &info)?;
    let key: [u8; 16] = derive(salt, &input, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = derive(salt, &input, &[b"Content-Encoding: nonce\0"])?;

    let mut record = text.to_vec();
    // The last record of a message ends with 2 (RFC 8188 §2).
    record.push(2);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)?;

    let mut body = Vec::with_capacity(HEADER + record.len());
    body.extend_from_slice(salt);
    body.extend_from_slice(&(RECORD as u32).to_be_bytes());
    body.push(PUBLIC_KEY as u8);
    body.extend_from_slice(own_public);
    body.extend_from_slice(&record);
    Ok(body)
}

/// Extracts and expands (RFC 5869).
fn derive<const N: usize>(
    salt: &[u8],
    input: &[u8],
    info: &[&[u8]],
) -> Result<[u8; N], Unspecified> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut derived = [0; N];
    let extracted = Salt::new(HKDF_SHA256, salt).extract(input);
    extracted.expand(info, Length(N))?.fill(&mut derived)?;
    Ok(derived)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64.decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_example_of_the_standard_comes_out_byte_by_byte() {
        let receiver = Receiver {
            public_key: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let own = bytes(
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        );
        let shared = BASE64
            .decode("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs")
            .unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let text = b"When I grow up, I want to be a watermelon";
        let body = seal(&receiver, &own, &salt, &shared, text).unwrap();
        assert_eq!(
            BASE64.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
             mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT\
             pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn a_key_off_the_curve_and_a_text_beyond_the_record_are_refused() {
        let off = Receiver {
            public_key: [4; PUBLIC_KEY],
            auth: [0; AUTH_SECRET],
        };
        assert_eq!(encrypt(&off, b"text"), Err(EncryptionError::Key));
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let on = Receiver {
            public_key: own
                .compute_public_key()
                .unwrap()
                .as_ref()
                .try_into()
                .unwrap(),
            auth: [0; AUTH_SECRET],
        };
        assert_eq!(encrypt(&on, &[b'x'; MAX_TEXT]).unwrap().len(), RECORD);
        let longer = encrypt(&on, &[b'x'; MAX_TEXT + 1]);
        assert_eq!(longer, Err(EncryptionError::TooLong));
    }
}
