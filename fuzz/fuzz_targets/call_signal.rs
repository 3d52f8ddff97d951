//! Call signals: whatever sequence of them comes, from members and strangers, in whatever order,
//! no call rings for ever, every connection is closed once, and memory stays bounded.
#![no_main]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cubelet::call::registry::{Registry, Routed, SessionOutputs};
use cubelet::call::session::{Input, MAX_PEOPLE, MediaState, Output, Phase};
use cubelet::call::timers::Timers;
use cubelet::call::verdict::{IncomingPolicy, RingUnlessBusy};
use cubelet::protocol::call_signal::{CallSignal, CallType, Candidate, SignalKind};
use libfuzzer_sys::fuzz_target;

const ME: u64 = 5;
const KINDS: [SignalKind; 8] = [
    SignalKind::Call,
    SignalKind::Accept,
    SignalKind::Reject,
    SignalKind::HangUp,
    SignalKind::IceCandidates,
    SignalKind::Update,
    SignalKind::IceRestart,
    SignalKind::IceRestartAccept,
];

// Four bytes are one thing that happens.
fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let mut registry = Registry::new(Timers::default());
    let mut open = BTreeSet::new();
    for chunk in bytes.chunks_exact(4) {
        now += Duration::from_millis(u64::from(chunk[3]) * 40);
        let outputs = happen(&mut registry, now, [chunk[0], chunk[1], chunk[2]]);
        count(&mut open, outputs);
        count(&mut open, registry.tick(now));
    }
    for session in registry.iter() {
        assert!(session.legs().count() < 2 * MAX_PEOPLE + 64);
    }
    // Left alone, whatever is not connected ends by itself.
    while let Some(at) = registry.deadline() {
        now = at.max(now);
        count(&mut open, registry.tick(now));
    }
    assert!(registry.iter().all(|one| one.phase() == Phase::Connected));
    count(&mut open, registry.hang_up_all(now, cubelet::call::end::EndReason::HungUp));
    assert!(open.is_empty() && registry.iter().count() == 0);
});

fn happen(registry: &mut Registry, now: Instant, [what, who, id]: [u8; 3]) -> Vec<SessionOutputs> {
    let peer = u64::from(who % 8);
    let call = format!("c{}", id % 6);
    match what % 16 {
        0..=9 => return signal(registry, now, peer, &call, what, id),
        10 => {
            if registry.get(&call).is_some() || peer == ME {
                return Vec::new();
            }
            return vec![registry.dial(now, ME, call, &[peer, u64::from(id % 8)], CallType::Video)];
        }
        11 => registry.handle(now, &call, Input::OfferReady(peer)),
        12 => registry.handle(now, &call, Input::Answer),
        13 => registry.handle(now, &call, Input::Invite(peer)),
        14 => registry.handle(now, &call, Input::Media(peer, MediaState::Connected)),
        _ => match id % 4 {
            0 => registry.handle(now, &call, Input::Media(peer, MediaState::Failed)),
            1 => registry.handle(now, &call, Input::Reject(None)),
            2 => registry.network_changed(now),
            _ => registry.own_signal(now, &call, SignalKind::Accept),
        },
    }
}

fn signal(
    registry: &mut Registry,
    now: Instant,
    peer: u64,
    call: &str,
    what: u8,
    id: u8,
) -> Vec<SessionOutputs> {
    let mut signal = CallSignal::new(KINDS[usize::from(what % 8)], call);
    signal.sdp = (id & 0x40 == 0).then(|| "v=0".to_owned());
    signal.caller_id = (id & 0x20 == 0).then_some(peer);
    signal.opponents = (0..u64::from(what >> 4)).collect();
    signal.platform = (id & 0x80 == 0).then(|| "linux".to_owned());
    signal.candidates = vec![
        Candidate {
            candidate: "candidate:1".to_owned(),
            sdp_mid: "0".to_owned(),
            sdp_m_line_index: 0,
        };
        usize::from(what)
    ];
    let routed = match registry.signal(now, ME, peer, signal) {
        Routed::Invited(invitation, signal) => {
            let verdict = RingUnlessBusy.verdict(&invitation);
            registry.incoming(now, ME, peer, *signal, verdict)
        }
        other => other,
    };
    match routed {
        Routed::Taken(outputs) | Routed::New(outputs) => outputs,
        _ => Vec::new(),
    }
}

fn count(open: &mut BTreeSet<(String, u64)>, all: Vec<SessionOutputs>) {
    for (call, outputs) in all {
        for output in outputs {
            match output {
                Output::Open { peer, .. } => assert!(open.insert((call.clone(), peer))),
                Output::Close(peer) => assert!(open.remove(&(call.clone(), peer))),
                _ => {}
            }
        }
    }
}
