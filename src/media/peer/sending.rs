//! From the fanouts to the network, in this peer's own numbering.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rtc::rtp;
use webrtc::media_stream::track_local::TrackLocal;

use super::connection::LocalTrack;
use super::sdp::Section;
use super::settings::PeerEvent;
use super::shared::Shared;
use super::stats::bump;
use crate::media::VideoCodec;
use crate::media::black::BlackPicture;
use crate::media::fanout::{AudioFanout, Subscription, Urgency, VideoFanout};
use crate::media::rtp::{EncodedFrame, RtpRewriter};

/// The encoder runs while ICE and DTLS do their work. So many pictures of it are still worth
/// sending when they have: the far side decodes them at once and has caught up.
const FRESH_FRAMES: usize = 5;
/// A muted peer is shown black so often; its first key frame is requested sooner if it was lost.
const BLACK_EVERY: Duration = Duration::from_secs(1);

/// Sends pictures in the agreed format, over every renegotiation, until the peer ends.
pub(super) async fn video(local: LocalTrack, fanout: VideoFanout, shared: Arc<Shared>) {
    let mut rewriter = RtpRewriter::new(90_000, rand::random(), rand::random());
    let mut negotiated = shared.negotiated.subscribe();
    loop {
        let Ok(agreed) = negotiated
            .wait_for(|description| sendable(description.video.as_ref()).is_some())
            .await
            .map(|description| sendable(description.video.as_ref()))
        else {
            return;
        };
        let Some(agreed) = agreed else { continue };
        // From here on the encoder runs, while ICE and DTLS still do their work.
        let subscription = fanout.subscribe_limited(agreed.1, Some(shared.picture_kbps()));
        tokio::select! {
            gone = send_video(&local, agreed, &subscription, &mut rewriter, &shared) => {
                if gone.is_none() {
                    return;
                }
            }
            () = feedback(agreed.1, &fanout, &shared) => return,
            () = follow_limit(&subscription, &shared) => return,
            () = follow_ceiling(&fanout, &shared) => return,
            changed = negotiated.wait_for(|now| sendable(now.video.as_ref()) != Some(agreed)) => {
                if changed.is_err() {
                    return;
                }
            }
        }
        let dropped = subscription.dropped();
        shared
            .stats
            .frames_dropped
            .fetch_add(dropped, Ordering::Relaxed);
    }
}

/// Never returns `Some`: it ends by being dropped, or with the connection.
async fn send_video(
    local: &LocalTrack,
    agreed: (u8, VideoCodec),
    subscription: &Subscription,
    rewriter: &mut RtpRewriter,
    shared: &Shared,
) -> Option<()> {
    let mut muted = shared.video_muted.subscribe();
    shared
        .connected
        .subscribe()
        .wait_for(|connected| *connected)
        .await
        .ok()?;
    // Nothing of what was encoded while it was muted may leave.
    let mut is_fresh = !muted.has_changed().ok()? && !*muted.borrow();
    let mut has_shown = false;
    loop {
        if has_shown {
            tokio::select! {
                unmuted = muted.wait_for(|muted| !*muted) => drop(unmuted.ok()?),
                gone = show_black(local, agreed, rewriter, shared) => gone?,
            }
        } else {
            muted.wait_for(|muted| !*muted).await.ok()?;
        }
        if std::mem::take(&mut is_fresh) {
            subscription.begin(FRESH_FRAMES);
        } else {
            subscription.restart();
        }
        loop {
            let frame = tokio::select! {
                biased;
                changed = muted.wait_for(|muted| *muted) => {
                    changed.ok()?;
                    break;
                }
                () = shared.starts_over.notified() => {
                    subscription.restart();
                    continue;
                }
                frame = subscription.next() => frame,
            };
            write_picture(local, agreed.0, &frame, rewriter, shared).await?;
            has_shown = true;
            shared.stats.frame_sent();
            shared.stats.reached(|stages| &mut stages.first_frame_sent);
        }
    }
}

/// Covers the last picture, which the far side would go on showing: black at once, and again and
/// again in case that was lost or a new decoder joined. As the vendor's senders do (PC-35). Never
/// ends but with the connection, which is `None`.
async fn show_black(
    local: &LocalTrack,
    (payload_type, codec): (u8, VideoCodec),
    rewriter: &mut RtpRewriter,
    shared: &Shared,
) -> Option<()> {
    let picture = tokio::task::spawn_blocking(move || BlackPicture::get(codec)).await;
    let picture = match picture {
        Ok(Ok(picture)) => picture,
        Ok(Err(reason)) => {
            tracing::warn!(reason, "no black picture for who may see nothing");
            return std::future::pending().await;
        }
        Err(error) => {
            tracing::error!(%error, "making a black picture");
            return std::future::pending().await;
        }
    };
    loop {
        let frame = picture.frame();
        write_picture(local, payload_type, &frame, rewriter, shared).await?;
        tokio::time::sleep(BLACK_EVERY).await;
    }
}

/// Passes on changes of what the far side and the network take; never ends by itself.
async fn follow_limit(subscription: &Subscription, shared: &Shared) {
    let mut limit = shared.limit();
    let mut target = shared.network.lock().target();
    loop {
        subscription.limit(Some(shared.picture_kbps()));
        if shared
            .picture_kbps_changed(&mut target, &mut limit)
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Passes on changes of what nobody gets more of; never ends by itself.
async fn follow_ceiling(fanout: &VideoFanout, shared: &Shared) {
    let mut ceiling = fanout.ceiling();
    loop {
        let kbps = ceiling.borrow_and_update().kbps;
        shared.set_ceiling(kbps);
        if ceiling.changed().await.is_err() {
            return;
        }
    }
}

/// Hands the far side's key-frame requests to the source; never ends by itself.
async fn feedback(codec: VideoCodec, fanout: &VideoFanout, shared: &Shared) {
    let mut first = true;
    loop {
        shared.key_frame_requested.notified().await;
        // The first request means that the far side has no picture at all.
        let urgency = if first {
            Urgency::NoPicture
        } else {
            Urgency::Repair
        };
        first = false;
        fanout.request(codec, urgency);
    }
}

/// Sends sound, and telephone keys in its place, until the peer ends.
pub(super) async fn audio(local: LocalTrack, fanout: AudioFanout, shared: Arc<Shared>) {
    let mut rewriter = RtpRewriter::new(48_000, rand::random(), rand::random());
    let mut negotiated = shared.negotiated.subscribe();
    let mut connected = shared.connected.subscribe();
    loop {
        let Ok(agreed) = negotiated
            .wait_for(|description| sendable(description.audio.as_ref()).is_some())
            .await
            .map(|description| sendable(description.audio.as_ref()))
        else {
            return;
        };
        let Some(agreed) = agreed else { continue };
        let subscription = fanout.subscribe();
        if connected.wait_for(|connected| *connected).await.is_err() {
            return;
        }
        subscription.begin(1);
        loop {
            let frame = tokio::select! {
                biased;
                changed = negotiated.wait_for(|now| sendable(now.audio.as_ref()) != Some(agreed)) => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                () = key_due(&shared) => None,
                frame = subscription.next() => Some(frame),
            };
            let Some(frame) = frame else {
                if send_key(&local, &mut rewriter, &shared).await.is_none() {
                    return;
                }
                continue;
            };
            let is_muted = shared.audio_muted.load(Ordering::Relaxed);
            if is_muted || shared.keys.lock().is_pressing() {
                rewriter.skip(&frame, Instant::now());
                continue;
            }
            let sent = write(&local, agreed.0, &frame, &mut rewriter, &shared).await;
            if sent.is_none() {
                return;
            }
            bump(&shared.stats.audio_packets_sent);
        }
    }
}

/// Waits until a packet of a telephone key is to leave.
async fn key_due(shared: &Shared) {
    loop {
        let due = shared.keys.lock().due();
        match due {
            Some(due) => tokio::select! {
                () = tokio::time::sleep_until(due.into()) => return,
                () = shared.key_waits.notified() => {}
            },
            None => shared.key_waits.notified().await,
        }
    }
}

/// `None` when the connection is gone.
async fn send_key(local: &LocalTrack, rewriter: &mut RtpRewriter, shared: &Shared) -> Option<()> {
    let now = Instant::now();
    let due = shared.keys.lock().take(now, || rewriter.moment(now));
    let agreed = shared.negotiated.borrow().digits;
    let (Some(packet), Some(payload_type)) = (due, agreed) else {
        return Some(());
    };
    let packet = rtp::Packet {
        header: rtp::Header {
            version: 2,
            marker: packet.marker,
            payload_type,
            sequence_number: rewriter.packet(),
            timestamp: packet.timestamp,
            ssrc: local.ssrc,
            ..Default::default()
        },
        payload: packet.payload.to_vec().into(),
    };
    send(local, packet, shared).await?;
    bump(&shared.stats.packets_sent);
    Some(())
}

fn sendable<C: Copy>(section: Option<&Section<C>>) -> Option<(u8, C)> {
    section
        .filter(|section| section.direction.send)
        .and_then(|section| section.codecs.first().copied())
}

/// `None` when the connection is gone.
async fn write_picture(
    local: &LocalTrack,
    payload_type: u8,
    frame: &EncodedFrame,
    rewriter: &mut RtpRewriter,
    shared: &Shared,
) -> Option<()> {
    if frame.key {
        let first = rewriter.next_sequence();
        shared.network.lock().key_frame_begins(first);
    }
    write(local, payload_type, frame, rewriter, shared).await
}

/// `None` when the connection is gone.
async fn write(
    local: &LocalTrack,
    payload_type: u8,
    frame: &EncodedFrame,
    rewriter: &mut RtpRewriter,
    shared: &Shared,
) -> Option<()> {
    let numbers = rewriter.frame(frame, Instant::now());
    let mut packets = frame
        .packets
        .iter()
        .zip(numbers)
        .map(|(packet, numbers)| rtp::Packet {
            header: rtp::Header {
                version: 2,
                marker: packet.marker,
                payload_type,
                sequence_number: numbers.sequence,
                timestamp: numbers.timestamp,
                ssrc: local.ssrc,
                ..Default::default()
            },
            payload: packet.payload.clone(),
        });
    let before_last = frame.packets.len().saturating_sub(1);
    if before_last > 0 {
        local.ahead.wait(packets.by_ref().take(before_last));
    }
    let Some(last) = packets.next() else {
        return Some(());
    };
    send(local, last, shared).await?;
    let sent = frame.packets.len() as u64;
    shared.stats.packets_sent.fetch_add(sent, Ordering::Relaxed);
    Some(())
}

/// `None` when the connection is gone.
async fn send(local: &LocalTrack, packet: rtp::Packet, shared: &Shared) -> Option<()> {
    if let Err(error) = local.track.write_rtp(packet).await {
        if !shared.ended.is_cancelled() {
            // Its driver is gone, which it tells in no other way.
            shared.tell(PeerEvent::Failed {
                reason: format!("the connection takes no more media: {error}"),
            });
        }
        return None;
    }
    Some(())
}
