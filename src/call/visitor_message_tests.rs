//! A visitor's message against a simulated clock.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    shortest: Duration::from_secs(1),
    longest: Duration::from_secs(20),
};

const SECOND: Duration = Duration::from_secs(1);

fn finished(seconds: u64) -> Input {
    Input::RecorderFinished {
        duration: SECOND * seconds as u32,
        at_limit: false,
    }
}

fn recording(now: Instant) -> VisitorMessage {
    let (mut message, _) = VisitorMessage::begin(now, LIMITS, true);
    message.handle(now, Input::Announced);
    message.handle(now, Input::RecorderStarted);
    assert_eq!(message.phase(), Phase::Recording);
    message
}

#[test]
fn a_message_is_announced_recorded_and_stored() {
    let now = Instant::now();
    let (mut message, outputs) = VisitorMessage::begin(now, LIMITS, true);
    assert_eq!(
        outputs,
        [Output::Phase(Phase::Announcing), Output::Announce]
    );
    let outputs = message.handle(now + SECOND, Input::Announced);
    assert_eq!(outputs, [Output::Phase(Phase::Starting), Output::Record]);
    let outputs = message.handle(now + SECOND, Input::RecorderStarted);
    assert_eq!(outputs, [Output::Phase(Phase::Recording)]);
    let outputs = message.handle(now + SECOND * 9, Input::Stop(StopReason::Stopped));
    assert_eq!(outputs, [Output::Finish, Output::Phase(Phase::Finishing)]);
    let outputs = message.handle(now + SECOND * 9, finished(8));
    assert_eq!(outputs, [Output::Phase(Phase::Storing), Output::Store]);
    let outputs = message.handle(now + SECOND * 9, Input::Stored);
    assert_eq!(outputs, [Output::Phase(Phase::Ended(Outcome::Stored))]);
    assert_eq!(message.length(), SECOND * 8);
    assert_eq!(message.stopped_by(), Some(StopReason::Stopped));
    assert_eq!(message.deadline(), None);
}

#[test]
fn without_an_announcement_the_recording_begins_at_once() {
    let (_, outputs) = VisitorMessage::begin(Instant::now(), LIMITS, false);
    assert_eq!(outputs.last(), Some(&Output::Record));
    assert!(!outputs.contains(&Output::Announce));
}

#[test]
fn a_loudspeaker_that_hangs_does_not_cost_the_message() {
    let now = Instant::now();
    let (mut message, _) = VisitorMessage::begin(now, LIMITS, true);
    assert_eq!(message.handle(now + SECOND * 5, Input::Tick), []);
    let outputs = message.handle(now + ANNOUNCEMENT_LIMIT, Input::Tick);
    assert_eq!(outputs[0], Output::Silence);
    assert_eq!(message.phase(), Phase::Starting);
}

#[test]
fn somebody_who_answers_late_ends_a_recording_and_calls_off_one_not_begun() {
    let now = Instant::now();
    let mut message = recording(now);
    let outputs = message.handle(now + SECOND * 4, Input::Stop(StopReason::Answered));
    assert_eq!(outputs[0], Output::Finish);
    message.handle(now + SECOND * 4, finished(4));
    assert_eq!(message.phase(), Phase::Storing, "what was said is kept");

    let (mut message, _) = VisitorMessage::begin(now, LIMITS, true);
    let outputs = message.handle(now, Input::Stop(StopReason::Answered));
    assert_eq!(
        outputs,
        [
            Output::Silence,
            Output::Phase(Phase::Ended(Outcome::Answered))
        ]
    );
}

#[test]
fn a_message_too_short_to_say_a_word_is_not_kept() {
    let now = Instant::now();
    let mut message = recording(now);
    message.handle(now, Input::Stop(StopReason::Button));
    let outputs = message.handle(
        now,
        Input::RecorderFinished {
            duration: Duration::from_millis(900),
            at_limit: false,
        },
    );
    assert_eq!(
        outputs,
        [
            Output::Discard,
            Output::Phase(Phase::Ended(Outcome::TooShort))
        ]
    );
}

#[test]
fn a_cancelled_message_leaves_nothing_in_whatever_phase() {
    let now = Instant::now();
    let (mut announcing, _) = VisitorMessage::begin(now, LIMITS, true);
    let outputs = announcing.handle(now, Input::Cancel);
    assert_eq!(outputs[0], Output::Silence);
    for steps in [
        vec![Input::Announced],
        vec![Input::Announced, Input::RecorderStarted],
        vec![
            Input::Announced,
            Input::RecorderStarted,
            Input::Stop(StopReason::Stopped),
        ],
    ] {
        let (mut message, _) = VisitorMessage::begin(now, LIMITS, true);
        for step in steps {
            message.handle(now, step);
        }
        let outputs = message.handle(now, Input::Cancel);
        assert_eq!(
            outputs,
            [
                Output::Discard,
                Output::Phase(Phase::Ended(Outcome::Cancelled))
            ]
        );
    }
}

#[test]
fn a_recorder_that_does_not_end_by_itself_is_ended() {
    let now = Instant::now();
    let mut message = recording(now);
    assert_eq!(message.handle(now + LIMITS.longest, Input::Tick), []);
    let outputs = message.handle(now + LIMITS.longest + OVERTIME, Input::Tick);
    assert_eq!(outputs[0], Output::Finish);
    let late = now + LIMITS.longest + OVERTIME + FINISH_LIMIT;
    message.handle(late, Input::Tick);
    assert_eq!(
        message.phase(),
        Phase::Ended(Outcome::Failed(Fault::NotFinished))
    );
}

#[test]
fn nothing_from_the_camera_is_a_fault_and_what_the_recorder_saved_is_kept() {
    let now = Instant::now();
    let (mut message, _) = VisitorMessage::begin(now, LIMITS, false);
    message.handle(now + START_LIMIT, Input::Tick);
    assert_eq!(
        message.phase(),
        Phase::Ended(Outcome::Failed(Fault::NothingCame))
    );
    let mut message = recording(now);
    let outputs = message.handle(now + SECOND * 3, finished(3));
    assert_eq!(outputs.last(), Some(&Output::Store));
    assert_eq!(message.stopped_by(), Some(StopReason::Recorder));
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Announced),
        Just(Input::RecorderStarted),
        (0u64..25_000, any::<bool>()).prop_map(|(ms, at_limit)| Input::RecorderFinished {
            duration: Duration::from_millis(ms),
            at_limit,
        }),
        Just(Input::RecorderFailed),
        Just(Input::Stored),
        Just(Input::NotStored),
        prop_oneof![
            Just(StopReason::Stopped),
            Just(StopReason::Button),
            Just(StopReason::Answered),
            Just(StopReason::Shutdown),
        ]
        .prop_map(Input::Stop),
        Just(Input::Cancel),
        Just(Input::Tick),
    ]
}

/// A loudspeaker and a recorder, as the shell has them.
#[derive(Default)]
struct Shell {
    is_playing: bool,
    records_since: Option<Instant>,
    longest: Duration,
    ends: u32,
}

impl Shell {
    fn perform(&mut self, now: Instant, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Announce => self.is_playing = true,
                Output::Silence => self.is_playing = false,
                Output::Record => {
                    assert!(self.records_since.is_none(), "two recorders");
                    assert!(!self.is_playing, "the tone would be in the message");
                    self.records_since = Some(now);
                }
                Output::Finish | Output::Discard => self.release(now),
                Output::Store => assert!(self.records_since.is_none()),
                Output::Phase(Phase::Ended(_)) => self.ends += 1,
                Output::Phase(_) => {}
            }
        }
    }

    fn release(&mut self, now: Instant) {
        if let Some(since) = self.records_since.take() {
            self.longest = self.longest.max(now - since);
        }
    }

    /// What the input says about the shell's own devices.
    fn note(&mut self, now: Instant, input: Input) -> bool {
        match input {
            Input::Announced if self.is_playing => self.is_playing = false,
            Input::RecorderFinished { .. } | Input::RecorderFailed => {
                if self.records_since.is_none() {
                    return false;
                }
                self.release(now);
            }
            Input::RecorderStarted if self.records_since.is_none() => return false,
            Input::Announced => return false,
            _ => {}
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn it_always_ends_once_never_records_too_long_and_gives_everything_back(
        is_announced in any::<bool>(),
        steps in proptest::collection::vec((0u64..8_000, any_input()), 0..30),
    ) {
        let mut now = Instant::now();
        let mut shell = Shell::default();
        let (mut message, outputs) = VisitorMessage::begin(now, LIMITS, is_announced);
        shell.perform(now, &outputs);
        for (ms, input) in steps {
            let until = now + Duration::from_millis(ms);
            // The shell's timer never sleeps through a deadline.
            while let Some(at) = message.deadline().filter(|at| *at <= until) {
                now = at;
                let outputs = message.handle(now, Input::Tick);
                prop_assert!(!outputs.is_empty(), "a deadline that does nothing");
                shell.perform(now, &outputs);
            }
            now = until;
            if shell.note(now, input) {
                let outputs = message.handle(now, input);
                shell.perform(now, &outputs);
            }
        }
        let mut rounds = 0;
        while let Some(at) = message.deadline() {
            now = now.max(at);
            let outputs = message.handle(now, Input::Tick);
            shell.perform(now, &outputs);
            rounds += 1;
            prop_assert!(rounds < 10, "it does not end");
        }
        prop_assert_eq!(shell.ends, 1);
        prop_assert!(!shell.is_playing, "the loudspeaker plays on");
        prop_assert!(shell.records_since.is_none(), "the recorder runs on");
        prop_assert!(shell.longest <= LIMITS.longest + OVERTIME + START_LIMIT);
        prop_assert_eq!(message.handle(now, Input::Stored), []);
    }
}
