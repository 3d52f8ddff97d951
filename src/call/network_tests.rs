//! Two to four devices over a lossy network: whatever happens, they end in agreement.
//!
//! Every case is drawn from one seed: who calls whom, who answers when, which signals are lost,
//! sent twice or late (each link keeps its order), which paths break and which heal. A failure
//! prints its seed; `SEED=… cargo test` runs that case alone and tells its story.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::end::EndReason;
use super::registry::{Registry, Routed, SessionOutputs};
use super::session::{Action, Input, LegPhase, MediaState, Output, Phase, Role};
use super::timers::Timers;
use super::verdict::{IncomingPolicy, RingUnlessBusy};
use crate::protocol::address::UserId;
use crate::protocol::call_signal::{CallSignal, CallType, PLATFORM, SignalKind};

/// Actions of people happen within this time, in milliseconds.
const ACTIVE_MS: u64 = 40_000;
/// No signal takes longer, in milliseconds, and so no hang-up without loss.
const SLOWEST_MS: u64 = 3_100;
/// As everywhere, but shorter, for the sake of more cases.
const TIMERS: Timers = Timers {
    dialing_interval: Duration::from_secs(5),
    answer_timeout: Duration::from_secs(18),
    disconnect_timeout: Duration::from_secs(15),
};
/// More steps than any case needs that comes to rest.
const MAX_STEPS: usize = 50_000;

/// SplitMix64: a case is made of nothing but its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

#[derive(Debug)]
enum Event {
    Deliver(usize, UserId, CallSignal),
    OfferReady(usize, String, UserId),
    Media(usize, String, UserId, MediaState),
    Person(usize),
    Break,
}

/// The peer connection between two parties of a call, smaller id first.
type Pair = (String, UserId, UserId);

#[derive(Default)]
struct Path {
    answered: bool,
    taken: bool,
    is_up: bool,
    /// Until when it is broken, in milliseconds.
    broken_until: u64,
}

struct Party {
    me: UserId,
    registry: Registry,
    /// Peer connections that are open, with what the participant is told of the call.
    open: BTreeMap<(String, UserId), (UserId, Vec<UserId>)>,
    /// How legs ended, and whether we had started the call.
    ended: BTreeMap<(String, UserId), (EndReason, bool)>,
    sessions_ended: BTreeSet<String>,
}

struct World {
    dice: Dice,
    start: Instant,
    now_ms: u64,
    parties: Vec<Party>,
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    pending: Vec<Option<Event>>,
    /// When the last signal of each link arrives.
    links: BTreeMap<(usize, usize), u64>,
    paths: BTreeMap<Pair, Path>,
    loss: u64,
    doubling: u64,
    calls: u32,
    tells_story: bool,
}

impl World {
    fn new(seed: u64, people: usize, tells_story: bool) -> Self {
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

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms)
    }

    fn schedule(&mut self, after_ms: u64, event: Event) {
        self.at(self.now_ms + after_ms, event);
    }

    fn at(&mut self, at_ms: u64, event: Event) {
        let number = self.pending.len();
        self.pending.push(Some(event));
        self.events.push(Reverse((at_ms, number as u64, number)));
    }

    /// Runs until nothing is left to happen, or nothing before `limit_ms`.
    fn settle(&mut self, limit_ms: u64) {
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

    fn deliver(&mut self, to: usize, from: UserId, signal: CallSignal) {
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

    fn feed(&mut self, who: usize, call: &str, input: Input) {
        let now = self.now();
        let outputs = self.parties[who].registry.handle(now, call, input);
        self.perform(who, outputs);
    }

    /// What a person does who sees this state of the device.
    fn act(&mut self, who: usize) {
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

    fn perform(&mut self, who: usize, all: Vec<SessionOutputs>) {
        for (call, outputs) in all {
            assert!(
                !self.parties[who].sessions_ended.contains(&call) || outputs.is_empty(),
                "{call} goes on after its end at {who}"
            );
            for output in outputs {
                if self.tells_story {
                    let me = self.parties[who].me;
                    eprintln!("{:>7} ms      {me} {call}: {output:?}", self.now_ms);
                }
                self.perform_one(who, &call, output);
            }
        }
    }

    fn perform_one(&mut self, who: usize, call: &str, output: Output) {
        let me = self.parties[who].me;
        match output {
            Output::Open {
                peer,
                offers,
                opponents,
            } => {
                let initiator = self.parties[who]
                    .registry
                    .get(call)
                    .map_or(me, |session| session.initiator());
                let key = (call.to_owned(), peer);
                let told = (initiator, opponents);
                let before = self.parties[who].open.insert(key, told);
                assert!(before.is_none(), "opened twice");
                if offers {
                    let after = 10 + self.dice.below(50);
                    self.schedule(after, Event::OfferReady(who, call.to_owned(), peer));
                }
            }
            Output::Close(peer) => self.close(who, call, peer),
            Output::Leg(peer, LegPhase::Ended(reason)) => {
                let is_ours = self.parties[who]
                    .registry
                    .get(call)
                    .is_some_and(|session| session.role() == Role::Caller);
                let key = (call.to_owned(), peer);
                let is_ours = is_ours || self.is_started_by(who, &key);
                let before = self.parties[who].ended.insert(key, (reason, is_ours));
                assert!(
                    before.is_none_or(|_| is_ours),
                    "a leg ended twice, and not as one invited again"
                );
            }
            Output::Ended(_) => {
                let party = &mut self.parties[who];
                assert!(party.sessions_ended.insert(call.to_owned()), "ended twice");
                let left = party.open.keys().any(|(open, _)| open == call);
                assert!(!left, "{call} ended with an open connection at {me}");
            }
            Output::To(peer, action) => self.perform_action(who, call, peer, action),
            Output::Leg(..) | Output::Told(..) | Output::Phase(_) => {}
        }
    }

    fn is_started_by(&self, who: usize, key: &(String, UserId)) -> bool {
        let party = &self.parties[who];
        party
            .open
            .get(key)
            .is_some_and(|(initiator, _)| *initiator == party.me)
    }

    fn perform_action(&mut self, who: usize, call: &str, peer: UserId, action: Action) {
        let me = self.parties[who].me;
        let told = self.parties[who]
            .open
            .get(&(call.to_owned(), peer))
            .cloned();
        let pair = pair(call, me, peer);
        let (kind, info) = match action {
            Action::SendReject(info) => (SignalKind::Reject, info),
            Action::SendHangUp(info) => (SignalKind::HangUp, info),
            Action::SendUpdate(info, opponents) => {
                let mut signal = CallSignal::new(SignalKind::Update, call);
                signal.user_info = info;
                signal.opponents = opponents.unwrap_or_default();
                return self.send(who, peer, signal);
            }
            Action::SendCandidates(_) | Action::RemoteOffer(_) | Action::RemoteCandidates(_) => {
                return;
            }
            other => {
                assert!(told.is_some(), "{other:?} without a connection");
                match other {
                    Action::SendCall => (SignalKind::Call, BTreeMap::new()),
                    Action::SendAccept => {
                        self.paths.entry(pair).or_default().answered = true;
                        (SignalKind::Accept, BTreeMap::new())
                    }
                    Action::ResendAccept => (SignalKind::Accept, BTreeMap::new()),
                    Action::RestartIce => (SignalKind::IceRestart, BTreeMap::new()),
                    Action::AnswerRestart(_) => (SignalKind::IceRestartAccept, BTreeMap::new()),
                    _ => {
                        self.paths.entry(pair.clone()).or_default().taken = true;
                        return self.connect(pair);
                    }
                }
            }
        };
        let mut signal = CallSignal::new(kind, call);
        signal.user_info = info;
        signal.sdp = Some("v=0".into());
        if let Some((initiator, opponents)) = told {
            signal.caller_id = Some(initiator);
            signal.opponents = opponents;
        }
        self.send(who, peer, signal);
    }

    fn send(&mut self, from: usize, to: UserId, mut signal: CallSignal) {
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

    /// Both descriptions are there: media flows soon, unless the path is broken.
    fn connect(&mut self, pair: Pair) {
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

    fn on_media(&mut self, who: usize, call: String, peer: UserId, state: MediaState) {
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
    fn close(&mut self, who: usize, call: &str, peer: UserId) {
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

    fn break_a_path(&mut self) {
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

    /// What must hold whenever nothing is left to happen.
    fn check_rest(&self) {
        for party in &self.parties {
            for session in party.registry.iter() {
                assert_eq!(
                    session.phase(),
                    Phase::Connected,
                    "it rests at {}",
                    party.me
                );
                for leg in session.legs() {
                    let phase = leg.phase();
                    let is_settled = phase == LegPhase::Connected || !phase.is_live();
                    assert!(is_settled, "a leg of {} rests as {phase:?}", party.me);
                    if phase != LegPhase::Connected {
                        continue;
                    }
                    let other = self.parties.iter().find(|other| other.me == leg.peer());
                    let mirrored = other
                        .and_then(|other| other.registry.get(session.id()))
                        .and_then(|session| session.leg(party.me))
                        .map(|leg| leg.phase());
                    assert_eq!(
                        mirrored,
                        Some(LegPhase::Connected),
                        "{} and {} do not agree about {}",
                        party.me,
                        leg.peer(),
                        session.id()
                    );
                }
            }
        }
        self.check_reasons();
    }

    /// No two sides both believe that the other one left first.
    fn check_reasons(&self) {
        for party in &self.parties {
            for ((call, peer), (reason, is_ours)) in &party.ended {
                let other = self.parties.iter().find(|other| other.me == *peer);
                let theirs = other.and_then(|other| other.ended.get(&(call.clone(), party.me)));
                let Some((their_reason, they_started)) = theirs else {
                    continue;
                };
                assert!(
                    !(is_told(*reason, *is_ours) && is_told(*their_reason, *they_started)),
                    "{call}: {} ended as {reason}, {peer} as {their_reason}",
                    party.me
                );
            }
        }
    }
}

/// Whether a leg ended because the other side said so.
fn is_told(reason: EndReason, is_ours: bool) -> bool {
    match reason {
        EndReason::RemoteHungUp
        | EndReason::RemoteRejected
        | EndReason::Busy
        | EndReason::NotSupported
        | EndReason::Cancelled => true,
        EndReason::AnsweredElsewhere => !is_ours,
        _ => false,
    }
}

fn pair(call: &str, one: UserId, other: UserId) -> Pair {
    (call.to_owned(), one.min(other), one.max(other))
}

fn run(seed: u64, people: usize, tells_story: bool) {
    let mut world = World::new(seed, people, tells_story);
    world.settle(u64::MAX);
    world.check_rest();
    // Everybody leaves, and now nothing is lost.
    world.loss = 0;
    for who in 0..people {
        let now = world.now();
        let outputs = world.parties[who]
            .registry
            .hang_up_all(now, EndReason::HungUp);
        world.perform(who, outputs);
    }
    world.settle(world.now_ms + SLOWEST_MS);
    world.check_reasons();
    for party in &world.parties {
        assert_eq!(
            party.registry.iter().count(),
            0,
            "a call outlives everybody"
        );
        assert!(party.open.is_empty(), "a connection outlives its call");
    }
}

fn cases(people: usize, cases: u32) {
    if let Some(seed) = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        return run(seed, people, true);
    }
    proptest!(
        ProptestConfig { cases, max_shrink_iters: 0, ..ProptestConfig::default() },
        |(seed: u64)| run(seed, people, false)
    );
}

#[test]
fn two_devices_end_in_agreement_whatever_is_lost_doubled_or_late() {
    cases(2, 20_000);
}

#[test]
fn three_devices_end_in_agreement_whatever_is_lost_doubled_or_late() {
    cases(3, 12_000);
}

#[test]
fn four_devices_end_in_agreement_whatever_is_lost_doubled_or_late() {
    cases(4, 8_000);
}
