//! The plan against anything that may happen, in any order.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// What may happen to a ring.
#[derive(Clone, Debug)]
enum Happening {
    /// The shell brings the calls of the oldest dial, without some of them.
    Dialled(u8),
    Answer(UserId),
    End(UserId, EndReason),
    Press,
    Stop,
    Quiet(UserId),
    Loud(UserId),
    Away(UserId),
    Back(UserId),
    Wait(u64),
}

fn anybody() -> impl Strategy<Value = UserId> {
    1_u64..6
}

fn happening() -> impl Strategy<Value = Happening> {
    let ends = prop::sample::select(vec![
        EndReason::Busy,
        EndReason::RemoteRejected,
        EndReason::NotSupported,
        EndReason::NoAnswer,
        EndReason::Internal,
    ]);
    prop_oneof![
        6 => any::<u8>().prop_map(Happening::Dialled),
        2 => anybody().prop_map(Happening::Answer),
        4 => (anybody(), ends).prop_map(|(user, reason)| Happening::End(user, reason)),
        1 => Just(Happening::Press),
        1 => Just(Happening::Stop),
        2 => anybody().prop_map(Happening::Quiet),
        1 => anybody().prop_map(Happening::Loud),
        1 => anybody().prop_map(Happening::Away),
        1 => anybody().prop_map(Happening::Back),
        4 => (1_u64..25).prop_map(Happening::Wait),
    ]
}

/// Phones, and the shell between them and the plan.
#[derive(Default)]
struct Phones {
    dials: Vec<(usize, Vec<UserId>)>,
    /// Which calls ring, and whose.
    ringing: HashMap<String, UserId>,
    taken: Option<String>,
    winners: usize,
    ends: usize,
}

impl Phones {
    fn perform(&mut self, outputs: Vec<Output>, world: &World) -> Result<(), TestCaseError> {
        let mut given_up = Vec::new();
        for output in outputs {
            match output {
                Output::Dial { step, users, kept } => {
                    let twice = |user| users.contains(user);
                    prop_assert!(!given_up.iter().any(twice), "hung up on to be called anew");
                    prop_assert_eq!(self.ends, 0, "dials after the end");
                    prop_assert!(users.iter().all(|user| !world.quiet.contains(user)));
                    for (user, call) in &kept {
                        prop_assert!(!users.contains(user), "rings on and is called anew");
                        prop_assert_eq!(
                            self.ringing.get(call),
                            Some(user),
                            "no call to ring on by"
                        );
                    }
                    let rung: BTreeSet<UserId> = users.iter().copied().collect();
                    let twice = |user: &&UserId| rung.contains(user);
                    prop_assert_eq!(
                        self.ringing.values().find(twice),
                        None,
                        "called while a call of theirs rings"
                    );
                    if !users.is_empty() {
                        self.dials.push((step, users));
                    }
                }
                Output::HangUp(calls, reason) => {
                    for call in calls {
                        let user = self.ringing.remove(&call);
                        given_up.extend(user.filter(|_| reason == EndReason::NoAnswer));
                        if self.taken.as_ref() == Some(&call) {
                            self.taken = None;
                        }
                    }
                }
                Output::Finished(outcome) => {
                    self.ends += 1;
                    self.winners += usize::from(matches!(outcome, Outcome::Answered { .. }));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn whatever_happens_a_ring_ends_once_has_at_most_one_winner_and_leaves_nobody_ringing(
        plan in prop::collection::vec(prop::collection::btree_set(anybody(), 0..4), 0..4),
        offline in prop::collection::btree_set(anybody(), 0..6),
        quiet in prop::collection::btree_set(anybody(), 0..3),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut now = Instant::now();
        let mut world = World { quiet, offline, ..World::default() };
        let steps: Vec<Step> = plan
            .iter()
            .map(|users| step(&users.iter().copied().collect::<Vec<_>>()))
            .collect();
        let count = steps.len() as u32;
        let (mut plan, outputs) = RingPlan::begin(now, steps, false, &world);
        let mut phones = Phones::default();
        phones.perform(outputs, &world)?;
        for happening in happenings {
            let input = match happening {
                Happening::Dialled(without) => {
                    if phones.dials.is_empty() {
                        continue;
                    }
                    let (step, users) = phones.dials.remove(0);
                    let asked = users.clone();
                    let calls: Vec<(UserId, String)> = users
                        .into_iter()
                        .filter(|user| without & (1 << user) == 0 || without > 127)
                        .map(|user| (user, call(step, user)))
                        .collect();
                    phones.ringing.extend(calls.iter().map(|(user, call)| (call.clone(), *user)));
                    Input::Dialled { step, users: asked, calls }
                }
                Happening::Answer(user) => {
                    let found = phones.ringing.iter().find(|(_, of)| **of == user);
                    let Some(call) = found.map(|(call, _)| call.clone()) else { continue };
                    phones.ringing.remove(&call);
                    phones.taken = Some(call.clone());
                    Input::Answered(call)
                }
                Happening::End(user, reason) => {
                    let found = phones.ringing.iter().find(|(_, of)| **of == user);
                    let Some(call) = found.map(|(call, _)| call.clone()) else { continue };
                    phones.ringing.remove(&call);
                    Input::Ended(call, reason)
                }
                Happening::Press => Input::Pressed,
                Happening::Stop => Input::Stop(StopReason::Cancelled),
                Happening::Quiet(user) => { world.quiet.insert(user); Input::Tick }
                Happening::Loud(user) => { world.quiet.remove(&user); Input::Tick }
                Happening::Back(user) => {
                    world.offline.remove(&user);
                    Input::Tick
                }
                Happening::Away(user) => { world.offline.insert(user); Input::Tick }
                Happening::Wait(seconds) => { now += Duration::from_secs(seconds); Input::Tick }
            };
            let outputs = plan.handle(now, &world, input);
            phones.perform(outputs, &world)?;
            let disturbed = phones.ringing.values().any(|user| world.quiet.contains(user));
            prop_assert!(!disturbed, "somebody rings who is not to be disturbed");
            prop_assert_eq!(phones.ends, usize::from(plan.outcome().is_some()));
            prop_assert!(phones.winners <= 1);
            if plan.outcome().is_some() {
                prop_assert!(phones.ringing.is_empty(), "rings after the end");
            }
            prop_assert_eq!(plan.deadline().is_some(), plan.outcome().is_none());
        }
        // Left alone it is over when every step has had its time.
        for _ in 0..=count {
            now += STEP;
            let outputs = plan.handle(now, &world, Input::Tick);
            phones.perform(outputs, &world)?;
        }
        prop_assert!(plan.outcome().is_some());
        prop_assert!(phones.ringing.is_empty());
        prop_assert_eq!(phones.taken.is_some(), phones.winners == 1);
    }
}
