//! What people do, and when it happens.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Instant;

use super::{ACTIVE_MS, Dice, Event, Party, TIMERS, World};
use crate::call::end::EndReason;
use crate::call::registry::Registry;
use crate::call::session::Input;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::CallType;

impl World {
    pub(super) fn new(seed: u64, people: usize, tells_story: bool) -> Self {
        let mut dice = Dice(seed);
        let start = Instant::now();
        let parties = (0..people)
            .map(|n| Party {
                me: n as UserId + 1,
                registry: Registry::new(TIMERS),
                open: BTreeMap::new(),
                ended: BTreeMap::new(),
                sessions_ended: BTreeSet::new(),
            })
            .collect();
        // A third of the cases has a perfect network.
        let loss = [0, 0, 5, 15, 30, 50][dice.below(6) as usize];
        let doubling = [0, 0, 10, 30][dice.below(4) as usize];
        let mut world = Self {
            dice,
            start,
            now_ms: 0,
            parties,
            events: BinaryHeap::new(),
            pending: Vec::new(),
            links: BTreeMap::new(),
            paths: BTreeMap::new(),
            loss,
            doubling,
            calls: 0,
            tells_story,
        };
        let actions = 2 + world.dice.below(10);
        for _ in 0..actions {
            // Half of what people do comes in quick succession, so that it crosses.
            let window = if world.dice.percent(50) {
                2_000
            } else {
                ACTIVE_MS
            };
            let at = world.dice.below(window);
            let who = world.dice.below(people as u64) as usize;
            let event = if world.dice.percent(10) {
                Event::Break
            } else {
                Event::Person(who)
            };
            world.schedule(at, event);
        }
        world
    }

    /// What a person does who sees this state of the device.
    pub(super) fn act(&mut self, who: usize) {
        let party = &self.parties[who];
        let ringing = party.registry.ringing().map(|s| s.id().to_owned());
        let present = party.registry.foremost().map(|s| s.id().to_owned());
        let others: Vec<UserId> = self
            .parties
            .iter()
            .map(|other| other.me)
            .filter(|other| *other != party.me)
            .collect();
        let choice = self.dice.below(10);
        match (ringing, present) {
            (Some(call), _) if choice < 7 => self.feed(who, &call, Input::Answer),
            (Some(call), _) => self.feed(who, &call, Input::Reject(None)),
            (None, Some(call)) if choice < 4 => {
                let peer = others[self.dice.below(others.len() as u64) as usize];
                self.feed(who, &call, Input::Invite(peer));
            }
            (None, Some(call)) if choice < 6 => self.feed(who, &call, Input::NetworkChanged),
            (None, Some(_)) => {
                let now = self.now();
                let outputs = self.parties[who]
                    .registry
                    .hang_up_all(now, EndReason::HungUp);
                self.perform(who, outputs);
            }
            (None, None) => self.dial(who, &others, choice),
        }
        // Somebody will answer, sooner or later or too late.
        let later = self.dice.below(25_000);
        if self.now_ms < ACTIVE_MS && self.dice.percent(70) {
            let someone = self.dice.below(self.parties.len() as u64) as usize;
            self.schedule(later, Event::Person(someone));
        }
    }

    fn dial(&mut self, who: usize, others: &[UserId], choice: u64) {
        let now = self.now();
        let groups: Vec<Vec<UserId>> = if choice < 4 {
            vec![vec![others[self.dice.below(others.len() as u64) as usize]]]
        } else if choice < 6 {
            others.iter().map(|user| vec![*user]).collect()
        } else {
            vec![others.to_vec()]
        };
        for group in groups {
            self.calls += 1;
            let call = format!("c{}", self.calls);
            let party = &mut self.parties[who];
            let outputs = party
                .registry
                .dial(now, party.me, call, &group, CallType::Video);
            self.perform(who, vec![outputs]);
        }
    }
}
