//! A first run without terminal, devices or network.

use super::*;
use crate::config::Secret;
use crate::protocol::enrolment::{CodeSecret, Pin};

fn around() -> Around {
    Around {
        cameras: vec![Choice::new("v4l2:/dev/video0", "a camera")],
        microphones: vec![Choice::new("alsa:default", "a microphone")],
        speakers: vec![Choice::new("alsa:default", "a loudspeaker")],
        has_broker: true,
        is_configured: false,
        name: None,
    }
}

fn code() -> Code {
    Code {
        secret: CodeSecret::of(77),
        pin: Pin::of(b"authority").unwrap(),
    }
}

fn admission() -> Admission {
    Admission {
        api: "https://hub.lan".into(),
        chat: "wss://hub.lan/xmpp".into(),
        chat_host: None,
        ca: None,
        app_id: 1,
        auth_key: Secret::new("key"),
        login: "door".into(),
        user: 7,
        password: Secret::new("password"),
    }
}

/// What is asked and tried, with every default taken and every trial going well.
fn run(flow: &mut Flow) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..40 {
        match flow.next() {
            Step::Ask(question) => {
                let topic = question.topic;
                said.push(format!("ask {topic:?}"));
                let Some(default) = question.default else {
                    return said;
                };
                flow.answer(topic, &default).unwrap();
            }
            Step::Try(trial) => {
                said.push(match trial {
                    Trial::Echo { .. } => "try echo".to_owned(),
                    _ => format!("try {:?}", trial.topic()),
                });
                match trial {
                    Trial::Echo { .. } => flow.measured(Some(Duration::from_millis(143))),
                    Trial::FindHubs => flow.found(Vec::new()),
                    Trial::Redeem { .. } | Trial::LogIn { .. } => flow.admitted(Ok(admission())),
                    other => flow.tried(other.topic(), Ok("well".into())),
                }
            }
            Step::Declined => {
                said.push("declined".into());
                return said;
            }
            Step::Done(_) => {
                said.push("done".into());
                return said;
            }
        }
    }
    panic!("no end: {said:?}");
}

fn plan(flow: &Flow) -> Plan {
    match flow.next() {
        Step::Done(plan) => *plan,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_is_tried_before_the_code_is_taken() {
    let mut flow = Flow::new(around());
    flow.answer(Topic::Hub, "hub.lan").unwrap();
    flow.answer(Topic::Code, &code().expose()).unwrap();
    assert_eq!(
        run(&mut flow),
        [
            "ask Camera",
            "try Camera",
            "ask Microphone",
            "try Microphone",
            "ask Speaker",
            "try Speaker",
            "try echo",
            "ask Ring",
            "ask Broker",
            "ask BrokerUser",
            "try Broker",
            "try Code",
            "done"
        ]
    );
    assert_eq!(flow.echo(), Some(Duration::from_millis(143)));
    let plan = plan(&flow);
    assert_eq!(plan.camera, "v4l2:/dev/video0");
    assert_eq!(plan.broker.unwrap().port(), 1883);
}

#[test]
fn a_scanned_code_names_its_hub_and_nobody_is_looked_for() {
    let invitation = Invitation {
        hub: "https://hub.lan:8443".parse().unwrap(),
        code: code(),
        authority: Some([3; 32]),
    };
    let mut flow = Flow::new(Around::default());
    flow.answer(Topic::Code, &invitation.expose()).unwrap();
    for (topic, text) in [(Topic::Camera, "none"), (Topic::Microphone, "none")] {
        flow.answer(topic, text).unwrap();
    }
    flow.answer(Topic::Speaker, "null").unwrap();
    flow.answer(Topic::Ring, "kitchen, hall,,7").unwrap();
    flow.answer(Topic::Broker, "none").unwrap();
    let Step::Try(Trial::Redeem { hub, authority, .. }) = flow.next() else {
        panic!("{:?}", flow.next());
    };
    assert_eq!(hub.as_str(), "https://hub.lan:8443/");
    assert_eq!(authority, Some([3; 32]));
    flow.admitted(Ok(admission()));
    assert_eq!(plan(&flow).ring, ["kitchen", "hall", "7"]);
}

#[test]
fn one_hub_that_is_found_is_the_default_and_of_two_none_is() {
    let hub = |address: &str| HubAddress {
        name: "hub".into(),
        address: address.into(),
    };
    for (found, default) in [
        (vec![], None),
        (vec![hub("https://a")], Some("https://a".to_owned())),
        (vec![hub("https://a"), hub("https://b")], None),
    ] {
        let mut flow = Flow::new(Around::default());
        assert!(matches!(flow.next(), Step::Try(Trial::FindHubs)));
        flow.found(found.clone());
        let Step::Ask(question) = flow.next() else {
            panic!("{:?}", flow.next());
        };
        assert_eq!((question.topic, question.default), (Topic::Hub, default));
        assert_eq!(question.choices.len(), found.len());
    }
}

#[test]
fn the_cloud_asks_for_an_account_and_no_certificate() {
    let mut flow = Flow::new(Around::default());
    flow.answer(Topic::Hub, "cloud").unwrap();
    let mut asked = Vec::new();
    while let Step::Ask(question) = flow.next() {
        if question.topic == Topic::Camera {
            break;
        }
        asked.push(question.topic);
        flow.answer(question.topic, "7").unwrap();
    }
    assert_eq!(
        asked,
        [Topic::AppId, Topic::AuthKey, Topic::Login, Topic::Password]
    );
    run(&mut flow);
    let mut flow = Flow::new(Around::default());
    flow.answer(Topic::Hub, "https://hub.lan").unwrap();
    flow.answer(Topic::Code, "account").unwrap();
    assert!(matches!(
        flow.next(),
        Step::Ask(Question {
            topic: Topic::Ca,
            ..
        })
    ));
}

#[test]
fn what_fails_is_asked_again() {
    let mut flow = Flow::new(around());
    flow.answer(Topic::Hub, "hub.lan").unwrap();
    flow.answer(Topic::Code, &code().expose()).unwrap();
    flow.answer(Topic::Camera, "v4l2:/dev/video9").unwrap();
    flow.tried(Topic::Camera, Err(()));
    assert_eq!(run(&mut flow)[0], "ask Camera");
    let mut flow = Flow::new(Around::default());
    flow.answer(Topic::Hub, "hub.lan").unwrap();
    flow.answer(Topic::Code, &code().expose()).unwrap();
    flow.admitted(Err(()));
    assert!(matches!(
        flow.next(),
        Step::Ask(Question {
            topic: Topic::Code,
            ..
        })
    ));
}

#[test]
fn a_configuration_somebody_wrote_goes_only_when_they_say_so() {
    let configured = || Around {
        is_configured: true,
        ..Around::default()
    };
    let with_answer = |answer: Option<&str>| {
        let mut flow = Flow::new(configured());
        flow.answer(Topic::Hub, "hub.lan").unwrap();
        flow.answer(Topic::Code, &code().expose()).unwrap();
        if let Some(answer) = answer {
            flow.answer(Topic::Overwrite, answer).unwrap();
        }
        run(&mut flow).pop().unwrap()
    };
    assert_eq!(with_answer(None), "declined");
    assert_eq!(with_answer(Some("no")), "declined");
    assert_eq!(with_answer(Some("Yes")), "done");
}

#[test]
fn what_is_no_answer_is_refused_with_the_rule() {
    let mut flow = Flow::new(Around::default());
    for (topic, text) in [
        (Topic::Hub, "http://hub.lan"),
        (Topic::Hub, "https://user@hub.lan"),
        (Topic::Hub, ""),
        (Topic::Code, "ABCD"),
        (Topic::Code, "cubelet://hub/enroll"),
        (Topic::AppId, "0"),
        (Topic::AppId, "one"),
        (Topic::Login, " "),
        (Topic::Camera, "webcam"),
        (Topic::Camera, "v4l2:/etc/passwd"),
        (Topic::Microphone, "alsa:"),
        (Topic::Speaker, "none"),
        (Topic::Broker, "mqtt://host"),
        (Topic::Broker, "host:port"),
        (Topic::Broker, ""),
    ] {
        assert!(flow.answer(topic, text).is_err(), "{topic:?} {text:?}");
    }
}

#[test]
fn a_bare_host_is_a_hub_on_its_own_port() {
    for (text, address) in [
        ("hub.lan", "https://hub.lan:8443/"),
        ("hub.lan:9000", "https://hub.lan:9000/"),
        ("192.168.1.7", "https://192.168.1.7:8443/"),
        ("https://hub.lan", "https://hub.lan/"),
    ] {
        assert_eq!(hub_address(text).unwrap().as_str(), address, "{text}");
    }
    assert_eq!(
        host_and_port("[::1]:1884"),
        Some(("::1".into(), Some(1884)))
    );
}
