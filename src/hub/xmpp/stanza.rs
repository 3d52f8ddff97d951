//! Small stanzas the hub itself writes: errors, results, carbons, delays.

use minidom::Element;

use crate::protocol::ns;
use crate::protocol::xml::{SetAttribute, set_attribute};

/// Why a stanza was not carried out: an RFC 6120 §8.3 condition with the legacy code that the
/// SDK reads (wire reference B.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{condition} ({code}): {text}")]
pub struct Refusal {
    /// Legacy numeric code.
    pub code: u16,
    /// `cancel`, `auth`, `modify` or `wait`.
    pub kind: &'static str,
    /// The condition's element.
    pub condition: &'static str,
    /// A sentence.
    pub text: &'static str,
}

impl Refusal {
    /// The service is not there.
    pub const UNAVAILABLE: Self = Self::new(
        503,
        "cancel",
        "service-unavailable",
        "Service not available.",
    );
    /// The target does not exist.
    pub const NOT_FOUND: Self = Self::new(404, "cancel", "item-not-found", "Item not found.");
    /// The sender may not.
    pub const FORBIDDEN: Self = Self::new(403, "auth", "forbidden", "Forbidden");
    /// Nobody may.
    pub const NOT_ALLOWED: Self = Self::new(405, "cancel", "not-allowed", "Not allowed.");
    /// The stanza makes no sense.
    pub const BAD_REQUEST: Self = Self::new(400, "modify", "bad-request", "Bad request.");
    /// The id belongs to another message.
    pub const CONFLICT: Self = Self::new(
        409,
        "cancel",
        "conflict",
        "The message id is already in use.",
    );
    /// The text is longer than what is stored.
    pub const TOO_LONG: Self =
        Self::new(406, "modify", "not-acceptable", "The message is too long.");
    /// The store failed.
    pub const INTERNAL: Self = Self::new(
        500,
        "wait",
        "internal-server-error",
        "Internal server error.",
    );

    /// There is no room to keep it; later there may be.
    pub const NO_ROOM: Self = Self::new(
        500,
        "wait",
        "resource-constraint",
        "The message cannot be stored now.",
    );

    const fn new(
        code: u16,
        kind: &'static str,
        condition: &'static str,
        text: &'static str,
    ) -> Self {
        Self {
            code,
            kind,
            condition,
            text,
        }
    }

    /// The `<error/>` element.
    pub fn element(&self) -> Element {
        Element::builder("error", ns::CLIENT)
            .with("code", self.code.to_string())
            .with("type", self.kind)
            .append(Element::bare(self.condition, ns::STANZAS))
            .append(Element::builder("text", ns::STANZAS).append(self.text))
            .build()
    }

    /// The stanza that answers `request` with this error.
    pub fn answer(&self, request: &Element) -> Element {
        let mut answer = Element::builder(request.name(), ns::CLIENT)
            .with("type", "error")
            .append(self.element())
            .build();
        set_attribute(&mut answer, "id", request.attr("id"));
        set_attribute(&mut answer, "from", request.attr("to"));
        answer
    }
}

/// The result of an IQ, from whom it was addressed to.
pub fn result(request: &Element, payload: Option<Element>) -> Element {
    let mut result = Element::builder("iq", ns::CLIENT)
        .with("type", "result")
        .append_all(payload)
        .build();
    set_attribute(&mut result, "id", request.attr("id"));
    set_attribute(&mut result, "from", request.attr("to"));
    result
}

/// The sent-carbon of a message. The outer type repeats the inner one, because the SDK routes on
/// it (B.1).
pub fn carbon(message: &Element, sender_bare: &str) -> Element {
    let mut carbon = Element::builder("message", ns::CLIENT)
        .with("from", sender_bare)
        .append(
            Element::builder("sent", ns::CARBONS)
                .append(Element::builder("forwarded", ns::FORWARD).append(message.clone())),
        )
        .build();
    set_attribute(&mut carbon, "type", message.attr("type"));
    set_attribute(&mut carbon, "id", message.attr("id"));
    carbon
}

/// `<delay/>` (XEP-0203): the message waited in `host` since `stamp`.
pub fn delay(host: &str, stamp: &str) -> Element {
    Element::builder("delay", ns::DELAY)
        .with("from", host)
        .with("stamp", stamp)
        .build()
}

/// Roughly the bytes an element takes on the wire and in a queue.
pub fn weight(element: &Element) -> usize {
    let own = 2 * element.name().len() + 5;
    let attributes: usize = element
        .attrs()
        .iter()
        .map(|((_, name), value)| name.len() + value.len() + 4)
        .sum();
    let content: usize = element
        .nodes()
        .map(|node| match node {
            minidom::Node::Element(child) => weight(child),
            minidom::Node::Text(text) => text.len(),
        })
        .sum();
    own + attributes + content
}
