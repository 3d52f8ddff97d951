//! When pictures leave for the network, and which of their packets leave again.
//!
//! Stands in for the library's NACK responder, which answers every request at once, however often
//! and however full the path is: on 300 kbit/s its answers alone filled the path for good. The
//! rules are in [`Repair`] and [`Pacer`]; here they meet packets. Sound and reports pass untouched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rtc::interceptor::{Attribute, AttributedPacket, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::rtp;
use rtc::shared::TransportContext;

use super::measurement::{Network, size_on_wire};
use super::stage::{Leaving, Stage};
use crate::media::rate::{Lane, Pacer, Repair, SentPacket};

/// When so much waits, the far side is better served with a new and smaller key frame.
const TOO_MUCH: Duration = Duration::from_millis(700);
/// A key frame made because of it is given so long.
const BETWEEN: Duration = Duration::from_secs(2);
/// Pictures that wait longer than this when a key frame comes are not shown any more.
const OVERTAKEN: Duration = Duration::from_millis(150);

/// Between what makes packets and what numbers them for the transport.
pub(super) fn slot() -> Slot {
    Slot::Pacer
}

/// A packet as it was sent first, without what the wire adds.
#[derive(Clone, Debug)]
struct Sent {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload_type: u8,
    payload: Bytes,
}

/// A stream of pictures whose packets can be asked for again.
struct Stream {
    ssrc: u32,
    /// Number and payload type of repetitions (RFC 4588); without, they are sent as they were.
    repeats_as: Option<(u32, u8)>,
    repair: Repair<Sent>,
}

impl Stream {
    fn repetition(&mut self, now: Instant, sent: Sent) -> TaggedPacket {
        let mut header = rtp::Header {
            version: 2,
            marker: sent.marker,
            payload_type: sent.payload_type,
            sequence_number: sent.sequence,
            timestamp: sent.timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        let mut payload = sent.payload;
        if let Some((ssrc, payload_type)) = self.repeats_as {
            header.ssrc = ssrc;
            header.payload_type = payload_type;
            header.sequence_number = self.repair.number(sent.sequence);
            // RFC 4588 §4: the original number goes first.
            payload = [&sent.sequence.to_be_bytes(), payload.as_ref()]
                .concat()
                .into();
        }
        let packet = Packet::Rtp(rtp::Packet { header, payload });
        TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(packet).with(Attribute::Retransmission),
        }
    }
}

/// The interceptor. `starts_over` is called when the far side needs a key frame instead of what
/// waited; on the task that drives the connection, so it must not wait.
pub(super) struct Outgoing {
    network: Arc<Mutex<Network>>,
    starts_over: Box<dyn Fn() + Send + Sync>,
    streams: Vec<Stream>,
    pacer: Pacer<TaggedPacket>,
    started_over: Option<Instant>,
    /// Of the newest key frame.
    key_timestamp: Option<u32>,
    lost: Vec<SentPacket>,
}

impl Outgoing {
    pub(super) fn new(
        network: Arc<Mutex<Network>>,
        starts_over: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            network,
            starts_over,
            streams: Vec::with_capacity(1),
            pacer: Pacer::default(),
            started_over: None,
            key_timestamp: None,
            lost: Vec::new(),
        }
    }

    fn picture(&mut self, tagged: TaggedPacket, sent: Sent, stream: usize, leaving: &mut Leaving) {
        let now = tagged.now;
        let begins = self.network.lock().key_frame() == Some(sent.sequence);
        if begins {
            self.key_timestamp = Some(sent.timestamp);
            if self.pacer.backlog() > OVERTAKEN {
                self.pacer.clear();
            }
        }
        let bytes = size_on_wire(&sent.payload);
        self.streams[stream]
            .repair
            .sent(now, sent.sequence, begins, sent);
        self.pacer.push(Lane::Picture, bytes, tagged);
        self.release(now, leaving);
        if self.pacer.backlog() > TOO_MUCH {
            self.start_over(now);
        }
    }

    fn start_over(&mut self, now: Instant) {
        let is_key = |tagged: &TaggedPacket| {
            matches!(&tagged.message.packet, Packet::Rtp(packet)
                if Some(packet.header.timestamp) == self.key_timestamp)
        };
        let lately = self
            .started_over
            .is_some_and(|at| now.saturating_duration_since(at) < BETWEEN);
        if lately || self.pacer.waiting(Lane::Picture).any(is_key) {
            return;
        }
        tracing::debug!(backlog = ?self.pacer.backlog(), "too much waits: a new key frame instead");
        self.started_over = Some(now);
        self.pacer.clear();
        for stream in &mut self.streams {
            stream.repair.give_up();
        }
        (self.starts_over)();
    }

    fn asked(&mut self, now: Instant, nack: &TransportLayerNack) {
        let Some(stream) = self
            .streams
            .iter_mut()
            .find(|one| one.ssrc == nack.media_ssrc)
        else {
            return;
        };
        let conditions = self.network.lock().conditions(now);
        for sequence in nack.nacks.iter().flat_map(|pair| pair.into_iter()) {
            if let Some(sent) = stream.repair.asked(now, sequence, conditions) {
                let repetition = stream.repetition(now, sent);
                push_repair(&mut self.pacer, repetition);
            }
        }
    }

    /// What the feedback read by [`super::monitor`], nearer to the wire, shows as missing.
    fn missing(&mut self, now: Instant) {
        let conditions = {
            let mut network = self.network.lock();
            network.take_lost(&mut self.lost);
            network.conditions(now)
        };
        for SentPacket { ssrc, sequence } in self.lost.drain(..) {
            for stream in &mut self.streams {
                let found = if stream.ssrc == ssrc {
                    stream.repair.missing(now, sequence, conditions)
                } else if stream.repeats_as.is_some_and(|(own, _)| own == ssrc) {
                    stream.repair.repetition_missing(now, sequence, conditions)
                } else {
                    None
                };
                if let Some(sent) = found {
                    let repetition = stream.repetition(now, sent);
                    push_repair(&mut self.pacer, repetition);
                }
            }
        }
    }

    fn release(&mut self, now: Instant, leaving: &mut Leaving) {
        for stream in &mut self.streams {
            while let Some(sent) = stream.repair.due(now) {
                let repetition = stream.repetition(now, sent);
                push_repair(&mut self.pacer, repetition);
            }
        }
        while let Some(mut packet) = self.pacer.pop(now) {
            // What measures the path must not take our waiting for the network's.
            packet.now = now;
            leaving.push_back(packet);
        }
    }
}

fn push_repair(pacer: &mut Pacer<TaggedPacket>, packet: TaggedPacket) {
    if let Packet::Rtp(rtp) = &packet.message.packet {
        let bytes = size_on_wire(&rtp.payload);
        pacer.push(Lane::Repair, bytes, packet);
    }
}

/// Whether packets of this stream can be asked for again.
pub(super) fn answers_nacks(info: &StreamInfo) -> bool {
    info.rtcp_feedback
        .iter()
        .any(|feedback| feedback.typ == "nack" && feedback.parameter.is_empty())
}

impl Stage for Outgoing {
    fn arrives(&mut self, packet: &TaggedPacket, leaving: &mut Leaving) {
        let Packet::Rtcp(reports) = &packet.message.packet else {
            return;
        };
        for report in reports {
            let report: &dyn rtcp::Packet = report.as_ref();
            if let Some(nack) = report.as_any().downcast_ref::<TransportLayerNack>() {
                self.asked(packet.now, nack);
            } else if report.as_any().is::<TransportLayerCc>() {
                self.missing(packet.now);
            }
        }
        let knowledge = self.network.lock().knowledge(packet.now);
        self.pacer.learn(packet.now, knowledge);
        self.release(packet.now, leaving);
    }

    fn leaves(&mut self, packet: TaggedPacket, leaving: &mut Leaving) {
        let found = match &packet.message.packet {
            Packet::Rtp(rtp) => self
                .streams
                .iter()
                .position(|stream| stream.ssrc == rtp.header.ssrc)
                .map(|stream| (stream, kept(rtp))),
            _ => None,
        };
        match found {
            Some((stream, kept)) => self.picture(packet, kept, stream, leaving),
            None => leaving.push_back(packet),
        }
    }

    fn due(&self) -> Option<Instant> {
        let second = self
            .streams
            .iter()
            .filter_map(|stream| stream.repair.next());
        second.chain(self.pacer.due()).min()
    }

    fn at(&mut self, now: Instant, leaving: &mut Leaving) {
        self.release(now, leaving);
    }

    fn bind_local(&mut self, info: &StreamInfo) {
        if answers_nacks(info) {
            self.unbind_local(info);
            self.streams.push(Stream {
                ssrc: info.ssrc,
                repeats_as: info.ssrc_rtx.zip(info.payload_type_rtx),
                repair: Repair::default(),
            });
        }
    }

    fn unbind_local(&mut self, info: &StreamInfo) {
        self.streams.retain(|stream| stream.ssrc != info.ssrc);
    }
}

fn kept(packet: &rtp::Packet) -> Sent {
    Sent {
        sequence: packet.header.sequence_number,
        timestamp: packet.header.timestamp,
        marker: packet.header.marker,
        payload_type: packet.header.payload_type,
        payload: packet.payload.clone(),
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
