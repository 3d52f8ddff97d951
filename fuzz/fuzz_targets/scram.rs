//! SCRAM messages: reading them never panics, and no proof made without the secret passes.
#![no_main]

use cubelet::protocol::scram::{ClientFirst, Keys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|messages: (&[u8], &[u8])| {
    let (first, proof) = messages;
    let Ok(first) = ClientFirst::read(first) else {
        return;
    };
    let challenge = first.challenge("server", b"salt", 1);
    let keys = Keys {
        stored: [7; 32],
        server: [9; 32],
    };
    assert!(challenge.verify(proof, &[keys]).is_err());
});
