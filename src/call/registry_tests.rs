//! Many sessions against a simulated clock.

use super::*;
use crate::call::session::MediaState;

fn invitation(id: &str, caller: UserId) -> CallSignal {
    let mut signal = CallSignal::new(SignalKind::Call, id);
    signal.caller_id = Some(caller);
    signal.sdp = Some("offer".into());
    signal
}

fn accept(id: &str) -> CallSignal {
    let mut signal = CallSignal::new(SignalKind::Accept, id);
    signal.sdp = Some("answer".into());
    signal
}

fn ringing_at(users: &[UserId], now: Instant) -> Registry {
    let mut registry = Registry::new(Timers::default());
    for user in users {
        let id = format!("s{user}");
        registry.dial(now, id.clone(), *user, CallType::Video);
        registry.handle(now, &id, Input::OfferReady);
    }
    registry
}

#[test]
fn the_first_answer_wins_and_the_others_are_told_why() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1, 2, 3], now);
    let Routed::Taken(outputs) = registry.signal(now, 2, accept("s2")) else {
        panic!()
    };
    assert_eq!(outputs[0].0, "s2");
    let cancelled: Vec<_> = outputs[1..].iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(cancelled, ["s1", "s3"]);
    for (_, outputs) in &outputs[1..] {
        assert!(
            matches!(&outputs[0], Output::SendHangUp(info) if info["reason"] == "answered_elsewhere")
        );
    }
    assert_eq!(registry.iter().count(), 1);
}

#[test]
fn a_second_answer_of_the_same_ring_finds_no_call() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1, 2], now);
    registry.signal(now, 1, accept("s1"));
    assert!(matches!(
        registry.signal(now, 2, accept("s2")),
        Routed::Ignored(_)
    ));
}

#[test]
fn a_caller_during_a_call_hears_busy() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1], now);
    registry.signal(now, 1, accept("s1"));
    registry.handle(now, "s1", Input::Media(MediaState::Connected));
    assert_eq!(registry.signal(now, 9, invitation("x", 9)), Routed::Busy);
}

#[test]
fn a_late_repetition_of_an_ended_call_does_not_ring_again() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    assert!(matches!(
        registry.signal(now, 9, invitation("x", 9)),
        Routed::New(_)
    ));
    registry.handle(now, "x", Input::Reject(None));
    assert!(matches!(
        registry.signal(now, 9, invitation("x", 9)),
        Routed::Ignored(_)
    ));
    assert!(matches!(
        registry.signal(now, 9, invitation("y", 9)),
        Routed::New(_)
    ));
}

#[test]
fn a_stranger_cannot_end_a_call_by_knowing_its_id() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1], now);
    let hang_up = CallSignal::new(SignalKind::HangUp, "s1");
    assert!(matches!(
        registry.signal(now, 66, hang_up),
        Routed::Ignored(_)
    ));
    assert_eq!(registry.iter().count(), 1);
}

#[test]
fn a_repeated_invitation_refreshes_the_offer_without_ringing_twice() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    registry.signal(now, 9, invitation("x", 9));
    let routed = registry.signal(now, 9, invitation("x", 9));
    assert_eq!(
        routed,
        Routed::Taken(vec![(
            "x".into(),
            vec![Output::RemoteOffer("offer".into())]
        )])
    );
}
