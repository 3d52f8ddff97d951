//! Asks the far side for packets of pictures that have not come.
//!
//! Stands in for the library's NACK generator, which does not see that a repetition brought what
//! it asks for: four requests for each loss, and one for each lost repetition. The rules are in
//! [`Missing`].

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rtc::interceptor::{AttributedPacket, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc::shared::TransportContext;

use super::measurement::Network;
use super::outgoing::answers_nacks;
use super::stage::{Leaving, Stage};
use crate::media::rtp::Missing;

/// Where the library's stands: behind what counts arrivals, before what orders them.
pub(super) fn slot() -> Slot {
    Slot::NackGenerator
}

struct Stream {
    ssrc: u32,
    /// Of its repetitions.
    repeated_as: Option<u32>,
    missing: Missing,
}

/// The interceptor.
pub(super) struct NackRequests {
    network: Arc<Mutex<Network>>,
    /// Ours, as the source of the requests (RFC 4585 §6.1).
    ssrc: u32,
    streams: Vec<Stream>,
    asked: Vec<u16>,
}

impl NackRequests {
    pub(super) fn new(network: Arc<Mutex<Network>>) -> Self {
        Self {
            network,
            ssrc: rand::random(),
            streams: Vec::with_capacity(1),
            asked: Vec::new(),
        }
    }
}

impl Stage for NackRequests {
    fn arrives(&mut self, packet: &TaggedPacket, _: &mut Leaving) {
        if let Packet::Rtp(rtp) = &packet.message.packet {
            for stream in &mut self.streams {
                if stream.ssrc == rtp.header.ssrc {
                    stream
                        .missing
                        .arrived(packet.now, rtp.header.sequence_number);
                } else if stream.repeated_as == Some(rtp.header.ssrc)
                    // RFC 4588 §4; without it, it is padding.
                    && let Some([high, low]) = rtp.payload.first_chunk()
                {
                    let repeated = u16::from_be_bytes([*high, *low]);
                    stream.missing.arrived(packet.now, repeated);
                }
            }
        }
    }

    fn at(&mut self, now: Instant, leaving: &mut Leaving) {
        for stream in &mut self.streams {
            if stream.missing.next().is_none_or(|next| next > now) {
                continue;
            }
            let round_trip = self.network.lock().conditions(now).round_trip;
            stream.missing.ask(now, round_trip, &mut self.asked);
            if self.asked.is_empty() {
                continue;
            }
            let request = TransportLayerNack {
                sender_ssrc: self.ssrc,
                media_ssrc: stream.ssrc,
                nacks: nack_pairs_from_sequence_numbers(&self.asked),
            };
            self.asked.clear();
            leaving.push_back(TaggedPacket {
                now,
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtcp(vec![Box::new(request)])),
            });
        }
    }

    fn due(&self) -> Option<Instant> {
        self.streams
            .iter()
            .filter_map(|stream| stream.missing.next())
            .min()
    }

    fn bind_remote(&mut self, info: &StreamInfo) {
        let is_repetition = self
            .streams
            .iter()
            .any(|stream| stream.repeated_as == Some(info.ssrc));
        if answers_nacks(info) && !is_repetition {
            self.unbind_remote(info);
            self.streams.push(Stream {
                ssrc: info.ssrc,
                repeated_as: info.ssrc_rtx,
                missing: Missing::default(),
            });
        }
    }

    fn unbind_remote(&mut self, info: &StreamInfo) {
        self.streams.retain(|stream| stream.ssrc != info.ssrc);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtc::interceptor::{Interceptor, RTCPFeedback};
    use rtc::rtp;
    use rtc::sansio::Protocol;

    use super::*;
    use crate::media::peer::stage::Passing;
    use crate::media::rate::Bounds;

    const MS: Duration = Duration::from_millis(1);

    fn info(ssrc: u32, ssrc_rtx: Option<u32>) -> StreamInfo {
        StreamInfo {
            ssrc,
            ssrc_rtx,
            rtcp_feedback: vec![RTCPFeedback {
                typ: "nack".to_owned(),
                parameter: String::new(),
            }],
            ..Default::default()
        }
    }

    fn arrives(
        requests: &mut Passing<NackRequests>,
        now: Instant,
        ssrc: u32,
        sequence: u16,
        repeats: u16,
    ) {
        let packet = rtp::Packet {
            header: rtp::Header {
                version: 2,
                ssrc,
                sequence_number: sequence,
                ..Default::default()
            },
            payload: repeats.to_be_bytes().to_vec().into(),
        };
        let tagged = TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)),
        };
        requests.handle_read(tagged).unwrap();
    }

    fn asked(requests: &mut Passing<NackRequests>, now: Instant) -> Vec<(u32, u16)> {
        requests.handle_timeout(now).unwrap();
        let mut asked = Vec::new();
        while let Some(tagged) = requests.poll_write() {
            let Packet::Rtcp(reports) = tagged.message.packet else {
                panic!("a report")
            };
            let nack = reports[0].as_any().downcast_ref::<TransportLayerNack>();
            let nack = nack.unwrap();
            let packets = nack.nacks.iter().flat_map(|pair| pair.into_iter());
            asked.extend(packets.map(|sequence| (nack.media_ssrc, sequence)));
        }
        asked
    }

    #[test]
    fn what_a_repetition_brought_is_not_asked_for_nor_are_repetitions() {
        let bounds = Bounds {
            min_kbps: 100,
            max_kbps: 1_000,
        };
        let network = Arc::new(Mutex::new(Network::new(bounds, 500)));
        let mut requests = Passing::new(NackRequests::new(network));
        requests.bind_remote_stream(&info(1, Some(2)));
        requests.bind_remote_stream(&info(2, None));
        let start = Instant::now();
        for sequence in [10, 11, 14] {
            arrives(&mut requests, start, 1, sequence, 0);
        }
        assert_eq!(asked(&mut requests, start + 5 * MS), [(1, 12), (1, 13)]);
        arrives(&mut requests, start + 6 * MS, 2, 0, 12);
        // The second repetition was lost, the third brings what nobody misses.
        arrives(&mut requests, start + 7 * MS, 2, 2, 11);
        assert_eq!(asked(&mut requests, start + 25 * MS), [(1, 13)]);
    }
}
