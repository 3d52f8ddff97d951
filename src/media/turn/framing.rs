//! Messages in a stream: STUN and ChannelData tell their length, and over a stream ChannelData is
//! padded to a multiple of four bytes (RFC 8656 §12.5).

/// Both begin with four bytes that tell what they are and how long.
const HEAD: usize = 4;
/// Of STUN, behind which its length begins (RFC 8489 §5).
const STUN_HEAD: usize = 20;

/// What is neither STUN nor ChannelData, after which nothing in the stream can be understood.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the TURN stream brings something that begins with {0:#04x}")]
pub struct FramingError(pub u8);

/// Bytes a message has by its first four: as a datagram and in a stream.
fn lengths(head: [u8; HEAD]) -> Result<(usize, usize), FramingError> {
    let told = usize::from(u16::from_be_bytes([head[2], head[3]]));
    match head[0] >> 6 {
        // RFC 8489 §5: the two most significant bits are zero, the length a multiple of four.
        0 => Ok((STUN_HEAD + told, STUN_HEAD + told)),
        // RFC 8656 §12: channels from 0x4000 to 0x4fff.
        1 => Ok((HEAD + told, (HEAD + told).next_multiple_of(4))),
        _ => Err(FramingError(head[0])),
    }
}

/// A datagram as it goes into the stream; none when it is neither STUN nor ChannelData, or cut
/// short. What comes behind the message's own length is left out: padding, at most.
pub fn framed(datagram: &[u8], stream: &mut Vec<u8>) -> Option<()> {
    let head = datagram.first_chunk()?;
    let (length, padded) = lengths(*head).ok()?;
    stream.extend_from_slice(datagram.get(..length)?);
    stream.resize(stream.len() + padded - length, 0);
    Some(())
}

/// Takes the stream apart again. Holds at most one unfinished message, 64 KiB.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: Vec<u8>,
}

impl Deframer {
    /// Takes what came, and gives each message that is complete as a datagram.
    ///
    /// # Errors
    /// [`FramingError`], after which the stream is of no more use.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut datagram: impl FnMut(&[u8]),
    ) -> Result<(), FramingError> {
        self.buffer.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(head) = self.buffer[at..].first_chunk() {
            let (length, padded) = lengths(*head)?;
            let Some(message) = self.buffer[at..].get(..padded) else {
                break;
            };
            datagram(&message[..length]);
            at += padded;
        }
        self.buffer.drain(..at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stun(words: u8) -> Vec<u8> {
        let mut message = vec![0_u8, 1, 0, words * 4];
        message.resize(20 + usize::from(words) * 4, 7);
        message
    }

    fn channel_data(length: u16) -> Vec<u8> {
        let mut message = vec![0x40, 5];
        message.extend(length.to_be_bytes());
        message.resize(4 + usize::from(length), 9);
        message
    }

    #[test]
    fn channel_data_is_padded_in_the_stream_alone() {
        let mut stream = Vec::new();
        framed(&channel_data(5), &mut stream).unwrap();
        assert_eq!(stream.len(), 12);
        let mut seen = Vec::new();
        Deframer::default()
            .push(&stream, |message| seen.push(message.to_vec()))
            .unwrap();
        assert_eq!(seen, [channel_data(5)]);
    }

    #[test]
    fn padding_a_datagram_brings_is_not_sent_twice() {
        let mut padded = channel_data(5);
        padded.extend([0; 3]);
        let mut stream = Vec::new();
        framed(&padded, &mut stream).unwrap();
        assert_eq!(stream.len(), 12);
    }

    #[test]
    fn what_is_no_turn_message_is_refused() {
        let mut stream = Vec::new();
        assert!(framed(&[0x80, 0, 0, 0], &mut stream).is_none());
        assert!(framed(&stun(2)[..20], &mut stream).is_none());
        assert!(framed(&[], &mut stream).is_none());
        assert!(stream.is_empty());
        assert_eq!(
            Deframer::default().push(&[0x80, 0, 0, 0], |_| {}),
            Err(FramingError(0x80))
        );
    }

    proptest! {
        /// However the stream is cut, the same messages come out.
        #[test]
        fn messages_survive_any_cutting(
            messages in proptest::collection::vec(
                prop_oneof![(0_u8..60).prop_map(stun), (0_u16..1_500).prop_map(channel_data)], 0..20),
            cut in 1_usize..700,
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                framed(message, &mut stream).unwrap();
            }
            let mut seen = Vec::new();
            let mut deframer = Deframer::default();
            for piece in stream.chunks(cut) {
                deframer.push(piece, |message| seen.push(message.to_vec())).unwrap();
            }
            prop_assert_eq!(seen, messages);
        }

        /// Anything may come.
        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..4_000), cut in 1_usize..700) {
            let mut deframer = Deframer::default();
            for piece in bytes.chunks(cut) {
                if deframer.push(piece, |_| {}).is_err() {
                    break;
                }
            }
            let mut stream = Vec::new();
            framed(&bytes, &mut stream);
        }
    }
}
