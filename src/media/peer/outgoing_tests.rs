use std::sync::atomic::{AtomicUsize, Ordering};

use rtc::interceptor::{Interceptor, RTCPFeedback};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::nack_pairs_from_sequence_numbers;

use rtc::sansio::Protocol;

use super::*;
use crate::media::peer::stage::Passing;
use crate::media::rate::Bounds;

const MS: Duration = Duration::from_millis(1);
const PICTURES: u32 = 1;
const REPETITIONS: u32 = 2;

struct Place {
    outgoing: Passing<Outgoing>,
    network: Arc<Mutex<Network>>,
    starts: Arc<AtomicUsize>,
    now: Instant,
    next: u16,
}

impl Place {
    fn new() -> Self {
        let bounds = Bounds {
            min_kbps: 150,
            max_kbps: 2_000,
        };
        let network = Arc::new(Mutex::new(Network::new(bounds, 300)));
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&starts);
        let starts_over = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut outgoing = Passing::new(Outgoing::new(Arc::clone(&network), starts_over));
        outgoing.bind_local_stream(&StreamInfo {
            ssrc: PICTURES,
            ssrc_rtx: Some(REPETITIONS),
            payload_type_rtx: Some(103),
            rtcp_feedback: vec![RTCPFeedback {
                typ: "nack".to_owned(),
                parameter: String::new(),
            }],
            ..Default::default()
        });
        Self {
            outgoing,
            network,
            starts,
            now: Instant::now(),
            next: 100,
        }
    }

    /// The path is known to take the 300 kbit/s begun with.
    fn narrow() -> Self {
        let mut place = Self::new();
        let target_kbps = 300;
        let calm = Duration::ZERO;
        place.outgoing.stage.pacer.learn(
            place.now,
            crate::media::rate::Knowledge::Narrow { target_kbps, calm },
        );
        place
    }

    fn picture(&mut self, packets: u16, is_key: bool) {
        if is_key {
            self.network.lock().key_frame_begins(self.next);
        }
        let timestamp = u32::from(self.next);
        for n in 1..=packets {
            let packet = rtp::Packet {
                header: rtp::Header {
                    version: 2,
                    ssrc: PICTURES,
                    payload_type: 102,
                    sequence_number: self.next,
                    timestamp,
                    marker: n == packets,
                    ..Default::default()
                },
                payload: vec![7; 1_142].into(),
            };
            self.next += 1;
            self.write(Packet::Rtp(packet));
        }
    }

    fn write(&mut self, packet: Packet) {
        let tagged = TaggedPacket {
            now: self.now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(packet),
        };
        self.outgoing.handle_write(tagged).unwrap();
    }

    fn asked_for(&mut self, sequences: &[u16]) {
        let nack = TransportLayerNack {
            sender_ssrc: 9,
            media_ssrc: PICTURES,
            nacks: nack_pairs_from_sequence_numbers(sequences),
        };
        let tagged = TaggedPacket {
            now: self.now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtcp(vec![Box::new(nack)])),
        };
        self.outgoing.handle_read(tagged).unwrap();
    }

    /// What leaves now.
    fn left(&mut self) -> Vec<rtp::Packet> {
        std::iter::from_fn(|| self.outgoing.poll_write())
            .filter_map(|tagged| match tagged.message.packet {
                Packet::Rtp(packet) => Some(packet),
                _ => None,
            })
            .collect()
    }

    fn later(&mut self, wait: Duration) -> Vec<rtp::Packet> {
        let until = self.now + wait;
        let mut left = self.left();
        while let Some(due) = self.outgoing.poll_timeout().filter(|due| *due <= until) {
            assert!(
                due > self.now,
                "a time that has passed would be polled without end"
            );
            self.now = due;
            self.outgoing.handle_timeout(due).unwrap();
            left.extend(self.left());
        }
        self.now = until;
        left
    }
}

#[test]
fn a_repetition_carries_the_original_number_in_a_stream_of_its_own() {
    let mut place = Place::new();
    place.picture(3, true);
    assert_eq!(place.left().len(), 3);
    place.asked_for(&[101]);
    let [repetition] = &place.left()[..] else {
        panic!("one repetition")
    };
    let header = &repetition.header;
    assert_eq!((header.ssrc, header.payload_type), (REPETITIONS, 103));
    assert_eq!((header.sequence_number, header.timestamp), (0, 100));
    assert_eq!(repetition.payload[..3], [0, 101, 7]);
    place.asked_for(&[101, 102]);
    let again: Vec<_> = place
        .left()
        .iter()
        .map(|packet| packet.payload[1])
        .collect();
    assert_eq!(again, [102], "the other one is on its way");
}

#[test]
fn sound_does_not_wait_behind_pictures() {
    let mut place = Place::narrow();
    place.picture(20, true);
    let waiting = 20 - place.left().len();
    assert!(waiting > 15);
    let sound = rtp::Packet {
        header: rtp::Header {
            version: 2,
            ssrc: 5,
            ..Default::default()
        },
        ..Default::default()
    };
    place.write(Packet::Rtp(sound));
    assert_eq!(place.left()[0].header.ssrc, 5);
    assert_eq!(place.later(700 * MS).len(), waiting);
}

#[test]
fn a_key_frame_overtakes_pictures_that_wait() {
    let mut place = Place::narrow();
    for _ in 0..3 {
        place.picture(5, false);
    }
    let before = place.left().len();
    place.picture(4, true);
    let rest = place.later(1_000 * MS);
    assert_eq!(rest.len(), 4, "after {before}");
    assert!(rest.iter().all(|packet| packet.header.timestamp == 115));
    place.asked_for(&[110]);
    assert!(
        place.left().is_empty(),
        "who has the key frame needs no older ones"
    );
}

#[test]
fn when_too_much_waits_a_new_key_frame_is_asked_for_once() {
    let mut place = Place::narrow();
    place.picture(1, true);
    for _ in 0..20 {
        place.picture(5, false);
    }
    assert_eq!(place.starts.load(Ordering::Relaxed), 1);
    place.picture(60, true);
    assert_eq!(
        place.starts.load(Ordering::Relaxed),
        1,
        "it was asked for just now"
    );
    place.later(3_000 * MS);
    place.picture(60, true);
    assert_eq!(
        place.starts.load(Ordering::Relaxed),
        1,
        "what waits is a key frame itself"
    );
}
