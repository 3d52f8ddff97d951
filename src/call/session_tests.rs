//! The session against a simulated clock.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const TIMERS: Timers = Timers {
    dialing_interval: Duration::from_secs(5),
    answer_timeout: Duration::from_secs(60),
    disconnect_timeout: Duration::from_secs(30),
};

fn outgoing(now: Instant) -> Session {
    Session::outgoing(now, "s".into(), 2, CallType::Video, TIMERS)
}

fn incoming(now: Instant) -> Session {
    Session::incoming(now, "s".into(), 2, CallType::Video, "offer".into(), TIMERS).0
}

fn signal(kind: SignalKind) -> Input {
    let mut signal = CallSignal::new(kind, "s");
    signal.sdp = Some("sdp".into());
    Input::Signal(signal)
}

fn signal_saying(kind: SignalKind, key: &str, value: &str) -> Input {
    let mut signal = CallSignal::new(kind, "s");
    signal.user_info.insert(key.into(), value.into());
    Input::Signal(signal)
}

fn candidate(n: u8) -> Candidate {
    Candidate {
        candidate: format!("candidate:{n}"),
        sdp_mid: "0".into(),
        sdp_m_line_index: 0,
    }
}

fn ended_with(outputs: &[Output]) -> Option<EndReason> {
    outputs.iter().find_map(|output| match output {
        Output::Ended(reason) => Some(*reason),
        _ => None,
    })
}

/// Runs a session's own deadlines until it ends or `limit` passes; gives what it sent and when.
fn run_alone(session: &mut Session, start: Instant, limit: Duration) -> Vec<(u64, Output)> {
    let mut log = Vec::new();
    while let Some(at) = session.deadline() {
        if at > start + limit {
            break;
        }
        for output in session.handle(at, Input::Tick) {
            log.push((at.duration_since(start).as_secs(), output));
        }
    }
    log
}

#[test]
fn an_unanswered_invitation_is_repeated_every_five_seconds_and_given_up_after_sixty() {
    let start = Instant::now();
    let mut session = outgoing(start);
    assert_eq!(
        session.handle(start, Input::OfferReady),
        vec![Output::SendCall, Output::Phase(Phase::Dialing)]
    );
    let log = run_alone(&mut session, start, Duration::from_secs(600));
    let calls: Vec<u64> = log
        .iter()
        .filter(|(_, o)| *o == Output::SendCall)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(calls, (1..12).map(|n| n * 5).collect::<Vec<_>>());
    assert_eq!(log.last(), Some(&(60, Output::Ended(EndReason::NoAnswer))));
}

#[test]
fn a_ringing_call_nobody_takes_ends_silently_as_missed() {
    let start = Instant::now();
    let mut session = incoming(start);
    let log = run_alone(&mut session, start, Duration::from_secs(600));
    assert_eq!(log, vec![(60, Output::Ended(EndReason::Missed))]);
}

#[test]
fn a_callers_candidates_wait_for_the_answer_and_then_go_in_one_message() {
    let now = Instant::now();
    let mut session = outgoing(now);
    session.handle(now, Input::OfferReady);
    assert!(
        session
            .handle(now, Input::LocalCandidate(candidate(1)))
            .is_empty()
    );
    assert!(
        session
            .handle(now, Input::LocalCandidate(candidate(2)))
            .is_empty()
    );
    let outputs = session.handle(now, signal(SignalKind::Accept));
    assert_eq!(outputs[0], Output::RemoteAnswer("sdp".into()));
    assert_eq!(
        outputs[1],
        Output::SendCandidates(vec![candidate(1), candidate(2)])
    );
    assert_eq!(
        session.handle(now, Input::LocalCandidate(candidate(3))),
        vec![Output::SendCandidates(vec![candidate(3)])]
    );
}

#[test]
fn an_answered_call_accepts_first_and_then_brings_early_candidates_to_media() {
    let now = Instant::now();
    let mut session = incoming(now);
    let mut early = CallSignal::new(SignalKind::IceCandidates, "s");
    early.candidates = vec![candidate(9)];
    assert!(session.handle(now, Input::Signal(early)).is_empty());
    session.handle(now, Input::LocalCandidate(candidate(1)));
    assert_eq!(
        session.handle(now, Input::Answer),
        vec![
            Output::SendAccept,
            Output::RemoteCandidates(vec![candidate(9)]),
            Output::SendCandidates(vec![candidate(1)]),
            Output::Phase(Phase::Connecting),
        ]
    );
}

#[test]
fn each_way_to_end_has_its_reason_and_its_farewell() {
    let now = Instant::now();
    let mut dialing = outgoing(now);
    dialing.handle(now, Input::OfferReady);
    assert_eq!(
        ended_with(&dialing.handle(now, signal_saying(SignalKind::Reject, "busy", "true"))),
        Some(EndReason::Busy)
    );

    let mut ringing = incoming(now);
    let outputs = ringing.handle(now, Input::Reject(Some("not now".into())));
    assert!(matches!(&outputs[0], Output::SendReject(info) if info["text"] == "not now"));
    assert_eq!(ended_with(&outputs), Some(EndReason::Rejected));

    for (told, reason) in [
        ("answered_elsewhere", EndReason::AnsweredElsewhere),
        ("no_answer", EndReason::Missed),
        ("anything", EndReason::Cancelled),
    ] {
        let mut ringing = incoming(now);
        let outputs = ringing.handle(now, signal_saying(SignalKind::HangUp, "reason", told));
        assert_eq!(ended_with(&outputs), Some(reason), "{told}");
    }

    let mut talking = incoming(now);
    talking.handle(now, Input::Answer);
    assert_eq!(
        ended_with(&talking.handle(now, signal(SignalKind::HangUp))),
        Some(EndReason::RemoteHungUp)
    );
}

#[test]
fn a_call_answered_on_another_device_of_ours_stops_ringing_here() {
    let now = Instant::now();
    let mut session = incoming(now);
    let outputs = session.handle(now, Input::OwnSignal(SignalKind::Accept));
    assert_eq!(outputs, vec![Output::Ended(EndReason::AnsweredElsewhere)]);
}

#[test]
fn an_interruption_heals_or_ends_the_call_after_the_disconnect_timeout() {
    let now = Instant::now();
    let mut session = incoming(now);
    session.handle(now, Input::Answer);
    session.handle(now, Input::Media(MediaState::Connected));
    assert_eq!(session.deadline(), None, "a connected call has no deadline");
    session.handle(now, Input::Media(MediaState::Disconnected));
    assert_eq!(session.deadline(), Some(now + TIMERS.disconnect_timeout));
    session.handle(now, Input::Media(MediaState::Connected));
    assert_eq!(session.deadline(), None);
    session.handle(now, Input::Media(MediaState::Failed));
    let log = run_alone(&mut session, now, Duration::from_secs(60));
    assert_eq!(
        log.last(),
        Some(&(30, Output::Ended(EndReason::ConnectionLost)))
    );
}

#[test]
fn a_call_whose_media_never_comes_is_ended() {
    let now = Instant::now();
    let mut session = incoming(now);
    session.handle(now, Input::Answer);
    let log = run_alone(&mut session, now, Duration::from_secs(60));
    assert_eq!(
        log.last(),
        Some(&(30, Output::Ended(EndReason::ConnectFailed)))
    );
}

fn any_input() -> impl Strategy<Value = Input> {
    let kinds = prop::sample::select(vec![
        SignalKind::Call,
        SignalKind::Accept,
        SignalKind::Reject,
        SignalKind::HangUp,
        SignalKind::IceCandidates,
        SignalKind::Update,
        SignalKind::IceRestart,
        SignalKind::IceRestartAccept,
    ]);
    prop_oneof![
        Just(Input::OfferReady),
        Just(Input::Answer),
        Just(Input::Reject(None)),
        Just(Input::HangUp(EndReason::HungUp)),
        kinds.clone().prop_map(signal),
        kinds.prop_map(Input::OwnSignal),
        Just(Input::LocalCandidate(candidate(1))),
        prop::sample::select(vec![
            MediaState::Connected,
            MediaState::Disconnected,
            MediaState::Failed,
            MediaState::Unusable,
        ])
        .prop_map(Input::Media),
        Just(Input::Tick),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_session_ends_once_and_then_stays_silent(
        is_caller: bool,
        inputs in prop::collection::vec((any_input(), 0_u64..40), 0..60),
    ) {
        let mut now = Instant::now();
        let mut session = if is_caller { outgoing(now) } else { incoming(now) };
        let mut ends = 0;
        for (input, seconds) in inputs {
            now += Duration::from_secs(seconds);
            let was_over = matches!(session.phase(), Phase::Ended(_));
            let outputs = session.handle(now, input);
            prop_assert!(!was_over || outputs.is_empty());
            ends += outputs.iter().filter(|o| matches!(o, Output::Ended(_))).count();
            prop_assert!(ends <= 1);
            prop_assert_eq!(ends == 1, matches!(session.phase(), Phase::Ended(_)));
            // Anything but a connected or ended call is bounded by a deadline.
            if !matches!(session.phase(), Phase::Connected | Phase::Ended(_)) {
                prop_assert!(session.deadline().is_some());
            }
        }
    }
}
