use rtc::rtp;
use rtc::shared::marshal::{Marshal, Unmarshal};

use super::*;
use crate::media::peer::places::keep_place;

/// The packets of a pipeline that ends by itself in `sink`.
fn packets_of(description: &str) -> Vec<Bytes> {
    crate::media::initialise().unwrap();
    let pipeline = Pipeline::parse(description, |_| {}).unwrap();
    let sink: gst_app::AppSink = pipeline.element("sink").unwrap();
    pipeline.play().unwrap();
    std::iter::from_fn(|| sink.pull_sample().ok())
        .map(|sample| {
            let buffer = sample.buffer().unwrap().map_readable().unwrap();
            Bytes::copy_from_slice(&buffer)
        })
        .collect()
}

/// What a far side sends of three pictures.
fn three_pictures() -> Vec<Bytes> {
    let description = "videotestsrc num-buffers=3 ! video/x-raw,format=I420,width=64,height=64 \
        ! x264enc tune=zerolatency ! video/x-h264,profile=constrained-baseline \
        ! rtph264pay config-interval=-1 pt=96 ! appsink name=sink sync=false";
    packets_of(description)
}

/// One second of a tone, 20 ms a packet.
fn a_second_of_sound() -> Vec<rtp::Packet> {
    let description = "audiotestsrc num-buffers=50 samplesperbuffer=960 \
        ! audio/x-raw,rate=48000,channels=1 ! opusenc frame-size=20 \
        ! rtpopuspay pt=96 seqnum-offset=65520 ! appsink name=sink sync=false";
    let packets = packets_of(description).into_iter();
    packets
        .map(|mut packet| rtp::Packet::unmarshal(&mut packet).unwrap())
        .collect()
}

/// What is heard of packets, of which whoever records sees none without sound.
fn played(packets: &[rtp::Packet], samples: usize) -> Vec<i16> {
    let (heard, sound) = channel();
    let (passed, passing) = channel();
    let hooks = Hooks {
        decoded: Box::new(|_, _| {}),
        key_frame_wanted: Box::new(|| {}),
        passing: Some(Box::new(move |packet| {
            let _ = passed.send(packet.size());
        })),
        heard: Some(Box::new(move |samples| {
            let _ = heard.send(samples.to_vec());
        })),
        picture: None,
    };
    let decoding = Decoding::start(Format::Audio(Loudspeaker::new()), hooks);
    for packet in packets {
        decoding.push(packet.marshal().unwrap().freeze());
    }
    let mut all = Vec::new();
    while all.len() < samples {
        let more = sound.recv_timeout(Duration::from_secs(20));
        all.extend(more.unwrap_or_else(|_| panic!("{} samples of {samples}", all.len())));
    }
    assert!(
        passing.try_iter().all(|size| size > 12),
        "a packet of nothing"
    );
    all
}

#[test]
fn sound_beside_telephone_keys_is_sample_for_sample_what_it_is_without_them() {
    let sound = a_second_of_sound();
    let (before, after) = sound.split_at(20);
    // A key is held while five packets of sound are left out.
    let after = &after[5..];
    let renumbered = |packets: &[rtp::Packet], by: i16| {
        let each = packets.iter().cloned().map(move |mut packet| {
            let number = &mut packet.header.sequence_number;
            *number = number.wrapping_add_signed(by);
            packet
        });
        each.collect::<Vec<_>>()
    };
    let mut keys = Vec::new();
    for step in 1..=7_u16 {
        let mut packet = before[19].clone();
        packet.header.sequence_number = before[19].header.sequence_number.wrapping_add(step);
        packet.header.timestamp = before[19].header.timestamp.wrapping_add(960);
        let [high, low] = (step.min(5) * 960).to_be_bytes();
        packet.payload = vec![5, if step < 5 { 10 } else { 0x8a }, high, low].into();
        keep_place(&mut packet);
        keys.push(packet);
    }
    // Sound follows the fifth packet of the key, the end is told twice more among it.
    let (told, again) = keys.split_at(5);
    let [first, second, rest @ ..] = after else {
        panic!("sound is left");
    };
    let number = |packet: &rtp::Packet, number: u16| {
        let mut packet = packet.clone();
        packet.header.sequence_number = number;
        packet
    };
    let base = before[19].header.sequence_number;
    let mixed = [
        told.to_vec(),
        vec![
            number(first, base.wrapping_add(6)),
            number(&again[0], base.wrapping_add(7)),
            number(second, base.wrapping_add(8)),
            number(&again[1], base.wrapping_add(9)),
        ],
        renumbered(rest, 2),
    ]
    .concat();
    // The decoder keeps the last packet back, for what the next one repeats of it.
    let samples = (before.len() + after.len() - 1) * 960;
    let with = played(&[before, &mixed].concat(), samples);
    let without = played(&[before, &renumbered(after, -5)].concat(), samples);
    assert!(with == without, "it sounds otherwise");
    // Taken out in front of the jitter buffer they would be concealed.
    let concealed = played(&[before, &renumbered(after, 2)].concat(), samples);
    assert!(concealed != without, "what is missing is not heard");
    assert!(with.iter().any(|sample| sample.abs() > 5_000), "a tone");
}

#[test]
fn a_pipeline_nothing_comes_to_is_given_back_and_made_anew_for_the_first_packet() {
    let packets = three_pictures();
    let (decoded, pictures) = channel();
    let hooks = Hooks {
        decoded: Box::new(move |_, _| {
            let _ = decoded.send(());
        }),
        key_frame_wanted: Box::new(|| {}),
        passing: None,
        heard: None,
        picture: None,
    };
    let format = Format::Video(VideoCodec::H264, VideoSinkKind::Null);
    let decoding = Decoding::start_resting(format, hooks, Duration::from_millis(10));
    let is_resting = || matches!(*decoding.input.lock(), Input::Resting);
    let since = Instant::now();
    while !is_resting() {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "it is still there"
        );
        std::thread::yield_now();
    }
    for packet in packets {
        decoding.push(packet);
    }
    pictures.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(!is_resting());
}
