//! Delivery and read markers (B.3; RT-33, RT-34).

use minidom::Element;
use serde::{Deserialize, Serialize};

use crate::protocol::address::{Realm, UserId};
use crate::protocol::extra_params::ExtraParamsBuilder;
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// What a marker says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marker {
    /// It reached a device of the receiver.
    Delivered,
    /// The receiver saw it.
    Read,
}

impl Marker {
    /// Name of the element.
    pub(super) fn element_name(self) -> &'static str {
        match self {
            Self::Delivered => "received",
            Self::Read => "displayed",
        }
    }
}

/// A delivery or read marker to the author of a message (always `type='chat'`, B.3).
pub fn marker(
    realm: &Realm,
    marker: Marker,
    stanza_id: &str,
    author: UserId,
    message_id: &str,
    dialog_id: Option<&str>,
) -> Element {
    let receipt = Element::builder(marker.element_name(), ns::CHAT_MARKERS).with("id", message_id);
    let mut message = Element::builder("message", ns::CLIENT)
        .with("type", "chat")
        .with("id", stanza_id)
        .with("to", realm.user(author))
        .append(receipt);
    if let Some(dialog) = dialog_id {
        let params = ExtraParamsBuilder::default().text("dialog_id", dialog);
        message = message.append(params.build());
    }
    message.build()
}
