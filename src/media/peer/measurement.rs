//! What was measured of one connection's packets, and how fast to send by it.
//!
//! Told by [`super::monitor`], asked by whoever sends; the rules are in the sans-IO collectors. Time
//! comes in with every call. Must not enter: sockets, tasks.

use std::time::{Duration, Instant};

use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
};
use rtc::rtp;
use tokio::sync::watch;

use super::monitor::Stream;
use super::settings::TrackKind;
use super::stats::PeerStats;
use crate::media::rate::{
    self, Bounds, Conditions, Fate, Feedback, Knowledge, Path, RateController, SentPacket,
};
use crate::media::stats::{FlowStats, Inbound, Meter, Outbound, Reception, RoundTrip};

/// IP, UDP, the RTP header with its extension, and SRTP's tag.
const HEADERS: u32 = 20 + 8 + 20 + 10;
/// A far side that gives transport-wide feedback is not judged by its receiver reports.
const FEEDBACK_ALIVE: Duration = Duration::from_secs(3);
/// Fewer packets without feedback may be on their way.
const SOME: u32 = 10;
/// Changes below this share of the target are not worth telling the encoder.
const WORTH_TELLING: u32 = 25;

/// What was measured of one connection's packets, and how fast to send by it.
pub(super) struct Network {
    inbound: [Inbound; 2],
    outbound: [Outbound; 2],
    round_trip: RoundTrip,
    /// Packets the far side asked for again, and we of it.
    nacks: Directions,
    path: Path,
    controller: RateController,
    target: watch::Sender<u32>,
    last_feedback: Option<Instant>,
    /// Packets sent since then.
    unanswered: u32,
    /// Packets of pictures sent up to the last receiver report.
    reported_packets: u64,
    least_round_trip: Option<Duration>,
    /// By the last feedback, from sending to hearing of it.
    feedback_round_trip: Option<Duration>,
    /// What the feedback shows as missing, until it is looked at.
    lost: Vec<SentPacket>,
    /// Bytes sent again, which the pictures cannot have.
    repairs: Meter<6>,
    /// The number of the first packet of the newest key frame.
    key_frame: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directions {
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// The numbers at one moment; indexed like [`TrackKind`].
pub(super) struct NetworkStats {
    pub(super) received: [FlowStats; 2],
    pub(super) sent: [FlowStats; 2],
    pub(super) round_trip: Option<Duration>,
    pub(super) mean_round_trip: Option<Duration>,
    pub(super) nacks: Directions,
    pub(super) target_kbps: u32,
}

impl NetworkStats {
    /// Into the place they are published from.
    pub(super) fn write(&self, stats: &mut PeerStats) {
        [stats.audio_received, stats.video_received] = self.received;
        [stats.audio_sent, stats.video_sent] = self.sent;
        stats.round_trip = self.round_trip;
        stats.mean_round_trip = self.mean_round_trip;
        stats.nacks_sent = self.nacks.sent;
        stats.nacks_received = self.nacks.received;
        stats.target_kbps = rate::video_share(self.target_kbps);
    }
}

impl Network {
    pub(super) fn new(bounds: Bounds, start_kbps: u32) -> Self {
        let controller = RateController::new(bounds, start_kbps);
        Self {
            inbound: [Inbound::new(48_000), Inbound::new(90_000)],
            outbound: [Outbound::new(48_000), Outbound::new(90_000)],
            round_trip: RoundTrip::default(),
            nacks: Directions::default(),
            path: Path::new(Instant::now()),
            target: watch::Sender::new(controller.target_kbps()),
            controller,
            last_feedback: None,
            unanswered: 0,
            reported_packets: 0,
            least_round_trip: None,
            feedback_round_trip: None,
            lost: Vec::new(),
            repairs: Meter::new(),
            key_frame: None,
        }
    }

    /// The next picture is a key frame and begins with the packet of this number.
    pub(super) fn key_frame_begins(&mut self, sequence: u16) {
        self.key_frame = Some(sequence);
    }

    pub(super) fn key_frame(&self) -> Option<u16> {
        self.key_frame
    }

    /// Fills `into`, which is empty, with what is missing by the feedback heard since the last
    /// time.
    pub(super) fn take_lost(&mut self, into: &mut Vec<SentPacket>) {
        std::mem::swap(&mut self.lost, into);
    }

    pub(super) fn conditions(&self, now: Instant) -> Conditions {
        // Each has its own reasons to be late, so the shorter one is nearer to the path's.
        let measured = [self.feedback_round_trip, self.round_trip.last()];
        Conditions {
            round_trip: measured.into_iter().flatten().min(),
            loss: self.controller.own_loss(now),
        }
    }

    pub(super) fn knowledge(&self, now: Instant) -> Knowledge {
        self.controller
            .last_full()
            .map_or(Knowledge::NeverFull, |last| Knowledge::Narrow {
                target_kbps: self.controller.target_kbps(),
                calm: now.saturating_duration_since(last),
            })
    }

    /// What the path takes, kbit/s, and its changes.
    pub(super) fn target(&self) -> watch::Receiver<u32> {
        self.target.subscribe()
    }

    pub(super) fn set_bounds(&mut self, bounds: Bounds) {
        self.controller.set_bounds(bounds);
        self.tell(Instant::now());
    }

    /// A few times a second.
    pub(super) fn tick(&mut self, now: Instant) {
        // Receiver reports come once in a few seconds, and while all is muted there is nothing to
        // report on.
        if self.last_feedback.is_some() && self.unanswered >= SOME {
            self.controller.tick(now);
        } else {
            self.controller.rest(now);
        }
        self.tell(now);
    }

    /// The round trip of a connectivity check.
    pub(super) fn checked(&mut self, round_trip: Duration) {
        self.round_trip.measured(round_trip);
    }

    pub(super) fn stats(&self, now: Instant) -> NetworkStats {
        NetworkStats {
            received: self.inbound.each_ref().map(|one| one.stats(now)),
            sent: self.outbound.each_ref().map(|one| one.stats(now)),
            round_trip: self.round_trip.last(),
            mean_round_trip: self.round_trip.mean(),
            nacks: self.nacks,
            target_kbps: self.controller.target_kbps(),
        }
    }

    pub(super) fn has_round_trip(&self) -> bool {
        self.round_trip.last().is_some()
    }

    /// A packet arrived for the first time, or again.
    pub(super) fn arrived(
        &mut self,
        now: Instant,
        stream: Stream,
        header: &rtp::Header,
        bytes: usize,
    ) {
        let inbound = &mut self.inbound[stream.kind as usize];
        if stream.is_repair {
            inbound.retransmission(now, bytes);
        } else {
            let (sequence, timestamp) = (header.sequence_number, header.timestamp);
            inbound.packet(now, header.ssrc, sequence, timestamp, bytes);
        }
    }

    /// A packet left, with this transport-wide number.
    pub(super) fn left(
        &mut self,
        now: Instant,
        stream: Stream,
        packet: &rtp::Packet,
        number: Option<u16>,
    ) {
        self.outbound[stream.kind as usize].packet(now, packet.payload.len());
        let bytes = size_on_wire(&packet.payload);
        if stream.is_repair {
            self.repairs.add(now, bytes);
        }
        if let Some(number) = number {
            self.unanswered = self.unanswered.saturating_add(1);
            let sent = SentPacket {
                ssrc: packet.header.ssrc,
                sequence: packet.header.sequence_number,
            };
            self.path.sent(now, number, sent, bytes);
        }
    }

    /// We asked for so many packets again, or were asked.
    pub(super) fn asked(&mut self, sent: u64, received: u64) {
        self.nacks.sent += sent;
        self.nacks.received += received;
    }

    /// Our sender report left, which is answered in a reception report.
    pub(super) fn report_sent(&mut self, now: Instant, ntp_time: u64) {
        self.round_trip.report_sent(now, ntp_time);
    }

    /// Transport-wide feedback.
    pub(super) fn feedback(&mut self, now: Instant, report: &TransportLayerCc) {
        self.last_feedback = Some(now);
        self.unanswered = 0;
        let lost = &mut self.lost;
        let feedback = self
            .path
            .reported(now, fates(report), |packet| lost.push(packet));
        self.feedback_round_trip = feedback.round_trip.or(self.feedback_round_trip);
        self.controller.handle(now, feedback);
        self.tell(now);
    }

    /// What the far side says of a stream of ours.
    pub(super) fn reception(&mut self, now: Instant, kind: TrackKind, report: &ReceptionReport) {
        self.outbound[kind as usize].reception(Reception {
            fraction_lost: report.fraction_lost,
            total_lost: report.total_lost,
            jitter: report.jitter,
        });
        self.round_trip
            .report_answered(now, report.last_sender_report, report.delay);
        let judged_by_feedback = self
            .last_feedback
            .is_some_and(|last| now.saturating_duration_since(last) < FEEDBACK_ALIVE);
        if kind == TrackKind::Video && !judged_by_feedback {
            self.judge_by_reception(now, report);
        }
    }

    /// For a far side without transport-wide feedback: the round trip above the least one takes
    /// the place of the queue.
    fn judge_by_reception(&mut self, now: Instant, report: &ReceptionReport) {
        let sent = self.outbound[TrackKind::Video as usize].stats(now).packets;
        let since = sent.saturating_sub(self.reported_packets);
        self.reported_packets = sent;
        let since = u32::try_from(since).unwrap_or(u32::MAX);
        let lost = (u64::from(since) * u64::from(report.fraction_lost) / 256) as u32;
        let round_trip = self.round_trip.last();
        if let Some(round_trip) = round_trip {
            let least = self.least_round_trip.get_or_insert(round_trip);
            *least = round_trip.min(*least);
        }
        let queueing = round_trip
            .zip(self.least_round_trip)
            .map(|(now, least)| now - least);
        let feedback = Feedback {
            received: since - lost,
            lost,
            delivered_kbps: None,
            queueing,
            round_trip,
        };
        self.controller.handle(now, feedback);
        self.tell(now);
    }

    /// What is sent again takes its part of the path first.
    fn tell(&self, now: Instant) {
        let repairs = (self.repairs.per_second(now) * 8.0 / 1_000.0) as u32;
        let target = self.controller.target_kbps().saturating_sub(repairs);
        self.target.send_if_modified(|told| {
            let worth_it = told.abs_diff(target) > *told / WORTH_TELLING;
            if worth_it {
                *told = target;
            }
            worth_it
        });
    }
}

/// Packet by packet what the report says; its deltas are microseconds from one arrival to the
/// next, the first one from the reference time in 64 ms.
fn fates(report: &TransportLayerCc) -> impl Iterator<Item = (u16, Fate)> {
    let symbols = report.packet_chunks.iter().flat_map(|chunk| {
        let (run, list) = match chunk {
            PacketStatusChunk::RunLengthChunk(run) => (
                std::iter::repeat_n(run.packet_status_symbol, run.run_length.into()),
                [].iter(),
            ),
            PacketStatusChunk::StatusVectorChunk(vector) => (
                std::iter::repeat_n(SymbolTypeTcc::PacketNotReceived, 0),
                vector.symbol_list.iter(),
            ),
        };
        run.chain(list.copied())
    });
    let mut deltas = report.recv_deltas.iter();
    let mut arrival = Duration::from_millis(64) * report.reference_time;
    let number = report.base_sequence_number;
    symbols
        // The last chunk is filled up beyond the packets reported.
        .take(report.packet_status_count.into())
        .enumerate()
        .map(move |(n, symbol)| {
            let fate = match symbol {
                SymbolTypeTcc::PacketNotReceived => Fate::Lost,
                SymbolTypeTcc::PacketReceivedSmallDelta
                | SymbolTypeTcc::PacketReceivedLargeDelta => {
                    Fate::Arrived(deltas.next().map(|delta| {
                        let step = Duration::from_micros(delta.delta.unsigned_abs());
                        arrival = if delta.delta < 0 {
                            arrival.saturating_sub(step)
                        } else {
                            arrival.saturating_add(step)
                        };
                        arrival
                    }))
                }
                SymbolTypeTcc::PacketReceivedWithoutDelta => Fate::Arrived(None),
            };
            (number.wrapping_add(n as u16), fate)
        })
}

/// Bytes a packet takes of the path.
pub(super) fn size_on_wire(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX / 2) + HEADERS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_counts_only_while_something_is_sent() {
        let bounds = Bounds {
            min_kbps: 100,
            max_kbps: 2_000,
        };
        let mut network = Network::new(bounds, 1_000);
        let start = Instant::now();
        network.feedback(start, &TransportLayerCc::default());
        for n in 1..60 {
            network.tick(start + SECOND * n / 4);
        }
        assert_eq!(*network.target().borrow(), 1_000, "everything is muted");
        network.unanswered = 50;
        network.tick(start + SECOND * 16);
        assert_eq!(*network.target().borrow(), 700);
    }

    #[test]
    fn a_report_is_read_packet_by_packet() {
        use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
            RecvDelta, RunLengthChunk, StatusVectorChunk,
        };
        let arrived = SymbolTypeTcc::PacketReceivedSmallDelta;
        let missing = SymbolTypeTcc::PacketNotReceived;
        let report = TransportLayerCc {
            base_sequence_number: u16::MAX,
            packet_status_count: 4,
            reference_time: 2,
            packet_chunks: vec![
                PacketStatusChunk::RunLengthChunk(RunLengthChunk {
                    packet_status_symbol: arrived,
                    run_length: 2,
                    ..Default::default()
                }),
                PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                    symbol_list: vec![missing, arrived, arrived, arrived],
                    ..Default::default()
                }),
            ],
            recv_deltas: [1_000, 500, -250]
                .map(|delta| RecvDelta {
                    type_tcc_packet: arrived,
                    delta,
                })
                .to_vec(),
            ..Default::default()
        };
        let at = |micros| Fate::Arrived(Some(Duration::from_micros(micros)));
        let seen: Vec<_> = fates(&report).collect();
        let expected = [
            (u16::MAX, at(129_000)),
            (0, at(129_500)),
            (1, Fate::Lost),
            (2, at(129_250)),
        ];
        assert_eq!(seen, expected);
    }
}
