//! Messages arrive in the order in which they were stored, and none is lost: across connections
//! that come and go, bursts, and the end of the hub.

use crate::support::{Hub, body_of};

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_burst_that_waits_for_nothing_is_counted_and_arrives_in_order() {
    let (hub, ann, bob) = Hub::with_two().await;
    let (mut from, mut to) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.enable(false).await;
    from.write_numbers("chat", &hub.jid(&bob), 0..500, |_| true)
        .await;
    assert_eq!(from.count().await, 500);
    assert_eq!(to.bodies(500).await, numbers(0..500));
}

#[tokio::test]
async fn a_question_is_answered_for_everything_before_it() {
    let (hub, ann, bob) = Hub::with_two().await;
    let mut from = hub.chat(&ann).await;
    from.enable(false).await;
    for number in 0..100 {
        from.write("chat", &hub.jid(&bob), &format!("m{number}"), "x", true)
            .await;
        from.send("<r xmlns='urn:xmpp:sm:3'/>").await;
    }
    for number in 1..=100 {
        let answer = from.until(|element| element.name() == "a").await;
        let count: u32 = answer.attr("h").unwrap().parse().unwrap();
        assert!((number..=100).contains(&count), "{count} at {number}");
    }
}

#[tokio::test]
async fn a_receiver_back_before_its_old_line_is_known_to_be_dead_gets_all_in_order() {
    let (hub, ann, bob) = Hub::with_two().await;
    let mut from = hub.chat(&ann).await;
    let mut old = hub.bound(&bob).await;
    old.enable(false).await;
    old.come_online().await;
    let jid = hub.jid(&bob);
    from.write_numbers("chat", &jid, 0..200, |_| true).await;
    assert_eq!(old.bodies(50).await, numbers(0..50));
    // It has acknowledged ten: two results, its presence, and seven messages.
    old.acknowledge(10).await;
    old.sync().await;
    let mut new = hub.bound(&bob).await;
    new.enable(false).await;
    new.send("<presence xmlns='jabber:client'/>").await;
    from.write_numbers("chat", &jid, 200..400, |_| true).await;
    drop(old);
    assert_eq!(new.bodies(393).await, numbers(7..400));
}

#[tokio::test]
async fn saved_and_unsaved_messages_keep_their_order_when_their_receiver_is_lost() {
    let (hub, ann, bob) = Hub::with_two().await;
    let mut from = hub.chat(&ann).await;
    let mut lost = hub.bound(&bob).await;
    lost.enable(false).await;
    lost.come_online().await;
    let jid = hub.jid(&bob);
    from.write_numbers("chat", &jid, 0..60, |number| number % 3 == 0)
        .await;
    from.sync().await;
    drop(lost);
    let mut back = hub.bound(&bob).await;
    back.send("<presence xmlns='jabber:client'/>").await;
    assert_eq!(back.bodies(60).await, numbers(0..60));
}

#[tokio::test]
async fn what_nobody_has_acknowledged_survives_a_power_cut() {
    let (hub, ann, bob) = Hub::with_two().await;
    let mut from = hub.chat(&ann).await;
    from.enable(false).await;
    let mut to = hub.bound(&bob).await;
    to.enable(false).await;
    to.come_online().await;
    from.write_numbers("chat", &hub.jid(&bob), 0..40, |_| true)
        .await;
    assert_eq!(from.count().await, 40);
    // It has read them, and has not said so.
    assert_eq!(to.bodies(40).await, numbers(0..40));
    let hub = hub.after_power_cut().await;
    let mut back = hub.bound(&bob).await;
    let missed: Vec<String> = back.come_online().await.iter().map(body_of).collect();
    assert_eq!(missed, numbers(0..40));
}

#[tokio::test]
async fn what_has_arrived_does_not_come_again_after_a_restart() {
    let (hub, ann, bob) = Hub::with_two().await;
    let mut from = hub.chat(&ann).await;
    let mut to = hub.bound(&bob).await;
    to.enable(false).await;
    to.come_online().await;
    from.write_numbers("chat", &hub.jid(&bob), 0..30, |_| true)
        .await;
    assert_eq!(to.bodies(30).await, numbers(0..30));
    // Two results, the presence, and twenty of the messages.
    to.acknowledge(23).await;
    to.sync().await;
    let hub = hub.restarted().await;
    let mut back = hub.bound(&bob).await;
    let missed: Vec<String> = back.come_online().await.iter().map(body_of).collect();
    assert_eq!(missed, numbers(20..30));
    back.leave().await;
    let mut again = hub.bound(&bob).await;
    assert!(again.come_online().await.is_empty());
}

#[tokio::test]
async fn a_group_message_waits_for_each_occupant_who_is_away_and_not_for_its_author() {
    let hub = Hub::start().await;
    let (ann, bob, eve) = (
        hub.person("ann").await,
        hub.person("bob").await,
        hub.person("eve").await,
    );
    let room = hub.room(&hub.group(&ann, &[&bob, &eve]).await);
    let (mut from, mut here) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.write_numbers("groupchat", &room, 0..80, |_| true)
        .await;
    assert_eq!(here.bodies(80).await, numbers(0..80));
    assert_eq!(from.bodies(80).await, numbers(0..80));
    from.leave().await;
    here.leave().await;
    let mut away = hub.bound(&eve).await;
    let missed = away.come_online().await;
    let bodies: Vec<String> = missed.iter().map(body_of).collect();
    assert_eq!(bodies, numbers(0..80));
    assert!(
        missed
            .iter()
            .all(|one| one.has_child("delay", "urn:xmpp:delay"))
    );
    for person in [&ann, &bob, &eve] {
        let mut again = hub.bound(person).await;
        assert!(again.come_online().await.is_empty());
    }
}

#[tokio::test]
async fn an_edit_and_a_removal_reach_who_was_away_after_their_messages() {
    let (hub, ann, bob) = Hub::with_two().await;
    let mut from = hub.chat(&ann).await;
    let jid = hub.jid(&bob);
    for id in ["m1", "m2"] {
        from.write("chat", &jid, id, id, true).await;
    }
    for change in [
        "<body>better</body><replace xmlns='urn:xmpp:message-correct:0' id='m1' last='true'/>",
        "<remove xmlns='urn:xmpp:message-delete:0' id='m2'/>",
    ] {
        from.send(&format!(
            "<message xmlns='jabber:client' type='chat' id='c' to='{jid}'>{change}</message>"
        ))
        .await;
    }
    from.sync().await;
    let mut to = hub.bound(&bob).await;
    let missed = to.come_online().await;
    let what = |element: &minidom::Element| {
        let last = element
            .children()
            .find(|child| matches!(child.name(), "replace" | "remove"));
        last.map_or_else(|| body_of(element), |change| change.name().to_owned())
    };
    let what: Vec<String> = missed.iter().map(what).collect();
    assert_eq!(what, ["m1", "m2", "replace", "remove"]);
}

#[tokio::test]
async fn a_second_device_gets_what_the_first_has_not_acknowledged_and_each_gets_what_follows() {
    let (hub, ann, bob) = Hub::with_two().await;
    let (mut from, mut first) = (hub.chat(&ann).await, hub.chat(&bob).await);
    from.say("chat", &hub.jid(&bob), "m1", "before").await;
    assert_eq!(first.bodies(1).await, ["before"]);
    let mut second = hub.bound(&bob).await;
    assert!(second.come_online().await.is_empty());
    from.say("chat", &hub.jid(&bob), "m2", "after").await;
    assert_eq!(first.bodies(1).await, ["after"]);
    assert_eq!(second.bodies(1).await, ["after"]);
}

#[tokio::test]
async fn only_the_newest_of_too_many_messages_wait() {
    let hub = Hub::start_with(|config| config.limits.offline_messages = 20).await;
    let (ann, bob) = (hub.person("ann").await, hub.person("bob").await);
    let mut from = hub.chat(&ann).await;
    from.write_numbers("chat", &hub.jid(&bob), 0..90, |_| true)
        .await;
    from.sync().await;
    let mut to = hub.bound(&bob).await;
    let missed: Vec<String> = to.come_online().await.iter().map(body_of).collect();
    assert_eq!(missed, numbers(70..90));
}
