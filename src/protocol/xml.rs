//! Small additions to minidom: attributes by `&'static str`, and text that XML can carry.

use minidom::rxml::{Namespace, NcName};
use minidom::{Element, ElementBuilder};

/// Attributes by literal name.
pub trait SetAttribute {
    /// Sets an attribute. `name` must be an XML name; it is a literal in every call.
    #[must_use]
    fn with(self, name: &'static str, value: impl Into<String>) -> Self;
}

impl SetAttribute for ElementBuilder {
    fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        self.attr(literal_name(name), clean_text(&value.into()))
    }
}

impl SetAttribute for Element {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        set_attribute(&mut self, name, Some(&value.into()));
        self
    }
}

/// Sets or, with `None`, removes an attribute.
pub fn set_attribute(element: &mut Element, name: &'static str, value: Option<&str>) {
    // minidom's own `set_attr` panics on removal, so this goes to the map beneath it.
    let attributes = element.attrs_mut();
    match value {
        Some(value) => {
            attributes.insert(Namespace::NONE, literal_name(name), clean_text(value));
        }
        None => {
            attributes.remove(&Namespace::NONE, &literal_name(name));
        }
    }
}

/// Every name comes from a literal in this crate, so a bad one is caught by the first test that
/// builds the element.
#[allow(clippy::expect_used)]
fn literal_name(name: &'static str) -> NcName {
    NcName::try_from(name).expect("attribute names are literals of this crate")
}

/// Drops the characters XML 1.0 cannot carry at all (most control characters). Without this a
/// body with a stray NUL would make the serialiser fail and take the stream with it.
pub fn clean_text(text: &str) -> String {
    text.chars()
        .filter(|c| {
            matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}'
                | '\u{10000}'..='\u{10FFFF}')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_xml_cannot_carry_is_dropped_and_the_rest_kept() {
        assert_eq!(clean_text("a\u{0}b\u{1b}[1m\tc\u{fffe}🚪"), "ab[1m\tc🚪");
    }

    /// Stanzas are stored as text and read again; a child in no namespace must not be lost to that.
    #[test]
    fn what_has_no_namespace_in_a_stanza_is_read_back_as_it_was() {
        for inside in [
            "<a xmlns=''/>",
            "<a xmlns=''><b xmlns='x'/><b/></a>",
            "<x:a xmlns:x='y'><b xmlns=''>t</b></x:a>",
        ] {
            let text = format!("<message xmlns='jabber:client'>{inside}</message>");
            let stanza: Element = text.parse().unwrap();
            let again: Element = String::from(&stanza).parse().unwrap();
            assert_eq!(again, stanza, "{inside}");
        }
    }

    #[test]
    fn an_attribute_is_set_replaced_and_removed() {
        let mut element = Element::bare("a", "x").with("id", "1").with("id", "2");
        assert_eq!(element.attr("id"), Some("2"));
        set_attribute(&mut element, "id", None);
        assert_eq!(element.attr("id"), None);
    }
}
