//! Connections that carry media one way only.

use cubelet::media::VideoCodec;
use cubelet::media::fanout::Demand;
use cubelet::media::peer::{OneWay, PeerError, PeerSettings, SdpError, Way};
use cubelet::protocol::call_signal::CallType;

use crate::support::{Device, End, call, hears, sees, settings, until, warm};

fn one_way(way: Way, sound: bool) -> PeerSettings {
    PeerSettings {
        one_way: Some(OneWay { way, sound }),
        ..settings(CallType::Video, VideoCodec::H264)
    }
}

async fn seen_with(codec: VideoCodec) {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let offering = PeerSettings {
        preferred_codec: codec.other(),
        ..one_way(Way::In, false)
    };
    let answering = PeerSettings {
        preferred_codec: codec,
        ..one_way(Way::Out, false)
    };
    let mut viewer = End::new(offering, &room).await;
    let mut sender = End::new(answering, &door).await;
    let (offer, answer) = call(&mut viewer, &mut sender, |viewer, _| sees(viewer)).await;
    assert!(offer.contains("a=recvonly") && !offer.contains("a=sendrecv"));
    assert!(answer.contains("a=sendonly") && !answer.contains("m=audio"));
    assert!(answer.contains(&format!("{codec}/90000")));
    until(&viewer.peer, "a second of pictures", |stats| {
        stats.frames_decoded > 30
    })
    .await;
    assert_eq!(viewer.peer.stats().audio_decoded_ms, 0);
    assert_eq!(sender.peer.stats().packets_received, 0);
    let demand = *room.video.demand().borrow();
    assert_eq!(demand, Demand::default(), "who looks opens no camera");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_only_receives_is_answered_with_pictures_and_nothing_else() {
    seen_with(VideoCodec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_only_receives_is_answered_in_vp8() {
    seen_with(VideoCodec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_goes_along_where_both_have_it() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    for (wanted, given) in [(true, true), (true, false)] {
        let mut viewer = End::new(one_way(Way::In, wanted), &room).await;
        let mut sender = End::new(one_way(Way::Out, given), &door).await;
        call(&mut viewer, &mut sender, |viewer, _| {
            sees(viewer) && (hears(viewer) || !given)
        })
        .await;
        if !given {
            until(&viewer.peer, "a second of pictures", |stats| {
                stats.frames_decoded > 30
            })
            .await;
            assert_eq!(viewer.peer.stats().audio_decoded_ms, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_would_send_or_shows_nothing_is_refused() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let both = End::new(settings(CallType::Video, VideoCodec::H264), &room).await;
    let both = both.peer.create_offer().await.unwrap();
    let audio = End::new(settings(CallType::Audio, VideoCodec::H264), &room).await;
    let audio = audio.peer.create_offer().await.unwrap();
    let sender = End::new(one_way(Way::Out, false), &door).await;
    for (offer, expected) in [
        (both, SdpError::NotReceiveOnly),
        (audio, SdpError::Missing("video section that receives")),
        ("v=0\r\n".to_owned(), SdpError::Missing("ice-ufrag")),
    ] {
        let refused = sender.peer.accept_offer(&offer).await;
        assert_eq!(refused, Err(PeerError::Sdp(expected)));
    }
}
