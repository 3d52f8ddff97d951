//! Two to four devices over a lossy network: whatever happens, they end in agreement.
//!
//! Every case is drawn from one seed: who calls whom, who answers when, which signals are lost,
//! sent twice or late (each link keeps its order), which paths break and which heal. A failure
//! prints its seed; `SEED=… cargo test` runs that case alone and tells its story.

mod agreement;
mod dice;
mod line;
mod outputs;
mod people;
mod time;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use self::dice::Dice;
use super::end::EndReason;
use super::registry::Registry;
use super::session::MediaState;
use super::timers::Timers;
use crate::protocol::address::UserId;
use crate::protocol::call_signal::CallSignal;

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
