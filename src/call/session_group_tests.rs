//! Calls of several people.

use super::*;

#[test]
fn a_member_answers_the_caller_offers_to_smaller_ids_and_waits_for_larger_ones() {
    let now = Instant::now();
    let (mut session, outputs) = group(now);
    assert!(matches!(
        outputs[..],
        [
            Output::Phase(Phase::Ringing),
            Output::Leg(9, LegPhase::Invited),
            Output::Open {
                peer: 9,
                offers: false,
                ..
            },
            Output::To(9, Action::RemoteOffer(_)),
        ]
    ));
    let outputs = session.handle(now, Input::Answer);
    assert_eq!(outputs[0], Output::To(9, Action::SendAccept));
    assert!(outputs.contains(&Output::Open {
        peer: 2,
        offers: true,
        opponents: vec![2, ME, 7],
    }));
    assert!(has(
        &session.handle(now, Input::OfferReady(2)),
        2,
        |action| *action == Action::SendCall
    ));
    assert_eq!(session.leg(7).map(Leg::phase), Some(LegPhase::Waiting));
    let outputs = session.handle(now, from(7, SignalKind::Call));
    assert!(has(&outputs, 7, |action| *action == Action::SendAccept));
}

#[test]
fn a_members_offer_waits_until_the_call_is_taken_here() {
    let now = Instant::now();
    let (mut session, _) = group(now);
    let outputs = session.handle(now, from(7, SignalKind::Call));
    assert!(actions(&outputs).is_empty(), "{outputs:?}");
    assert_eq!(session.phase(), Phase::Ringing);
    let outputs = session.handle(now, Input::Answer);
    let sent: Vec<_> = actions(&outputs)
        .into_iter()
        .filter(|(_, action)| *action == Action::SendAccept)
        .map(|(peer, _)| peer)
        .collect();
    assert_eq!(sent, [9, 7], "the one who calls first");
}

#[test]
fn a_reject_goes_to_everybody_and_a_members_reject_ends_only_its_leg() {
    let now = Instant::now();
    let (mut session, _) = group(now);
    session.handle(now, from(7, SignalKind::Reject));
    assert_eq!(session.phase(), Phase::Ringing);
    let outputs = session.handle(now, Input::Reject(None));
    let told: Vec<UserId> = actions(&outputs).iter().map(|(peer, _)| *peer).collect();
    assert_eq!(told, [2, 9]);
    assert!(outputs.contains(&Output::Close(9)));
    assert_eq!(ended_with(&outputs), Some(EndReason::Rejected));
}

#[test]
fn the_callers_hang_up_ends_the_call_and_a_members_only_its_leg() {
    let now = Instant::now();
    let (mut session, _) = group(now);
    session.handle(now, Input::Answer);
    session.handle(now, from(7, SignalKind::Call));
    let outputs = session.handle(now, from(7, SignalKind::HangUp));
    assert!(outputs.contains(&Output::Close(7)));
    assert_eq!(ended_with(&outputs), None);
    let outputs = session.handle(now, from(9, SignalKind::HangUp));
    assert!(
        actions(&outputs).is_empty(),
        "the others hear it themselves"
    );
    assert!(outputs.contains(&Output::Leg(2, LegPhase::Ended(EndReason::EndedByCaller))));
    assert_eq!(ended_with(&outputs), Some(EndReason::RemoteHungUp));
}

#[test]
fn each_opponent_of_a_caller_has_an_answer_timer_of_its_own() {
    let now = Instant::now();
    let (mut session, outputs) =
        Session::outgoing(now, ME, "s".into(), &[2, 7, 8], CallType::Video, TIMERS);
    assert_eq!(
        outputs
            .iter()
            .filter(|o| matches!(o, Output::Open { .. }))
            .count(),
        3
    );
    session.handle(now, Input::OfferReady(2));
    session.handle(now, Input::OfferReady(7));
    session.handle(now + 9 * SECOND, Input::OfferReady(8));
    session.handle(now, from(2, SignalKind::Accept));
    session.handle(now, Input::Media(2, MediaState::Connected));
    let log = run_alone(&mut session, now, Duration::from_secs(600));
    let given_up: Vec<_> = log
        .iter()
        .filter_map(|(at, output)| match output {
            Output::Leg(peer, LegPhase::Ended(EndReason::NoAnswer)) => Some((*at, *peer)),
            _ => None,
        })
        .collect();
    assert_eq!(given_up, [(60, 7), (69, 8)]);
    assert_eq!(session.phase(), Phase::Connected);
}

#[test]
fn members_that_never_come_are_waited_for_as_long_as_the_sdk_does() {
    let now = Instant::now();
    // Answered after 20 s: 40 s are left; after 50 s: half of the 60.
    for (after, at) in [(20, 60), (50, 80)] {
        let (mut session, _) = group(now);
        let taken = now + after * SECOND;
        session.handle(taken, Input::Answer);
        session.handle(taken, Input::OfferReady(2));
        session.handle(taken, Input::Media(9, MediaState::Connected));
        let log = run_alone(&mut session, now, Duration::from_secs(600));
        for peer in [2, 7] {
            let ended = Output::Leg(peer, LegPhase::Ended(EndReason::NoAnswer));
            assert!(log.contains(&(at, ended)), "{peer}: {log:?}");
        }
        let told = log
            .iter()
            .any(|(_, o)| matches!(o, Output::To(_, Action::SendHangUp(_))));
        assert!(
            !told,
            "a hangUp would stop the answer timer of a phone that rings"
        );
        assert_eq!(session.phase(), Phase::Connected);
    }
}

/// Our call, taken by the phone 2 and the device 7.
fn with_a_phone_and_a_device(now: Instant) -> Session {
    let (mut session, _) = Session::outgoing(now, ME, "s".into(), &[2, 7], CallType::Video, TIMERS);
    for peer in [2, 7] {
        session.handle(now, Input::OfferReady(peer));
    }
    session.handle(now, from(2, SignalKind::Accept));
    session.handle(now, device_accepts(7));
    session
}

#[test]
fn a_phone_of_a_young_group_call_is_not_restarted_while_its_path_works() {
    let now = Instant::now();
    let mut session = with_a_phone_and_a_device(now);
    for peer in [2, 7] {
        session.handle(now, Input::Media(peer, MediaState::Connected));
    }
    session.handle(now, Input::NetworkChanged);
    let outputs = session.handle(now, Input::Tick);
    assert_eq!(actions(&outputs), [(7, Action::RestartIce)]);
    let outputs = session.handle(now + TIMERS.answer_timeout, Input::Tick);
    assert_eq!(actions(&outputs), [(2, Action::RestartIce)]);
}

#[test]
fn one_more_is_told_of_devices_only_and_devices_are_told_of_it() {
    let now = Instant::now();
    let mut session = with_a_phone_and_a_device(now);
    let outputs = session.handle(now, Input::Invite(8));
    assert!(outputs.contains(&Output::Open {
        peer: 8,
        offers: true,
        opponents: vec![7, 8],
    }));
    assert!(has(&outputs, 7, |action| {
        matches!(action, Action::SendUpdate(_, Some(told)) if *told == [7, 8])
    }));
    assert!(!session.has_room_for(3), "four people are in");
    assert!(session.handle(now, Input::Invite(3)).is_empty());
}

#[test]
fn a_member_that_is_told_of_one_more_offers_or_waits_by_the_same_rule() {
    let now = Instant::now();
    let mut session = incoming(now);
    session.handle(now, Input::Answer);
    let mut update = CallSignal::new(SignalKind::Update, "s");
    update.opponents = vec![ME, 3];
    let outputs = session.handle(now, Input::Signal(2, update.clone()));
    assert!(matches!(
        outputs[0],
        Output::Open {
            peer: 3,
            offers: true,
            ..
        }
    ));
    update.opponents = vec![ME, 3, 8];
    session.handle(now, Input::Signal(2, update.clone()));
    let outputs = session.handle(now, from(8, SignalKind::Call));
    assert!(has(&outputs, 8, |action| *action == Action::SendAccept));
    update.opponents = (10..1_000).collect();
    session.handle(now, Input::Signal(2, update));
    assert_eq!(session.legs().count(), MAX_PEOPLE - 1);
}
