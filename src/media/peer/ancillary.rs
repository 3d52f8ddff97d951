//! Ancillary data that goes to the kernel with a datagram (cmsg(3)), written into memory of our own:
//! what writes it elsewhere allocates for each datagram.
//!
//! Must not enter: sockets, what the data is for.

/// The kernel aligns each piece to one of these.
const WORD: usize = size_of::<usize>();
/// Its length as a word, its level and its type.
const HEADER: usize = WORD + 2 * size_of::<libc::c_int>();
/// A mark and a size, of no more than 4 bytes each.
const ROOM: usize = 2 * (HEADER.next_multiple_of(WORD) + WORD);

/// Ancillary data of one datagram: a mark, and the size of its segments if it is several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ancillary {
    bytes: [u8; ROOM],
    length: usize,
}

impl Ancillary {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            length: 0,
        }
    }

    /// With the type of service, ECN included, that an IPv4 datagram is to have.
    pub(super) fn with_tos(self, byte: u8) -> Self {
        let value = i32::from(byte).to_ne_bytes();
        self.with(libc::IPPROTO_IP, libc::IP_TOS, &value)
    }

    /// The same for IPv6.
    pub(super) fn with_traffic_class(self, byte: u8) -> Self {
        let value = i32::from(byte).to_ne_bytes();
        self.with(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &value)
    }

    /// What is sent is several datagrams of so many bytes, the last of them may be shorter.
    pub(super) fn with_segment_size(self, bytes: u16) -> Self {
        self.with(libc::SOL_UDP, libc::UDP_SEGMENT, &bytes.to_ne_bytes())
    }

    fn with(mut self, level: libc::c_int, kind: libc::c_int, value: &[u8]) -> Self {
        let length = (HEADER + value.len()).to_ne_bytes();
        let (level, kind) = (level.to_ne_bytes(), kind.to_ne_bytes());
        for part in [&length[..], &level, &kind, value] {
            self.bytes[self.length..][..part.len()].copy_from_slice(part);
            self.length += part.len();
        }
        self.length = self.length.next_multiple_of(WORD);
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
