//! Stanzas the hub sends because of a REST request (wire reference B.2, B.5, B.6).

use minidom::Element;
use serde_json::{Map, Value as Json};

use super::fan_out;
use crate::base::object_id::ObjectId;
use crate::hub::site::Site;
use crate::hub::store::dialogs::Dialog;
use crate::protocol::address::UserId;
use crate::protocol::extra_params::{ExtraParamsBuilder, text_element};
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// Tells a dialog's people that a user changed the own reactions to a message.
pub fn reaction(
    site: &Site,
    dialog: &Dialog,
    user: UserId,
    message: &str,
    added: Option<&str>,
    removed: Option<&str>,
) {
    let mut reactions = Element::builder("reactions", ns::CLIENT)
        .with("message_id", message)
        .with("user_id", user.to_string());
    // Old clients test only whether the attribute is there, so there is no `add='false'`.
    for (what, reaction) in [("add", added), ("remove", removed)] {
        if let Some(reaction) = reaction {
            reactions = reactions.append(
                Element::builder("reaction", ns::CLIENT)
                    .with(what, "true")
                    .with("type", reaction),
            );
        }
    }
    tell(site, dialog, user, reactions.build());
}

/// Tells a dialog's people that a message is gone.
pub fn removal(site: &Site, dialog: &Dialog, user: UserId, message: &str) {
    let remove = Element::builder("remove", ns::DELETE).with("id", message);
    tell(site, dialog, user, remove.build());
}

/// Tells a dialog's people that a message has a new text.
pub fn edit(
    site: &Site,
    dialog: &Dialog,
    author: UserId,
    message: &str,
    body: &str,
    is_last: bool,
) {
    let replace = Element::builder("replace", ns::CORRECT)
        .with("id", message)
        .with("last", is_last.to_string())
        .build();
    let mut stanza = frame(site, dialog, author, replace);
    stanza.append_child(text_element("body", body));
    fan_out::emit(site, dialog, author, &stanza);
}

fn tell(site: &Site, dialog: &Dialog, user: UserId, payload: Element) {
    let stanza = frame(site, dialog, user, payload);
    fan_out::emit(site, dialog, user, &stanza);
}

fn frame(site: &Site, dialog: &Dialog, user: UserId, payload: Element) -> Element {
    let params = ExtraParamsBuilder::default().text("dialog_id", &dialog.id);
    addressed(site, dialog, user)
        .with("id", ObjectId::generate().to_string())
        .append(payload)
        .append(params.build())
        .build()
}

/// A message from a user to a dialog: to the other one, or to the room.
pub fn addressed(site: &Site, dialog: &Dialog, from: UserId) -> minidom::ElementBuilder {
    let message = Element::builder("message", ns::CLIENT);
    let realm = &site.realm;
    match dialog.partner(from) {
        Some(partner) => message
            .with("type", "chat")
            .with("from", rest_address(site, from))
            .with("to", realm.user(partner)),
        None => message
            .with("type", "groupchat")
            .with("from", realm.occupant(&dialog.id, from))
            .with("to", realm.room(&dialog.id)),
    }
}

/// The address of a user who has no connection here but asked by REST.
pub fn rest_address(site: &Site, user: UserId) -> String {
    site.realm.connection(user, "rest")
}

/// Custom parameters become elements, so they must be XML names; this is the part of them that
/// all clients use.
pub fn is_element_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// A custom parameter, nested as it is; names that are no XML names are left out.
pub fn custom_element(name: &str, value: &Json) -> Element {
    match value {
        Json::Object(children) => Element::builder(name, ns::CLIENT)
            .append_all(custom_elements(children))
            .build(),
        Json::Array(_) => text_element(name, &value.to_string()),
        Json::String(text) => text_element(name, text),
        Json::Null => text_element(name, ""),
        other => text_element(name, &other.to_string()),
    }
}

/// Custom parameters as elements.
pub fn custom_elements(params: &Map<String, Json>) -> Vec<Element> {
    params
        .iter()
        .filter(|(name, _)| is_element_name(name))
        .map(|(name, value)| custom_element(name, value))
        .collect()
}

/// A system message (B.6): to the user's connections of this moment, kept for nobody.
pub fn system(
    site: &Site,
    from: UserId,
    to: UserId,
    id: &str,
    params: &Map<String, Json>,
) -> Element {
    let mut extra = ExtraParamsBuilder::default().text("moduleIdentifier", "SystemNotifications");
    for element in custom_elements(params) {
        extra = extra.element(element);
    }
    Element::builder("message", ns::CLIENT)
        .with("type", "headline")
        .with("id", id)
        .with("from", rest_address(site, from))
        .with("to", site.realm.user(to))
        .append(extra.build())
        .build()
}
