//! When somebody was last active, and being told when that changes (wire reference B.9; RT-46,
//! RT-47).

use minidom::Element;

use super::address::{Realm, UserId};
use super::ns;
use super::xml::SetAttribute;

/// What begins or ends being told when a user comes or goes.
pub fn subscription(realm: &Realm, user: UserId, enable: bool) -> Element {
    Element::builder("subscribe", ns::STATUS_STREAMING)
        .with("user_jid", realm.user(user))
        .with("enable", enable.to_string())
        .build()
}

/// [`subscription`] as a request whose answer nobody waits for.
pub fn watch(realm: &Realm, id: &str, user: UserId, enable: bool) -> Element {
    Element::builder("iq", ns::CLIENT)
        .with("type", "set")
        .with("id", id)
        .append(subscription(realm, user, enable))
        .build()
}

/// Whose activity an answer or push tells, and how many seconds ago it was; 0 is online.
pub fn read(realm: &Realm, iq: &Element) -> Option<(UserId, u64)> {
    let user = realm.parse(iq.attr("from")?).ok()?.user_id()?;
    let query = iq.get_child("query", ns::LAST)?;
    Some((user, query.attr("seconds")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_whose_activity_and_when() {
        let realm = Realm {
            app_id: 7,
            chat_host: "chat.example".into(),
        };
        let answer: Element = "<iq xmlns='jabber:client' type='result' id='x' \
            from='1002-7@chat.example'><query xmlns='jabber:iq:last' seconds='12'/></iq>"
            .parse()
            .unwrap();
        assert_eq!(read(&realm, &answer), Some((1002, 12)));
        let watched = watch(&realm, "x", 1002, true);
        assert_eq!(read(&realm, &watched), None);
    }
}
