//! Signatures of sessions, as SDKs up to 3.x send them (wire reference E.7).

use hmac::{Hmac, Mac};
use serde_json::{Map, Value as Json};
use sha1::Sha1;

/// Whether `signature` of a session's parameters is the one made with `secret`: HMAC-SHA1 in hex
/// over the other parameters, compared in constant time.
pub fn is_right(params: &Map<String, Json>, signature: &str, secret: &str) -> bool {
    // HMAC takes keys of any length.
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(signed_text(params).as_bytes());
    let signature = hex::decode(signature).unwrap_or_default();
    mac.verify_slice(&signature).is_ok()
}

/// `k=v` pairs sorted and joined with `&`, `user[login]=…` for nested ones, values as they are.
fn signed_text(params: &Map<String, Json>) -> String {
    let mut pairs: Vec<String> = params
        .iter()
        .filter(|(name, _)| *name != "signature")
        .map(|(name, value)| match value {
            Json::Object(inner) => {
                let mut inner: Vec<String> = inner
                    .iter()
                    .map(|(key, value)| format!("{name}[{key}]={}", text(value)))
                    .collect();
                inner.sort();
                inner.join("&")
            }
            value => format!("{name}={}", text(value)),
        })
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params() -> Map<String, Json> {
        let params = json!({
            "user": {"password": "pw", "login": "alice"},
            "application_id": 7, "auth_key": "key", "nonce": 6218, "timestamp": 1_795_353_850,
            "signature": "whatever",
        });
        params.as_object().unwrap().clone()
    }

    #[test]
    fn the_text_is_the_one_of_the_contract() {
        assert_eq!(
            signed_text(&params()),
            "application_id=7&auth_key=key&nonce=6218&timestamp=1795353850\
             &user[login]=alice&user[password]=pw"
        );
    }

    #[test]
    fn only_the_signature_of_this_secret_is_right() {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"secret").unwrap();
        mac.update(signed_text(&params()).as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        assert!(is_right(&params(), &signature, "secret"));
        assert!(!is_right(&params(), &signature, "other"));
        assert!(!is_right(&params(), "", "secret"));
        let mut changed = params();
        changed.insert("nonce".into(), json!(1));
        assert!(!is_right(&changed, &signature, "secret"));
    }
}
