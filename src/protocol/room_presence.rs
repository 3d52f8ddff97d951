//! Presence in a dialog's room (XEP-0045, wire reference B.8): joining, leaving, being removed
//! (RT-25). The cloud and the hub deliver group messages without it; standard servers do not.

use minidom::Element;

use super::address::{Address, Realm, UserId};
use super::ns;
use super::xml::SetAttribute;

/// Status code: this presence is about the receiver itself (XEP-0045 §15.6).
const SELF: u16 = 110;
/// Status codes of an involuntary end: banned, kicked, no longer a member, room gone members-only,
/// service shut down (XEP-0045 §15.6).
const REMOVED: [u16; 5] = [301, 307, 321, 322, 332];

/// What happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// We are in.
    Joined,
    /// We are out, as we asked for.
    Left,
    /// We were put out.
    Removed {
        /// Who did it, if the server says so.
        by: Option<UserId>,
        /// The status code, such as 301 for banned or 307 for kicked.
        code: u16,
    },
    /// We are not let in.
    Refused {
        /// Legacy numeric code, 0 when absent.
        code: u16,
        /// The server's words, or the condition's name.
        text: String,
    },
    /// Another user is in; also said of those who were there before us.
    OccupantJoined(UserId),
    /// Another user is out.
    OccupantLeft(UserId),
}

/// Reads a `<presence/>`; `None` for one that comes from no room of this realm.
///
/// The addition some clients need beside the status (`<xmlns><code/></xmlns>`) is understood as
/// well, in case a server has nothing else.
pub fn read(realm: &Realm, own: UserId, presence: &Element) -> Option<(String, RoomEvent)> {
    let from = realm.parse(presence.attr("from")?).ok()?;
    let Address::Room { dialog, occupant } = from else {
        return None;
    };
    let kind = presence.attr("type");
    if kind == Some("error") {
        return Some((dialog, refusal(presence)));
    }
    let x = presence.get_child("x", ns::MUC_USER);
    let codes = x.map(codes).unwrap_or_default();
    let occupant = occupant?;
    let is_self = codes.contains(&SELF) || occupant == own;
    let event = match (kind, is_self) {
        (None, true) => RoomEvent::Joined,
        (None, false) => RoomEvent::OccupantJoined(occupant),
        (Some("unavailable"), false) => RoomEvent::OccupantLeft(occupant),
        (Some("unavailable"), true) => match codes.iter().find(|code| REMOVED.contains(code)) {
            Some(&code) => RoomEvent::Removed {
                by: x.and_then(|x| actor(realm, x)),
                code,
            },
            None => RoomEvent::Left,
        },
        _ => return None,
    };
    Some((dialog, event))
}

fn codes(x: &Element) -> Vec<u16> {
    x.children()
        .filter_map(|child| match child.name() {
            "status" => child.attr("code")?.trim().parse().ok(),
            "xmlns" => child
                .children()
                .find(|child| child.name() == "code")?
                .text()
                .trim()
                .parse()
                .ok(),
            _ => None,
        })
        .collect()
}

fn actor(realm: &Realm, x: &Element) -> Option<UserId> {
    let actor = x
        .get_child("item", ns::MUC_USER)?
        .get_child("actor", ns::MUC_USER)?;
    let by = actor.attr("jid").and_then(|jid| realm.parse(jid).ok());
    by.and_then(|by| by.user_id())
        .or_else(|| actor.attr("nick")?.parse().ok())
}

fn refusal(presence: &Element) -> RoomEvent {
    let error = presence.children().find(|child| child.name() == "error");
    let code = error
        .and_then(|error| error.attr("code")?.parse().ok())
        .unwrap_or(0);
    let text = error.and_then(|error| match error.get_child("text", ns::STANZAS) {
        Some(text) => Some(text.text()),
        None => error.children().next().map(|child| child.name().to_owned()),
    });
    RoomEvent::Refused {
        code,
        text: text.unwrap_or_else(|| "no reason given".to_owned()),
    }
}

/// Asks to be let into a dialog's room. History is not asked for: it comes by REST, and what was
/// missed would come as new.
pub fn join(realm: &Realm, stanza_id: &str, own: UserId, dialog: &str) -> Element {
    let history = Element::builder("history", ns::MUC).with("maxstanzas", "0");
    Element::builder("presence", ns::CLIENT)
        .with("id", format!("{stanza_id}:join"))
        .with("to", realm.occupant(dialog, own))
        .append(Element::builder("x", ns::MUC).append(history))
        .build()
}

/// Leaves a dialog's room.
pub fn leave(realm: &Realm, own: UserId, dialog: &str) -> Element {
    Element::builder("presence", ns::CLIENT)
        .with("type", "unavailable")
        .with("to", realm.occupant(dialog, own))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALOG: &str = "66f0aa000102030405000001";

    fn realm() -> Realm {
        Realm {
            app_id: 7,
            chat_host: "chat.example".into(),
        }
    }

    fn event(attributes: &str, inside: &str) -> Option<RoomEvent> {
        let text = format!(
            "<presence xmlns='jabber:client' {attributes}>\
             <x xmlns='http://jabber.org/protocol/muc#user'>{inside}</x></presence>"
        );
        let (dialog, event) = read(&realm(), 5, &text.parse().unwrap())?;
        assert_eq!(dialog, DIALOG);
        Some(event)
    }

    fn from(user: UserId) -> String {
        format!("from='7_{DIALOG}@muc.chat.example/{user}'")
    }

    #[test]
    fn our_own_coming_and_going_are_told_from_that_of_others() {
        let status = "<status code='110'/>";
        assert_eq!(event(&from(5), status), Some(RoomEvent::Joined));
        assert_eq!(event(&from(6), ""), Some(RoomEvent::OccupantJoined(6)));
        let gone = |user| format!("{} type='unavailable'", from(user));
        assert_eq!(event(&gone(5), status), Some(RoomEvent::Left));
        assert_eq!(event(&gone(6), ""), Some(RoomEvent::OccupantLeft(6)));
    }

    #[test]
    fn a_removal_names_who_did_it() {
        let gone = format!("{} type='unavailable'", from(5));
        let item = "<item affiliation='none' role='none'><actor jid='9-7@chat.example'/></item>";
        let removed = |code| Some(RoomEvent::Removed { by: Some(9), code });
        let told = format!("{item}<status code='301'/><status code='110'/>");
        assert_eq!(event(&gone, &told), removed(301));
        let told = format!("{item}<status code='110'/><status code='307'/>");
        assert_eq!(event(&gone, &told), removed(307));
        let told = format!("{item}<xmlns><code>301</code></xmlns>");
        assert_eq!(event(&gone, &told), removed(301));
    }

    #[test]
    fn a_refusal_has_the_servers_words() {
        let text = format!(
            "<presence xmlns='jabber:client' type='error' {}>\
             <x xmlns='http://jabber.org/protocol/muc'/><error code='403' type='auth'>\
             <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
            from(5)
        );
        let (_, event) = read(&realm(), 5, &text.parse().unwrap()).unwrap();
        let text = "forbidden".into();
        assert_eq!(event, RoomEvent::Refused { code: 403, text });
    }

    #[test]
    fn presence_of_a_user_is_none_of_a_room() {
        assert_eq!(event("from='6-7@chat.example/r'", ""), None);
        assert_eq!(event("from='nonsense'", ""), None);
        assert_eq!(event("", ""), None);
    }

    #[test]
    fn joining_asks_for_no_history_under_our_number() {
        let join = join(&realm(), "x", 5, DIALOG);
        let to = format!("7_{DIALOG}@muc.chat.example/5");
        assert_eq!(join.attr("to"), Some(to.as_str()));
        assert_eq!(join.attr("id"), Some("x:join"));
        let x = join.get_child("x", ns::MUC).unwrap();
        let history = x.get_child("history", ns::MUC).unwrap();
        assert_eq!(history.attr("maxstanzas"), Some("0"));
    }
}
