//! Commands by MQTT: whatever the verb and the payload, there is a command or a typed error.
#![no_main]

use cubelet::control::read_command;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: (&str, &[u8])| {
    let (verb, payload) = message;
    let _ = read_command(verb, payload);
});
