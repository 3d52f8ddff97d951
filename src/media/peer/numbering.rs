//! Transport-wide numbers for repetitions too.
//!
//! The library numbers the streams that are bound, and a stream of repetitions is not bound by
//! itself: what is sent again would be missing from the far side's feedback, and so from what the
//! path carries and from what is known to be lost.

use std::time::Instant;

use rtc::interceptor::{
    Interceptor, Slot, StreamInfo, TaggedPacket, TwccSenderBuilder, TwccSenderInterceptor,
};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// Where the library's stands.
pub(super) fn slot() -> Slot {
    Slot::TwccSender
}

/// The library's interceptor, told of both streams.
pub(super) struct Numbering(TwccSenderInterceptor);

impl Numbering {
    pub(super) fn new() -> Self {
        Self(TwccSenderBuilder::new().build())
    }
}

fn of_repetitions(info: &StreamInfo) -> Option<StreamInfo> {
    info.ssrc_rtx.map(|ssrc| StreamInfo {
        ssrc,
        ..info.clone()
    })
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Numbering {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.0.handle_read(packet)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.0.poll_read()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.0.handle_write(packet)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.0.poll_write()
    }
}

impl Interceptor for Numbering {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.0.bind_local_stream(info);
        if let Some(info) = of_repetitions(info) {
            self.0.bind_local_stream(&info);
        }
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_local_stream(info);
        if let Some(info) = of_repetitions(info) {
            self.0.unbind_local_stream(&info);
        }
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.bind_remote_stream(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_remote_stream(info);
    }
}

#[cfg(test)]
mod tests {
    use rtc::interceptor::{AttributedPacket, Packet, RTPHeaderExtension};
    use rtc::rtp;
    use rtc::shared::TransportContext;

    use super::*;
    use crate::media::peer::monitor::TRANSPORT_NUMBERS;

    #[test]
    fn a_repetition_is_numbered_like_what_it_repeats() {
        let mut numbering = Numbering::new();
        numbering.bind_local_stream(&StreamInfo {
            ssrc: 1,
            ssrc_rtx: Some(2),
            rtp_header_extensions: vec![RTPHeaderExtension {
                uri: TRANSPORT_NUMBERS.to_owned(),
                id: 3,
            }],
            ..Default::default()
        });
        let mut number = |ssrc| {
            let packet = rtp::Packet {
                header: rtp::Header {
                    version: 2,
                    ssrc,
                    ..Default::default()
                },
                ..Default::default()
            };
            let tagged = TaggedPacket {
                now: Instant::now(),
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtp(packet)),
            };
            numbering.handle_write(tagged).unwrap();
            match numbering.poll_write().unwrap().message.packet {
                Packet::Rtp(packet) => packet.header.get_extension(3),
                _ => None,
            }
        };
        let numbers = [1, 2, 1, 7].map(|ssrc| number(ssrc).map(|number| number.to_vec()));
        let expected = [Some(vec![0, 0]), Some(vec![0, 1]), Some(vec![0, 2]), None];
        assert_eq!(numbers, expected);
    }
}
