//! Codes and invitations as somebody types or scans them: what is read and written again is the
//! same.
#![no_main]

use cubelet::protocol::enrolment::{Code, CodeSecret, Invitation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = CodeSecret::read(text);
    if let Ok(code) = text.parse::<Code>() {
        assert_eq!(code.expose().parse(), Ok(code));
    }
    if let Ok(invitation) = text.parse::<Invitation>() {
        assert_eq!(invitation.expose().parse(), Ok(invitation));
    }
});
