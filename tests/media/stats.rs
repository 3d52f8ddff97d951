//! What a peer measures of its call is what happened to it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cubelet::media::VideoCodec;
use cubelet::protocol::call_signal::CallType;

use crate::relay::{Link, NONE, RelayedCall, call_through_a_relay};
use crate::support::{settings, until};

const MS: Duration = Duration::from_millis(1);

async fn a_call() -> RelayedCall {
    call_through_a_relay(settings(CallType::Video, VideoCodec::H264)).await
}

/// Until so many more packets of pictures have been sent.
async fn packets(call: &RelayedCall, more: u64) {
    let before = call.caller.peer.stats().video_sent.packets;
    until(&call.caller.peer, "packets", |stats| {
        stats.video_sent.packets > before + more
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_packets_are_reported_by_both_sides() {
    let call = a_call().await;
    packets(&call, 50).await;
    let clean = call.callee.peer.stats();
    assert_eq!(clean.video_received.lost, 0);
    call.relay.lose_every.store(20, Ordering::Relaxed);
    packets(&call, 300).await;
    let received = call.callee.peer.stats();
    let since = received.video_received.packets - clean.video_received.packets;
    let percent = received.video_received.lost as f64 * 100.0 / since as f64;
    assert!((3.0..=8.0).contains(&percent), "{percent} %: {received:?}");
    assert!(received.nacks_sent > 0 && received.audio_received.lost == 0);
    // The far side reports once a second.
    until(&call.caller.peer, "a report of it", |stats| {
        stats.video_sent.loss_permille >= 20
    })
    .await;
    let sent = call.caller.peer.stats();
    assert!(sent.video_sent.loss_permille <= 120, "{sent:?}");
    assert!(
        sent.nacks_received > 0 && sent.video_sent.lost > 5,
        "{sent:?}"
    );
    assert_eq!((sent.audio_sent.lost, sent.video_received.lost), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_and_round_trip_are_those_of_the_path() {
    let call = a_call().await;
    call.relay.link.send_modify(|link| link.delay = 60 * MS);
    until(&call.caller.peer, "the longer round trip", |stats| {
        stats.round_trip.is_some_and(|trip| trip >= 115 * MS)
    })
    .await;
    let stats = call.caller.peer.stats();
    assert!(stats.round_trip.unwrap() < 600 * MS, "{stats:?}");
    until(&call.caller.peer, "a steady rate", |stats| {
        (25..=35).contains(&stats.fps_sent) && (25..=35).contains(&stats.fps_decoded)
    })
    .await;
    let stats = call.caller.peer.stats();
    let encoder = stats.encoder.unwrap();
    assert_eq!(
        (encoder.width, encoder.height, encoder.framerate),
        (320, 240, 30)
    );
    assert!(stats.video_sent.kbps <= 2 * encoder.kbps, "{stats:?}");
    assert!((5..=80).contains(&stats.audio_sent.kbps), "{stats:?}");
    assert!((5..=80).contains(&stats.audio_received.kbps), "{stats:?}");
    assert!(stats.video_received.kbps > 0 && stats.decode_time > Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_stands_still_is_a_freeze() {
    let call = a_call().await;
    until(&call.callee.peer, "a second of pictures", |stats| {
        stats.frames_decoded > 30
    })
    .await;
    let before = call.callee.peer.stats();
    call.relay.lose_every.store(1, Ordering::Relaxed);
    let sent = call.caller.peer.stats().frames_sent;
    until(&call.caller.peer, "lost pictures", |stats| {
        stats.frames_sent > sent + 30
    })
    .await;
    call.relay.lose_every.store(NONE, Ordering::Relaxed);
    until(&call.callee.peer, "the end of the freeze", |stats| {
        stats.freezes > before.freezes
    })
    .await;
    let frozen = call.callee.peer.stats().frozen - before.frozen;
    assert!(frozen >= 900 * MS, "{frozen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_path_is_measured_too() {
    let call = a_call().await;
    call.relay.link.send_replace(Link {
        kbps: Some(200),
        queue: 300 * MS,
        ..Link::default()
    });
    until(&call.caller.peer, "less to be sent", |stats| {
        stats.encoder.is_some_and(|encoder| encoder.kbps < 200) && stats.target_kbps < 200
    })
    .await;
}
