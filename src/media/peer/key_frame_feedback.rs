//! Key-frame requests of the far side, heard where they arrive.
//!
//! The library swallows inbound RTCP, and what is marked for delivery goes to the track that the
//! first packet of a compound is about: a request behind a receiver report on the sound ends at
//! the audio track or nowhere. An interceptor sees them all, so this one listens itself
//! (RFC 4585 §6.3.1, RFC 5104 §4.3.1) and passes everything on untouched.

use rtc::interceptor::{Packet, Slot, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;

use super::stage::{Leaving, Stage};

/// Nearest to the application, behind everything that may consume or make RTCP.
pub(super) fn slot() -> Slot {
    Slot::from(100_000)
}

/// Whether this is a request for a key frame.
fn asks_for_key_frame(packet: &dyn rtc::rtcp::Packet) -> bool {
    let packet = packet.as_any();
    packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
}

/// Calls `requested` for each request; on the task that drives the connection, so it must not
/// wait.
pub(super) struct KeyFrameFeedback {
    requested: Box<dyn Fn() + Send + Sync>,
}

impl KeyFrameFeedback {
    pub(super) fn new(requested: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { requested }
    }
}

impl Stage for KeyFrameFeedback {
    fn arrives(&mut self, packet: &TaggedPacket, _: &mut Leaving) {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            for packet in packets {
                if asks_for_key_frame(packet.as_ref()) {
                    (self.requested)();
                }
            }
        }
    }
}
