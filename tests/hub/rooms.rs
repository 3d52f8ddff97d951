//! Rooms: joining, leaving and being removed, with the stanzas' exact shapes (wire reference B.8).

use minidom::Element;
use serde_json::json;

use crate::support::{Chat, Hub, Person};

const MUC: &str = "http://jabber.org/protocol/muc";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

async fn join_as(chat: &mut Chat, room: &str, nick: &str) -> Element {
    chat.send(&format!(
        "<presence xmlns='jabber:client' id='j:join' to='{room}/{nick}'>\
         <x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>"
    ))
    .await;
    chat.until(|element| element.attr("id") == Some("j:join"))
        .await
}

async fn join(chat: &mut Chat, room: &str, person: &Person) -> Element {
    join_as(chat, room, &person.id.to_string()).await
}

fn codes(presence: &Element) -> Vec<&str> {
    let x = presence.get_child("x", MUC_USER).unwrap();
    let statuses = x.children().filter(|child| child.name() == "status");
    statuses.filter_map(|status| status.attr("code")).collect()
}

fn has_shim(presence: &Element) -> bool {
    let x = presence.get_child("x", MUC_USER).unwrap();
    x.has_child("xmlns", MUC_USER)
}

fn presences(stanzas: Vec<Element>) -> Vec<(String, Option<String>)> {
    let presences = stanzas
        .into_iter()
        .filter(|stanza| stanza.name() == "presence");
    let told = |stanza: Element| {
        (
            stanza.attr("from").unwrap().to_owned(),
            stanza.attr("type").map(str::to_owned),
        )
    };
    presences.map(told).collect()
}

#[tokio::test]
async fn who_may_not_join_gets_the_error_the_sdk_understands() {
    let hub = Hub::start().await;
    let (ann, eve) = (hub.person("ann").await, hub.person("eve").await);
    let room = hub.room(&hub.group(&ann, &[]).await);
    let mut chat = hub.chat(&eve).await;
    let absent = hub.room("66f0aa000102030405000001");
    for room in [room, absent] {
        let refused = join(&mut chat, &room, &eve).await;
        let expected = format!(
            "<presence xmlns='jabber:client' type='error' id='j:join' from='{room}/{id}' to='{to}'>\
             <x xmlns='{MUC}'/><error code='403' type='auth'>\
             <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Forbidden</text></error></presence>",
            id = eve.id,
            to = chat.address
        );
        assert_eq!(refused, expected.parse::<Element>().unwrap());
    }
}

#[tokio::test]
async fn a_user_with_several_connections_is_in_a_room_once() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let room = hub.room(&hub.group(&ann, &[&bob]).await);
    let mut chat = hub.chat(&ann).await;
    let (mut phone, mut tablet) = (hub.chat(&bob).await, hub.chat(&bob).await);
    join(&mut chat, &room, &ann).await;
    let bobs = format!("{room}/{}", bob.id);
    let came = [(bobs.clone(), None)];
    let went = [(bobs, Some("unavailable".to_owned()))];
    join(&mut phone, &room, &bob).await;
    assert_eq!(presences(chat.sync().await), came);
    join(&mut tablet, &room, &bob).await;
    join(&mut phone, &room, &bob).await;
    assert_eq!(presences(chat.sync().await), []);
    // Both see Ann once, and not themselves.
    let anns = format!("{room}/{}", ann.id);
    chat.send(&format!(
        "<presence xmlns='jabber:client' type='unavailable' to='{anns}'/>"
    ))
    .await;
    let left = chat
        .until(|element| element.attr("type") == Some("unavailable"))
        .await;
    assert_eq!((codes(&left), has_shim(&left)), (vec!["110"], true));
    for of_bob in [&mut phone, &mut tablet] {
        let told = presences(of_bob.sync().await);
        assert_eq!(told, [(anns.clone(), Some("unavailable".to_owned()))]);
    }
    join(&mut chat, &room, &ann).await;
    phone.leave().await;
    assert_eq!(presences(chat.sync().await), []);
    tablet.leave().await;
    let gone = chat.until(|element| element.name() == "presence").await;
    assert_eq!(presences(vec![gone]), went);
}

#[tokio::test]
async fn a_joiner_sees_who_is_there_before_itself() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let room = hub.room(&hub.group(&ann, &[&bob]).await);
    let (mut chat, mut other) = (hub.chat(&ann).await, hub.chat(&bob).await);
    join(&mut chat, &room, &ann).await;
    other
        .send(&format!(
            "<presence xmlns='jabber:client' id='j:join' to='{room}/{}'><x xmlns='{MUC}'/></presence>",
            bob.id
        ))
        .await;
    let told = presences(other.sync().await);
    let occupant = |person: &Person| (format!("{room}/{}", person.id), None);
    assert_eq!(told, [occupant(&ann), occupant(&bob)]);
}

#[tokio::test]
async fn a_nick_of_ones_own_is_replaced_by_the_number() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let room = hub.room(&hub.group(&ann, &[]).await);
    let mut chat = hub.chat(&ann).await;
    let joined = join_as(&mut chat, &room, "Ann the Great").await;
    assert_eq!(
        joined.attr("from"),
        Some(format!("{room}/{}", ann.id).as_str())
    );
    assert_eq!(codes(&joined), ["110", "210"]);
    assert_eq!(codes(&join(&mut chat, &room, &ann).await), ["110"]);
}

#[tokio::test]
async fn a_removed_user_is_kicked_on_every_connection_in_the_form_of_all_sdk_versions() {
    let hub = Hub::start().await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let group = hub.group(&ann, &[&bob]).await;
    let room = hub.room(&group);
    let mut chat = hub.chat(&ann).await;
    join(&mut chat, &room, &ann).await;
    let mut streams = [hub.chat(&bob).await, hub.chat(&bob).await];
    for stream in &mut streams {
        join(stream, &room, &bob).await;
    }
    chat.sync().await;
    let body = json!({"pull_all": {"occupants_ids": [bob.id]}});
    let (status, _) = hub.put(&ann, &format!("/chat/Dialog/{group}"), body).await;
    assert_eq!(status, 200);
    let bobs = format!("{room}/{}", bob.id);
    for stream in &mut streams {
        let kicked = stream
            .until(|element| element.attr("type") == Some("unavailable"))
            .await;
        assert_eq!(kicked.attr("from"), Some(bobs.as_str()));
        assert_eq!(codes(&kicked), ["301", "110"]);
        let x = kicked.get_child("x", MUC_USER).unwrap();
        let shim = x.get_child("xmlns", MUC_USER).unwrap();
        assert_eq!(shim.get_child("code", MUC_USER).unwrap().text(), "301");
        // In `x` for versions up to 3, beside it for later ones.
        for parent in [x, &kicked] {
            let item = parent.children().find(|child| child.name() == "item");
            let actor = item.unwrap().children().next().unwrap();
            assert_eq!(actor.attr("jid"), Some(hub.jid(&ann).as_str()));
        }
        let again = join(stream, &room, &bob).await;
        assert_eq!(again.attr("type"), Some("error"));
    }
    let told = presences(chat.sync().await);
    assert_eq!(told, [(bobs, Some("unavailable".to_owned()))]);
}

#[tokio::test]
async fn without_sdk_compat_presences_are_as_the_standard_has_them() {
    let hub = Hub::start_with(|config| config.chat.sdk_compat = false).await;
    let ann = hub.person("ann").await;
    let room = hub.room(&hub.group(&ann, &[]).await);
    let mut chat = hub.chat(&ann).await;
    let joined = join(&mut chat, &room, &ann).await;
    assert_eq!((codes(&joined), has_shim(&joined)), (vec!["110"], false));
}

#[tokio::test]
async fn presence_to_nowhere_is_an_error_and_an_error_is_never_answered() {
    let hub = Hub::start().await;
    let ann = hub.person("ann").await;
    let mut chat = hub.chat(&ann).await;
    chat.send("<presence xmlns='jabber:client' id='n' to='x@muc.elsewhere/1'/>")
        .await;
    let refused = chat.until(|element| element.attr("id") == Some("n")).await;
    assert_eq!(refused.attr("type"), Some("error"));
    for kind in ["error", "unavailable"] {
        chat.send(&format!(
            "<presence xmlns='jabber:client' type='{kind}' to='x@muc.elsewhere/1'/>"
        ))
        .await;
    }
    assert!(chat.sync().await.is_empty());
}
