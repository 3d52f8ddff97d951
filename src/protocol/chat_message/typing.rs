//! Typing notices (B.4; RT-35).

use minidom::Element;

use super::outgoing::Target;
use crate::protocol::address::Realm;
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// "Is typing", or that it stopped. Without id and parameters, as the SDK has it.
pub fn typing(realm: &Realm, target: &Target, composing: bool) -> Element {
    let (kind, to) = target.address(realm);
    let name = if composing { "composing" } else { "paused" };
    Element::builder("message", ns::CLIENT)
        .with("type", kind)
        .with("to", to)
        .append(Element::bare(name, ns::CHAT_STATES))
        .build()
}
