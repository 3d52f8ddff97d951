//! Chat messages, delivery and read markers, typing (wire reference B.1–B.4; RT-01…).
//!
//! Reading is lenient, in the SDK's order of dispatch; a stanza of an unknown kind is returned as
//! [`Incoming::Other`], never dropped here.

use minidom::Element;

use super::address::{Address, Realm, UserId};
use super::call_signal::{CallSignal, SignalError};
use super::extra_params::{ExtraParams, ExtraParamsBuilder};
use super::ns;
use super::xml::{SetAttribute, clean_text};

/// `moduleIdentifier` of system messages.
pub const SYSTEM_MODULE: &str = "SystemNotifications";

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One user, on all connections.
    User(UserId),
    /// Everybody in a dialog.
    Dialog(String),
}

/// A message to be sent and stored in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// 24 hex digits; also the `_id` of the stored message, and what makes sending it again safe.
    pub id: String,
    /// The receiver.
    pub target: Target,
    /// The text.
    pub body: String,
    /// The dialog, where known; the hub adds it otherwise.
    pub dialog_id: Option<String>,
    /// Unix seconds at which the user wrote it, which may be long before it is sent.
    pub date_sent: u64,
    /// Further parameters, stored with the message.
    pub custom: Vec<(String, String)>,
}

/// A chat or group message as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// The stanza's id, which is the stored message's `_id`.
    pub id: String,
    /// Who wrote it.
    pub sender: UserId,
    /// The dialog, absent only if a server left it out of a one-to-one message.
    pub dialog_id: Option<String>,
    /// Whether it came through a room.
    pub is_group: bool,
    /// Whether it is a carbon of a message we sent from another device.
    pub is_own_copy: bool,
    /// The text, empty for attachments alone.
    pub body: String,
    /// Unix seconds, if stated.
    pub date_sent: Option<u64>,
    /// Parameters other than the ones above; nested ones as XML text.
    pub custom: Vec<(String, String)>,
}

/// What a marker says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It reached a device of the receiver.
    Delivered,
    /// The receiver saw it.
    Read,
}

/// A message stanza, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A chat or group message.
    Message(ChatMessage),
    /// A delivery or read marker for a message of ours.
    Marker {
        /// What happened.
        marker: Marker,
        /// The message it happened to.
        message_id: String,
        /// Who reports it.
        from: UserId,
        /// The dialog, if stated.
        dialog_id: Option<String>,
    },
    /// Somebody started or stopped typing.
    Typing {
        /// Who.
        from: UserId,
        /// Absent for one-to-one dialogs, which have no id on the wire.
        dialog_id: Option<String>,
        /// Started or stopped.
        composing: bool,
    },
    /// A call signal, or why it could not be read. Old ones (with `<delay/>`) are [`Incoming::Other`].
    Call {
        /// Who sent it.
        from: UserId,
        /// Whether it is a carbon of a signal sent by another device of ours.
        is_own_copy: bool,
        /// The signal.
        signal: Result<CallSignal, SignalError>,
    },
    /// A system message between applications (wire reference B.6). Opaque here; the device
    /// understands those with a `cubelet` parameter.
    System {
        /// Who sent it.
        from: UserId,
        /// Whether it is a carbon of one sent by another device of ours.
        is_own_copy: bool,
        /// Its parameters, without the module identifier.
        params: Vec<(String, String)>,
    },
    /// The server could not deliver what we sent under this id.
    Error {
        /// Id of our stanza.
        id: String,
        /// Legacy numeric code, 0 when absent.
        code: u16,
        /// Human-readable text, or the condition's name.
        text: String,
    },
    /// A kind this version does not act on, with the reason.
    Other(&'static str),
}

/// Reads a `<message/>` of this realm.
pub fn read(realm: &Realm, message: &Element) -> Incoming {
    if let Some(inner) = carbon_of(message) {
        return read_plain(realm, inner, true);
    }
    read_plain(realm, message, false)
}

/// The message inside a sent-carbon (XEP-0280), if it is one.
fn carbon_of(message: &Element) -> Option<&Element> {
    message
        .get_child("sent", ns::CARBONS)?
        .get_child("forwarded", ns::FORWARD)?
        .get_child("message", ns::CLIENT)
}

fn read_plain(realm: &Realm, message: &Element, is_own_copy: bool) -> Incoming {
    let kind = message.attr("type").unwrap_or("normal");
    let id = message.attr("id").unwrap_or_default().to_owned();
    if kind == "error" {
        return read_error(message, id);
    }
    let Some(from) = message.attr("from").and_then(|from| realm.parse(from).ok()) else {
        return Incoming::Other("sender is no address of this realm");
    };
    let Some(sender) = from.user_id() else {
        return Incoming::Other("sender is a room or the server");
    };
    let params = ExtraParams::of(message);
    let dialog_id = match &from {
        Address::Room { dialog, .. } => Some(dialog.clone()),
        _ => params.and_then(|params| params.get("dialog_id")),
    };
    if kind == "headline" {
        return read_headline(message, params, sender, is_own_copy);
    }
    if kind != "chat" && kind != "groupchat" {
        return Incoming::Other("type is neither chat, groupchat, headline nor error");
    }
    for (name, composing) in [("composing", true), ("paused", false)] {
        if message.has_child(name, ns::CHAT_STATES) {
            return Incoming::Typing {
                from: sender,
                dialog_id,
                composing,
            };
        }
    }
    for (name, namespace) in [("replace", ns::CORRECT), ("remove", ns::DELETE)] {
        if message.has_child(name, namespace) {
            return Incoming::Other("edits and removals are not acted on yet");
        }
    }
    for (name, marker) in [("received", Marker::Delivered), ("displayed", Marker::Read)] {
        if let Some(element) = message.get_child(name, ns::CHAT_MARKERS) {
            let message_id = element.attr("id").unwrap_or_default().to_owned();
            return Incoming::Marker {
                marker,
                message_id,
                from: sender,
                dialog_id,
            };
        }
    }
    Incoming::Message(ChatMessage {
        id,
        sender,
        dialog_id,
        is_group: kind == "groupchat",
        is_own_copy,
        body: message
            .get_child("body", ns::CLIENT)
            .map(Element::text)
            .unwrap_or_default(),
        date_sent: params
            .and_then(|params| params.get("date_sent"))
            .and_then(|seconds| seconds.parse().ok()),
        custom: params.map(custom_params).unwrap_or_default(),
    })
}

fn read_headline(
    message: &Element,
    params: Option<ExtraParams<'_>>,
    from: UserId,
    is_own_copy: bool,
) -> Incoming {
    let Some(params) = params else {
        return Incoming::Other("headline without extraParams");
    };
    match params.get("moduleIdentifier").as_deref() {
        Some(super::call_signal::MODULE) if message.has_child("delay", ns::DELAY) => {
            Incoming::Other("call signal delivered late")
        }
        Some(super::call_signal::MODULE) => Incoming::Call {
            from,
            is_own_copy,
            signal: CallSignal::read(params),
        },
        Some(SYSTEM_MODULE) => Incoming::System {
            from,
            is_own_copy,
            params: custom_params(params)
                .into_iter()
                .filter(|(name, _)| name != "moduleIdentifier")
                .collect(),
        },
        _ => Incoming::Other("headline of a module this version does not know"),
    }
}

fn read_error(message: &Element, id: String) -> Incoming {
    let error = message.children().find(|child| child.name() == "error");
    let code = error
        .and_then(|error| error.attr("code"))
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let text = error
        .and_then(|error| {
            let text = error.get_child("text", ns::STANZAS).map(Element::text);
            text.or_else(|| {
                error
                    .children()
                    .next()
                    .map(|condition| condition.name().to_owned())
            })
        })
        .unwrap_or_else(|| "no reason given".to_owned());
    Incoming::Error { id, code, text }
}

fn custom_params(params: ExtraParams<'_>) -> Vec<(String, String)> {
    params
        .iter()
        .filter(|element| {
            !matches!(
                element.name(),
                "save_to_history" | "dialog_id" | "date_sent"
            )
        })
        .map(|element| {
            let is_plain = element.children().next().is_none() && element.attrs().is_empty();
            let value = if is_plain {
                element.text()
            } else {
                String::from(element)
            };
            (element.name().to_owned(), value)
        })
        .collect()
}

impl OutgoingMessage {
    /// The stanza, asking for a delivery marker and for storage.
    pub fn to_element(&self, realm: &Realm) -> Element {
        let (kind, to) = match &self.target {
            Target::User(user) => ("chat", realm.user(*user)),
            Target::Dialog(dialog) => ("groupchat", realm.room(dialog)),
        };
        let mut params = ExtraParamsBuilder::default().text("save_to_history", "1");
        if let Some(dialog) = &self.dialog_id {
            params = params.text("dialog_id", dialog);
        }
        params = params.text("date_sent", self.date_sent.to_string());
        for (name, value) in &self.custom {
            params = params.text(name, value);
        }
        Element::builder("message", ns::CLIENT)
            .with("type", kind)
            .with("id", &self.id)
            .with("to", to)
            .append(Element::builder("body", ns::CLIENT).append(clean_text(&self.body)))
            .append(params.build())
            .append(Element::bare("markable", ns::CHAT_MARKERS))
            .build()
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
    let name = match marker {
        Marker::Delivered => "received",
        Marker::Read => "displayed",
    };
    let mut message = Element::builder("message", ns::CLIENT)
        .with("type", "chat")
        .with("id", stanza_id)
        .with("to", realm.user(author))
        .append(Element::builder(name, ns::CHAT_MARKERS).with("id", message_id));
    if let Some(dialog) = dialog_id {
        message = message.append(
            ExtraParamsBuilder::default()
                .text("dialog_id", dialog)
                .build(),
        );
    }
    message.build()
}

/// A system message to one user (wire reference B.6).
pub fn system(realm: &Realm, stanza_id: &str, to: UserId, params: &[(&str, &str)]) -> Element {
    let mut extra = ExtraParamsBuilder::default().text("moduleIdentifier", SYSTEM_MODULE);
    for (name, value) in params {
        extra = extra.text(name, value);
    }
    Element::builder("message", ns::CLIENT)
        .with("type", "headline")
        .with("id", stanza_id)
        .with("to", realm.user(to))
        .append(extra.build())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm {
            app_id: 7,
            chat_host: "chat.example".into(),
        }
    }

    fn parse(text: &str) -> Incoming {
        read(&realm(), &text.parse().unwrap())
    }

    #[test]
    fn a_message_of_the_sdk_is_read_whole() {
        let incoming = parse(
            "<message xmlns='jabber:client' type='chat' id='66f0aa000102030405000001' \
             to='1002-7@chat.example' from='1001-7@chat.example/res'><body>hi &lt;b></body>\
             <extraParams xmlns='jabber:client'><save_to_history>1</save_to_history>\
             <dialog_id>66f0</dialog_id><date_sent>1760000000</date_sent><mood>ok</mood>\
             <attachment type='photo' uid='u1'/></extraParams></message>",
        );
        let Incoming::Message(message) = incoming else {
            panic!("{incoming:?}")
        };
        assert_eq!((message.sender, message.body.as_str()), (1001, "hi <b>"));
        assert_eq!(message.dialog_id.as_deref(), Some("66f0"));
        assert_eq!(message.date_sent, Some(1_760_000_000));
        assert_eq!(message.custom[0], ("mood".to_owned(), "ok".to_owned()));
        assert!(
            message.custom[1].1.contains("uid=\"u1\"") || message.custom[1].1.contains("uid='u1'")
        );
    }

    #[test]
    fn what_we_send_is_what_we_read() {
        let sent = OutgoingMessage {
            id: "66f0aa000102030405000001".into(),
            target: Target::Dialog("66f0".into()),
            body: "5 < 6 & \u{0}fine".into(),
            dialog_id: Some("66f0".into()),
            date_sent: 9,
            custom: vec![("k".into(), "v".into())],
        };
        let mut element = sent.to_element(&realm());
        super::super::xml::set_attribute(
            &mut element,
            "from",
            Some("7_66f0@muc.chat.example/1001"),
        );
        let Incoming::Message(read) = read(&realm(), &element) else {
            panic!()
        };
        assert_eq!(read.body, "5 < 6 & fine");
        assert!(read.is_group);
        assert_eq!((read.sender, read.date_sent), (1001, Some(9)));
        assert_eq!(read.custom, vec![("k".to_owned(), "v".to_owned())]);
    }

    #[test]
    fn markers_typing_and_errors_are_told_apart() {
        let read_marker = marker(&realm(), Marker::Read, "s", 1002, "m", Some("66f0"))
            .with("from", "1001-7@chat.example/r");
        assert_eq!(
            read(&realm(), &read_marker),
            Incoming::Marker {
                marker: Marker::Read,
                message_id: "m".into(),
                from: 1001,
                dialog_id: Some("66f0".into())
            }
        );
        assert_eq!(
            parse(
                "<message xmlns='jabber:client' type='chat' from='5-7@chat.example/r'>\
                   <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
            ),
            Incoming::Typing {
                from: 5,
                dialog_id: None,
                composing: true
            }
        );
        assert_eq!(
            parse(
                "<message xmlns='jabber:client' type='error' id='m'><error code='503' \
                   type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                   </error></message>"
            ),
            Incoming::Error {
                id: "m".into(),
                code: 503,
                text: "service-unavailable".into()
            }
        );
    }

    #[test]
    fn a_carbon_is_our_own_copy_and_strangers_are_not_read() {
        let carbon = parse(
            "<message xmlns='jabber:client' type='chat' from='5-7@chat.example'>\
             <sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client' type='chat' id='m' from='5-7@chat.example/other' \
             to='6-7@chat.example'><body>x</body></message></forwarded></sent></message>",
        );
        assert!(matches!(
            carbon,
            Incoming::Message(ChatMessage {
                is_own_copy: true,
                ..
            })
        ));
        assert!(matches!(
            parse("<message xmlns='jabber:client' type='chat' from='5-7@evil.example/r'/>"),
            Incoming::Other(_)
        ));
    }
}
