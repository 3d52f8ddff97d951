//! Many sessions against a simulated clock.

use super::*;
use crate::call::session::MediaState;
use crate::call::verdict::{IncomingPolicy, RingUnlessBusy};

fn invitation(id: &str, caller: UserId) -> CallSignal {
    let mut signal = CallSignal::new(SignalKind::Call, id);
    signal.caller_id = Some(caller);
    signal.sdp = Some("offer".into());
    signal
}

/// Feeds an invitation and carries out a verdict about it.
fn invited(
    registry: &mut Registry,
    now: Instant,
    id: &str,
    from: UserId,
    verdict: Verdict,
) -> Routed {
    match registry.signal(now, from, invitation(id, from)) {
        Routed::Invited(_, signal) => registry.incoming(now, from, *signal, verdict),
        other => other,
    }
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
    let Routed::Invited(invitation, signal) = registry.signal(now, 9, invitation("x", 9)) else {
        panic!()
    };
    assert!(invitation.is_busy);
    let verdict = RingUnlessBusy.verdict(&invitation);
    assert_eq!(
        registry.incoming(now, 9, *signal, verdict),
        Routed::Refused(EndReason::Busy)
    );
}

#[test]
fn a_policy_may_ring_refuse_ignore_or_answer() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    let refused = Verdict::Refuse(EndReason::Rejected);
    assert_eq!(
        invited(&mut registry, now, "a", 9, refused),
        Routed::Refused(EndReason::Rejected)
    );
    for _ in 0..2 {
        assert!(matches!(
            invited(&mut registry, now, "b", 9, Verdict::Ignore),
            Routed::Ignored(_)
        ));
    }
    let after = std::time::Duration::from_secs(3);
    assert!(matches!(
        invited(&mut registry, now, "c", 9, Verdict::AutoAnswer { after }),
        Routed::New(_)
    ));
    assert!(registry.ringing().is_some());
    assert_eq!(registry.deadline(), Some(now + after));
    let outputs = registry.tick(now + after);
    assert_eq!(outputs[0].1[0], Output::SendAccept);
    assert!(registry.ringing().is_none());
}

#[test]
fn single_calls_of_a_ring_can_be_hung_up() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1, 2, 3], now);
    let calls = ["s1".to_owned(), "s3".to_owned(), "unknown".to_owned()];
    let outputs = registry.hang_up(now, &calls, EndReason::NoAnswer);
    assert_eq!(outputs.len(), 2);
    let left: Vec<_> = registry.iter().map(Session::id).collect();
    assert_eq!(left, ["s2"]);
}

#[test]
fn a_late_repetition_of_an_ended_call_does_not_ring_again() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    assert!(matches!(
        invited(&mut registry, now, "x", 9, Verdict::Ring),
        Routed::New(_)
    ));
    registry.handle(now, "x", Input::Reject(None));
    assert!(matches!(
        registry.signal(now, 9, invitation("x", 9)),
        Routed::Ignored(_)
    ));
    assert!(matches!(
        invited(&mut registry, now, "y", 9, Verdict::Ring),
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
    invited(&mut registry, now, "x", 9, Verdict::Ring);
    let routed = registry.signal(now, 9, invitation("x", 9));
    assert_eq!(
        routed,
        Routed::Taken(vec![(
            "x".into(),
            vec![Output::RemoteOffer("offer".into())]
        )])
    );
}
