//! One track as it goes through the connection: RTP, and the sender reports that lay its clock
//! beside the other track's (RFC 3550 §6.4.1), each behind the four bytes of RFC 2326 §10.12.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::media::rtp::{EncodedFrame, RtpRewriter};

/// The first bytes of every RTP and RTCP packet: version 2.
const VERSION: u8 = 0x80;
const SENDER_REPORT: u8 = 200;
/// The sender report's length in words, less one.
const REPORT_WORDS: u16 = 6;
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;
const RTP_HEADER: usize = 12;

/// Numbers the packets of one track for one viewer.
#[derive(Debug)]
pub(super) struct Track {
    /// RTP's channel; RTCP's is the next.
    channel: u8,
    payload_type: u8,
    ssrc: u32,
    rewriter: RtpRewriter,
    reported: Option<Instant>,
    packets: u32,
    octets: u32,
}

/// Random beginnings (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginnings {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
}

impl Track {
    pub(super) fn new(channel: u8, payload_type: u8, clock_rate: u32, random: Beginnings) -> Self {
        Self {
            channel,
            payload_type,
            ssrc: random.ssrc,
            rewriter: RtpRewriter::new(clock_rate, random.sequence, random.timestamp),
            reported: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Appends a frame to what is sent next, with a sender report in front when one is due. `wall` is
    /// the time of day at `now`.
    pub(super) fn write(
        &mut self,
        frame: &EncodedFrame,
        now: Instant,
        wall: SystemTime,
        out: &mut Vec<u8>,
    ) {
        let numbers = self.rewriter.frame(frame, now);
        for (packet, number) in frame.packets.iter().zip(numbers) {
            let due = self.reported.is_none_or(|at| now - at >= REPORT_EVERY);
            if due {
                self.reported = Some(now);
                let age = now.saturating_duration_since(frame.encoded_at);
                self.report(wall.checked_sub(age).unwrap_or(wall), number.timestamp, out);
            }
            let payload = &packet.payload[..];
            // Payloaders keep to the MTU; what does not fit a packet would break the framing.
            let Ok(size) = u16::try_from(RTP_HEADER + payload.len()) else {
                continue;
            };
            let marker = u8::from(packet.marker) << 7;
            out.extend_from_slice(&[b'$', self.channel]);
            out.extend_from_slice(&size.to_be_bytes());
            out.extend_from_slice(&[VERSION, marker | self.payload_type]);
            out.extend_from_slice(&number.sequence.to_be_bytes());
            out.extend_from_slice(&number.timestamp.to_be_bytes());
            out.extend_from_slice(&self.ssrc.to_be_bytes());
            out.extend_from_slice(payload);
            self.packets = self.packets.wrapping_add(1);
            // Lossless: less than 65,536.
            self.octets = self.octets.wrapping_add(payload.len() as u32);
        }
    }

    fn report(&self, encoded: SystemTime, timestamp: u32, out: &mut Vec<u8>) {
        let since = encoded.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs().wrapping_add(NTP_EPOCH);
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        let size = 4 * (REPORT_WORDS + 1);
        out.extend_from_slice(&[b'$', self.channel.wrapping_add(1)]);
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&[VERSION, SENDER_REPORT]);
        out.extend_from_slice(&REPORT_WORDS.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        // Both truncated to 32 bits, as the format wants it.
        out.extend_from_slice(&(seconds as u32).to_be_bytes());
        out.extend_from_slice(&(fraction as u32).to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&self.packets.to_be_bytes());
        out.extend_from_slice(&self.octets.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::media::rtp::{Packet, RunId};

    fn frame(run: RunId, timestamp: u32, now: Instant) -> EncodedFrame {
        let packet = |marker, byte: u8| Packet {
            marker,
            payload: Bytes::from(vec![byte; 3]),
        };
        EncodedFrame {
            run,
            rtp_timestamp: timestamp,
            key: true,
            packets: vec![packet(false, 1), packet(true, 2)],
            encoded_at: now,
        }
    }

    #[test]
    fn a_track_begins_with_a_report_and_reports_every_five_seconds() {
        let random = Beginnings {
            ssrc: 0x0102_0304,
            sequence: 7,
            timestamp: 1_000,
        };
        let mut track = Track::new(2, 96, 90_000, random);
        let (now, run) = (Instant::now(), RunId::fresh());
        let wall = UNIX_EPOCH + Duration::from_millis(500);
        let mut out = Vec::new();
        track.write(&frame(run, 50, now), now, wall, &mut out);
        let report = [
            &b"$\x03\x00\x1c\x80\xc8\x00\x06\x01\x02\x03\x04"[..],
            &2_208_988_800_u32.to_be_bytes(),
            &0x8000_0000_u32.to_be_bytes(),
            &1_000_u32.to_be_bytes(),
            &[0; 8],
        ]
        .concat();
        assert_eq!(&out[..32], report);
        let first = b"$\x02\x00\x0f\x80\x60\x00\x07\x00\x00\x03\xe8\x01\x02\x03\x04\x01\x01\x01";
        let second = b"$\x02\x00\x0f\x80\xe0\x00\x08\x00\x00\x03\xe8\x01\x02\x03\x04\x02\x02\x02";
        assert_eq!(&out[32..], [&first[..], second].concat());
        for (after, reports) in [(4_999, false), (5_000, true)] {
            let later = now + Duration::from_millis(after);
            out.clear();
            track.write(&frame(run, 60, later), later, wall, &mut out);
            assert_eq!(out[1] == 3, reports, "after {after} ms");
        }
    }
}
