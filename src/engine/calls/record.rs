//! What is kept of a call that has just ended, as far as its actor knows it.

use std::time::Instant;

use super::facts::CallFacts;
use super::ledger::Entry;
use crate::call::end::EndReason;
use crate::engine::event::{Direction, unix_ms};
use crate::media::peer::PeerStats;
use crate::media::stats::{FlowStats, percent};
use crate::protocol::call_signal::CallType;
use crate::store::{CallDetails, CallDirection, CallQuality, CallRecord};

pub(super) fn of(call: &str, facts: &CallFacts, reason: EndReason) -> CallRecord {
    CallRecord {
        call: call.to_owned(),
        direction: way(facts.direction),
        peer: facts.peer,
        video: facts.call_type() == CallType::Video,
        started_ms: facts.started_ms,
        answered_ms: facts.answered_ms,
        ended_ms: unix_ms(),
        reason: reason.name().to_owned(),
        details: CallDetails {
            ringing_ms: facts.ringing_ms,
            connected_ms: facts.connected_ms,
            rang_s: seconds(facts.ringing, facts.answered),
            talked_s: seconds(facts.connected, None),
            quality: facts.connected.map(|_| quality(facts)),
            ..CallDetails::default()
        },
    }
}

/// A call whose actor died: its times went with it.
pub(super) fn of_orphan(call: &str, entry: &Entry) -> CallRecord {
    CallRecord {
        call: call.to_owned(),
        direction: way(entry.direction),
        peer: entry.peer,
        video: entry.is_video,
        started_ms: entry.started_ms,
        answered_ms: None,
        ended_ms: unix_ms(),
        reason: EndReason::Internal.name().to_owned(),
        details: CallDetails::default(),
    }
}

fn way(direction: Direction) -> CallDirection {
    match direction {
        Direction::Incoming => CallDirection::Incoming,
        Direction::Outgoing => CallDirection::Outgoing,
    }
}

/// From one moment to another, or to now.
fn seconds(from: Option<Instant>, to: Option<Instant>) -> Option<f64> {
    let to = to.unwrap_or_else(Instant::now);
    from.map(|from| to.saturating_duration_since(from).as_secs_f64())
}

/// All participants together, those who left before the end included.
fn quality(facts: &CallFacts) -> CallQuality {
    let present = facts.legs.values().filter_map(|one| one.leg.stats());
    let stats: Vec<PeerStats> = present.chain(facts.left.iter().cloned()).collect();
    let sum = |count: fn(&PeerStats) -> u64| stats.iter().map(count).sum();
    let flows = |flow: fn(&PeerStats) -> [FlowStats; 2]| {
        let all = || stats.iter().flat_map(flow);
        let lost = all().map(|flow| flow.lost).sum();
        let packets: u64 = all().map(|flow| flow.packets).sum();
        (lost, packets)
    };
    let (lost_sent, sent) = flows(|one| [one.audio_sent, one.video_sent]);
    let (lost_received, arrived) = flows(|one| [one.audio_received, one.video_received]);
    let round_trips = stats.iter().filter_map(|one| one.mean_round_trip);
    CallQuality {
        frames_sent: sum(|one| one.frames_sent),
        frames_decoded: sum(|one| one.frames_decoded),
        audio_decoded_ms: sum(|one| one.audio_decoded_ms),
        first_frame_ms: facts.first_frame_ms,
        packets_sent: sum(|one| one.packets_sent),
        packets_received: sum(|one| one.packets_received),
        frames_dropped: sum(|one| one.frames_dropped),
        key_frames_asked: sum(|one| one.plis_received + one.plis_sent),
        lost_sent_percent: percent(lost_sent, sent),
        lost_received_percent: percent(lost_received, arrived + lost_received),
        rtt_ms: round_trips.max().map(|mean| mean.as_millis() as u64),
        freezes: sum(|one| one.freezes),
        frozen_ms: sum(|one| one.frozen.as_millis() as u64),
    }
}
