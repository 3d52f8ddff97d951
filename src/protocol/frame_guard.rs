//! A bound on WebSocket messages (RFC 6455 §5.2), checked on what a frame's head announces: a
//! library that waits for the whole frame first would collect whatever a peer announced.

/// A head has two bytes, up to eight of length, and four of mask.
const HEAD_MAX: usize = 14;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const OPCODE: u8 = 0x0f;
/// From this opcode on a frame is a control frame and belongs to no message.
const CONTROL: u8 = 0x08;
const CONTINUATION: u8 = 0x00;

/// A message, in one frame or in pieces, is larger than the bound, or announced to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a WebSocket message is larger than {0} bytes")]
pub struct TooLarge(pub usize);

/// Follows the bytes of a connection, after the upgrade.
#[derive(Clone, Debug)]
pub struct FrameGuard {
    max_bytes: usize,
    head: [u8; HEAD_MAX],
    filled: usize,
    // Bytes of the present frame's payload still to come.
    payload: u64,
    // Bytes of the present message so far.
    message: u64,
    is_refused: bool,
}

impl FrameGuard {
    /// Bounds each message to `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            head: [0; HEAD_MAX],
            filled: 0,
            payload: 0,
            message: 0,
            is_refused: false,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`TooLarge`], and from then on whatever comes; the connection must not be read further.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), TooLarge> {
        if self.is_refused {
            return Err(TooLarge(self.max_bytes));
        }
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let left = usize::try_from(self.payload).unwrap_or(usize::MAX);
                let skipped = left.min(bytes.len());
                self.payload -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head[self.filled] = *first;
            self.filled += 1;
            bytes = rest;
            if self.filled == self.head_length() {
                self.begin_payload()?;
            }
        }
        Ok(())
    }

    fn length_bytes(&self) -> usize {
        match self.head[1] & LENGTH {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    fn head_length(&self) -> usize {
        if self.filled < 2 {
            return 2;
        }
        let mask = if self.head[1] & MASKED == 0 { 0 } else { 4 };
        2 + self.length_bytes() + mask
    }

    fn begin_payload(&mut self) -> Result<(), TooLarge> {
        let extended = &self.head[2..2 + self.length_bytes()];
        let length = match extended {
            [] => u64::from(self.head[1] & LENGTH),
            bytes => bytes
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let opcode = self.head[0] & OPCODE;
        if opcode < CONTROL {
            let before = if opcode == CONTINUATION {
                self.message
            } else {
                0
            };
            self.message = before.saturating_add(length);
        }
        let max = self.max_bytes as u64;
        if length > max || self.message > max {
            self.is_refused = true;
            return Err(TooLarge(self.max_bytes));
        }
        self.payload = length;
        self.filled = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(MASKED | length as u8),
            126..65_536 => {
                frame.push(MASKED | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(MASKED | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.resize(frame.len() + length, b'x');
        frame
    }

    fn feed(frames: &[Vec<u8>]) -> Result<(), TooLarge> {
        FrameGuard::new(70_000).feed(&frames.concat())
    }

    #[test]
    fn messages_within_the_bound_pass_however_many() {
        let frames = [frame(0x81, 0), frame(0x81, 125), frame(0x81, 70_000)];
        assert_eq!(feed(&[frames.concat().repeat(3)]), Ok(()));
    }

    #[test]
    fn an_announcement_is_enough_to_be_refused() {
        let mut head = vec![0x81, MASKED | 127];
        head.extend(u64::MAX.to_be_bytes());
        head.extend([0; 4]);
        assert_eq!(feed(&[head]), Err(TooLarge(70_000)));
        assert_eq!(feed(&[frame(0x81, 70_001)]), Err(TooLarge(70_000)));
        assert_eq!(feed(&[frame(0x89, 70_001)]), Err(TooLarge(70_000)));
    }

    #[test]
    fn what_was_refused_once_stays_refused() {
        let mut guard = FrameGuard::new(70_000);
        assert_eq!(guard.feed(&frame(0x81, 70_001)), Err(TooLarge(70_000)));
        assert_eq!(guard.feed(&frame(0x88, 0)), Err(TooLarge(70_000)));
    }

    #[test]
    fn pieces_count_together_and_control_frames_between_them_do_not() {
        let ping = || frame(0x89, 125);
        let fine = [
            frame(0x01, 40_000),
            ping(),
            frame(0x80, 30_000),
            frame(0x81, 70_000),
        ];
        assert_eq!(feed(&fine), Ok(()));
        let large = [
            frame(0x01, 40_000),
            ping(),
            frame(0x00, 30_000),
            frame(0x80, 1),
        ];
        assert_eq!(feed(&large), Err(TooLarge(70_000)));
    }

    proptest! {
        #[test]
        fn bytes_in_pieces_are_judged_like_bytes_at_once(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cut in 0usize..300,
        ) {
            let (mut whole, mut pieces) = (FrameGuard::new(500), FrameGuard::new(500));
            let cut = cut.min(bytes.len());
            let first = pieces.feed(&bytes[..cut]);
            prop_assert_eq!(whole.feed(&bytes), first.and_then(|()| pieces.feed(&bytes[cut..])));
        }
    }
}
