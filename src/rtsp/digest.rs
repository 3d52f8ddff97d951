//! Digest authentication (RFC 2617 without `qop`, the form all cameras and recorders know). The nonce
//! is the connection's own, so an answer is worth nothing on another one.

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;

use crate::config::Secret;

pub(super) const REALM: &str = "cubelet";

/// Who may watch.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub username: String,
    pub password: Secret,
}

/// One connection's question.
#[derive(Debug)]
pub(super) struct Challenge {
    account: Account,
    nonce: String,
}

impl Challenge {
    /// `nonce` must be random.
    pub(super) fn new(account: Account, nonce: String) -> Self {
        Self { account, nonce }
    }

    /// The value of `WWW-Authenticate`.
    pub(super) fn header(&self) -> String {
        format!("Digest realm=\"{REALM}\", nonce=\"{}\"", self.nonce)
    }

    /// Whether `Authorization` answers it.
    pub(super) fn is_met(&self, method: &str, authorization: &str) -> bool {
        let Some((scheme, parameters)) = authorization.split_once(' ') else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case("digest") {
            return false;
        }
        let of = |name| parameter(parameters, name).unwrap_or_default();
        let (username, uri) = (of("username"), of("uri"));
        let secret = hash(&[username, REALM, self.account.password.expose()]);
        let right = hash(&[&secret, &self.nonce, &hash(&[method, uri])]);
        let answered = of("response").to_ascii_lowercase();
        // All compared whatever the first says, so that time tells nothing.
        let name = username.as_bytes().ct_eq(self.account.username.as_bytes());
        let nonce = of("nonce").as_bytes().ct_eq(self.nonce.as_bytes());
        (answered.as_bytes().ct_eq(right.as_bytes()) & name & nonce).into()
    }
}

fn hash(parts: &[&str]) -> String {
    hex::encode(Md5::digest(parts.join(":")))
}

/// `name="value"` or `name=value` out of a list with commas.
fn parameter<'t>(mut text: &'t str, wanted: &str) -> Option<&'t str> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let name = name.trim_matches([' ', ',']);
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.trim());
        }
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn challenge() -> Challenge {
        let account = Account {
            username: "recorder".into(),
            password: Secret::new("correct horse"),
        };
        Challenge::new(account, "0123456789abcdef".into())
    }

    fn answer(password: &str) -> String {
        let secret = hash(&["recorder", REALM, password]);
        let asked = hash(&["DESCRIBE", "rtsp://door/live"]);
        let response = hash(&[&secret, "0123456789abcdef", &asked]);
        format!(
            "Digest username=\"recorder\", realm=\"cubelet\", nonce=\"0123456789abcdef\", \
             uri=\"rtsp://door/live\", response=\"{response}\""
        )
    }

    #[test]
    fn the_right_answer_opens_and_no_other() {
        let challenge = challenge();
        let right = answer("correct horse");
        assert!(challenge.is_met("DESCRIBE", &right));
        assert!(challenge.is_met("DESCRIBE", &right.replace("Digest", "digest")));
        assert!(!challenge.is_met("PLAY", &right), "of another method");
        for wrong in [
            answer("wrong horse"),
            right.replace("recorder", "somebody"),
            right.replace("0123456789abcdef", "fedcba9876543210"),
            right.replace("Digest", "Basic"),
            right.replace("response=", "answer="),
            "Digest".to_owned(),
            String::new(),
        ] {
            assert!(!challenge.is_met("DESCRIBE", &wrong), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_read_quoted_and_bare() {
        let text = "username=\"a, b\", stale=false , nonce=\"x\"";
        assert_eq!(parameter(text, "username"), Some("a, b"));
        assert_eq!(parameter(text, "stale"), Some("false"));
        assert_eq!(parameter(text, "nonce"), Some("x"));
        assert_eq!(parameter(text, "uri"), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_fail(text in ".{0,200}") {
            prop_assert!(!challenge().is_met("PLAY", &text));
        }
    }
}
