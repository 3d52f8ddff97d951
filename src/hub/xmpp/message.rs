//! What a message stanza means to the server, and what is stored of it.

use minidom::Element;
use serde_json::{Map, Value as Json, json};

use crate::base::object_id::ObjectId;
use crate::hub::store::messages::{MAX_BODY, NewMessage};
use crate::protocol::address::UserId;
use crate::protocol::extra_params::{ExtraParams, NAME, text_element};
use crate::protocol::ns;
use crate::protocol::xml::set_attribute;

/// Seconds a client's clock may be ahead; a later `date_sent` is replaced by the hub's.
const MAX_AHEAD: i64 = 24 * 3600;
/// Characters of a message id. Real ones have 24.
const MAX_ID: usize = 64;

/// What a chat or group message does, in the SDK's order of dispatch (B.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Somebody types or stopped.
    Typing,
    /// A correction of an earlier message (B.5).
    Edit {
        /// The earlier message.
        id: String,
        /// Its new text.
        body: String,
    },
    /// The removal of an earlier message (B.5).
    Remove {
        /// The earlier message.
        id: String,
    },
    /// A delivery or read marker (B.3).
    Marker {
        /// The message it is about.
        id: String,
        /// Read, not only delivered.
        is_read: bool,
    },
    /// A message to be read.
    Text {
        /// Whether it goes into the history. A self-destroying message never does (RT-38).
        is_saved: bool,
    },
}

/// Reads what a message does.
pub fn content(message: &Element) -> Content {
    let id_of = |name: &str, namespace: &str| {
        message
            .get_child(name, namespace)
            .map(|child| child.attr("id").unwrap_or_default().to_owned())
    };
    if message.has_child("composing", ns::CHAT_STATES)
        || message.has_child("paused", ns::CHAT_STATES)
    {
        return Content::Typing;
    }
    if let Some(id) = id_of("replace", ns::CORRECT) {
        let body = message
            .get_child("body", ns::CLIENT)
            .map(Element::text)
            .unwrap_or_default();
        return Content::Edit { id, body };
    }
    if let Some(id) = id_of("remove", ns::DELETE) {
        return Content::Remove { id };
    }
    for (name, is_read) in [("received", false), ("displayed", true)] {
        if let Some(id) = id_of(name, ns::CHAT_MARKERS) {
            return Content::Marker { id, is_read };
        }
    }
    let is_saved = ExtraParams::of(message)
        .and_then(|params| params.get("save_to_history"))
        .is_some_and(|value| value == "1" || value == "true");
    Content::Text {
        is_saved: is_saved && !message.has_child("destroy", ns::DESTROY_AFTER),
    }
}

/// Whether a message says what only the hub may say: that somebody reacted (B.5), or that this is
/// a copy of what somebody else sent (B.1). Clients tell both by the element's name alone, so any
/// namespace would pass.
pub fn is_forged(message: &Element) -> bool {
    message.children().any(|child| {
        matches!(child.name(), "reactions" | "sent")
            || (child.name() == "received" && child.ns() == ns::CARBONS)
    })
}

/// Whether a text is longer than what is stored.
pub fn is_too_long(message: &Element) -> bool {
    message
        .get_child("body", ns::CLIENT)
        .is_some_and(|body| body.text().len() > MAX_BODY)
}

/// Whether an id can name a stored message: the REST API lists ids with commas in a path.
pub fn is_valid_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The stanza's id; one is made for a stanza without.
pub fn ensure_id(message: &mut Element) -> String {
    if let Some(id) = message.attr("id").filter(|id| !id.is_empty()) {
        return id.to_owned();
    }
    let id = ObjectId::generate().to_string();
    set_attribute(message, "id", Some(&id));
    id
}

/// Puts `dialog_id` and `date_sent` into the parameters, replacing what contradicts (B.2).
/// Returns the date: the client's if it is plausible, as it may have been offline for a week.
pub fn stamp(message: &mut Element, dialog_id: &str, now: i64) -> i64 {
    let mut params = take_params(message);
    let date = params
        .children()
        .find(|child| child.name() == "date_sent")
        .and_then(|child| child.text().trim().parse::<i64>().ok())
        .filter(|date| (1..=now + MAX_AHEAD).contains(date))
        .unwrap_or(now);
    for (name, value) in [("dialog_id", dialog_id), ("date_sent", &date.to_string())] {
        let namespace = params.ns();
        while params.remove_child(name, namespace.as_str()).is_some() {}
        params.append_child(text_element(name, value));
    }
    message.append_child(params);
    date
}

fn take_params(message: &mut Element) -> Element {
    let namespace = message
        .children()
        .find(|child| child.name() == NAME)
        .map(Element::ns);
    namespace
        .and_then(|namespace| message.remove_child(NAME, namespace.as_str()))
        .unwrap_or_else(|| Element::bare(NAME, ns::CLIENT))
}

/// What the history keeps of a stamped message.
pub fn to_store(
    message: &Element,
    id: String,
    dialog_id: String,
    sender: UserId,
    recipient: Option<UserId>,
    date_sent: i64,
) -> NewMessage {
    let mut attachments = Vec::new();
    let mut custom = Map::new();
    for param in ExtraParams::of(message)
        .iter()
        .flat_map(|params| params.iter())
    {
        match param.name() {
            "save_to_history" | "dialog_id" | "date_sent" => {}
            "attachment" => attachments.push(attributes(param)),
            name => {
                custom.insert(name.to_owned(), value_of(param));
            }
        }
    }
    NewMessage {
        id,
        dialog_id,
        sender,
        recipient,
        body: message.get_child("body", ns::CLIENT).map(Element::text),
        date_sent,
        attachments,
        custom,
    }
}

/// Attributes as texts, as the SDK has them; only the size is a number there (B.1).
fn attributes(element: &Element) -> Json {
    let attributes = element.attrs().iter();
    let read = |name: &str, value: &str| match (name, value.parse::<u64>()) {
        ("size", Ok(size)) => json!(size),
        _ => json!(value),
    };
    Json::Object(
        attributes
            .map(|((_, name), value)| (name.to_string(), read(name, value)))
            .collect(),
    )
}

/// Text, or an object of the children; depth is bounded where the stanza was read.
fn value_of(element: &Element) -> Json {
    if element.children().next().is_none() {
        return json!(element.text());
    }
    let children = element.children();
    Json::Object(
        children
            .map(|child| (child.name().to_owned(), value_of(child)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(inner: &str) -> Element {
        format!("<message xmlns='jabber:client' type='chat' id='m1'>{inner}</message>")
            .parse()
            .unwrap()
    }

    #[test]
    fn contents_are_told_apart_in_the_order_of_the_sdk() {
        assert_eq!(
            content(&message(
                "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
            )),
            Content::Typing
        );
        assert_eq!(
            content(&message(
                "<body>b</body><replace xmlns='urn:xmpp:message-correct:0' id='o'/>"
            )),
            Content::Edit {
                id: "o".into(),
                body: "b".into()
            }
        );
        assert_eq!(
            content(&message(
                "<displayed xmlns='urn:xmpp:chat-markers:0' id='o'/>"
            )),
            Content::Marker {
                id: "o".into(),
                is_read: true
            }
        );
        assert_eq!(
            content(&message("<body>b</body>")),
            Content::Text { is_saved: false }
        );
        let saved = "<extraParams><save_to_history>1</save_to_history></extraParams>";
        assert_eq!(content(&message(saved)), Content::Text { is_saved: true });
        let destroyed =
            format!("{saved}<destroy xmlns='urn:xmpp:message-destroy-after:0' after='5'/>");
        assert_eq!(
            content(&message(&destroyed)),
            Content::Text { is_saved: false }
        );
    }

    #[test]
    fn reactions_and_copies_are_the_hubs_to_send() {
        for forged in [
            "<body>b</body><reactions user_id='1'/>",
            "<reactions xmlns='urn:any' user_id='1'/>",
            "<sent xmlns='urn:xmpp:carbons:2'/>",
            "<sent/>",
            "<received xmlns='urn:xmpp:carbons:2'/>",
        ] {
            assert!(is_forged(&message(forged)), "{forged}");
        }
        for honest in [
            "<body>b</body>",
            "<received xmlns='urn:xmpp:chat-markers:0' id='m'/>",
            "<private xmlns='urn:xmpp:carbons:2'/>",
            "<extraParams><sent>1</sent></extraParams>",
        ] {
            assert!(!is_forged(&message(honest)), "{honest}");
        }
    }

    #[test]
    fn a_stamp_replaces_a_false_dialog_and_an_absurd_date_and_keeps_an_old_one() {
        let mut absurd = message(
            "<extraParams><dialog_id>x</dialog_id><date_sent>99999</date_sent></extraParams>",
        );
        assert_eq!(stamp(&mut absurd, "d1", 1000), 1000);
        let params = ExtraParams::of(&absurd).unwrap();
        assert_eq!(params.get("dialog_id").as_deref(), Some("d1"));
        assert_eq!(params.iter().count(), 2);
        let mut old = message("<extraParams><date_sent>10</date_sent></extraParams>");
        assert_eq!(stamp(&mut old, "d1", 1000), 10);
        assert_eq!(stamp(&mut message(""), "d1", 1000), 1000);
    }

    #[test]
    fn attachments_and_nested_parameters_are_kept_whole() {
        let stored = to_store(
            &message(
                "<body>hi</body><extraParams xmlns='jabber:client'>\
                 <save_to_history>1</save_to_history><attachment type='photo' uid='u1' size='12' width='3'/>\
                 <nested><x>1</x><y><z>q</z></y></nested></extraParams>",
            ),
            "m1".into(),
            "d1".into(),
            1,
            None,
            5,
        );
        assert_eq!(
            stored.attachments,
            [json!({"type": "photo", "uid": "u1", "size": 12, "width": "3"})]
        );
        assert_eq!(
            Json::Object(stored.custom),
            json!({"nested": {"x": "1", "y": {"z": "q"}}})
        );
    }

    #[test]
    fn an_id_that_would_break_a_path_is_not_valid() {
        assert!(is_valid_id("66f0aa000102030405000001"));
        for bad in ["", "a,b", "a/b", "a b", &"a".repeat(65)] {
            assert!(!is_valid_id(bad), "{bad:?}");
        }
    }
}
