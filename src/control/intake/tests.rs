use std::time::Duration;

use super::*;
use crate::config::device::VERBS;
use crate::control::payload::PAYLOAD_MAX;
use crate::engine::chat_command::Draft;
use crate::engine::command::UserRef;

fn control() -> Control {
    Control {
        commands: VERBS.iter().map(|verb| (*verb).to_owned()).collect(),
        rate_per_s: 1000,
        test_commands: false,
        allow: vec![],
        group_commands: vec!["dnd".into()],
        group_jitter_ms: 500,
        max_age_s: 300,
        keep_log: 100,
    }
}

fn intake(control: &Control) -> Intake {
    let topics = Topics::new("cubelet", "door", &["floor-1".to_owned()]);
    Intake::new(topics, "door", control, CallType::Video)
}

fn arrival(verb: &str, payload: &str) -> Arrival {
    Arrival {
        topic: format!("cubelet/door/cmd/{verb}"),
        payload: payload.to_owned().into(),
        ..Arrival::default()
    }
}

fn arrive(verb: &str, payload: &str) -> Verdict {
    intake(&control()).arrive(Instant::now(), arrival(verb, payload))
}

fn command(verb: &str, payload: &str) -> Command {
    match arrive(verb, payload) {
        Verdict::Execute(_, accepted) => accepted.command,
        other => panic!("{verb} {payload}: {other:?}"),
    }
}

/// The code and message of a refusal.
fn refusal(verdict: Verdict) -> (String, String) {
    match verdict {
        Verdict::Answer(Answer { body, .. }) => {
            assert_eq!(body["ok"], false, "{body}");
            let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
            (text("code"), text("message"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_command_is_read_with_its_fields() {
    let login = |text: &str| UserRef::Login(text.into());
    assert_eq!(command("ring", ""), Command::Ring { targets: vec![] });
    assert_eq!(
        command("ring", r#"{"targets":[7,"hall"]}"#),
        Command::Ring {
            targets: vec![UserRef::Id(7), login("hall")]
        }
    );
    assert_eq!(
        command("call", r#"{"user":"hall"}"#),
        Command::Call {
            user: login("hall"),
            call_type: CallType::Video
        }
    );
    assert_eq!(
        command("call", r#"{"user":7,"call_type":"audio"}"#),
        Command::Call {
            user: UserRef::Id(7),
            call_type: CallType::Audio
        }
    );
    let reason = Some("busy".to_owned());
    assert_eq!(
        command("reject", r#"{"reason":"busy"}"#),
        Command::Reject { reason }
    );
    assert_eq!(
        command("send", r#"{"to":7,"text":"hi"}"#),
        Command::Send(Box::new(Draft {
            to: Some(UserRef::Id(7)),
            text: "hi".into(),
            ..Draft::default()
        }))
    );
    for (verb, expected) in [
        ("answer", Command::Answer),
        ("hangup", Command::Hangup),
        ("unlock", Command::Unlock),
        ("snapshot", Command::Snapshot),
        ("press", Command::Press),
    ] {
        assert_eq!(command(verb, "{}"), expected);
    }
}

#[test]
fn a_broken_payload_is_refused_naming_the_field() {
    for (verb, payload, named) in [
        ("ring", "{", "no JSON"),
        ("ring", "[]", "JSON object"),
        ("ring", r#"{"target":[7]}"#, "unknown field `target`"),
        ("ring", r#"{"targets":7}"#, "targets: "),
        ("ring", r#"{"targets":[7,true]}"#, "targets[1]: "),
        ("ring", r#"{"targets":[-7]}"#, "not negative"),
        ("call", "", "missing field `user`"),
        (
            "call",
            r#"{"user":7,"call_type":"fax"}"#,
            "call_type: unknown variant `fax`",
        ),
        ("answer", r#"{"x":1}"#, "unknown field `x`"),
        ("reject", r#"{"reason":""}"#, "reason: must not be empty"),
        ("send", r#"{"text":"hi"}"#, "to or dialog"),
        (
            "send",
            r#"{"to":7,"dialog":"66f0aa000102030405000007","text":"hi"}"#,
            "only one",
        ),
        ("send", r#"{"dialog":"x","text":"hi"}"#, "dialog: "),
        ("send", r#"{"to":7,"text":""}"#, "text: must not be empty"),
        ("unlock", r#"{"id":true}"#, "id: "),
        ("unlock", r#"{"id":1.5}"#, "id: "),
        ("unlock", r#"{"id":""}"#, "id: "),
    ] {
        let (code, message) = refusal(arrive(verb, payload));
        assert_eq!(code, "invalid_payload", "{verb} {payload}");
        assert!(message.contains(named), "{verb} {payload}: {message}");
    }
}

#[test]
fn sizes_are_bounded() {
    let text = |length: usize| format!(r#"{{"to":7,"text":"{}"}}"#, "é".repeat(length));
    command("send", &text(5_000));
    let (_, message) = refusal(arrive("send", &text(5_001)));
    assert!(message.contains("5001 characters"), "{message}");
    let (code, message) = refusal(arrive("send", &" ".repeat(PAYLOAD_MAX + 1)));
    assert_eq!(code, "invalid_payload");
    assert!(message.contains("65537 bytes"), "{message}");
    let name = "x".repeat(60_000);
    let (_, message) = refusal(arrive("answer", &format!(r#"{{"{name}":1}}"#)));
    assert!(message.len() < 400, "a long field name is echoed in full");
}

#[test]
fn what_is_not_permitted_or_unknown_is_refused_with_its_own_code() {
    assert_eq!(refusal(arrive("explode", "{}")).0, "unknown_command");
    assert_eq!(
        refusal(arrive("kill", r#"{"actor":"chat"}"#)).0,
        "not_allowed"
    );
    let mut only_ring = control();
    only_ring.commands = vec!["ring".into()];
    only_ring.test_commands = true;
    let mut intake = intake(&only_ring);
    let now = Instant::now();
    assert_eq!(
        refusal(intake.arrive(now, arrival("unlock", "{}"))).0,
        "not_allowed"
    );
    let Verdict::Execute(_, accepted) = intake.arrive(now, arrival("kill", r#"{"actor":"chat"}"#))
    else {
        panic!("not executed")
    };
    assert!(matches!(accepted.command, Command::Kill { .. }));
}

#[test]
fn a_retained_command_is_neither_executed_nor_answered() {
    let mut old = arrival("ring", "{}");
    old.retained = true;
    let verdict = intake(&control()).arrive(Instant::now(), old);
    assert_eq!(verdict, Verdict::Retained);
}

#[test]
fn a_reply_goes_to_the_response_topic_with_the_correlation_or_else_below_the_command() {
    let mut asked = arrival("explode", r#"{"id":"a"}"#);
    asked.response_topic = Some("app/answers".into());
    asked.correlation = Some(Bytes::from_static(b"\x00\x01"));
    let Verdict::Answer(answer) = intake(&control()).arrive(Instant::now(), asked) else {
        panic!("no answer")
    };
    assert_eq!(answer.to.topic, "app/answers");
    assert_eq!(answer.to.correlation.as_deref(), Some(&b"\x00\x01"[..]));
    assert_eq!(answer.body["id"], "a");
    let Verdict::Answer(answer) = arrive("explode", r#"{"id":7}"#) else {
        panic!("no answer")
    };
    assert_eq!(answer.to.topic, "cubelet/door/cmd/explode/reply");
    assert_eq!(answer.body["id"], 7);
}

#[test]
fn a_response_topic_of_a_device_is_refused_and_the_command_not_executed() {
    let mut asked = arrival("unlock", "{}");
    asked.response_topic = Some("cubelet/door/availability".into());
    let verdict = intake(&control()).arrive(Instant::now(), asked);
    let Verdict::Answer(answer) = &verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(answer.to.topic, "cubelet/door/cmd/unlock/reply");
    assert_eq!(refusal(verdict).0, "invalid_payload");
}

#[test]
fn the_same_id_is_executed_once_and_answered_the_same() {
    let mut intake = intake(&control());
    let now = Instant::now();
    let ask = || arrival("unlock", r#"{"id":"a"}"#);
    let Verdict::Execute(ticket, ..) = intake.arrive(now, ask()) else {
        panic!("not executed")
    };
    assert_eq!(intake.arrive(now, ask()), Verdict::Wait);
    let outcome = Ok(json!({"opened": true, "id": "no", "ok": false}));
    let (answers, _) = intake.complete(now, ticket, &outcome).unwrap();
    assert_eq!(answers.len(), 1, "one place, one answer");
    assert_eq!(
        answers[0].body,
        json!({"id": "a", "ok": true, "opened": true})
    );
    let Verdict::Answer(again) = intake.arrive(now, ask()) else {
        panic!("executed again")
    };
    assert_eq!(again, answers[0]);
    // A refusal by the engine is an outcome like any other.
    let Verdict::Execute(ticket, ..) = intake.arrive(now, arrival("answer", r#"{"id":"a"}"#))
    else {
        panic!("another verb is another request")
    };
    let outcome = Err(CommandError::new(ErrorCode::WrongState, "no call"));
    let (refused, _) = intake.complete(now, ticket, &outcome).unwrap();
    assert_eq!(refused[0].body["error"]["code"], "wrong_state");
    let Verdict::Answer(again) = intake.arrive(now, arrival("answer", r#"{"id":"a"}"#)) else {
        panic!("executed again")
    };
    assert_eq!(again, refused[0]);
}

#[test]
fn an_id_used_again_for_something_else_is_refused() {
    let mut intake = intake(&control());
    let now = Instant::now();
    let first = intake.arrive(now, arrival("call", r#"{"id":1,"user":7}"#));
    assert!(matches!(first, Verdict::Execute(..)));
    let (code, message) = refusal(intake.arrive(now, arrival("call", r#"{"id":1,"user":8}"#)));
    assert_eq!(code, "invalid_payload");
    assert!(message.starts_with("id: "), "{message}");
}

#[test]
fn commands_beyond_the_rate_are_refused_with_their_id_and_may_come_again() {
    let mut slow = control();
    slow.rate_per_s = 2;
    let mut intake = intake(&slow);
    let now = Instant::now();
    let ask = |n: u32| arrival("unlock", &format!(r#"{{"id":{n}}}"#));
    for n in 0..2 {
        assert!(matches!(intake.arrive(now, ask(n)), Verdict::Execute(..)));
    }
    let verdict = intake.arrive(now, ask(2));
    let Verdict::Answer(answer) = &verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(answer.body["id"], 2);
    assert_eq!(refusal(verdict).0, "rate_limited");
    assert_eq!(
        refusal(intake.arrive(now, arrival("unlock", "{"))).0,
        "rate_limited"
    );
    let later = now + Duration::from_secs(1);
    assert!(matches!(intake.arrive(later, ask(2)), Verdict::Execute(..)));
}

proptest::proptest! {
    #[test]
    fn nothing_that_arrives_makes_it_panic_or_go_unanswered(
        verb in "[a-z]{0,8}|ring|send|call",
        payload in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
    ) {
        let mut arrival = arrival(&verb, "");
        arrival.payload = payload.into();
        let verdict = intake(&control()).arrive(Instant::now(), arrival);
        let expected = match verb.as_str() {
            "" => matches!(verdict, Verdict::Ignore(_)),
            _ => matches!(verdict, Verdict::Answer(_) | Verdict::Execute(..)),
        };
        proptest::prop_assert!(expected, "{verdict:?}");
    }
}
