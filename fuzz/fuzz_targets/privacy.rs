//! Privacy lists: what is read comes back equal, and deciding never panics.
#![no_main]

use cubelet::protocol::address::Realm;
use cubelet::protocol::privacy::{Peer, Request, Rules, Traffic, read};
use cubelet::protocol::xml_guard::XmlGuard;
use libfuzzer_sys::fuzz_target;
use minidom::Element;

fuzz_target!(|text: &str| {
    let text = format!("<query xmlns='jabber:iq:privacy'>{text}</query>");
    if XmlGuard::check_frame(&text, 65_536).is_err() {
        return;
    }
    let Ok(query) = text.parse::<Element>() else {
        return;
    };
    let _ = read("get", &query);
    let Ok(Request::Put(list)) = read("set", &query) else {
        return;
    };
    let again = Element::builder("query", "jabber:iq:privacy").append(list.element());
    let realm = Realm {
        app_id: 7,
        chat_host: "127.0.0.1".into(),
    };
    let rules = Rules::new(&list.items, &realm);
    for traffic in [Traffic::MessageIn, Traffic::MessageOut, Traffic::PresenceOut] {
        let peer = Peer::Occupant {
            dialog: "d",
            user: 1001,
        };
        rules.denies(&peer, traffic);
    }
    assert_eq!(read("set", &again.build()), Ok(Request::Put(list)));
});
