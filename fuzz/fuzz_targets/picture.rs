//! Pictures of the far side as packets of RTP: whatever is in them, frames come out, and what is
//! recorded of them is a file that can be read. The same packets as telephone keys: none is heard
//! twice.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cubelet::media::VideoCodec;
use cubelet::media::recording::{assembled, length_of, parameter_sets};
use cubelet::media::rtp::digits::DigitReceiver;
use cubelet::media::rtp::{FrameAssembler, Packet, RunId, starts_key_frame};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    folder.join(format!("cubelet-fuzz-{}.mp4", std::process::id()))
});

// Two bytes are a packet's marker, time and length, then comes its payload.
fuzz_target!(|data: &[u8]| {
    for codec in VideoCodec::ALL {
        record(codec, data);
    }
});

fn record(codec: VideoCodec, data: &[u8]) {
    let mut assembler = FrameAssembler::new(RunId::fresh());
    let (mut timestamp, mut now) = (0_u32, Instant::now());
    let mut frames = Vec::new();
    let mut digits = DigitReceiver::default();
    let mut rest = data;
    while let [how, length, bytes @ ..] = rest {
        let (payload, others) = bytes.split_at(usize::from(*length).min(bytes.len()));
        rest = others;
        timestamp = timestamp.wrapping_add(u32::from(how & 0x7f) * 100);
        now += Duration::from_millis(u64::from(how & 0x7f));
        let marker = how & 0x80 != 0;
        digits.take(timestamp, marker, payload);
        assert_eq!(digits.take(timestamp, marker, payload), None);
        let packet = Packet {
            marker,
            payload: Bytes::copy_from_slice(payload),
        };
        let is_key = starts_key_frame(codec, payload);
        frames.extend(assembler.push(timestamp, is_key, packet, now));
    }
    for frame in &frames {
        let _ = parameter_sets(frame);
    }
    if let Some(file) = assembled(codec, &frames) {
        std::fs::write(&*FILE, file).expect("room for a small file");
        length_of(&FILE).expect("a file made here can be read");
    }
}
