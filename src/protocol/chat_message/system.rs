//! System messages between applications (B.6; RT-44).

use minidom::Element;

use super::param::{Param, element_of};
use crate::protocol::address::{Realm, UserId};
use crate::protocol::extra_params::{ExtraParamsBuilder, text_element};
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// `moduleIdentifier` of system messages.
pub const SYSTEM_MODULE: &str = "SystemNotifications";

/// A system message of plain texts to one user.
pub fn system(realm: &Realm, stanza_id: &str, to: UserId, params: &[(&str, &str)]) -> Element {
    let params: Vec<Param> = params
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.into()))
        .collect();
    system_message(realm, stanza_id, to, None, &params)
}

/// A system message to one user, with a body and nested parameters if wanted.
pub fn system_message(
    realm: &Realm,
    stanza_id: &str,
    to: UserId,
    body: Option<&str>,
    params: &[Param],
) -> Element {
    let mut extra = ExtraParamsBuilder::default().text("moduleIdentifier", SYSTEM_MODULE);
    for (name, value) in params {
        extra = extra.element(element_of(name, value));
    }
    let mut message = Element::builder("message", ns::CLIENT)
        .with("type", "headline")
        .with("id", stanza_id)
        .with("to", realm.user(to));
    if let Some(body) = body {
        message = message.append(text_element("body", body));
    }
    message.append(extra.build()).build()
}
