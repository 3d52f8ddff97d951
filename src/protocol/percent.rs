//! Percent-encoding (RFC 3986 §2.1), read.

/// A text with its percent signs decoded. A `+` is a plus, unlike in a form; what is no escape
/// stays as it is.
pub fn decode(text: &str) -> String {
    let escaped = text.replace('+', "%2B").replace('&', "%26");
    url::form_urlencoded::parse(format!("k={escaped}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes_are_decoded_and_all_else_stays() {
        assert_eq!(decode("a%20b+c&d=e%3D%C3%A9"), "a b+c&d=e=é");
        assert_eq!(decode("100% %zz"), "100% %zz");
    }
}
