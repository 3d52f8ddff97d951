//! Calls over a network that loses packets.

use std::sync::atomic::Ordering;

use cubelet::media::VideoCodec;
use cubelet::protocol::call_signal::CallType;

use crate::relay::{NONE, call_through_a_relay};
use crate::support::{settings, until};

async fn pictures_go_on(codec: VideoCodec) {
    let call = call_through_a_relay(settings(CallType::Video, codec)).await;
    let (relay, caller, callee) = (&call.relay, &call.caller, &call.callee);
    for lose_every in [20, 5, 2, 1] {
        relay.lose_every.store(lose_every, Ordering::Relaxed);
        let sent = caller.peer.stats().frames_sent;
        until(&caller.peer, "a second of loss", |stats| {
            stats.frames_sent > sent + 30
        })
        .await;
        relay.lose_every.store(NONE, Ordering::Relaxed);
        let decoded = callee.peer.stats().frames_decoded;
        until(&callee.peer, "pictures after the loss", |stats| {
            stats.frames_decoded > decoded + 30
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_pictures_come_back_after_loss() {
    pictures_go_on(VideoCodec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vp8_pictures_come_back_after_loss() {
    pictures_go_on(VideoCodec::Vp8).await;
}
