//! Privacy lists (wire reference B.9; RT-49…RT-53), with stanzas as the official SDK sends them.

use minidom::Element;
use serde_json::json;

use crate::support::{Chat, Hub, Person, body_of};

const PRIVACY: &str = "jabber:iq:privacy";
const ONE_WAY: &str = "<message/><presence-in/><presence-out/><iq/>";

async fn query(chat: &mut Chat, kind: &str, inside: &str) -> Element {
    chat.ask(&format!(
        "<iq xmlns='jabber:client' type='{kind}' id='p'><query xmlns='{PRIVACY}'>{inside}</query></iq>"
    ))
    .await
}

async fn set(chat: &mut Chat, inside: &str) {
    let answer = query(chat, "set", inside).await;
    assert_eq!(answer.attr("type"), Some("result"), "{inside}");
}

/// The condition a request is refused with.
async fn refused(chat: &mut Chat, kind: &str, inside: &str) -> String {
    let answer = query(chat, kind, inside).await;
    assert_eq!(answer.attr("type"), Some("error"), "{inside}");
    let error = answer.get_child("error", "jabber:client").unwrap();
    error.children().next().unwrap().name().to_owned()
}

/// The SDK's pair of items for each person, with these children.
fn list(name: &str, people: &[(&Person, &str)]) -> String {
    let items: String = people
        .iter()
        .enumerate()
        .map(|(place, (person, children))| {
            let (odd, even, id) = (2 * place + 1, 2 * place + 2, person.id);
            format!(
                "<item type='jid' value='{id}-1@127.0.0.1' action='deny' order='{odd}'>{children}</item>\
                 <item type='jid' value='muc.127.0.0.1/{id}' action='deny' order='{even}'>{children}</item>"
            )
        })
        .collect();
    format!("<list name='{name}'>{items}</list>")
}

async fn block(chat: &mut Chat, person: &Person, children: &str) {
    set(chat, &list("blocked", &[(person, children)])).await;
    set(chat, "<default name='blocked'/>").await;
}

async fn unblock(chat: &mut Chat) {
    set(chat, "<default/>").await;
}

/// The error that came back, if one did.
fn error_of(answers: &[Element]) -> Option<(&str, String)> {
    let answer = answers
        .iter()
        .find(|answer| answer.attr("type") == Some("error"))?;
    let error = answer.get_child("error", "jabber:client").unwrap();
    let text = error
        .get_child("text", "urn:ietf:params:xml:ns:xmpp-stanzas")
        .unwrap();
    Some((error.attr("code").unwrap(), text.text()))
}

fn is_unavailable(answers: &[Element]) -> bool {
    error_of(answers) == Some(("503", "Service not available.".to_owned()))
}

#[tokio::test]
async fn lists_are_created_read_named_replaced_and_deleted() {
    let hub = Hub::start().await;
    let (ann, bob, cat) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("cat").await,
    );
    let mut chat = hub.chat(&ann).await;
    let written = list("work", &[(&bob, ""), (&cat, ONE_WAY)]);
    set(&mut chat, &written).await;
    set(&mut chat, &list("home", &[(&cat, "")])).await;
    set(&mut chat, "<default name='work'/>").await;
    let read = query(&mut chat, "get", "<list name='work'/>").await;
    let expected = format!("<query xmlns='{PRIVACY}'>{written}</query>");
    assert_eq!(
        read.get_child("query", PRIVACY).unwrap(),
        &expected.parse::<Element>().unwrap()
    );
    let names = |answer: &Element| -> Vec<String> {
        let query = answer.get_child("query", PRIVACY).unwrap();
        let name = |child: &Element| format!("{} {}", child.name(), child.attr("name").unwrap());
        query.children().map(name).collect()
    };
    let all = query(&mut chat, "get", "").await;
    assert_eq!(names(&all), ["default work", "list home", "list work"]);
    set(&mut chat, &list("work", &[(&bob, ONE_WAY)])).await;
    let read = query(&mut chat, "get", "<list name='work'/>").await;
    let list = read.get_child("query", PRIVACY).unwrap().children().next();
    assert_eq!(list.unwrap().children().count(), 2);
    set(&mut chat, "<list name='work'/>").await;
    assert_eq!(names(&query(&mut chat, "get", "").await), ["list home"]);
    let absent = refused(&mut chat, "get", "<list name='work'/>").await;
    assert_eq!(absent, "item-not-found");
}

#[tokio::test]
async fn a_blocked_user_is_told_that_the_service_is_not_available() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut chat, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    block(&mut chat, &bob, ONE_WAY).await;
    let to = hub.jid(&ann);
    assert!(is_unavailable(&other.say("chat", &to, "m1", "hi").await));
    // A call's offer is a headline.
    assert!(is_unavailable(&other.say("headline", &to, "m2", "").await));
    other
        .send(&format!(
            "<message xmlns='jabber:client' type='chat' to='{to}'>\
             <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        ))
        .await;
    assert!(
        other.sync().await.is_empty(),
        "typing is dropped in silence"
    );
    assert!(chat.messages().await.is_empty());
    // One way only: the blocker may write.
    assert_eq!(
        error_of(&chat.say("chat", &hub.jid(&bob), "m3", "yo").await),
        None
    );
    assert_eq!(body_of(&other.message().await), "yo");
    unblock(&mut chat).await;
    assert_eq!(error_of(&other.say("chat", &to, "m4", "again").await), None);
    assert_eq!(body_of(&chat.message().await), "again");
    let (_, dialogs) = hub.get(&ann, "/chat/Dialog").await;
    let dialog = dialogs["items"][0]["_id"].as_str().unwrap();
    let path = format!("/chat/Message?chat_dialog_id={dialog}&sort_asc=date_sent");
    let (_, history) = hub.get(&ann, &path).await;
    let texts: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["message"])
        .collect();
    assert_eq!(texts, ["yo", "again"], "what was refused is not kept");
}

#[tokio::test]
async fn a_mutual_block_refuses_ones_own_messages_too() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut chat, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    block(&mut chat, &bob, "").await;
    assert!(is_unavailable(
        &chat.say("chat", &hub.jid(&bob), "m1", "x").await
    ));
    assert!(is_unavailable(
        &other.say("chat", &hub.jid(&ann), "m2", "x").await
    ));
    assert!(other.messages().await.is_empty());
}

#[tokio::test]
async fn messages_to_a_blocker_who_is_away_are_refused_and_not_kept() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut chat = hub.chat(&ann).await;
    let mut other = hub.chat(&bob).await;
    block(&mut chat, &bob, ONE_WAY).await;
    chat.leave().await;
    assert!(is_unavailable(
        &other.say("chat", &hub.jid(&ann), "m1", "x").await
    ));
    let mut chat = hub.bound(&ann).await;
    assert!(chat.come_online().await.is_empty());
}

#[tokio::test]
async fn in_a_group_the_blocked_are_hidden_and_do_not_learn_of_it() {
    let hub = Hub::start().await;
    let (ann, bob, cat) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("cat").await,
    );
    let room = hub.room(&hub.group(&ann, &[&bob, &cat]).await);
    let (mut chat, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let mut third = hub.chat(&cat).await;
    block(&mut chat, &bob, ONE_WAY).await;
    let answers = other.say("groupchat", &room, "g1", "boo").await;
    assert_eq!(error_of(&answers), None);
    other
        .send(&format!(
            "<message xmlns='jabber:client' type='groupchat' to='{room}'>\
             <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        ))
        .await;
    other.sync().await;
    assert!(chat.messages().await.is_empty());
    assert_eq!(third.messages().await.len(), 2);
    third.say("groupchat", &room, "g2", "hello").await;
    assert_eq!(body_of(&chat.message().await), "hello");
    // Nor is the blocked one's joining told, nor is it in the list of who is there.
    for chat in [&mut chat, &mut other] {
        chat.send(&format!(
            "<presence xmlns='jabber:client' id='j:join' to='{room}/0'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        chat.until(|element| element.attr("id") == Some("j:join"))
            .await;
    }
    let told = chat.sync().await;
    assert!(told.iter().all(|stanza| stanza.name() != "presence"));
    let there = chat
        .ask(&format!(
            "<iq xmlns='jabber:client' type='get' id='d' to='{room}'>\
             <query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        ))
        .await;
    let there = there.children().next().unwrap();
    assert_eq!(there.children().count(), 1);
}

#[tokio::test]
async fn blocking_somebody_in_rooms_alone_leaves_private_messages() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let room = hub.room(&hub.group(&ann, &[&bob]).await);
    let (mut chat, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let item = format!(
        "<item type='jid' value='muc.127.0.0.1/{}' action='deny' order='1'/>",
        bob.id
    );
    set(&mut chat, &format!("<list name='l'>{item}</list>")).await;
    set(&mut chat, "<default name='l'/>").await;
    other.say("groupchat", &room, "g1", "group").await;
    other.say("chat", &hub.jid(&ann), "m1", "private").await;
    let messages = chat.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(body_of(&messages[0]), "private");
}

#[tokio::test]
async fn a_blocked_user_does_not_see_when_the_blocker_was_here() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut chat, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let to = hub.jid(&ann);
    let watch = format!(
        "<iq xmlns='jabber:client' type='set' id='w'><subscribe enable='true' user_jid='{to}' \
         xmlns='https://connectycube.com/protocol/status_streaming'/></iq>"
    );
    assert_eq!(other.ask(&watch).await.attr("type"), Some("result"));
    block(&mut chat, &bob, ONE_WAY).await;
    let ask = format!(
        "<iq xmlns='jabber:client' type='get' id='l' to='{to}'><query xmlns='jabber:iq:last'/></iq>"
    );
    assert!(is_unavailable(&[other.ask(&ask).await]));
    chat.leave().await;
    let mut chat = hub.chat(&ann).await;
    assert!(other.sync().await.is_empty());
    unblock(&mut chat).await;
    assert_eq!(other.ask(&ask).await.attr("type"), Some("result"));
}

#[tokio::test]
async fn changing_the_default_list_changes_what_applies_at_once() {
    let hub = Hub::start().await;
    let (ann, bob, cat) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("cat").await,
    );
    let (mut chat, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    let to = hub.jid(&ann);
    block(&mut chat, &bob, ONE_WAY).await;
    assert!(is_unavailable(&other.say("chat", &to, "m1", "x").await));
    set(&mut chat, &list("blocked", &[(&cat, ONE_WAY)])).await;
    assert_eq!(error_of(&other.say("chat", &to, "m2", "x").await), None);
    set(&mut chat, &list("blocked", &[(&bob, ONE_WAY)])).await;
    assert!(is_unavailable(&other.say("chat", &to, "m3", "x").await));
    // Deleting the list in use without declining it first, as the JavaScript SDK may.
    set(&mut chat, "<list name='blocked'/>").await;
    assert_eq!(error_of(&other.say("chat", &to, "m4", "x").await), None);
}

#[tokio::test]
async fn an_active_list_applies_to_one_connection_and_ends_with_it() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut one, mut two) = (hub.chat(&ann).await, hub.chat(&ann).await);
    let mut other = hub.chat(&bob).await;
    set(&mut one, &list("quiet", &[(&bob, ONE_WAY)])).await;
    set(&mut one, "<active name='quiet'/>").await;
    let names = query(&mut one, "get", "").await;
    let active = names.get_child("query", PRIVACY).unwrap();
    assert!(active.has_child("active", PRIVACY));
    let to = hub.jid(&ann);
    assert_eq!(error_of(&other.say("chat", &to, "m1", "x").await), None);
    assert!(one.messages().await.is_empty());
    assert_eq!(two.messages().await.len(), 1);
    two.leave().await;
    assert!(is_unavailable(&other.say("chat", &to, "m2", "x").await));
    one.leave().await;
    assert_eq!(error_of(&other.say("chat", &to, "m3", "x").await), None);
}

#[tokio::test]
async fn a_list_another_connection_relies_on_is_not_deleted() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut one, mut two) = (hub.chat(&ann).await, hub.chat(&ann).await);
    block(&mut one, &bob, "").await;
    let gone = "<list name='blocked'/>";
    assert_eq!(refused(&mut one, "set", gone).await, "conflict");
    set(&mut two, &list("own", &[(&bob, "")])).await;
    set(&mut two, "<active name='own'/>").await;
    set(&mut one, gone).await;
    assert_eq!(
        refused(&mut one, "set", "<list name='own'/>").await,
        "conflict"
    );
    set(&mut two, "<active/>").await;
    set(&mut one, "<list name='own'/>").await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    for (kind, inside, condition) in [
        ("get", "<list name='none'/>", "item-not-found"),
        ("set", "<default name='none'/>", "item-not-found"),
        ("set", "<active name='none'/>", "item-not-found"),
        ("set", "<list name='none'/>", "item-not-found"),
        ("set", "", "bad-request"),
        ("get", "<list name='a'/><list name='b'/>", "bad-request"),
        (
            "set",
            "<list name='a'><item action='deny' order='1'/><item action='deny' order='1'/></list>",
            "bad-request",
        ),
        (
            "set",
            "<list name='a'><item type='group' value='g' action='deny' order='1'/></list>",
            "item-not-found",
        ),
    ] {
        assert_eq!(
            refused(&mut chat, kind, inside).await,
            condition,
            "{inside}"
        );
    }
    let item = |order: u32| format!("<item type='jid' value='x' action='deny' order='{order}'/>");
    let long: String = (0..1_001).map(item).collect();
    let long = format!("<list name='long'>{long}</list>");
    assert_eq!(refused(&mut chat, "set", &long).await, "not-acceptable");
    for number in 0..20 {
        set(
            &mut chat,
            &format!("<list name='l{number}'>{}</list>", item(1)),
        )
        .await;
    }
    let more = format!("<list name='more'>{}</list>", item(1));
    assert_eq!(refused(&mut chat, "set", &more).await, "not-acceptable");
    set(&mut chat, &format!("<list name='l3'>{}</list>", item(2))).await;
}

#[tokio::test]
async fn ones_own_other_devices_and_strangers_lists_are_out_of_reach() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut one, mut two) = (hub.chat(&ann).await, hub.chat(&ann).await);
    // Nobody can shut himself out.
    set(
        &mut one,
        "<list name='all'><item action='deny' order='1'/></list>",
    )
    .await;
    set(&mut one, "<default name='all'/>").await;
    one.say("chat", &hub.jid(&ann), "m1", "note").await;
    assert_eq!(body_of(&two.message().await), "note");
    let answer = one
        .ask(&format!(
            "<iq xmlns='jabber:client' type='get' id='p' to='{}'><query xmlns='{PRIVACY}'/></iq>",
            hub.jid(&bob)
        ))
        .await;
    assert_eq!(answer.attr("type"), Some("error"));
}

#[tokio::test]
async fn blocks_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Hub::start_with(|config| {
            config.data_dir = folder.path().to_owned();
            config.is_scratch = false;
        })
    };
    let hub = start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut chat = hub.chat(&ann).await;
    block(&mut chat, &bob, ONE_WAY).await;
    hub.running.stop().await;
    let hub = start().await;
    let mut other = hub.chat(&bob).await;
    assert!(is_unavailable(
        &other.say("chat", &hub.jid(&ann), "m1", "x").await
    ));
    hub.running.stop().await;
}

#[tokio::test]
async fn a_blocked_user_cannot_send_by_rest_either() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let (mut chat, _other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    block(&mut chat, &bob, ONE_WAY).await;
    let body = json!({"recipient_id": ann.id, "message": "boo", "send_to_chat": 1});
    let (status, answer) = hub.post(&bob, "/chat/Message", body).await;
    assert_eq!(status, 403, "{answer}");
    assert!(chat.messages().await.is_empty());
    let (_, dialogs) = hub.get(&ann, "/chat/Dialog").await;
    let unread: i64 = dialogs["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|dialog| dialog["unread_messages_count"].as_i64())
        .sum();
    assert_eq!(unread, 0);
}
