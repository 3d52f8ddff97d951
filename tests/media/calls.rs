//! Calls between two peers.

use std::net::{IpAddr, Ipv6Addr};

use cubelet::media::peer::{
    ChannelPolicy, PeerError, PeerEvent, PeerSettings, SdpError, TrackKind,
};
use cubelet::media::{VideoCodec, VideoSource};
use cubelet::protocol::call_signal::CallType;

use tokio::sync::mpsc::unbounded_channel;

use crate::support::{
    Device, End, call, camera_settings, carry, hears, sees, settings, until, warm, within,
};

async fn video_call_with(codec: VideoCodec) {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(settings(CallType::Video, codec), &door).await;
    let mut callee = End::new(settings(CallType::Video, codec), &room).await;
    let (offer, answer) = call(&mut caller, &mut callee, |caller, callee| {
        [caller, callee].iter().all(|end| sees(end) && hears(end))
    })
    .await;
    assert!(offer.contains("H264/90000") && offer.contains("VP8/90000"));
    assert!(answer.contains(&format!("{codec}/90000")));
    assert!(!answer.contains(&format!("{}/90000", codec.other())));
    for end in [&caller, &callee] {
        until(&end.peer, "a second of media", |stats| {
            stats.frames_decoded > 30 && stats.audio_decoded_ms > 1000
        })
        .await;
        let frames = end.peer.last_frames();
        assert!(frames[0].jpeg.starts_with(&[0xff, 0xd8]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_peers_see_and_hear_each_other_in_h264() {
    video_call_with(VideoCodec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_peers_see_and_hear_each_other_in_vp8() {
    video_call_with(VideoCodec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answering_side_chooses_the_codec() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    for (offered, chosen) in [
        (VideoCodec::H264, VideoCodec::Vp8),
        (VideoCodec::Vp8, VideoCodec::H264),
    ] {
        let mut caller = End::new(settings(CallType::Video, offered), &door).await;
        let mut callee = End::new(settings(CallType::Video, chosen), &room).await;
        let (_, answer) = call(&mut caller, &mut callee, |caller, callee| {
            sees(caller) && sees(callee)
        })
        .await;
        assert!(answer.contains(&format!("{chosen}/90000")));
    }
}

/// Two ends in a video call in which both see the other.
pub(crate) async fn established(door: &Device, room: &Device) -> (End, End) {
    let video = || settings(CallType::Video, VideoCodec::H264);
    let mut caller = End::new(video(), door).await;
    let mut callee = End::new(video(), room).await;
    call(&mut caller, &mut callee, |caller, callee| {
        sees(caller) && sees(callee)
    })
    .await;
    (caller, callee)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audio_call_carries_no_pictures() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let audio = |device: &Device| PeerSettings {
        loudspeaker: device.loudspeaker.clone(),
        ..settings(CallType::Audio, VideoCodec::H264)
    };
    let mut caller = End::new(audio(&door), &door).await;
    let mut callee = End::new(audio(&room), &room).await;
    let (offer, answer) = call(&mut caller, &mut callee, |caller, callee| {
        hears(caller) && hears(callee)
    })
    .await;
    assert!(!offer.contains("m=video") && !answer.contains("m=video"));
    for end in [&caller, &callee] {
        until(&end.peer, "half a second of sound", |stats| {
            stats.audio_decoded_ms > 500
        })
        .await;
        assert_eq!(end.peer.stats().frames_sent, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_offer_can_be_answered_with_sound_alone() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(settings(CallType::Video, VideoCodec::H264), &door).await;
    let mut callee = End::new(settings(CallType::Audio, VideoCodec::H264), &room).await;
    call(&mut caller, &mut callee, |caller, callee| {
        hears(caller) && hears(callee)
    })
    .await;
    assert_eq!(caller.peer.stats().frames_sent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_restarted_under_a_living_call_goes_on() {
    warm().await;
    let (mut door, room) = (Device::start(), Device::start());
    let (_caller, callee) = established(&door, &room).await;
    drop(door.camera.take());
    let (events, _received) = unbounded_channel();
    let _camera = VideoSource::start(camera_settings(), door.video.clone(), events);
    let before = callee.peer.stats().frames_decoded;
    until(&callee.peer, "pictures of the new camera", |stats| {
        stats.frames_decoded > before + 30
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_camera_takes_over_from_one_that_hangs_on() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (_caller, callee) = established(&door, &room).await;
    let (events, _received) = unbounded_channel();
    let second = VideoSource::start(camera_settings(), door.video.clone(), events);
    let before = callee.peer.stats().frames_decoded;
    until(&callee.peer, "pictures of the second camera", |stats| {
        stats.frames_decoded > before + 30
    })
    .await;
    // The first one still runs and must not be heard any more.
    second.set_muted(true);
    let muted = callee.peer.stats();
    until(&callee.peer, "a second of sound", |stats| {
        stats.audio_decoded_ms > muted.audio_decoded_ms + 1000
    })
    .await;
    // Black is sent five times a second, the pictures of a camera thirty times.
    let heard = callee.peer.stats();
    let seconds = (heard.audio_decoded_ms - muted.audio_decoded_ms) as f64 / 1_000.0;
    let pictures = heard.frames_decoded - muted.frames_decoded;
    assert!(
        (pictures as f64) < 15.0 * seconds,
        "{pictures} pictures of a covered camera in {seconds} s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_peer_is_shown_black_and_nothing_else_until_unmuted() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (caller, callee) = established(&door, &room).await;
    caller.peer.set_muted(TrackKind::Video, true);
    let muted = caller.peer.stats();
    until(&caller.peer, "a second of sound", |stats| {
        stats.audio_packets_sent > muted.audio_packets_sent + 50
    })
    .await;
    let sent = caller.peer.stats().frames_sent - muted.frames_sent;
    assert!(sent <= 1, "{sent} pictures left a muted peer");
    let black = callee.peer.stats().frames_decoded;
    until(&callee.peer, "black pictures", |stats| {
        stats.frames_decoded >= black + 3
    })
    .await;
    let frames = callee.peer.last_frames();
    let [first, .., before, last] = frames.as_slice() else {
        panic!("{} pictures", frames.len());
    };
    // The ball of the camera moves, and takes some bytes.
    assert_eq!(before.jpeg, last.jpeg);
    assert!(last.jpeg.len() < first.jpeg.len());
    let decoded = callee.peer.stats().frames_decoded;
    caller.peer.set_muted(TrackKind::Video, false);
    until(&callee.peer, "pictures again", |stats| {
        stats.frames_decoded > decoded + 10
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ice_restarts_under_a_living_call() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (mut caller, mut callee) = established(&door, &room).await;
    let offer = caller.peer.restart_ice().await.unwrap();
    let answer = callee.peer.accept_offer(&offer).await.unwrap();
    caller.peer.set_answer(&answer).await.unwrap();
    let connections = |end: &End| {
        let connected = |event: &&PeerEvent| **event == PeerEvent::Connected;
        end.seen.iter().filter(connected).count()
    };
    carry(&mut caller, &mut callee, |caller, callee| {
        connections(caller) == 2 && connections(callee) == 2
    })
    .await;
    let before = callee.peer.stats().frames_decoded;
    until(&callee.peer, "pictures after the restart", |stats| {
        stats.frames_decoded > before + 30
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_that_are_none_are_refused_by_name() {
    let device = Device::start();
    let end = End::new(settings(CallType::Video, VideoCodec::H264), &device).await;
    assert_eq!(
        end.peer.accept_offer("not an offer").await,
        Err(PeerError::Sdp(SdpError::NotSdp))
    );
    assert_eq!(
        end.peer.accept_offer("v=0\r\ns=-\r\n").await,
        Err(PeerError::Sdp(SdpError::Missing("ice-ufrag")))
    );
    assert_eq!(
        end.peer
            .set_answer("v=0\r\n\u{0}")
            .await
            .map_err(|error| matches!(error, PeerError::Sdp(SdpError::Line { line: 2, .. }))),
        Err(true)
    );
}

/// Cut and mutated offers: some are still good, none may panic, and the peer stays usable.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_offers_do_no_harm() {
    warm().await;
    let device = Device::start();
    let caller = End::new(settings(CallType::Video, VideoCodec::H264), &device).await;
    let offer = caller.peer.create_offer().await.unwrap();
    let lines: Vec<_> = offer.lines().collect();
    let without = |n: usize| {
        let mut lines = lines.clone();
        lines.remove(n);
        lines.join("\r\n")
    };
    let garbled = |n: usize| {
        let mut lines = lines.clone();
        let garbled = format!("{}:99999999999999999999 -1 \u{fffd}", &lines[n][..2]);
        lines[n] = &garbled;
        lines.join("\r\n")
    };
    let mut refused = 0;
    for n in 1..lines.len() {
        for damaged in [lines[..n].join("\r\n"), without(n), garbled(n)] {
            let callee = End::new(settings(CallType::Video, VideoCodec::H264), &device).await;
            match callee.peer.accept_offer(&damaged).await {
                Ok(_) => {}
                Err(PeerError::Sdp(_) | PeerError::Transport { .. }) => refused += 1,
                Err(other) => panic!("{other}: {damaged}"),
            }
        }
    }
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_peer_says_so() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (caller, mut callee) = established(&door, &room).await;
    let other_handle = callee.peer.clone();
    callee.peer.close().await;
    let mut last = None;
    while let Some(event) = within("the end", callee.events.recv()).await {
        let closed = event == PeerEvent::Closed;
        last = Some(event);
        if closed {
            break;
        }
    }
    assert_eq!(last, Some(PeerEvent::Closed));
    assert_eq!(other_handle.create_offer().await, Err(PeerError::Closed));
    drop(caller);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_offer_is_refused() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let caller = End::new(settings(CallType::Video, VideoCodec::H264), &door).await;
    let callee = End::new(settings(CallType::Video, VideoCodec::H264), &room).await;
    let offer = caller.peer.create_offer().await.unwrap();
    let answer = callee.peer.accept_offer(&offer).await.unwrap();
    assert_eq!(
        callee.peer.set_answer(&answer).await,
        Err(PeerError::NoOffer)
    );
    assert_eq!(
        End::new(settings(CallType::Video, VideoCodec::H264), &door)
            .await
            .peer
            .restart_ice()
            .await,
        Err(PeerError::NoOffer)
    );
}

/// How long the stages of a start take; run with `--no-capture` to read them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn start_up_times() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut times = Vec::new();
    let codec = match std::env::var("CODEC").as_deref() {
        Ok("vp8") => VideoCodec::Vp8,
        _ => VideoCodec::H264,
    };
    for n in 0..40 {
        let mut caller = End::new(settings(CallType::Video, codec), &door).await;
        let mut callee = End::new(settings(CallType::Video, codec), &room).await;
        call(&mut caller, &mut callee, |caller, callee| {
            sees(caller) && sees(callee)
        })
        .await;
        for (name, end) in [("caller", &caller), ("callee", &callee)] {
            let stages = end.peer.stats().stages;
            let since = stages.negotiated.unwrap();
            let ms = |at: Option<std::time::Duration>| {
                at.and_then(|at| at.checked_sub(since))
                    .map(|at| at.as_millis())
            };
            println!(
                "{n} {name}: negotiated {:?} ice +{:?} connected +{:?} sent +{:?} packet +{:?} \
                 picture +{:?}",
                since.as_millis(),
                ms(stages.ice),
                ms(stages.connected),
                ms(stages.first_frame_sent),
                ms(stages.first_video_packet),
                ms(stages.first_video_frame),
            );
            times.push(stages.answer_to_picture().unwrap().as_millis());
        }
        caller.peer.close().await;
        callee.peer.close().await;
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!("p50 {} p95 {} max {} ms", at(50), at(95), at(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_peers_find_each_other_over_ipv6() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let over_ipv6 = || PeerSettings {
        bind: vec![IpAddr::V6(Ipv6Addr::LOCALHOST)],
        ..settings(CallType::Video, VideoCodec::H264)
    };
    let mut caller = End::new(over_ipv6(), &door).await;
    let mut callee = End::new(over_ipv6(), &room).await;
    call(&mut caller, &mut callee, |caller, callee| {
        sees(caller) && sees(callee)
    })
    .await;
    let found: Vec<_> = caller
        .seen
        .iter()
        .filter_map(|event| match event {
            PeerEvent::LocalCandidate(candidate) => Some(&candidate.candidate),
            _ => None,
        })
        .collect();
    assert!(!found.is_empty());
    assert!(found.iter().all(|one| one.contains(" ::1 ")), "{found:?}");
}

fn with_channel(channel: ChannelPolicy) -> PeerSettings {
    PeerSettings {
        channel,
        ..settings(CallType::Video, VideoCodec::H264)
    }
}

fn has_heard(end: &End, wanted: &str) -> bool {
    let is_it = |event: &PeerEvent| matches!(event, PeerEvent::ChannelText(text) if text == wanted);
    end.seen.iter().any(is_it)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offered_data_channel_carries_text_both_ways() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(with_channel(ChannelPolicy::Offer), &door).await;
    let mut callee = End::new(with_channel(ChannelPolicy::Answer), &room).await;
    let is_open = |end: &End| end.seen.contains(&PeerEvent::ChannelOpen);
    let (offer, answer) = call(&mut caller, &mut callee, |caller, callee| {
        is_open(caller) && is_open(callee) && sees(caller) && sees(callee)
    })
    .await;
    assert!(offer.contains("m=application") && answer.contains("m=application"));
    caller.peer.say("from the caller".to_owned());
    callee.peer.say("from the callee".to_owned());
    carry(&mut caller, &mut callee, |caller, callee| {
        has_heard(callee, "from the caller") && has_heard(caller, "from the callee")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_told_nobody_offers_or_answers_a_data_channel() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(with_channel(ChannelPolicy::Answer), &door).await;
    let mut callee = End::new(with_channel(ChannelPolicy::Answer), &room).await;
    let (offer, answer) = call(&mut caller, &mut callee, |caller, callee| {
        sees(caller) && sees(callee)
    })
    .await;
    assert!(!offer.contains("m=application") && !answer.contains("m=application"));
    // Nobody hears it, and nothing comes of it.
    caller.peer.say("into the air".to_owned());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_channel_that_is_not_wanted_costs_nobody_the_call() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(with_channel(ChannelPolicy::Offer), &door).await;
    let mut callee = End::new(with_channel(ChannelPolicy::Off), &room).await;
    call(&mut caller, &mut callee, |caller, callee| {
        sees(caller) && sees(callee)
    })
    .await;
    caller.peer.say("is anybody there?".to_owned());
    let before = callee.peer.stats().frames_decoded;
    until(&callee.peer, "pictures go on", |stats| {
        stats.frames_decoded > before + 30
    })
    .await;
    assert!(!callee.seen.contains(&PeerEvent::ChannelOpen));
}
