//! Texts with places for names: `{sender}: {message}`. No IO.

use std::borrow::Cow;

/// Fills the places; what has no value stays as it is written. Values are not looked into.
pub fn fill<'a>(template: &str, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        let inner = &rest[open + 1..];
        let found = inner
            .find('}')
            .and_then(|close| Some((value(&inner[..close])?, &inner[close + 1..])));
        match found {
            Some((text, behind)) => {
                filled.push_str(&text);
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = inner;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once_and_unknown_ones_stay() {
        let value = |name: &str| match name {
            "sender" => Some(Cow::from("{message}")),
            "message" => Some(Cow::from("hi")),
            _ => None,
        };
        assert_eq!(fill("{sender}: {message}!", value), "{message}: hi!");
        assert_eq!(fill("{other} {message", value), "{other} {message");
        assert_eq!(fill("", value), "");
    }
}
