//! How the media of a call does at the moment, all participants in one set of numbers: what adds up
//! is added, and of the rest the worst is told, as that is what somebody complains about.

use std::time::Duration;

use crate::engine::state::{CallMedia, FlowState};
use crate::media::peer::PeerStats;
use crate::media::stats::{FlowStats, Level};

pub(super) fn now(
    stats: &[PeerStats],
    microphone: Option<Level>,
    first_frame_ms: Option<u64>,
) -> CallMedia {
    let sum = |count: fn(&PeerStats) -> u64| stats.iter().map(count).sum();
    let encoder = stats.iter().find_map(|one| one.encoder);
    let decode_time = stats.iter().map(|one| one.decode_time).max();
    CallMedia {
        frames_decoded: sum(|one| one.frames_decoded),
        audio_decoded_ms: sum(|one| one.audio_decoded_ms),
        frames_sent: sum(|one| one.frames_sent),
        microphone,
        first_frame_ms,
        sent: flow(
            stats,
            |one| [one.audio_sent, one.video_sent],
            |one| (one.fps_sent, one.nacks_received, one.plis_received),
        ),
        received: flow(
            stats,
            |one| [one.audio_received, one.video_received],
            |one| (one.fps_decoded, one.nacks_sent, one.plis_sent),
        ),
        rtt_ms: stats.iter().filter_map(|one| one.round_trip).max().map(ms),
        freezes: sum(|one| one.freezes),
        frozen_ms: sum(|one| ms(one.frozen)),
        decode_ms: decode_time.map_or(0.0, |time| (time.as_secs_f64() * 10_000.0).round() / 10.0),
        encoder_kbps: encoder.map(|encoding| encoding.kbps),
        encoder_picture: encoder
            .map(|encoding| [encoding.width, encoding.height, encoding.framerate]),
        target_kbps: stats.iter().map(|one| one.target_kbps).min().unwrap_or(0),
    }
}

/// One direction: its flows of both kinds, and its pictures a second and requests.
fn flow(
    stats: &[PeerStats],
    flows: fn(&PeerStats) -> [FlowStats; 2],
    rest: fn(&PeerStats) -> (u32, u64, u64),
) -> FlowState {
    let all = || stats.iter().flat_map(flows);
    FlowState {
        kbps: all().map(|flow| flow.kbps).sum(),
        fps: stats.iter().map(|one| rest(one).0).min().unwrap_or(0),
        packets: all().map(|flow| flow.packets).sum(),
        loss_percent: f64::from(all().map(|flow| flow.loss_permille).max().unwrap_or(0)) / 10.0,
        jitter_ms: all().map(|flow| ms(flow.jitter)).max().unwrap_or(0),
        nacks: stats.iter().map(|one| rest(one).1).sum(),
        plis: stats.iter().map(|one| rest(one).2).sum(),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn participants_add_up_and_the_worst_is_told() {
        let peer = |kbps, loss_permille, fps_sent, round_trip| PeerStats {
            video_sent: FlowStats {
                kbps,
                loss_permille,
                packets: 10,
                ..FlowStats::default()
            },
            fps_sent,
            round_trip: Some(Duration::from_millis(round_trip)),
            ..PeerStats::default()
        };
        let media = now(&[peer(500, 50, 30, 20), peer(480, 0, 28, 80)], None, None);
        assert_eq!((media.sent.kbps, media.sent.packets), (980, 20));
        assert_eq!((media.sent.loss_percent, media.sent.fps), (5.0, 28));
        assert_eq!(media.rtt_ms, Some(80));
    }
}
