//! Telephone keys in calls.

use cubelet::media::VideoCodec;
use cubelet::media::peer::{PeerError, PeerEvent, PeerSettings, TrackKind};
use cubelet::protocol::call_signal::CallType;
use cubelet::protocol::telephone_event::Digit;

use crate::support::{Device, End, call, carry, hears, settings, until, warm};

fn digits(text: &str) -> Vec<Digit> {
    text.chars()
        .map(|key| Digit::of_char(key).unwrap())
        .collect()
}

fn heard(end: &End) -> String {
    let key = |event: &PeerEvent| match event {
        PeerEvent::Digit(digit) => Some(digit.key()),
        _ => None,
    };
    end.seen.iter().filter_map(key).collect()
}

fn audio() -> PeerSettings {
    settings(CallType::Audio, VideoCodec::H264)
}

/// Two that hear each other, by an offer that may be changed on its way.
async fn established(
    door: &Device,
    room: &Device,
    changed: impl Fn(String) -> String,
) -> (End, End, [String; 2]) {
    let mut caller = End::new(audio(), door).await;
    let mut callee = End::new(audio(), room).await;
    let offer = changed(caller.peer.create_offer().await.unwrap());
    let answer = callee.peer.accept_offer(&offer).await.unwrap();
    caller.peer.set_answer(&answer).await.unwrap();
    carry(&mut caller, &mut callee, |caller, callee| {
        hears(caller) && hears(callee)
    })
    .await;
    (caller, callee, [offer, answer])
}

#[tokio::test(flavor = "multi_thread")]
async fn telephone_keys_are_heard_on_either_side_once_and_in_order() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (mut caller, mut callee, descriptions) = established(&door, &room, |offer| offer).await;
    for description in descriptions {
        for line in [
            "a=rtpmap:110 telephone-event/48000\r\n",
            "a=fmtp:110 0-15\r\n",
        ] {
            assert!(description.contains(line), "{description}");
        }
    }
    caller
        .peer
        .send_digits(&digits("0123456789*#ABCD"))
        .unwrap();
    callee.peer.send_digits(&digits("55#")).unwrap();
    carry(&mut caller, &mut callee, |caller, callee| {
        heard(callee).len() >= 16 && heard(caller).len() >= 3
    })
    .await;
    // A last key each, behind whatever would be too much.
    caller.peer.send_digits(&digits("1")).unwrap();
    callee.peer.send_digits(&digits("2")).unwrap();
    carry(&mut caller, &mut callee, |caller, callee| {
        heard(callee).ends_with("D1") && heard(caller).ends_with("#2")
    })
    .await;
    assert_eq!(heard(&callee), "0123456789*#ABCD1");
    assert_eq!(heard(&caller), "55#2");
}

#[tokio::test(flavor = "multi_thread")]
async fn telephone_keys_disturb_neither_the_sound_nor_what_is_measured_of_it() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (mut caller, mut callee, _) = established(&door, &room, |offer| offer).await;
    caller.peer.send_digits(&digits("123456")).unwrap();
    carry(&mut caller, &mut callee, |_, callee| {
        heard(callee) == "123456"
    })
    .await;
    let before = callee.peer.stats();
    until(&callee.peer, "a second of sound behind the keys", |stats| {
        stats.audio_decoded_ms >= before.audio_decoded_ms + 1_000
    })
    .await;
    let after = callee.peer.stats();
    assert_eq!(after.audio_received.lost, 0, "keys count as packets");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_is_muted_presses_keys_all_the_same() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (mut caller, mut callee, _) = established(&door, &room, |offer| offer).await;
    caller.peer.set_muted(TrackKind::Audio, true);
    caller.peer.send_digits(&digits("42")).unwrap();
    carry(&mut caller, &mut callee, |_, callee| heard(callee) == "42").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_somebody_who_is_not_heard_are_not_heard() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (mut caller, mut callee, _) = established(&door, &room, |offer| offer).await;
    callee.peer.set_receiving(TrackKind::Audio, false);
    let before = callee.peer.stats().packets_received;
    caller.peer.send_digits(&digits("1")).unwrap();
    until(&callee.peer, "the key and sound behind it", |stats| {
        stats.packets_received > before + 30
    })
    .await;
    callee.peer.set_receiving(TrackKind::Audio, true);
    caller.peer.send_digits(&digits("2")).unwrap();
    carry(&mut caller, &mut callee, |_, callee| {
        !heard(callee).is_empty()
    })
    .await;
    assert_eq!(heard(&callee), "2");
}

/// As a stack that has no named events, or only those of ISDN's clock, would write it.
fn without_keys(offer: String) -> String {
    offer.replace("telephone-event/48000", "telephone-event/8000")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_side_that_agreed_to_none_is_sent_none_and_the_error_says_so() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let (caller, callee, [_, answer]) = established(&door, &room, without_keys).await;
    assert!(!answer.contains("telephone-event"), "{answer}");
    for end in [&caller, &callee] {
        let error = end.peer.send_digits(&digits("1")).unwrap_err();
        assert_eq!(error, PeerError::NoDigits);
        assert!(error.to_string().contains("telephone-event"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_keys_than_may_wait_are_refused() {
    warm().await;
    let (door, room) = (Device::start(), Device::start());
    let mut caller = End::new(audio(), &door).await;
    assert_eq!(
        caller.peer.send_digits(&digits("1")),
        Err(PeerError::NoDigits),
        "nothing is agreed yet"
    );
    let mut callee = End::new(audio(), &room).await;
    call(&mut caller, &mut callee, |caller, callee| {
        hears(caller) && hears(callee)
    })
    .await;
    let refused = caller.peer.send_digits(&digits(&"1".repeat(33)));
    assert!(matches!(refused, Err(PeerError::TooManyDigits(_))));
}
