//! Signals and media between two devices: lost, doubled, late, broken.

use super::{Event, Pair, SLOWEST_MS, World};
use crate::call::registry::Routed;
use crate::call::session::{Input, MediaState};
use crate::call::verdict::{IncomingPolicy, RingUnlessBusy};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, PLATFORM};

impl World {
    pub(super) fn send(&mut self, from: usize, to: UserId, mut signal: CallSignal) {
        let Some(target) = self.parties.iter().position(|party| party.me == to) else {
            return;
        };
        signal.platform = Some(PLATFORM.into());
        if self.dice.percent(self.loss) {
            return;
        }
        let copies = 1 + usize::from(self.dice.percent(self.doubling));
        let sender = self.parties[from].me;
        for _ in 0..copies {
            let slow = if self.dice.percent(10) {
                SLOWEST_MS - 100
            } else {
                80
            };
            let arrives = self.now_ms + 1 + self.dice.below(slow);
            let last = self.links.entry((from, target)).or_default();
            *last = arrives.max(*last);
            let at = *last;
            self.at(at, Event::Deliver(target, sender, signal.clone()));
        }
    }

    pub(super) fn deliver(&mut self, to: usize, from: UserId, signal: CallSignal) {
        let now = self.now();
        let party = &mut self.parties[to];
        let me = party.me;
        let (call, kind) = (signal.session_id.clone(), signal.kind);
        let routed = match party.registry.signal(now, me, from, signal) {
            Routed::Invited(invitation, signal) => {
                let verdict = RingUnlessBusy.verdict(&invitation);
                party.registry.incoming(now, me, from, *signal, verdict)
            }
            other => other,
        };
        match routed {
            Routed::Taken(outputs) | Routed::New(outputs) => self.perform(to, outputs),
            Routed::Refused(answer, info) => {
                let mut signal = CallSignal::new(answer, &call);
                signal.user_info = info;
                self.send(to, from, signal);
            }
            Routed::Ignored(why) => {
                if self.tells_story {
                    eprintln!("            {} of {call}: {why}", kind.name());
                }
            }
            Routed::Invited(..) => unreachable!("answered above"),
        }
    }

    /// Both descriptions are there: media flows soon, unless the path is broken.
    pub(super) fn connect(&mut self, pair: Pair) {
        let Some(path) = self.paths.get(&pair) else {
            return;
        };
        if !path.answered || !path.taken || path.broken_until > self.now_ms {
            return;
        }
        let after = 20 + self.dice.below(400);
        self.tell_both(&pair, after, MediaState::Connected);
    }

    fn tell_both(&mut self, (call, one, other): &Pair, after: u64, state: MediaState) {
        for (me, peer) in [(*one, *other), (*other, *one)] {
            if let Some(who) = self.parties.iter().position(|party| party.me == me) {
                self.schedule(after, Event::Media(who, call.clone(), peer, state));
            }
        }
    }

    pub(super) fn on_media(&mut self, who: usize, call: String, peer: UserId, state: MediaState) {
        let me = self.parties[who].me;
        let key = (call.clone(), peer);
        if !self.parties[who].open.contains_key(&key) {
            return;
        }
        let is_whole = self
            .parties
            .iter()
            .any(|party| party.me == peer && party.open.contains_key(&(call.clone(), me)));
        if state == MediaState::Connected && !is_whole {
            return;
        }
        let path = self.paths.entry(pair(&call, me, peer)).or_default();
        path.is_up = state == MediaState::Connected;
        self.feed(who, &call, Input::Media(peer, state));
    }

    /// A path that is closed at one end falls silent at the other.
    pub(super) fn close(&mut self, who: usize, call: &str, peer: UserId) {
        let me = self.parties[who].me;
        let was_open = self.parties[who].open.remove(&(call.to_owned(), peer));
        assert!(was_open.is_some(), "closed what was not open");
        // Invited again, it is a new connection.
        self.paths.remove(&pair(call, me, peer));
        if let Some(other) = self.parties.iter().position(|party| party.me == peer) {
            let event = Event::Media(other, call.to_owned(), me, MediaState::Disconnected);
            self.schedule(5_000, event);
        }
    }

    pub(super) fn break_a_path(&mut self) {
        let up: Vec<Pair> = self
            .paths
            .iter()
            .filter(|(_, path)| path.is_up)
            .map(|(pair, _)| pair.clone())
            .collect();
        if up.is_empty() {
            return;
        }
        let pair = up[self.dice.below(up.len() as u64) as usize].clone();
        let lasts = [1_000, 8_000, 20_000, 1_000_000][self.dice.below(4) as usize];
        let now = self.now_ms;
        if let Some(path) = self.paths.get_mut(&pair) {
            path.broken_until = now + lasts;
        }
        let state = if self.dice.percent(30) {
            MediaState::Failed
        } else {
            MediaState::Disconnected
        };
        self.tell_both(&pair, 5_000, state);
    }
}

pub(super) fn pair(call: &str, one: UserId, other: UserId) -> Pair {
    (call.to_owned(), one.min(other), one.max(other))
}
