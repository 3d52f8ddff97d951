//! Tells the network which packets are in a hurry (DSCP, RFC 2474; the values are those of
//! RFC 8837 §5): sound before pictures, pictures before the rest of the world.
//!
//! One socket carries both, so each datagram is marked by itself. The library cannot: it writes the
//! whole byte itself with every datagram, for its two lowest bits (ECN), and so undoes what is set for
//! the socket. What is marked is therefore sent here; whatever does not go out is left to the
//! library.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use socket2::{MsgHdr, SockAddr, SockRef};
use webrtc::runtime::Transmit;

use super::ancillary::Ancillary;
use super::content::carried;

/// Expedited forwarding: sound.
pub(super) const EF: u8 = 46;
/// Assured forwarding of interactive video, and of what keeps the path open.
pub(super) const AF41: u8 = 34;
/// No payload type: none has its highest bit.
const UNKNOWN: u8 = 0xff;

/// What a connection knows of its packets. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Marking {
    /// Of Opus, and of the telephone keys among it.
    sound: Arc<[AtomicU8; 2]>,
}

impl Default for Marking {
    fn default() -> Self {
        Self {
            sound: Arc::new([const { AtomicU8::new(UNKNOWN) }; 2]),
        }
    }
}

impl Marking {
    /// The payload types that are sound, as agreed.
    pub(super) fn set_audio(&self, opus: u8, digits: Option<u8>) {
        let agreed = [opus, digits.unwrap_or(UNKNOWN)];
        for (kept, payload_type) in self.sound.iter().zip(agreed) {
            kept.store(payload_type, Ordering::Relaxed);
        }
    }

    fn is_sound(&self, payload_type: u8) -> bool {
        let mut sound = self.sound.iter();
        sound.any(|kept| kept.load(Ordering::Relaxed) == payload_type)
    }

    /// The code point of a datagram.
    fn of(&self, datagram: &[u8]) -> u8 {
        // RFC 7983 §7: RTP and RTCP begin with 128 to 191; RTCP's types look like no payload type
        // of sound.
        match carried(datagram) {
            [128..=191, kind, ..] if self.is_sound(kind & 0x7f) => EF,
            _ => AF41,
        }
    }
}

/// A second hold on a socket of the library.
#[derive(Debug)]
pub(super) struct MarkedSocket {
    socket: UdpSocket,
    marking: Marking,
    /// The kernel or its rules will have none of it.
    is_refused: AtomicBool,
}

impl MarkedSocket {
    pub(super) fn new(socket: UdpSocket, marking: Marking) -> Self {
        Self {
            socket,
            marking,
            is_refused: AtomicBool::new(false),
        }
    }

    /// How many bytes went out; nothing, if it is to be sent without a mark.
    pub(super) fn send(&self, transmit: &Transmit<'_>) -> Option<usize> {
        if self.is_refused.load(Ordering::Relaxed) || transmit.src_ip.is_some() {
            return None;
        }
        let ecn = transmit.ecn.map_or(0, |ecn| ecn as u8);
        let byte = self.marking.of(transmit.contents) << 2 | ecn;
        let mark = match is_ipv4(&transmit.destination) {
            true => Ancillary::new().with_tos(byte),
            false => Ancillary::new().with_traffic_class(byte),
        };
        let sent = match transmit.segment_size.map(u16::try_from) {
            Some(Err(_)) => return None,
            Some(Ok(segment)) => self.send_with(transmit, mark.with_segment_size(segment)),
            None => self.send_with(transmit, mark),
        };
        match sent {
            Ok(bytes) => Some(bytes),
            Err(error) if is_refusal(&error) => {
                tracing::info!(%error, "packets are sent without a mark");
                self.is_refused.store(true, Ordering::Relaxed);
                None
            }
            // The library waits for room, and tells of an unreachable far side.
            Err(_) => None,
        }
    }

    fn send_with(&self, transmit: &Transmit<'_>, with: Ancillary) -> io::Result<usize> {
        let contents = [IoSlice::new(transmit.contents)];
        let destination = SockAddr::from(transmit.destination);
        let message = MsgHdr::new()
            .with_addr(&destination)
            .with_buffers(&contents)
            .with_control(with.bytes());
        SockRef::from(&self.socket).sendmsg(&message, libc::MSG_DONTWAIT)
    }
}

/// Whether it is the mark that is not wanted.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EPERM | libc::EOPNOTSUPP)
    )
}

/// Whether it leaves as IPv4, also from a socket of both.
fn is_ipv4(destination: &SocketAddr) -> bool {
    match destination.ip() {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => address.to_ipv4_mapped().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

    use super::*;
    use crate::media::peer::content::tests::{in_channel, in_indication};

    const OPUS: &[u8] = &[0x80, 111, 0, 1];
    const LAST_OPUS: &[u8] = &[0x80, 111 | 0x80, 0, 1];
    const DIGIT: &[u8] = &[0x80, 110, 0, 1];
    const PICTURE: &[u8] = &[0x80, 102, 0, 1];
    const REPORT: &[u8] = &[0x81, 201, 0, 1];
    const STUN: &[u8] = &[0, 1, 0, 0];

    fn marking() -> Marking {
        let marking = Marking::default();
        marking.set_audio(111, Some(110));
        marking
    }

    #[test]
    fn sound_is_told_from_the_rest_also_through_a_turn_server() {
        for (datagram, wanted) in [
            (OPUS, EF),
            (LAST_OPUS, EF),
            (DIGIT, EF),
            (PICTURE, AF41),
            (REPORT, AF41),
            (STUN, AF41),
            (&in_channel(OPUS), EF),
            (&in_channel(PICTURE), AF41),
            (&in_indication(OPUS), EF),
            (&[], AF41),
            (&[0x40], AF41),
        ] {
            assert_eq!(marking().of(datagram), wanted, "{datagram:?}");
        }
        assert_eq!(Marking::default().of(OPUS), AF41, "nothing is agreed yet");
    }

    /// The byte the kernel reports of what arrives.
    fn received(receiver: &UdpSocket) -> u8 {
        let mut bytes = [0; 64];
        let mut space = nix::cmsg_space!(i32);
        let mut iov = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(
            receiver.as_raw_fd(),
            &mut iov,
            Some(&mut space),
            MsgFlags::empty(),
        )
        .unwrap();
        let byte = message.cmsgs().unwrap().find_map(|one| match one {
            ControlMessageOwned::Ipv4Tos(byte) => Some(byte),
            ControlMessageOwned::Ipv6TClass(class) => u8::try_from(class).ok(),
            _ => None,
        });
        byte.unwrap()
    }

    #[test]
    fn sending_a_datagram_allocates_nothing() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let receiver = UdpSocket::bind(address).unwrap();
            let sender = MarkedSocket::new(UdpSocket::bind(address).unwrap(), marking());
            for (contents, segment_size) in [
                (OPUS, None),
                (PICTURE, None),
                (PICTURE, Some(PICTURE.len() / 2)),
            ] {
                let transmit = Transmit {
                    destination: receiver.local_addr().unwrap(),
                    ecn: None,
                    contents,
                    segment_size,
                    src_ip: None,
                };
                let mut sent = None;
                let seen = allocation_counter::measure(|| sent = sender.send(&transmit));
                assert_eq!(seen.count_total, 0, "{address} {segment_size:?}");
                // A kernel may have no segmentation.
                assert!(sent == Some(contents.len()) || segment_size.is_some());
            }
        }
    }

    #[test]
    fn what_arrives_has_the_mark_of_its_kind_in_ipv4_and_in_ipv6() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let receiver = UdpSocket::bind(address).unwrap();
            if receiver.local_addr().unwrap().is_ipv4() {
                setsockopt(&receiver, sockopt::IpRecvTos, &true).unwrap();
            } else {
                setsockopt(&receiver, sockopt::Ipv6RecvTClass, &true).unwrap();
            }
            let sender = MarkedSocket::new(UdpSocket::bind(address).unwrap(), marking());
            for (datagram, wanted) in [(OPUS, EF), (PICTURE, AF41)] {
                let transmit = Transmit {
                    destination: receiver.local_addr().unwrap(),
                    ecn: None,
                    contents: datagram,
                    segment_size: None,
                    src_ip: None,
                };
                assert_eq!(sender.send(&transmit), Some(datagram.len()));
                assert_eq!(received(&receiver) >> 2, wanted, "{address}");
            }
            // Two in one call of the kernel.
            let both = [PICTURE, PICTURE].concat();
            let transmit = Transmit {
                destination: receiver.local_addr().unwrap(),
                ecn: None,
                contents: &both,
                segment_size: Some(PICTURE.len()),
                src_ip: None,
            };
            if sender.send(&transmit) == Some(both.len()) {
                assert_eq!(received(&receiver) >> 2, AF41);
                assert_eq!(received(&receiver) >> 2, AF41);
            }
        }
    }
}
