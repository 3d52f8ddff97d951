//! Hears every packet where it leaves for the network and comes from it.
//!
//! It is the interceptor nearest to the wire: retransmissions pass it as the packets they are, and
//! reports that the library consumes are still whole. What it hears goes into [`Network`], under a
//! lock nobody holds for longer than it takes to read it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rtc::interceptor::{Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::rtp;

use super::measurement::Network;
use super::settings::TrackKind;
use super::stage::{Leaving, Stage};

/// Streams of one connection: two each way, retransmissions, and room for a far side that begins
/// anew.
const MAX_STREAMS: usize = 16;
pub(super) const TRANSPORT_NUMBERS: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Nearest to the wire.
pub(super) fn slot() -> Slot {
    Slot::from(500)
}

/// One numbered by its source (RFC 3550 §8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    ssrc: u32,
    pub(super) kind: TrackKind,
    /// It carries what another has lost (RFC 4588).
    pub(super) is_repair: bool,
}

/// The interceptor.
pub(super) struct Monitor {
    network: Arc<Mutex<Network>>,
    local: Vec<Stream>,
    remote: Vec<Stream>,
    /// The header extension that carries transport-wide numbers.
    numbers_in: Option<u8>,
}

impl Monitor {
    pub(super) fn new(network: Arc<Mutex<Network>>) -> Self {
        Self {
            network,
            local: Vec::with_capacity(MAX_STREAMS),
            remote: Vec::with_capacity(MAX_STREAMS),
            numbers_in: None,
        }
    }

    fn packet_arrives(&self, now: Instant, packet: &rtp::Packet) {
        if let Some(stream) = find(&self.remote, packet.header.ssrc) {
            let bytes = packet.payload.len();
            self.network
                .lock()
                .arrived(now, stream, &packet.header, bytes);
        }
    }

    fn packet_leaves(&self, now: Instant, packet: &rtp::Packet) {
        let Some(stream) = find(&self.local, packet.header.ssrc) else {
            return;
        };
        let number = self
            .numbers_in
            .and_then(|id| packet.header.get_extension(id))
            .and_then(|number| number.first_chunk().copied())
            .map(u16::from_be_bytes);
        self.network.lock().left(now, stream, packet, number);
    }

    fn report_arrives(&self, now: Instant, packet: &dyn rtcp::Packet) {
        let packet = packet.as_any();
        let mut network = self.network.lock();
        let reports = if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            &report.reports
        } else if let Some(report) = packet.downcast_ref::<SenderReport>() {
            &report.reports
        } else {
            if let Some(report) = packet.downcast_ref::<TransportLayerCc>() {
                network.feedback(now, report);
            } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
                network.asked(0, asked_for(nack));
            }
            return;
        };
        for report in reports {
            if let Some(stream) = find(&self.local, report.ssrc).filter(|one| !one.is_repair) {
                network.reception(now, stream.kind, report);
            }
        }
    }

    fn report_leaves(&self, now: Instant, packet: &dyn rtcp::Packet) {
        let packet = packet.as_any();
        if let Some(report) = packet.downcast_ref::<SenderReport>() {
            self.network.lock().report_sent(now, report.ntp_time);
        } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
            self.network.lock().asked(asked_for(nack), 0);
        }
    }
}

fn find(streams: &[Stream], ssrc: u32) -> Option<Stream> {
    streams.iter().copied().find(|stream| stream.ssrc == ssrc)
}

fn asked_for(nack: &TransportLayerNack) -> u64 {
    let asked = |pair: &rtcp::transport_feedbacks::transport_layer_nack::NackPair| {
        1 + u64::from(pair.lost_packets.count_ones())
    };
    nack.nacks.iter().map(asked).sum()
}

fn bind(streams: &mut Vec<Stream>, info: &StreamInfo) {
    let kind = if info.mime_type.starts_with("audio/") {
        TrackKind::Audio
    } else {
        TrackKind::Video
    };
    let is_repair = info.mime_type.to_ascii_lowercase().ends_with("/rtx");
    let mut add = |ssrc, is_repair| {
        unbind(streams, ssrc);
        if streams.len() >= MAX_STREAMS {
            // The oldest: a far side that begins anew all the time is no longer heard there.
            streams.remove(0);
        }
        streams.push(Stream {
            ssrc,
            kind,
            is_repair,
        });
    };
    add(info.ssrc, is_repair);
    if let Some(repair) = info.ssrc_rtx {
        add(repair, true);
    }
}

fn unbind(streams: &mut Vec<Stream>, ssrc: u32) {
    streams.retain(|stream| stream.ssrc != ssrc);
}

impl Stage for Monitor {
    fn arrives(&mut self, packet: &TaggedPacket, _: &mut Leaving) {
        match &packet.message.packet {
            Packet::Rtp(rtp) => self.packet_arrives(packet.now, rtp),
            Packet::Rtcp(reports) => {
                for report in reports {
                    self.report_arrives(packet.now, report.as_ref());
                }
            }
            _ => {}
        }
    }

    fn leaves(&mut self, packet: TaggedPacket, leaving: &mut Leaving) {
        match &packet.message.packet {
            Packet::Rtp(rtp) => self.packet_leaves(packet.now, rtp),
            Packet::Rtcp(reports) => {
                for report in reports {
                    self.report_leaves(packet.now, report.as_ref());
                }
            }
            _ => {}
        }
        leaving.push_back(packet);
    }

    fn bind_local(&mut self, info: &StreamInfo) {
        bind(&mut self.local, info);
        let numbers = info
            .rtp_header_extensions
            .iter()
            .find(|extension| extension.uri == TRANSPORT_NUMBERS)
            .and_then(|extension| u8::try_from(extension.id).ok());
        // One extension has one number on the whole connection.
        self.numbers_in = numbers.or(self.numbers_in);
    }

    fn unbind_local(&mut self, info: &StreamInfo) {
        unbind(&mut self.local, info.ssrc);
    }

    fn bind_remote(&mut self, info: &StreamInfo) {
        bind(&mut self.remote, info);
    }

    fn unbind_remote(&mut self, info: &StreamInfo) {
        unbind(&mut self.remote, info.ssrc);
    }
}
