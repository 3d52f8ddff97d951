//! `<extraParams/>`: the vendor's container of custom parameters in a message (wire reference B.1).
//!
//! Values are text or nested elements; every value arrives as a string. Attachments carry their
//! data in attributes. Nothing unknown is dropped: a parameter this version has no name for stays
//! an element.

use minidom::Element;

use super::ns;
use super::xml::clean_text;

/// Name of the container.
pub const NAME: &str = "extraParams";

/// A borrowed view on an `<extraParams/>` element.
#[derive(Clone, Copy, Debug)]
pub struct ExtraParams<'a>(&'a Element);

impl<'a> ExtraParams<'a> {
    /// The container of a message, if it has one.
    pub fn of(message: &'a Element) -> Option<Self> {
        message
            .children()
            .find(|child| child.name() == NAME)
            .map(Self)
    }

    /// The text of a parameter; an empty element counts as absent, as the SDK reads it.
    pub fn get(&self, name: &str) -> Option<String> {
        self.element(name)
            .map(Element::text)
            .filter(|text| !text.is_empty())
    }

    /// The element of a parameter, empty or not.
    pub fn element(&self, name: &str) -> Option<&'a Element> {
        self.0.children().find(|child| child.name() == name)
    }

    /// Every parameter in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a Element> + use<'a> {
        self.0.children()
    }
}

/// Builds an `<extraParams/>` element, parameter by parameter.
#[derive(Clone, Debug)]
pub struct ExtraParamsBuilder(Element);

impl Default for ExtraParamsBuilder {
    fn default() -> Self {
        Self(Element::bare(NAME, ns::CLIENT))
    }
}

impl ExtraParamsBuilder {
    /// Adds `<name>text</name>`.
    pub fn text(mut self, name: &str, text: impl AsRef<str>) -> Self {
        self.0.append_child(text_element(name, text.as_ref()));
        self
    }

    /// Adds a ready element.
    pub fn element(mut self, element: Element) -> Self {
        self.0.append_child(element);
        self
    }

    /// The finished container.
    pub fn build(self) -> Element {
        self.0
    }
}

/// `<name xmlns='jabber:client'>text</name>`.
pub fn text_element(name: &str, text: &str) -> Element {
    Element::builder(name, ns::CLIENT)
        .append(clean_text(text))
        .build()
}
