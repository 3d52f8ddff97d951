//! A TURN server's stream, in pieces: the same messages as in the whole, each of which goes into a
//! stream again as it came out of one.
#![no_main]

use cubelet::media::turn::{Deframer, TurnAddress, framed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    let judged = Deframer::default().push(bytes, |message| whole.push(message.to_vec()));
    let (first, rest) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let mut deframer = Deframer::default();
    let mut take = |message: &[u8]| pieces.push(message.to_vec());
    let again = deframer
        .push(first, &mut take)
        .and_then(|()| deframer.push(rest, &mut take));
    assert_eq!((&judged, &whole), (&again, &pieces));
    for message in &whole {
        let (mut stream, mut out) = (Vec::new(), Vec::new());
        framed(message, &mut stream).expect("it came out of a stream");
        Deframer::default()
            .push(&stream, |message| out.push(message.to_vec()))
            .expect("it was framed here");
        assert_eq!(out, [message.clone()]);
    }
    if let Ok(uri) = std::str::from_utf8(bytes) {
        let _ = TurnAddress::over_stream(uri);
    }
});
