//! Calls over a network that loses packets.

use std::sync::atomic::Ordering;

use cubelet::media::VideoCodec;
use cubelet::media::peer::PeerSettings;
use cubelet::protocol::call_signal::CallType;

use crate::relay::{Kind, Losses, NONE, call_through_a_relay, call_with_losses};
use crate::support::{camera_settings, settings, until, within};

/// Every message of the handshake is lost once. What the library repeats is numbered anew, and so
/// would be lost again for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_connects_when_each_message_of_the_handshake_is_lost() {
    let settings = settings(CallType::Video, VideoCodec::H264);
    let call = call_with_losses(Losses::FirstHandshakes, camera_settings(), settings).await;
    until(&call.callee.peer, "pictures", |stats| {
        stats.frames_decoded > 5
    })
    .await;
}

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

/// Every fifth packet is lost, and what the decoder makes up lasts as long as what was said.
#[tokio::test(flavor = "multi_thread")]
async fn lost_sound_is_made_up_for() {
    let call = call_through_a_relay(settings(CallType::Video, VideoCodec::H264)).await;
    call.relay.link.send_modify(|link| link.loss = 0.2);
    let before = call.callee.peer.stats();
    until(&call.callee.peer, "more sound than arrives", |stats| {
        let packets = stats.audio_received.packets - before.audio_received.packets;
        let arrived_ms = 20 * packets;
        let decoded_ms = stats.audio_decoded_ms - before.audio_decoded_ms;
        arrived_ms > 2_000 && 10 * decoded_ms > 11 * arrived_ms
    })
    .await;
}

/// RFC 8837 §5. Opus is 111 in our offers, H264 102; reports and the rest count as pictures.
#[tokio::test(flavor = "multi_thread")]
async fn sound_and_pictures_are_marked_for_the_network_unless_that_is_off() {
    for (dscp, sound, other) in [(true, 46, 34), (false, 0, 0)] {
        let settings = PeerSettings {
            dscp,
            ..settings(CallType::Video, VideoCodec::H264)
        };
        let call = call_through_a_relay(settings).await;
        let mut marks = call.relay.marks.subscribe();
        let all = marks.wait_for(|marks| {
            let seen = |kind| marks.iter().any(|(of, _)| *of == kind);
            seen(Kind::Media(111)) && seen(Kind::Media(102))
        });
        within("sound and pictures", all).await.unwrap();
        // Before the answer the caller does not know what of it will be sound, and sends none.
        for (kind, mark) in call.relay.marks.borrow().iter() {
            let wanted = match kind {
                Kind::Media(111) => sound,
                _ => other,
            };
            assert_eq!(*mark, wanted, "{kind:?}");
        }
    }
}
