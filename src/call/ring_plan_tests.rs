//! The plan against a simulated clock and simulated phones.

use super::*;

#[path = "ring_plan_property_tests.rs"]
mod anything;

const STEP: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default)]
struct World {
    quiet: BTreeSet<UserId>,
    offline: BTreeSet<UserId>,
    holding: BTreeSet<String>,
}

impl Circumstances for World {
    fn is_quiet(&self, user: UserId) -> bool {
        self.quiet.contains(&user)
    }
    fn is_offline(&self, user: UserId) -> bool {
        self.offline.contains(&user)
    }
    fn holds(&self, condition: &Condition) -> bool {
        self.holding.contains(&condition.schedule) != condition.is_negated
    }
}

fn step(targets: &[UserId]) -> Step {
    Step {
        targets: targets.to_vec(),
        rings_for: STEP,
        condition: None,
    }
}

fn only(schedule: &str, is_negated: bool, targets: &[UserId]) -> Step {
    let condition = Condition {
        schedule: schedule.into(),
        is_negated,
    };
    Step {
        condition: Some(condition),
        ..step(targets)
    }
}

/// The call of a user in a step.
fn call(step: usize, user: UserId) -> String {
    format!("{step}/{user}")
}

fn dialled(step: usize, users: &[UserId]) -> Input {
    Input::Dialled {
        step,
        users: users.to_vec(),
        calls: users
            .iter()
            .map(|user| (*user, call(step, *user)))
            .collect(),
    }
}

fn dial(step: usize, users: &[UserId]) -> Output {
    going_on(step, &[], users)
}

/// A step some ring on in, by these calls.
fn going_on(step: usize, kept: &[(UserId, String)], users: &[UserId]) -> Output {
    Output::Dial {
        step,
        users: users.to_vec(),
        kept: kept.to_vec(),
    }
}

fn finished(outcome: Outcome) -> Output {
    Output::Finished(outcome)
}

fn unanswered(reason: Unanswered) -> Output {
    finished(Outcome::Unanswered(reason))
}

/// A plan whose first step rings.
fn ringing(now: Instant, steps: Vec<Step>, world: &World) -> RingPlan {
    let (mut plan, outputs) = RingPlan::begin(now, steps, false, world);
    let Some(Output::Dial { step, users, .. }) = outputs.last() else {
        panic!("{outputs:?}");
    };
    assert!(plan.handle(now, world, dialled(*step, users)).is_empty());
    plan
}

#[test]
fn the_first_to_answer_wins_and_the_others_are_told() {
    let (now, world) = (Instant::now(), World::default());
    let mut plan = ringing(now, vec![step(&[1, 2, 3])], &world);
    assert_eq!(
        plan.handle(now, &world, Input::Answered(call(0, 2))),
        vec![
            Output::HangUp(vec![call(0, 1), call(0, 3)], EndReason::AnsweredElsewhere),
            finished(Outcome::Answered {
                step: 0,
                user: 2,
                call: call(0, 2)
            }),
        ]
    );
    assert_eq!(
        plan.handle(now, &world, Input::Answered(call(0, 3))),
        vec![Output::HangUp(
            vec![call(0, 3)],
            EndReason::AnsweredElsewhere
        )]
    );
}

#[test]
fn a_step_nobody_answers_is_followed_by_the_next_when_its_time_is_over() {
    let (start, world) = (Instant::now(), World::default());
    let mut plan = ringing(start, vec![step(&[1]), step(&[2, 3])], &world);
    assert_eq!(plan.deadline(), Some(start + STEP));
    let early = start + STEP - Duration::from_millis(1);
    assert!(plan.handle(early, &world, Input::Tick).is_empty());
    assert_eq!(
        plan.handle(start + STEP, &world, Input::Tick),
        vec![
            Output::HangUp(vec![call(0, 1)], EndReason::NoAnswer),
            dial(1, &[2, 3])
        ]
    );
    plan.handle(start + STEP, &world, dialled(1, &[2, 3]));
    assert_eq!(
        plan.handle(start + 2 * STEP, &world, Input::Tick),
        vec![
            Output::HangUp(vec![call(1, 2), call(1, 3)], EndReason::NoAnswer),
            unanswered(Unanswered::NoAnswer)
        ]
    );
    assert_eq!(plan.deadline(), None);
}

#[test]
fn who_is_in_the_next_step_too_rings_on_by_the_same_call() {
    let (start, world) = (Instant::now(), World::default());
    let steps = vec![step(&[1, 2]), step(&[2, 3]), step(&[2, 3])];
    let mut plan = ringing(start, steps, &world);
    let kept = [(2, call(0, 2))];
    assert_eq!(
        plan.handle(start + STEP, &world, Input::Tick),
        vec![
            Output::HangUp(vec![call(0, 1)], EndReason::NoAnswer),
            going_on(1, &kept, &[3])
        ]
    );
    plan.handle(start + STEP, &world, dialled(1, &[3]));
    assert_eq!(plan.ringing(), Some((1, vec![2, 3])));
    assert_eq!(plan.deadline(), Some(start + 2 * STEP));
    let kept = [(2, call(0, 2)), (3, call(1, 3))];
    assert_eq!(
        plan.handle(start + 2 * STEP, &world, Input::Tick),
        vec![going_on(2, &kept, &[])],
        "nobody is called anew and nobody's call ends"
    );
    assert_eq!(
        plan.handle(start + 2 * STEP, &world, Input::Answered(call(0, 2))),
        vec![
            Output::HangUp(vec![call(1, 3)], EndReason::AnsweredElsewhere),
            finished(Outcome::Answered {
                step: 2,
                user: 2,
                call: call(0, 2)
            })
        ]
    );
}

#[test]
fn a_call_that_would_end_within_the_next_step_is_not_kept_for_it() {
    let (start, world) = (Instant::now(), World::default());
    let steps = vec![step(&[1]), step(&[1, 2]), step(&[1])];
    let mut plan = ringing(start, steps, &world);
    plan.limit_calls(2 * STEP);
    assert_eq!(
        plan.handle(start + STEP, &world, Input::Tick),
        vec![going_on(1, &[(1, call(0, 1))], &[2])]
    );
    plan.handle(start + STEP, &world, dialled(1, &[2]));
    assert_eq!(
        plan.handle(start + 2 * STEP, &world, Input::Tick),
        vec![
            Output::HangUp(vec![call(0, 1), call(1, 2)], EndReason::NoAnswer),
            dial(2, &[1])
        ]
    );
}

#[test]
fn who_declined_or_wants_quiet_does_not_ring_on() {
    let (start, mut world) = (Instant::now(), World::default());
    let mut plan = ringing(start, vec![step(&[1, 2, 3]), step(&[1, 2, 3])], &world);
    plan.handle(
        start,
        &world,
        Input::Ended(call(0, 1), EndReason::RemoteRejected),
    );
    world.quiet.insert(2);
    assert_eq!(
        plan.handle(start + STEP, &world, Input::Tick),
        vec![
            Output::HangUp(vec![call(0, 2)], EndReason::Cancelled),
            going_on(1, &[(3, call(0, 3))], &[])
        ]
    );
}

#[test]
fn when_all_of_a_step_are_out_the_next_begins_at_once() {
    let (now, world) = (Instant::now(), World::default());
    let mut plan = ringing(now, vec![step(&[1, 2]), step(&[3])], &world);
    let busy = Input::Ended(call(0, 1), EndReason::Busy);
    assert!(plan.handle(now, &world, busy).is_empty());
    let rejected = Input::Ended(call(0, 2), EndReason::RemoteRejected);
    assert_eq!(plan.handle(now, &world, rejected), vec![dial(1, &[3])]);
}

#[test]
fn who_has_declined_is_not_asked_again() {
    let (now, world) = (Instant::now(), World::default());
    let mut plan = ringing(now, vec![step(&[1, 2]), step(&[1]), step(&[1, 3])], &world);
    plan.handle(
        now,
        &world,
        Input::Ended(call(0, 1), EndReason::RemoteRejected),
    );
    let outputs = plan.handle(now, &world, Input::Ended(call(0, 2), EndReason::Busy));
    let skipped = Output::Skipped {
        step: 1,
        reason: SkipReason::Rejected,
    };
    assert_eq!(outputs, vec![skipped, dial(2, &[3])]);
}

#[test]
fn a_step_out_of_its_hours_is_skipped_and_one_outside_of_others_hours_is_not() {
    let now = Instant::now();
    let steps = vec![
        only("day", false, &[1]),
        only("night", true, &[2]),
        step(&[3]),
    ];
    let world = World {
        holding: BTreeSet::from(["night".to_owned()]),
        ..World::default()
    };
    let (_, outputs) = RingPlan::begin(now, steps, false, &world);
    let skipped = |step| Output::Skipped {
        step,
        reason: SkipReason::OutOfHours,
    };
    assert_eq!(outputs, vec![skipped(0), skipped(1), dial(2, &[3])]);
}

#[test]
fn who_is_not_to_be_disturbed_does_not_ring_and_stops_ringing_when_asked() {
    let now = Instant::now();
    let mut world = World {
        quiet: BTreeSet::from([1]),
        ..World::default()
    };
    let (mut plan, outputs) = RingPlan::begin(now, vec![step(&[1, 2, 3])], false, &world);
    assert_eq!(outputs, vec![dial(0, &[2, 3])]);
    plan.handle(now, &world, dialled(0, &[2, 3]));
    world.quiet.insert(2);
    assert_eq!(
        plan.handle(now, &world, Input::Tick),
        vec![Output::HangUp(vec![call(0, 2)], EndReason::Cancelled)]
    );
    world.quiet.insert(3);
    assert_eq!(
        plan.handle(now, &world, Input::Tick),
        vec![
            Output::HangUp(vec![call(0, 3)], EndReason::Cancelled),
            unanswered(Unanswered::DoNotDisturb)
        ]
    );
}

#[test]
fn the_offline_are_skipped_while_somebody_else_is_there() {
    let now = Instant::now();
    let world = World {
        offline: BTreeSet::from([1, 2]),
        ..World::default()
    };
    let steps = vec![step(&[1]), step(&[2, 3])];
    let (_, outputs) = RingPlan::begin(now, steps, false, &world);
    let offline = |user| Output::Offline {
        users: vec![user],
        is_rung: false,
    };
    let skipped = Output::Skipped {
        step: 0,
        reason: SkipReason::Offline,
    };
    assert_eq!(
        outputs,
        vec![offline(1), skipped, offline(2), dial(1, &[3])]
    );
}

#[test]
fn who_comes_back_in_time_rings_with_the_others_of_the_step() {
    let now = Instant::now();
    let mut world = World {
        offline: BTreeSet::from([1, 2]),
        ..World::default()
    };
    let mut plan = ringing(now, vec![step(&[1, 2, 3]), step(&[4])], &world);
    assert!(plan.handle(now, &world, Input::Tick).is_empty());
    world.offline.remove(&2);
    assert_eq!(plan.handle(now, &world, Input::Tick), vec![dial(0, &[2])]);
    assert!(plan.handle(now, &world, dialled(0, &[2])).is_empty());
    assert_eq!(plan.ringing(), Some((0, vec![2, 3])));
    let outputs = plan.handle(now, &world, Input::Answered(call(0, 2)));
    assert_eq!(
        outputs[0],
        Output::HangUp(vec![call(0, 3)], EndReason::AnsweredElsewhere)
    );
}

#[test]
fn when_all_are_offline_they_are_rung_all_the_same() {
    let now = Instant::now();
    let world = World {
        offline: BTreeSet::from([1, 2]),
        ..World::default()
    };
    let (_, outputs) = RingPlan::begin(now, vec![step(&[1]), step(&[2])], false, &world);
    let offline = Output::Offline {
        users: vec![1],
        is_rung: true,
    };
    assert_eq!(outputs, vec![offline, dial(0, &[1])]);
}

#[test]
fn a_press_while_it_rings_begins_nothing_and_a_stop_ends_everything() {
    let (now, world) = (Instant::now(), World::default());
    let mut plan = ringing(now, vec![step(&[1, 2]), step(&[3])], &world);
    assert_eq!(
        plan.handle(now, &world, Input::Pressed),
        vec![Output::PressedAgain]
    );
    assert_eq!(
        plan.handle(now, &world, Input::Stop(StopReason::Cancelled)),
        vec![
            Output::HangUp(vec![call(0, 1), call(0, 2)], EndReason::Cancelled),
            finished(Outcome::Stopped(StopReason::Cancelled))
        ]
    );
    assert!(plan.handle(now + STEP, &world, Input::Tick).is_empty());
}

#[test]
fn calls_that_come_after_the_end_or_after_their_step_are_ended() {
    let (now, world) = (Instant::now(), World::default());
    let (mut plan, _) = RingPlan::begin(now, vec![step(&[1]), step(&[2])], false, &world);
    plan.handle(now + STEP, &world, Input::Tick);
    assert_eq!(
        plan.handle(now + STEP, &world, dialled(0, &[1])),
        vec![Output::HangUp(vec![call(0, 1)], EndReason::Cancelled)]
    );
    plan.handle(now + STEP, &world, Input::Stop(StopReason::Cancelled));
    assert_eq!(
        plan.handle(now + STEP, &world, dialled(1, &[2])),
        vec![Output::HangUp(vec![call(1, 2)], EndReason::Cancelled)]
    );
}

#[test]
fn why_nobody_answered_is_the_best_that_was_heard_of_anybody() {
    let (now, world) = (Instant::now(), World::default());
    for (ends, reason) in [
        ([EndReason::Busy, EndReason::Busy], Unanswered::Busy),
        (
            [EndReason::Busy, EndReason::RemoteRejected],
            Unanswered::Rejected,
        ),
        (
            [EndReason::NotSupported, EndReason::Internal],
            Unanswered::NotSupported,
        ),
    ] {
        let mut plan = ringing(now, vec![step(&[1, 2])], &world);
        plan.handle(now, &world, Input::Ended(call(0, 1), ends[0]));
        let outputs = plan.handle(now, &world, Input::Ended(call(0, 2), ends[1]));
        assert_eq!(outputs, vec![unanswered(reason)]);
    }
    let (mut plan, _) = RingPlan::begin(now, vec![step(&[1])], false, &world);
    let none = Input::Dialled {
        step: 0,
        users: vec![1],
        calls: Vec::new(),
    };
    assert_eq!(
        plan.handle(now, &world, none),
        vec![unanswered(Unanswered::Unavailable)]
    );
    let (plan, _) = RingPlan::begin(now, Vec::new(), true, &world);
    assert_eq!(
        plan.outcome(),
        Some(&Outcome::LeaveMessage(Unanswered::OutOfHours))
    );
}
