//! The bytes of an RTSP viewer, in pieces: answered as the whole is, every answer is RTSP, and no
//! stranger gets a description or pictures.
#![no_main]

use cubelet::rtsp::converse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let (first, rest) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let whole = converse(&[bytes], None);
    assert_eq!(whole, converse(&[first, rest], None));
    assert!(whole.answers.is_empty() || whole.answers.starts_with(b"RTSP/1.0 "));
    let stranger = converse(&[first, rest], Some("correct horse battery staple"));
    assert!(!stranger.is_described && !stranger.plays);
});
