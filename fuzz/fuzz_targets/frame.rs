//! The bytes of a WebSocket, in pieces: judged as the whole is.
#![no_main]

use cubelet::protocol::frame_guard::FrameGuard;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let (mut whole, mut pieces) = (FrameGuard::new(1_000), FrameGuard::new(1_000));
    let cut = usize::from(*cut).min(bytes.len());
    let first = pieces.feed(&bytes[..cut]);
    let rest = first.and_then(|()| pieces.feed(&bytes[cut..]));
    assert_eq!(whole.feed(bytes), rest);
});
