//! Session descriptions: whatever is offered, it is taken or refused with a reason.
#![no_main]

use cubelet::media::peer::check_description;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = check_description(text) {
        assert!(error.to_string().len() < 1_000);
    }
});
