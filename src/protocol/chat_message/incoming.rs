//! Reading a `<message/>` in the SDK's order of dispatch (B.1).

use minidom::Element;

use super::attachment::Attachment;
use super::param::{Param, custom_of, system_params_of};
use super::receipt::Marker;
use super::system::SYSTEM_MODULE;
use crate::protocol::address::{Address, Realm, UserId};
use crate::protocol::call_signal::{CallSignal, MODULE, SignalError};
use crate::protocol::extra_params::ExtraParams;
use crate::protocol::ns;

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
    /// Parameters other than the ones above.
    pub custom: Vec<Param>,
    /// What goes with it.
    pub attachments: Vec<Attachment>,
    /// The user it was sent to, of one-to-one messages: tells an own copy's other side.
    pub recipient: Option<UserId>,
    /// Seconds after which it is to disappear (RT-38).
    pub destroy_after: Option<u32>,
    /// When a server stored it for us, as it wrote it (XEP-0203).
    pub delay: Option<String>,
    /// Whether the server keeps it in its history (RT-26).
    pub is_saved: bool,
}

/// A new text for an earlier message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageEdit {
    /// The id of the edit itself.
    pub stanza_id: String,
    /// The message edited.
    pub message_id: String,
    /// Who edited it.
    pub from: UserId,
    /// Its dialog, if stated.
    pub dialog_id: Option<String>,
    /// The new text.
    pub body: String,
    /// Whether it is the last message of its dialog.
    pub is_last: bool,
    /// Parameters that came with the edit.
    pub custom: Vec<Param>,
}

/// Somebody's reactions to a message changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionChange {
    /// The id of the change itself.
    pub stanza_id: String,
    /// The message.
    pub message_id: String,
    /// Whose reactions.
    pub user: UserId,
    /// Its dialog, if stated.
    pub dialog_id: Option<String>,
    /// Reactions now there, usually emoji.
    pub added: Vec<String>,
    /// Reactions gone.
    pub removed: Vec<String>,
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
    /// A message has a new text (B.5).
    Edited(MessageEdit),
    /// A message is gone for everybody (B.5).
    Removed {
        /// The id of the removal itself.
        stanza_id: String,
        /// The message.
        message_id: String,
        /// Who removed it.
        from: UserId,
        /// Its dialog, if stated.
        dialog_id: Option<String>,
    },
    /// Reactions to a message changed (B.5).
    Reaction(ReactionChange),
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
        /// Its text, if it has one.
        body: Option<String>,
        /// Its parameters, without the module identifier.
        params: Vec<Param>,
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

impl Incoming {
    /// What tells a repetition of something that must not be lost: a message, or what changes
    /// one. The changes have ids of their own (B.5); nothing for what need not be kept.
    pub fn key(&self) -> Option<String> {
        let change = |id: &str| (!id.is_empty()).then(|| format!("change:{id}"));
        match self {
            Self::Message(message) => (!message.id.is_empty()).then(|| message.id.clone()),
            Self::Edited(edit) => change(&edit.stanza_id),
            Self::Removed { stanza_id, .. } => change(stanza_id),
            Self::Reaction(reaction) => change(&reaction.stanza_id),
            _ => None,
        }
    }
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
    if let Some(replace) = message.get_child("replace", ns::CORRECT) {
        return Incoming::Edited(MessageEdit {
            stanza_id: id,
            message_id: replace.attr("id").unwrap_or_default().to_owned(),
            from: sender,
            dialog_id,
            body: body_of(message).unwrap_or_default(),
            is_last: replace.attr("last") == Some("true"),
            custom: params.map(custom_of).unwrap_or_default(),
        });
    }
    // By name alone: the vendor gives it no namespace of its own, which leaves the parent's.
    if let Some(reactions) = message.children().find(|child| child.name() == "reactions") {
        return read_reactions(reactions, id, sender, dialog_id);
    }
    if let Some(remove) = message.get_child("remove", ns::DELETE) {
        return Incoming::Removed {
            stanza_id: id,
            message_id: remove.attr("id").unwrap_or_default().to_owned(),
            from: sender,
            dialog_id,
        };
    }
    for marker in [Marker::Delivered, Marker::Read] {
        if let Some(element) = message.get_child(marker.element_name(), ns::CHAT_MARKERS) {
            let message_id = element.attr("id").unwrap_or_default().to_owned();
            return Incoming::Marker {
                marker,
                message_id,
                from: sender,
                dialog_id,
            };
        }
    }
    let destroy = message.get_child("destroy", ns::DESTROY_AFTER);
    Incoming::Message(ChatMessage {
        id,
        sender,
        dialog_id,
        is_group: kind == "groupchat",
        is_own_copy,
        body: body_of(message).unwrap_or_default(),
        date_sent: params
            .and_then(|params| params.get("date_sent"))
            .and_then(|seconds| seconds.parse().ok()),
        custom: params.map(custom_of).unwrap_or_default(),
        attachments: params.map(attachments_of).unwrap_or_default(),
        recipient: message
            .attr("to")
            .and_then(|to| realm.parse(to).ok())
            .and_then(|to| to.user_id()),
        destroy_after: destroy.and_then(|destroy| destroy.attr("after")?.parse().ok()),
        is_saved: destroy.is_none()
            && params
                .and_then(|params| params.get("save_to_history"))
                .is_some_and(|value| value == "1" || value == "true"),
        delay: message
            .get_child("delay", ns::DELAY)
            .and_then(|delay| delay.attr("stamp"))
            .map(str::to_owned),
    })
}

fn body_of(message: &Element) -> Option<String> {
    message.get_child("body", ns::CLIENT).map(Element::text)
}

fn attachments_of(params: ExtraParams<'_>) -> Vec<Attachment> {
    params
        .iter()
        .filter(|element| element.name() == "attachment")
        .map(Attachment::read)
        .collect()
}

fn read_reactions(
    reactions: &Element,
    stanza_id: String,
    sender: UserId,
    dialog_id: Option<String>,
) -> Incoming {
    // Presence of the attribute counts, whatever its value: so do the older SDKs.
    let with = |attribute: &str| {
        reactions
            .children()
            .filter(|reaction| reaction.attr(attribute).is_some())
            .filter_map(|reaction| reaction.attr("type").map(str::to_owned))
            .collect()
    };
    Incoming::Reaction(ReactionChange {
        stanza_id,
        message_id: reactions.attr("message_id").unwrap_or_default().to_owned(),
        user: reactions
            .attr("user_id")
            .and_then(|user| user.parse().ok())
            .unwrap_or(sender),
        dialog_id,
        added: with("add"),
        removed: with("remove"),
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
        Some(MODULE) if message.has_child("delay", ns::DELAY) => {
            Incoming::Other("call signal delivered late")
        }
        Some(MODULE) => Incoming::Call {
            from,
            is_own_copy,
            signal: CallSignal::read(params),
        },
        Some(SYSTEM_MODULE) => Incoming::System {
            from,
            is_own_copy,
            body: body_of(message),
            params: system_params_of(params),
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
