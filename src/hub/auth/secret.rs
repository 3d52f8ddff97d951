//! Random secrets and how they are compared and kept.

use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// `length` random letters and digits (5.95 bits each).
pub fn random_text(length: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(char::from)
        .collect()
}

/// A new session token: 40 hex digits of 160 random bits, the form clients know.
pub fn new_token() -> String {
    hex::encode(rand::rng().random::<[u8; 20]>())
}

/// Whether a chat password can be a session token at all; only then the quick look-up is tried.
pub fn looks_like_token(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is stored of a token. A token has 160 random bits, so an unsalted hash is enough: there
/// is no dictionary of tokens.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Compares in a time that does not depend on where the texts differ.
pub fn same(given: &str, expected: &str) -> bool {
    // Hashing first hides the length as well.
    token_hash(given).ct_eq(&token_hash(expected)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_looks_like_one_and_differs_from_the_next() {
        let token = new_token();
        assert!(looks_like_token(&token), "{token}");
        assert_ne!(token, new_token());
        assert!(!looks_like_token("password"));
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abcd"));
        assert!(!same("", "a"));
    }
}
