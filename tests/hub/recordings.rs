//! Recorded traffic of the official SDK is read, understood and written again as it was.

use std::collections::BTreeMap;

use cubelet::protocol::address::Realm;
use cubelet::protocol::call_signal::{CallSignal, PLATFORM};
use cubelet::protocol::chat_message::{Incoming, Marker, read};
use cubelet::protocol::extra_params::ExtraParams;
use cubelet::protocol::rest::{Dialog, ErrorBody, Session, User};
use minidom::Element;
use serde_json::Value;

use crate::support::recording::{self, CALLS, CHAT, Direction, Line, lines, parse};

fn realm() -> Realm {
    Realm {
        app_id: 7,
        chat_host: "127.0.0.1".to_owned(),
    }
}

#[test]
fn every_recorded_stanza_is_the_same_after_reading_and_writing() {
    let stanzas = recording::stanzas();
    assert!(stanzas.len() > 200, "{} stanzas", stanzas.len());
    for (_, _, stanza) in stanzas {
        let read = parse(&stanza);
        // Names with their namespaces, attributes and texts are compared, not prefixes.
        assert_eq!(parse(&String::from(&read)), read, "{stanza}");
    }
}

/// The messages clients received, by the name of what they are.
fn received() -> BTreeMap<&'static str, Vec<(String, Incoming)>> {
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (direction, _, stanza) in recording::stanzas() {
        let element = parse(&stanza);
        if direction == Direction::ToClient && element.name() == "message" {
            let incoming = read(&realm(), &element);
            kinds
                .entry(kind_of(&element))
                .or_default()
                .push((stanza, incoming));
        }
    }
    kinds
}

/// What a message is by wire reference B.1, in its order.
fn kind_of(message: &Element) -> &'static str {
    let has = |name: &str| message.children().any(|child| child.name() == name);
    match message.attr("type") {
        Some("error") => return "error",
        Some("headline") => {
            let params = ExtraParams::of(message).unwrap();
            return match params.get("moduleIdentifier").as_deref() {
                Some("WebRTCVideoChat") => "call",
                _ => "system",
            };
        }
        _ => {}
    }
    let known = ["composing", "paused", "replace", "reactions", "remove"];
    let known = known.into_iter().chain(["received", "displayed"]);
    known
        .into_iter()
        .find(|name| has(name))
        .unwrap_or("message")
}

#[test]
fn every_recorded_message_is_understood_as_what_it_is() {
    let received = received();
    let kinds: Vec<&str> = received.keys().copied().collect();
    let all = [
        "call",
        "composing",
        "displayed",
        "error",
        "message",
        "paused",
        "reactions",
        "received",
        "remove",
        "replace",
        "system",
    ];
    assert_eq!(
        kinds, all,
        "a recording lacks a kind, or has one nobody thought of"
    );
    for (kind, messages) in received {
        for (stanza, incoming) in messages {
            let is_understood = match (kind, &incoming) {
                ("call", Incoming::Call { signal, .. }) => signal.is_ok(),
                ("composing", Incoming::Typing { composing, .. }) => *composing,
                ("paused", Incoming::Typing { composing, .. }) => !*composing,
                ("displayed", Incoming::Marker { marker, .. }) => *marker == Marker::Read,
                ("received", Incoming::Marker { marker, .. }) => *marker == Marker::Delivered,
                ("error", Incoming::Error { code, text, .. }) => {
                    (*code, text.as_str()) == (503, "Service not available.")
                }
                ("message", Incoming::Message(message)) => stanza.contains(&message.id),
                ("system", Incoming::System { from, .. }) => *from == 1001,
                ("remove" | "replace", Incoming::Message(_)) => false,
                // Nothing to show, where reactions are not acted on.
                ("reactions", Incoming::Message(message)) => message.body.is_empty(),
                ("reactions" | "remove" | "replace", _) => true,
                _ => false,
            };
            assert!(is_understood, "{kind} was read as {incoming:?}: {stanza}");
        }
    }
}

#[test]
fn a_recorded_message_gives_its_text_dialog_and_parameters() {
    let messages = received().remove("message").unwrap();
    let Incoming::Message(first) = &messages[0].1 else {
        panic!("no message: {:?}", messages[0]);
    };
    assert_eq!(first.body, "hi <&>");
    assert_eq!(first.sender, 1001);
    assert_eq!(first.dialog_id.as_deref(), Some("dd6b4d5804fe2339390abd05"));
    assert!(!first.is_group && !first.is_own_copy);
}

#[test]
fn every_recorded_call_signal_says_the_same_after_writing() {
    let mut count = 0;
    for (_, _, stanza) in recording::stanzas() {
        let element = parse(&stanza);
        if element.name() != "message" || kind_of(&element) != "call" {
            continue;
        }
        let signal = CallSignal::read(ExtraParams::of(&element).unwrap()).unwrap();
        let written = signal.to_element(&realm(), element.attr("id").unwrap(), 1002);
        let again = CallSignal::read(ExtraParams::of(&parse(&String::from(&written))).unwrap());
        // Whoever writes a signal tells the own platform.
        let expected = CallSignal {
            platform: Some(PLATFORM.to_owned()),
            ..signal
        };
        // Nested user information is text to us, so it may change its white space, not its words.
        assert_eq!(again.unwrap(), expected, "{stanza}");
        count += 1;
    }
    assert!(count > 60, "{count} signals");
}

/// An answer as JSON. Long ones were recorded up to some length: what is cut short there, or is no
/// JSON at all, is left out.
fn completed(answer: &str) -> Value {
    if let Ok(whole) = serde_json::from_str(answer) {
        return whole;
    }
    let (mut closing, mut in_text, mut is_escaped) = (Vec::new(), false, false);
    // Where the last complete member ends, and what it takes to end the answer there.
    let mut last = (0, String::new());
    for (position, c) in answer.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '{' => closing.push('}'),
            '[' => closing.push(']'),
            '}' | ']' => drop(closing.pop()),
            ',' => last = (position, closing.iter().rev().collect()),
            _ => {}
        }
    }
    let (position, ending) = last;
    serde_json::from_str(&format!("{}{ending}", &answer[..position])).unwrap_or(Value::Null)
}

/// Every field both have has the same value, and some fields both have.
fn nothing_is_lost(model: Value, recorded: &Value) {
    let fields = model.as_object().unwrap();
    let both: Vec<_> = fields
        .iter()
        .filter_map(|(name, value)| Some((name, value, recorded.get(name)?)))
        .collect();
    assert!(both.len() >= 3, "only {both:?} of {recorded}");
    for (name, ours, theirs) in both {
        assert_eq!(ours, theirs, "{name} of {recorded}");
    }
}

#[test]
fn every_recorded_answer_fits_the_models_of_the_rest_api() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for line in [CHAT, CALLS].into_iter().flat_map(lines) {
        let Line::Rest {
            method,
            path,
            status,
            answer,
        } = line
        else {
            continue;
        };
        let answer = completed(&answer);
        let route = path.split(['?', '.']).next().unwrap();
        let kind = if status >= 400 {
            let error: ErrorBody = serde_json::from_value(answer).unwrap();
            assert!(!error.to_string().is_empty(), "{method} {path}");
            "error"
        } else if let Some(session) = answer.get("session") {
            let model: Session = serde_json::from_value(session.clone()).unwrap();
            assert_eq!(session["token"], Value::from(model.token));
            assert_eq!(session["user_id"], Value::from(model.user_id));
            let user = serde_json::to_value(model.user.unwrap()).unwrap();
            nothing_is_lost(user, &session["user"]);
            "session"
        } else if let Some(user) = answer.get("user") {
            let model: User = serde_json::from_value(user.clone()).unwrap();
            nothing_is_lost(serde_json::to_value(model).unwrap(), user);
            "user"
        } else if route.starts_with("/chat/Dialog") && answer.get("_id").is_some() {
            let model: Dialog = serde_json::from_value(answer.clone()).unwrap();
            nothing_is_lost(serde_json::to_value(model).unwrap(), &answer);
            "dialog"
        } else if let (true, Some(items)) = (route == "/chat/Dialog", answer.get("items")) {
            for item in items.as_array().unwrap() {
                let model: Dialog = serde_json::from_value(item.clone()).unwrap();
                nothing_is_lost(serde_json::to_value(model).unwrap(), item);
            }
            "dialogs"
        } else {
            "other"
        };
        *seen.entry(kind).or_default() += 1;
    }
    for kind in ["error", "session", "user", "dialog", "dialogs"] {
        assert!(seen.contains_key(kind), "no {kind} in {seen:?}");
    }
}
