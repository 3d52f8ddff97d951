use proptest::prelude::*;

use super::*;
use crate::control::message::Content;

fn message(class: Class, topic: &str, payload: &str) -> Message {
    Message {
        class,
        topic: topic.into(),
        payload: payload.to_owned().into(),
        content: Content::Text,
        retain: false,
        expiry_s: None,
        correlation: None,
    }
}

fn event(n: usize) -> Message {
    message(Class::Event, "e", &n.to_string())
}

fn reply(n: usize) -> Message {
    message(Class::Reply, "r", &n.to_string())
}

fn number(message: &Message) -> usize {
    std::str::from_utf8(&message.payload)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn only_the_newest_of_a_topic_is_kept_and_state_goes_before_replies_before_events() {
    let mut outbox = Outbox::new();
    outbox.push(event(1));
    outbox.push(message(Class::Reply, "r", "x"));
    outbox.push(message(Class::Latest, "s", "old"));
    outbox.push(message(Class::Latest, "s", "new"));
    let order: Vec<Message> = std::iter::from_fn(|| outbox.next()).collect();
    let texts: Vec<&[u8]> = order.iter().map(|m| m.payload.as_ref()).collect();
    assert_eq!(texts, [&b"new"[..], b"x", b"1"]);
}

#[test]
fn the_oldest_events_are_dropped_and_counted_when_the_queue_is_full() {
    let mut outbox = Outbox::new();
    for n in 0..EVENTS_MAX + 7 {
        outbox.push(event(n));
    }
    assert_eq!(outbox.take_dropped(), 7);
    assert_eq!(outbox.take_dropped(), 0);
    assert_eq!(outbox.next().map(|m| number(&m)), Some(7));
}

#[test]
fn a_state_that_was_in_flight_does_not_come_back_over_a_newer_one() {
    let mut outbox = Outbox::new();
    outbox.push(message(Class::Latest, "s", "old"));
    outbox.next().unwrap();
    outbox.push(message(Class::Latest, "s", "new"));
    outbox.next().unwrap();
    outbox.disconnected();
    assert_eq!(outbox.next().unwrap().payload, "new");
    assert!(outbox.next().is_none());
}

#[test]
fn the_window_counts_from_the_oldest_unacknowledged_message() {
    let mut outbox = Outbox::new();
    outbox.connected(Some(4), None);
    for n in 0..9 {
        outbox.push(reply(n));
    }
    for packet in 1..=3 {
        outbox.next().unwrap();
        outbox.numbered(packet);
    }
    assert!(outbox.next().is_none(), "one less than the broker takes");
    outbox.acknowledged(2).unwrap();
    outbox.acknowledged(3).unwrap();
    assert!(
        outbox.next().is_none(),
        "1 is still out, its id could come round"
    );
    outbox.acknowledged(1).unwrap();
    assert!(outbox.next().is_some());
}

#[test]
fn a_window_that_was_full_is_filled_again_when_half_of_it_is_free() {
    let mut outbox = Outbox::new();
    outbox.connected(Some(9), None);
    for n in 0..20 {
        outbox.push(reply(n));
    }
    let mut packet = 0;
    let mut sent = |outbox: &mut Outbox| {
        let messages = std::iter::from_fn(|| {
            let message = outbox.next()?;
            packet += 1;
            outbox.numbered(packet);
            Some(message)
        });
        messages.count()
    };
    assert_eq!(sent(&mut outbox), 8);
    for packet in 1..=3 {
        outbox.acknowledged(packet).unwrap();
        assert_eq!(sent(&mut outbox), 0);
    }
    outbox.acknowledged(4).unwrap();
    assert_eq!(sent(&mut outbox), 4);
    // A new connection knows nothing of it.
    outbox.disconnected();
    assert_eq!(sent(&mut outbox), 8);
}

#[test]
fn events_leave_half_of_the_window_to_replies() {
    let mut outbox = Outbox::new();
    outbox.connected(Some(9), None);
    for n in 0..20 {
        outbox.push(event(n));
    }
    let sent = std::iter::from_fn(|| outbox.next()).count();
    assert_eq!(sent, 4);
    for n in 0..20 {
        outbox.push(reply(n));
    }
    let sent: Vec<Message> = std::iter::from_fn(|| outbox.next()).collect();
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|message| message.class == Class::Reply));
}

#[test]
fn a_message_larger_than_the_broker_takes_is_dropped_and_the_rest_goes_on() {
    let mut outbox = Outbox::new();
    outbox.connected(None, Some(200));
    outbox.push(message(Class::Event, "e", &"x".repeat(300)));
    outbox.push(event(1));
    assert_eq!(outbox.next().map(|m| number(&m)), Some(1));
    assert_eq!(outbox.take_dropped(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Send,
    Acknowledge(usize),
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        4 => Just(Step::Send),
        3 => (0_usize..8).prop_map(Step::Acknowledge),
        1 => Just(Step::Cut),
    ]
}

proptest! {
    // Whatever the order of acknowledgements and cuts: each event reaches the broker, the first
    // deliveries are in order within a connection, and nothing acknowledged is sent again.
    #[test]
    fn no_event_is_lost_and_none_acknowledged_is_sent_again(
        steps in prop::collection::vec(step(), 1..300)
    ) {
        let mut outbox = Outbox::new();
        let mut pushed = 0;
        let mut packet = 0_u16;
        let mut out: Vec<(u16, usize)> = Vec::new();
        let mut done = std::collections::BTreeSet::new();
        let mut last_sent = None;
        for step in steps {
            match step {
                Step::Push => {
                    outbox.push(event(pushed));
                    pushed += 1;
                }
                Step::Send => {
                    if let Some(message) = outbox.next() {
                        let n = number(&message);
                        prop_assert!(!done.contains(&n), "{n} was acknowledged");
                        prop_assert!(last_sent < Some(n), "{n} after {last_sent:?}");
                        last_sent = Some(n);
                        packet += 1;
                        outbox.numbered(packet);
                        out.push((packet, n));
                    }
                }
                Step::Acknowledge(at) => {
                    if at < out.len() {
                        let (packet, n) = out.remove(at);
                        let message = outbox.acknowledged(packet).unwrap();
                        prop_assert_eq!(number(&message), n);
                        done.insert(n);
                    }
                }
                Step::Cut => {
                    outbox.disconnected();
                    out.clear();
                    last_sent = None;
                }
            }
        }
        outbox.disconnected();
        while let Some(message) = outbox.next() {
            packet += 1;
            outbox.numbered(packet);
            outbox.acknowledged(packet).unwrap();
            done.insert(number(&message));
        }
        prop_assert!(outbox.is_empty());
        prop_assert_eq!(done.len(), pushed);
    }
}
