//! One thing after the other, in the order of simulated time.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::{Event, MAX_STEPS, World};
use crate::call::session::Input;

impl World {
    pub(super) fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms)
    }

    pub(super) fn schedule(&mut self, after_ms: u64, event: Event) {
        self.at(self.now_ms + after_ms, event);
    }

    pub(super) fn at(&mut self, at_ms: u64, event: Event) {
        let number = self.pending.len();
        self.pending.push(Some(event));
        self.events.push(Reverse((at_ms, number as u64, number)));
    }

    /// Runs until nothing is left to happen, or nothing before `limit_ms`.
    pub(super) fn settle(&mut self, limit_ms: u64) {
        for _ in 0..MAX_STEPS {
            let due = self
                .parties
                .iter()
                .enumerate()
                .filter_map(|(n, party)| Some((party.registry.deadline()?, n)))
                .min();
            let deadline = due.map(|(at, _)| {
                u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(0)
            });
            let event = self.events.peek().map(|Reverse((at, _, _))| *at);
            if deadline
                .into_iter()
                .chain(event)
                .min()
                .is_none_or(|at| at > limit_ms)
            {
                return;
            }
            match (deadline, event) {
                (None, None) => return,
                (Some(at), other) if other.is_none_or(|event| at < event) => {
                    self.now_ms = self.now_ms.max(at);
                    let who = due.map_or(0, |(_, n)| n);
                    let now = self.now();
                    let outputs = self.parties[who].registry.tick(now);
                    self.perform(who, outputs);
                }
                _ => {
                    let Some(Reverse((at, _, number))) = self.events.pop() else {
                        return;
                    };
                    self.now_ms = self.now_ms.max(at);
                    if let Some(event) = self.pending[number].take() {
                        self.happen(event);
                    }
                }
            }
        }
        panic!("it never comes to rest");
    }

    fn happen(&mut self, event: Event) {
        if self.tells_story {
            eprintln!("{:>7} ms  {event:?}", self.now_ms);
        }
        match event {
            Event::Deliver(to, from, signal) => self.deliver(to, from, signal),
            Event::OfferReady(who, call, peer) => {
                if self.parties[who].open.contains_key(&(call.clone(), peer)) {
                    self.feed(who, &call, Input::OfferReady(peer));
                }
            }
            Event::Media(who, call, peer, state) => self.on_media(who, call, peer, state),
            Event::Person(who) => self.act(who),
            Event::Break => self.break_a_path(),
        }
    }

    pub(super) fn feed(&mut self, who: usize, call: &str, input: Input) {
        let now = self.now();
        let outputs = self.parties[who].registry.handle(now, call, input);
        self.perform(who, outputs);
    }
}
