//! Reading, writing and deciding.

use proptest::prelude::*;

use super::*;

fn realm() -> Realm {
    Realm {
        app_id: 7,
        chat_host: "chat.example".into(),
    }
}

fn query(inside: &str) -> Element {
    format!("<query xmlns='jabber:iq:privacy'>{inside}</query>")
        .parse()
        .unwrap()
}

fn set(inside: &str) -> Result<Request, PrivacyError> {
    read("set", &query(inside))
}

/// As the official SDK writes it: a mutual block of 1002, a one-way block of 9999.
const PAIRS: &str = "<list name='pl'>\
    <item type='jid' value='1002-7@chat.example' action='deny' order='1'/>\
    <item type='jid' value='muc.chat.example/1002' action='deny' order='2'/>\
    <item type='jid' value='9999-7@chat.example' action='deny' order='3'>\
    <message/><presence-in/><presence-out/><iq/></item>\
    <item type='jid' value='muc.chat.example/9999' action='deny' order='4'>\
    <message/><presence-in/><presence-out/><iq/></item></list>";

fn rules(inside: &str) -> Rules {
    let Ok(Request::Put(list)) = set(inside) else {
        panic!("{:?}", set(inside));
    };
    Rules::new(&list.items, &realm())
}

fn user(user: UserId) -> Peer<'static> {
    Peer::User {
        user,
        resource: Some("phone"),
    }
}

fn occupant(user: UserId) -> Peer<'static> {
    Peer::Occupant { dialog: "d", user }
}

#[test]
fn a_list_of_the_sdk_comes_back_as_it_was_written() {
    let Ok(Request::Put(list)) = set(PAIRS) else {
        panic!()
    };
    assert_eq!(query(&String::from(&list.element())), query(PAIRS));
}

#[test]
fn items_are_sorted_by_order_and_an_order_is_taken_once() {
    let item = |order| format!("<item type='jid' value='x' action='deny' order='{order}'/>");
    let list = |a, b| format!("<list name='l'>{}{}</list>", item(a), item(b));
    let Ok(Request::Put(sorted)) = set(&list(9, 2)) else {
        panic!()
    };
    assert_eq!(sorted.items[0].order, 2);
    assert!(matches!(set(&list(2, 2)), Err(PrivacyError::Malformed(_))));
}

#[test]
fn requests_are_told_apart() {
    let name = || "l".to_owned();
    assert_eq!(read("get", &query("")), Ok(Request::Names));
    assert_eq!(
        read("get", &query("<list name='l'/>")),
        Ok(Request::Get(name()))
    );
    assert_eq!(set("<list name='l'/>"), Ok(Request::Delete(name())));
    assert_eq!(
        set("<default name='l'/>"),
        Ok(Request::SetDefault(Some(name())))
    );
    assert_eq!(set("<default/>"), Ok(Request::SetDefault(None)));
    assert_eq!(set("<active/>"), Ok(Request::SetActive(None)));
}

#[test]
fn broken_requests_are_refused() {
    let item = |rest: &str| format!("<list name='l'><item {rest}/></list>");
    for bad in [
        String::new(),
        "<list/>".into(),
        "<list name=''/>".into(),
        "<list name='a'/><list name='b'/>".into(),
        "<lists name='a'/>".into(),
        "<list xmlns='x' name='a'/>".into(),
        "<list name='a'><thing/></list>".into(),
        item("type='jid' action='deny' order='1'"),
        item("type='jid' value='x' action='deny'"),
        item("type='jid' value='x' action='deny' order='-1'"),
        item("type='jid' value='x' action='perhaps' order='1'"),
        item("type='colour' value='x' action='deny' order='1'"),
        item("type='subscription' value='x' action='deny' order='1'"),
    ] {
        assert!(
            matches!(set(&bad), Err(PrivacyError::Malformed(_))),
            "{bad}"
        );
    }
    let group = set(&item("type='group' value='g' action='deny' order='1'"));
    assert_eq!(group, Err(PrivacyError::UnknownGroup("g".into())));
    assert!(read("get", &query("<default/>")).is_err());
}

#[test]
fn a_mutual_block_stops_both_directions_and_a_one_way_block_what_comes_in() {
    let rules = rules(PAIRS);
    for traffic in [
        Traffic::MessageIn,
        Traffic::PresenceIn,
        Traffic::PresenceOut,
        Traffic::IqIn,
    ] {
        assert!(rules.denies(&user(1002), traffic), "{traffic:?}");
        assert!(rules.denies(&user(9999), traffic), "{traffic:?}");
        assert!(rules.denies(&occupant(9999), traffic), "{traffic:?}");
        assert!(!rules.denies(&user(5), traffic), "{traffic:?}");
    }
    assert!(rules.denies(&user(1002), Traffic::MessageOut));
    assert!(!rules.denies(&user(9999), Traffic::MessageOut));
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = rules(
        "<list name='l'>\
         <item type='jid' value='5-7@chat.example' action='allow' order='1'/>\
         <item type='jid' value='6-7@chat.example/phone' action='deny' order='2'><message/></item>\
         <item type='jid' value='6-7@chat.example' action='allow' order='3'/>\
         <item action='deny' order='4'/></list>",
    );
    assert!(!rules.denies(&user(5), Traffic::MessageIn));
    assert!(rules.denies(&user(6), Traffic::MessageIn));
    assert!(!rules.denies(&user(6), Traffic::PresenceIn));
    assert!(rules.denies(&user(8), Traffic::MessageIn));
    assert!(rules.denies(&occupant(5), Traffic::MessageIn));
}

#[test]
fn hosts_rooms_and_subscriptions_are_understood() {
    let denies = |kind: &str, value: &str, peer: Peer<'_>| {
        rules(&format!(
            "<list name='l'><item type='{kind}' value='{value}' action='deny' order='1'/></list>"
        ))
        .denies(&peer, Traffic::MessageIn)
    };
    assert!(denies("jid", "chat.example", user(1)));
    assert!(!denies("jid", "chat.example", occupant(1)));
    assert!(denies("jid", "muc.chat.example", occupant(1)));
    assert!(denies("jid", "7_d@muc.chat.example", occupant(1)));
    assert!(!denies("jid", "7_e@muc.chat.example", occupant(1)));
    assert!(denies("jid", "7_d@muc.chat.example/1", occupant(1)));
    assert!(!denies("jid", "7_d@muc.chat.example/2", occupant(1)));
    assert!(!denies("jid", "1-7@elsewhere", user(1)));
    assert!(denies("subscription", "none", user(1)));
    assert!(!denies("subscription", "both", user(1)));
}

proptest! {
    #[test]
    fn whatever_is_read_comes_back_equal(
        orders in proptest::collection::btree_set(0u32..1000, 1..12),
        seed in any::<u64>(),
    ) {
        let items = orders.iter().map(|order| {
            let bits = seed.rotate_left(*order) & 63;
            let children: String = Scope::NAMES
                .iter()
                .enumerate()
                .filter(|(place, _)| bits >> place & 1 == 1)
                .map(|(_, name)| format!("<{name}/>"))
                .collect();
            let action = if bits & 16 == 0 { "deny" } else { "allow" };
            format!("<item type='jid' value='{order}-7@c' action='{action}' order='{order}'>{children}</item>")
        });
        let text = format!("<list name='l'>{}</list>", items.collect::<String>());
        let Ok(Request::Put(list)) = set(&text) else { panic!("{text}") };
        let again = set(&String::from(&list.element())).unwrap();
        prop_assert_eq!(again, Request::Put(list));
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[<>/a-z='\" ]{0,80}") {
        if let Ok(element) = format!("<query xmlns='jabber:iq:privacy'>{text}</query>").parse() {
            let _ = read("set", &element);
            let _ = read("get", &element);
        }
    }
}
