//! What a datagram is, told by its first byte (RFC 7983 §7), also when a TURN server stands between.
//!
//! To a TURN server datagrams go as they are behind a channel's number (RFC 8656 §12.4) or, before a
//! channel is bound, as an attribute of a STUN message (§11): the first messages of a handshake
//! through a relay often do.
//!
//! Pure; input may be anything.

/// Channel and length (RFC 8656 §12.4).
const CHANNEL_HEADER: usize = 4;
/// Type, length, magic cookie and transaction (RFC 8489 §5).
const STUN_HEADER: usize = 20;
/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// RFC 8656 §18.4.
const DATA: u16 = 0x0013;

/// What kind of message a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Part of a DTLS handshake (RFC 6347 §4.1).
    Handshake,
    /// Another record of DTLS.
    Dtls,
    /// Encrypted by the keys the handshake made: RTP or RTCP.
    Media,
    Other,
}

impl Content {
    pub(super) fn of(datagram: &[u8]) -> Self {
        match carried(datagram).first() {
            // Change of cipher, handshake.
            Some(20 | 22) => Self::Handshake,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

/// What is meant for the far side: the datagram, or what a TURN server gets to pass on.
pub(super) fn carried(datagram: &[u8]) -> &[u8] {
    match datagram {
        [0x40..=0x4f, ..] => datagram.get(CHANNEL_HEADER..).unwrap_or_default(),
        // A Send or a Data indication.
        [0, 0x16 | 0x17, _, _, cookie @ ..] if cookie.starts_with(&MAGIC_COOKIE) => {
            data_of(datagram).unwrap_or_default()
        }
        _ => datagram,
    }
}

fn data_of(indication: &[u8]) -> Option<&[u8]> {
    let mut rest = indication.get(STUN_HEADER..)?;
    while let [kind_high, kind_low, length_high, length_low, value @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        if u16::from_be_bytes([*kind_high, *kind_low]) == DATA {
            return value.get(..length);
        }
        // Each attribute is filled up to four bytes.
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::media::peer) fn in_channel(datagram: &[u8]) -> Vec<u8> {
        let length = u16::try_from(datagram.len()).unwrap().to_be_bytes();
        [&[0x40, 0][..], &length, datagram].concat()
    }

    /// A Send indication: to whom, then what.
    pub(in crate::media::peer) fn in_indication(datagram: &[u8]) -> Vec<u8> {
        let mut attributes = vec![0, 0x12, 0, 8, 0, 1, 1, 2, 3, 4, 5, 6];
        attributes.extend([0, 0x13]);
        attributes.extend(u16::try_from(datagram.len()).unwrap().to_be_bytes());
        attributes.extend(datagram);
        attributes.resize(attributes.len().next_multiple_of(4), 0);
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [
            &[0, 0x16][..],
            &length,
            &MAGIC_COOKIE,
            &[7; 12],
            &attributes,
        ]
        .concat()
    }

    #[test]
    fn datagrams_are_told_apart_by_their_first_byte() {
        let of = |first| Content::of(&[first, 254, 253]);
        assert_eq!([20, 22].map(of), [Content::Handshake; 2]);
        assert_eq!([21, 23, 63].map(of), [Content::Dtls; 3]);
        assert_eq!([128, 191].map(of), [Content::Media; 2]);
        // A connectivity check, an empty TURN channel, what nobody uses.
        assert_eq!([0, 64, 80, 200].map(of), [Content::Other; 4]);
        assert_eq!(Content::of(&[]), Content::Other);
    }

    #[test]
    fn a_turn_server_is_looked_through() {
        for inner in [&[22, 254, 253, 0, 1][..], &[0x80, 111, 0], &[0, 1, 0, 0]] {
            for outer in [in_channel(inner), in_indication(inner)] {
                assert_eq!(carried(&outer), inner);
                assert_eq!(Content::of(&outer), Content::of(inner));
            }
        }
    }

    #[test]
    fn an_indication_that_carries_nothing_is_nothing() {
        let whole = in_indication(&[22; 9]);
        for end in 4..whole.len() - 3 {
            assert_eq!(Content::of(&whole[..end]), Content::Other, "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_datagram_is_something(datagram in proptest::collection::vec(any::<u8>(), 0..80)) {
            Content::of(&datagram);
        }

        #[test]
        fn any_attributes_are_read(attributes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let datagram = [&[0, 0x17, 0, 80][..], &MAGIC_COOKIE, &[7; 12], &attributes].concat();
            Content::of(&datagram);
        }
    }
}
