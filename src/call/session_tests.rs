//! The session against a simulated clock.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::call::candidates::BURST;
use crate::protocol::call_signal::{Candidate, PLATFORM};

const TIMERS: Timers = Timers {
    dialing_interval: Duration::from_secs(5),
    answer_timeout: Duration::from_secs(60),
    disconnect_timeout: Duration::from_secs(30),
};
const SECOND: Duration = Duration::from_secs(1);
const ME: UserId = 5;

#[path = "session_group_tests.rs"]
mod of_several;

fn outgoing(now: Instant) -> Session {
    Session::outgoing(now, ME, "s".into(), &[2], CallType::Video, TIMERS).0
}

fn incoming(now: Instant) -> Session {
    called_with(now, 2, &[ME]).0
}

fn called_with(now: Instant, by: UserId, opponents: &[UserId]) -> (Session, Vec<Output>) {
    let mut invitation = sdp_signal(SignalKind::Call, "offer");
    invitation.caller_id = Some(by);
    invitation.opponents = opponents.to_vec();
    Session::incoming(now, ME, by, &invitation, TIMERS)
}

fn group(now: Instant) -> (Session, Vec<Output>) {
    called_with(now, 9, &[2, ME, 7])
}

fn sdp_signal(kind: SignalKind, sdp: &str) -> CallSignal {
    let mut signal = CallSignal::new(kind, "s");
    signal.sdp = Some(sdp.into());
    signal
}

fn from(peer: UserId, kind: SignalKind) -> Input {
    Input::Signal(peer, sdp_signal(kind, "sdp"))
}

fn signal(kind: SignalKind) -> Input {
    from(2, kind)
}

fn signal_saying(kind: SignalKind, key: &str, value: &str) -> Input {
    let mut signal = CallSignal::new(kind, "s");
    signal.user_info.insert(key.into(), value.into());
    Input::Signal(2, signal)
}

fn device_accepts(peer: UserId) -> Input {
    let mut signal = sdp_signal(SignalKind::Accept, "answer");
    signal.platform = Some(PLATFORM.into());
    Input::Signal(peer, signal)
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

/// What there is to do for the legs.
fn actions(outputs: &[Output]) -> Vec<(UserId, Action)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::To(peer, action) => Some((*peer, action.clone())),
            _ => None,
        })
        .collect()
}

fn has(outputs: &[Output], peer: UserId, wanted: fn(&Action) -> bool) -> bool {
    actions(outputs)
        .iter()
        .any(|(to, action)| *to == peer && wanted(action))
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
        session.handle(start, Input::OfferReady(2)),
        vec![
            Output::To(2, Action::SendCall),
            Output::Leg(2, LegPhase::Dialing),
            Output::Phase(Phase::Dialing)
        ]
    );
    let log = run_alone(&mut session, start, Duration::from_secs(600));
    let calls: Vec<u64> = log
        .iter()
        .filter(|(_, o)| *o == Output::To(2, Action::SendCall))
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
    assert!(log.iter().all(|(at, _)| *at == 60));
    let outputs: Vec<Output> = log.into_iter().map(|(_, output)| output).collect();
    assert!(actions(&outputs).is_empty(), "silent: {outputs:?}");
    assert!(outputs.contains(&Output::Close(2)));
    assert_eq!(ended_with(&outputs), Some(EndReason::Missed));
}

#[test]
fn a_callers_candidates_wait_for_the_answer_and_then_go_in_one_message() {
    let now = Instant::now();
    let mut session = outgoing(now);
    session.handle(now, Input::OfferReady(2));
    for n in [1, 2] {
        let outputs = session.handle(now, Input::LocalCandidate(2, candidate(n)));
        assert!(outputs.is_empty());
    }
    let outputs = session.handle(now, signal(SignalKind::Accept));
    assert_eq!(
        actions(&outputs),
        [
            (2, Action::RemoteAnswer("sdp".into())),
            (2, Action::SendCandidates(vec![candidate(1), candidate(2)])),
        ]
    );
    for n in [3, 4] {
        session.handle(now, Input::LocalCandidate(2, candidate(n)));
    }
    let outputs = session.handle(now + BURST, Input::Tick);
    assert_eq!(
        actions(&outputs),
        [(2, Action::SendCandidates(vec![candidate(3), candidate(4)]))]
    );
}

#[test]
fn an_answered_call_accepts_first_and_then_brings_early_candidates_to_media() {
    let now = Instant::now();
    let mut session = incoming(now);
    let mut early = CallSignal::new(SignalKind::IceCandidates, "s");
    early.candidates = vec![candidate(9)];
    assert!(session.handle(now, Input::Signal(2, early)).is_empty());
    session.handle(now, Input::LocalCandidate(2, candidate(1)));
    assert_eq!(
        session.handle(now, Input::Answer),
        vec![
            Output::To(2, Action::SendAccept),
            Output::To(2, Action::RemoteCandidates(vec![candidate(9)])),
            Output::To(2, Action::SendCandidates(vec![candidate(1)])),
            Output::Leg(2, LegPhase::Connecting),
            Output::Phase(Phase::Connecting),
        ]
    );
}

#[test]
fn each_way_to_end_has_its_reason_and_its_farewell() {
    let now = Instant::now();
    let mut dialing = outgoing(now);
    dialing.handle(now, Input::OfferReady(2));
    assert_eq!(
        ended_with(&dialing.handle(now, signal_saying(SignalKind::Reject, "busy", "true"))),
        Some(EndReason::Busy)
    );

    let mut ringing = incoming(now);
    let outputs = ringing.handle(now, Input::Reject(Some("not now".into())));
    assert!(
        matches!(&outputs[0], Output::To(2, Action::SendReject(info)) if info["text"] == "not now")
    );
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
    assert!(actions(&outputs).is_empty());
    assert_eq!(ended_with(&outputs), Some(EndReason::AnsweredElsewhere));
}

#[test]
fn an_interruption_heals_or_ends_the_call_after_the_disconnect_timeout() {
    let now = Instant::now();
    let mut session = incoming(now);
    session.handle(now, Input::Answer);
    session.handle(now, Input::Media(2, MediaState::Connected));
    assert_eq!(session.deadline(), None, "a connected call has no deadline");
    session.handle(now, Input::Media(2, MediaState::Disconnected));
    assert_eq!(session.deadline(), Some(now + TIMERS.disconnect_timeout));
    session.handle(now, Input::Media(2, MediaState::Connected));
    assert_eq!(session.deadline(), None);
    session.handle(now, Input::Media(2, MediaState::Failed));
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

/// A call of three: 9 calls us (5), 2 and 7. We offer to 2 and wait for 7's offer.
#[test]
fn a_lost_answer_is_sent_again_and_one_that_crossed_is_not() {
    let now = Instant::now();
    let mut session = incoming(now);
    session.handle(now, Input::Answer);
    assert!(
        session
            .handle(now + SECOND, signal(SignalKind::Call))
            .is_empty()
    );
    assert_eq!(
        actions(&session.handle(now + 5 * SECOND, signal(SignalKind::Call))),
        [(2, Action::ResendAccept)]
    );
    session.handle(now, Input::Media(2, MediaState::Connected));
    assert!(
        session
            .handle(now + 10 * SECOND, signal(SignalKind::Call))
            .is_empty()
    );
}

#[test]
fn an_accept_nobody_asked_for_changes_nothing() {
    let now = Instant::now();
    for mut session in [incoming(now), outgoing(now)] {
        assert!(session.handle(now, signal(SignalKind::Accept)).is_empty());
    }
}

#[test]
fn the_offering_side_restarts_ice_after_two_seconds_and_the_answer_is_taken_once() {
    let now = Instant::now();
    let mut session = outgoing(now);
    session.handle(now, Input::OfferReady(2));
    session.handle(now, signal(SignalKind::Accept));
    session.handle(now, Input::Media(2, MediaState::Connected));
    session.handle(now, Input::Media(2, MediaState::Disconnected));
    assert_eq!(session.deadline(), Some(now + 2 * SECOND));
    let outputs = session.handle(now + 2 * SECOND, Input::Tick);
    assert_eq!(actions(&outputs), [(2, Action::RestartIce)]);
    let answer = || signal(SignalKind::IceRestartAccept);
    let outputs = session.handle(now + 2 * SECOND, answer());
    assert_eq!(actions(&outputs), [(2, Action::RemoteAnswer("sdp".into()))]);
    assert!(session.handle(now + 2 * SECOND, answer()).is_empty());
    session.handle(now + 3 * SECOND, Input::Media(2, MediaState::Connected));
    assert_eq!(session.deadline(), None);
}

#[test]
fn the_answering_side_asks_a_device_and_waits_for_a_phone() {
    let now = Instant::now();
    for (platform, asks) in [("linux", true), ("web", false)] {
        let mut invitation = sdp_signal(SignalKind::Call, "offer");
        invitation.platform = Some(platform.into());
        let (mut session, _) = Session::incoming(now, ME, 2, &invitation, TIMERS);
        session.handle(now, Input::Answer);
        session.handle(now, Input::Media(2, MediaState::Connected));
        session.handle(now, Input::Media(2, MediaState::Failed));
        let outputs = session.handle(now, Input::Tick);
        let asked = has(
            &outputs,
            2,
            |action| matches!(action, Action::SendUpdate(info, None) if leg::wishes_restart(info)),
        );
        assert_eq!(asked, asks, "{platform}");
    }
}

#[test]
fn a_device_that_asks_for_a_restart_gets_one() {
    let now = Instant::now();
    let mut session = outgoing(now);
    session.handle(now, Input::OfferReady(2));
    session.handle(now, device_accepts(2));
    session.handle(now, Input::Media(2, MediaState::Connected));
    session.handle(now, signal_saying(SignalKind::Update, "ice", "restart"));
    let outputs = session.handle(now, Input::Tick);
    assert_eq!(actions(&outputs), [(2, Action::RestartIce)]);
}

#[test]
fn what_the_other_side_tells_is_passed_on() {
    let now = Instant::now();
    let mut session = incoming(now);
    session.handle(now, Input::Answer);
    let outputs = session.handle(now, signal_saying(SignalKind::Update, "hold", "1"));
    assert!(matches!(
        &outputs[..],
        [Output::Told(2, SignalKind::Update, info)] if info["hold"] == "1"
    ));
    let outputs = session.handle(now, Input::Tell(UserInfo::from([("a".into(), "b".into())])));
    assert!(has(&outputs, 2, |action| {
        matches!(action, Action::SendUpdate(info, None) if info["a"] == "b")
    }));
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
    let peer = prop::sample::select(vec![2_u64, 7, 9, 11]);
    let state = prop::sample::select(vec![
        MediaState::Connected,
        MediaState::Disconnected,
        MediaState::Failed,
        MediaState::Unusable,
    ]);
    prop_oneof![
        peer.clone().prop_map(Input::OfferReady),
        Just(Input::Answer),
        Just(Input::Reject(None)),
        Just(Input::HangUp(EndReason::HungUp)),
        peer.clone().prop_map(Input::Invite),
        (peer.clone(), kinds.clone()).prop_map(|(peer, kind)| from(peer, kind)),
        kinds.prop_map(Input::OwnSignal),
        peer.clone()
            .prop_map(|peer| Input::LocalCandidate(peer, candidate(1))),
        (peer, state).prop_map(|(peer, state)| Input::Media(peer, state)),
        Just(Input::NetworkChanged),
        Just(Input::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60_000))]

    #[test]
    fn whatever_happens_a_session_ends_once_frees_what_it_opened_and_then_stays_silent(
        role in 0..4,
        inputs in prop::collection::vec((any_input(), 0_u64..40), 0..60),
    ) {
        let mut now = Instant::now();
        let (mut session, first) = match role {
            0 => Session::outgoing(now, ME, "s".into(), &[2], CallType::Video, TIMERS),
            1 => Session::outgoing(now, ME, "s".into(), &[2, 7, 9], CallType::Video, TIMERS),
            2 => called_with(now, 2, &[ME]),
            _ => group(now),
        };
        let (mut ends, mut opened, mut closed) = (0, Vec::new(), Vec::new());
        let mut count = |outputs: &[Output]| {
            for output in outputs {
                match output {
                    Output::Open { peer, .. } => opened.push(*peer),
                    Output::Close(peer) => closed.push(*peer),
                    Output::Ended(_) => ends += 1,
                    _ => {}
                }
            }
            (ends, opened.clone(), closed.clone())
        };
        count(&first);
        for (input, seconds) in inputs {
            now += Duration::from_secs(seconds);
            let was_over = matches!(session.phase(), Phase::Ended(_));
            let outputs = session.handle(now, input);
            prop_assert!(!was_over || outputs.is_empty());
            let (ends, mut opened, mut closed) = count(&outputs);
            prop_assert!(ends <= 1);
            prop_assert_eq!(ends == 1, matches!(session.phase(), Phase::Ended(_)));
            if ends == 1 {
                opened.sort_unstable();
                closed.sort_unstable();
                prop_assert_eq!(opened, closed);
            }
            // Anything but a connected or ended leg is bounded by a deadline.
            if !matches!(session.phase(), Phase::Connected | Phase::Ended(_)) {
                prop_assert!(session.deadline().is_some());
            }
        }
    }
}
