//! Many sessions against a simulated clock.

use std::time::Duration;

use super::*;
use crate::call::exchange::{Action, MediaState};
use crate::call::verdict::{IncomingPolicy, RingUnlessBusy};
use crate::protocol::call_signal::PLATFORM;

const ME: UserId = 5;

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
    match registry.signal(now, ME, from, invitation(id, from)) {
        Routed::Invited(_, signal) => registry.incoming(now, ME, from, *signal, verdict),
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
        registry.dial(now, ME, id.clone(), &[*user], CallType::Video);
        registry.handle(now, &id, Input::OfferReady(*user));
    }
    registry
}

#[test]
fn the_first_answer_wins_and_the_others_are_told_why() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1, 2, 3], now);
    let Routed::Taken(outputs) = registry.signal(now, ME, 2, accept("s2")) else {
        panic!()
    };
    assert_eq!(outputs[0].0, "s2");
    let cancelled: Vec<_> = outputs[1..].iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(cancelled, ["s1", "s3"]);
    for (_, outputs) in &outputs[1..] {
        assert!(
            matches!(&outputs[0], Output::To(_, Action::SendHangUp(info)) if info["reason"] == "answered_elsewhere")
        );
    }
    assert_eq!(registry.iter().count(), 1);
}

#[test]
fn a_second_answer_of_the_same_ring_finds_no_call() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1, 2], now);
    registry.signal(now, ME, 1, accept("s1"));
    assert!(matches!(
        registry.signal(now, ME, 2, accept("s2")),
        Routed::Ignored(_)
    ));
}

#[test]
fn a_caller_during_a_call_hears_busy() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1], now);
    registry.signal(now, ME, 1, accept("s1"));
    registry.handle(now, "s1", Input::Media(1, MediaState::Connected));
    let Routed::Invited(invitation, signal) = registry.signal(now, ME, 9, invitation("x", 9))
    else {
        panic!()
    };
    assert!(invitation.is_busy);
    let verdict = RingUnlessBusy.verdict(&invitation);
    assert_eq!(
        registry.incoming(now, ME, 9, *signal, verdict),
        Routed::Refused(SignalKind::Reject, EndReason::Busy.user_info())
    );
}

#[test]
fn a_policy_may_ring_refuse_ignore_or_answer() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    let refused = Verdict::Refuse(EndReason::Rejected);
    assert_eq!(
        invited(&mut registry, now, "a", 9, refused),
        Routed::Refused(SignalKind::Reject, EndReason::Rejected.user_info())
    );
    for _ in 0..2 {
        assert!(matches!(
            invited(&mut registry, now, "b", 9, Verdict::Ignore),
            Routed::Ignored(_)
        ));
    }
    let after = Duration::from_secs(3);
    assert!(matches!(
        invited(&mut registry, now, "c", 9, Verdict::AutoAnswer { after }),
        Routed::New(_)
    ));
    assert!(registry.ringing().is_some());
    assert_eq!(registry.deadline(), Some(now + after));
    let outputs = registry.tick(now + after);
    assert_eq!(outputs[0].1[0], Output::To(9, Action::SendAccept));
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
        registry.signal(now, ME, 9, invitation("x", 9)),
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
        registry.signal(now, ME, 66, hang_up),
        Routed::Ignored(_)
    ));
    assert_eq!(registry.iter().count(), 1);
}

#[test]
fn a_repeated_invitation_refreshes_the_offer_without_ringing_twice() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    invited(&mut registry, now, "x", 9, Verdict::Ring);
    let routed = registry.signal(now, ME, 9, invitation("x", 9));
    assert_eq!(
        routed,
        Routed::Taken(vec![(
            "x".into(),
            vec![Output::To(9, Action::RemoteOffer("offer".into()))]
        )])
    );
}

/// The `call` of a device like us.
fn device_calls(id: &str, caller: UserId) -> CallSignal {
    let mut signal = invitation(id, caller);
    signal.platform = Some(PLATFORM.into());
    signal.opponents = vec![ME];
    signal
}

#[test]
fn when_two_devices_call_each_other_the_call_of_the_smaller_id_goes_on() {
    let now = Instant::now();
    let mut larger = ringing_at(&[2], now);
    let Routed::Invited(invitation, signal) = larger.signal(now, ME, 2, device_calls("x", 2))
    else {
        panic!()
    };
    assert!(!invitation.is_busy, "our call is about to give way");
    let Routed::New(outputs) = larger.incoming(now, ME, 2, *signal, Verdict::Ring) else {
        panic!()
    };
    let (first, rest) = outputs.split_first().expect("both");
    assert_eq!(first.0, "s2");
    assert!(first.1.contains(&Output::Ended(EndReason::Crossed)));
    assert!(rest.iter().all(|(id, _)| id == "x"));
    assert_eq!(
        larger.foremost().map(Session::phase),
        Some(Phase::Connecting)
    );

    let mut smaller = ringing_at(&[9], now);
    assert!(matches!(
        smaller.signal(now, ME, 9, device_calls("x", 9)),
        Routed::Ignored(_)
    ));
    assert_eq!(smaller.foremost().map(Session::phase), Some(Phase::Dialing));
}

#[test]
fn a_phone_that_calls_while_we_call_it_hears_busy() {
    let now = Instant::now();
    let mut registry = ringing_at(&[2], now);
    let Routed::Invited(invitation, _) = registry.signal(now, ME, 2, invitation("x", 2)) else {
        panic!()
    };
    assert!(invitation.is_busy);
}

#[test]
fn whoever_missed_our_farewell_hears_it_again() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    invited(&mut registry, now, "x", 9, Verdict::Ring);
    registry.handle(now, "x", Input::Reject(None));
    let later = now + Duration::from_secs(5);
    assert_eq!(
        registry.signal(later, ME, 9, invitation("x", 9)),
        Routed::Refused(SignalKind::Reject, EndReason::Rejected.user_info())
    );
}

#[test]
fn a_call_of_more_people_than_a_mesh_holds_is_declined() {
    let now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    let mut signal = invitation("x", 9);
    signal.opponents = vec![ME, 1, 2, 3];
    assert_eq!(
        registry.signal(now, ME, 9, signal),
        Routed::Refused(SignalKind::Reject, EndReason::NotSupported.user_info())
    );
}

#[test]
fn a_call_that_waited_takes_the_place_of_the_one_before() {
    let now = Instant::now();
    let mut registry = ringing_at(&[1], now);
    registry.signal(now, ME, 1, accept("s1"));
    invited(&mut registry, now, "x", 9, Verdict::Ring);
    let outputs = registry.handle(now, "x", Input::Answer);
    assert_eq!(outputs[1].0, "s1");
    assert!(outputs[1].1.contains(&Output::Ended(EndReason::Replaced)));
}
