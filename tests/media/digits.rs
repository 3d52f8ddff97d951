//! Telephone keys in calls.

use std::time::{Duration, Instant};

use cubelet::media::VideoCodec;
use cubelet::media::peer::{PeerError, PeerEvent, PeerSettings, TrackKind};
use cubelet::media::rtp::digits::{DigitSender, EventPacket};
use cubelet::protocol::call_signal::CallType;
use cubelet::protocol::telephone_event::Digit;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::support::{Device, End, call, carry, hears, settings, until, warm};

fn digits(text: &str) -> Vec<Digit> {
    text.chars()
        .map(|key| Digit::of_char(key).unwrap())
        .collect()
}

/// What software of others makes of packets: the keys GStreamer reads of them, and those libspandsp
/// hears in the tones it makes of them.
fn recognised(packets: &[(Duration, EventPacket)]) -> [String; 2] {
    let description = "appsrc name=in format=time \
        caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=TELEPHONE-EVENT,payload=110 \
        ! rtpdtmfdepay name=read \
        ! audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1 \
        ! audiorate ! audioconvert ! audioresample \
        ! audio/x-raw,rate=8000,channels=1 ! dtmfdetect ! fakesink sync=false";
    let pipeline = gst::parse::launch(description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let source: gst_app::AppSrc = pipeline.by_name("in").unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for (number, (at, packet)) in packets.iter().enumerate() {
        let marker = if packet.marker { 0x80 } else { 0 };
        let mut bytes = vec![0x80, 110 | marker];
        bytes.extend(u16::try_from(number).unwrap().to_be_bytes());
        bytes.extend(packet.timestamp.to_be_bytes());
        bytes.extend([0, 0, 0, 7]);
        bytes.extend(packet.payload);
        let mut buffer = gst::Buffer::from_slice(bytes);
        let time = gst::ClockTime::from_nseconds(at.as_nanos() as u64);
        buffer.get_mut().unwrap().set_pts(time);
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let mut keys = [String::new(), String::new()];
    for message in pipeline
        .bus()
        .unwrap()
        .iter_timed(gst::ClockTime::from_seconds(20))
    {
        match message.view() {
            gst::MessageView::Element(element) => {
                let number = element
                    .structure()
                    .and_then(|event| event.get::<i32>("number").ok());
                let digit = number.and_then(|number| Digit::of_code(u8::try_from(number).ok()?));
                let is_read = message
                    .src()
                    .is_some_and(|element| element.name() == "read");
                keys[usize::from(!is_read)].extend(digit.map(Digit::key));
            }
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    keys
}

fn pressed(text: &str) -> Vec<(Duration, EventPacket)> {
    let start = Instant::now();
    let mut sender = DigitSender::default();
    sender.push(start, &digits(text)).unwrap();
    let mut packets = Vec::new();
    while let Some(due) = sender.due() {
        let at = due - start;
        let packet = sender.take(due, || at.as_millis() as u32 * 48).unwrap();
        packets.push((at, packet));
    }
    packets
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_we_press_are_recognised_by_software_of_others() {
    warm().await;
    let recognised = |text| tokio::task::spawn_blocking(move || recognised(&pressed(text)));
    let all = "0123456789*#ABCD";
    assert_eq!(recognised(all).await.unwrap(), [all; 2]);
    let [read, _] = recognised("11500").await.unwrap();
    assert_eq!(read, "11500");
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
