//! Calls between two peers.

use cubelet::media::VideoCodec;
use cubelet::protocol::call_signal::CallType;

use crate::support::{Device, End, call, hears, sees, settings, until, warm};

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
                at.and_then(|at| at.checked_sub(since)).map(|at| at.as_millis())
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
