//! A bound on how deep and how large one stanza may be, checked on the bytes before an XML parser
//! sees them: a tree is dropped recursively, so nesting alone could exhaust the stack.

/// Levels of nesting; real stanzas have about six.
const MAX_DEPTH: usize = 64;

/// The bytes broke a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// More levels than any stanza has.
    #[error("elements nest deeper than {MAX_DEPTH} levels")]
    Depth,
    /// More bytes than the configured bound.
    #[error("a stanza is larger than {0} bytes")]
    Size(usize),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    // The byte after '<'.
    TagStart,
    // Inside a tag; whether it closes an element, and whether the last byte was '/'.
    Tag {
        closing: bool,
        slash: bool,
    },
    // `<?…?>` and `<!…>` do not nest.
    Other,
    // Inside an attribute's value, until the same quote.
    Quoted {
        quote: u8,
        closing: bool,
    },
}

/// Follows the bytes of a stream, or of one frame.
#[derive(Clone, Debug)]
pub struct DepthGuard {
    state: State,
    depth: usize,
    // The level at which stanzas are children: 1 in a stream, 0 in a frame.
    base: usize,
    bytes: usize,
    max_bytes: usize,
}

impl DepthGuard {
    /// For a byte stream, whose root element stays open.
    pub fn stream(max_bytes: usize) -> Self {
        Self {
            state: State::Text,
            depth: 0,
            base: 1,
            bytes: 0,
            max_bytes,
        }
    }

    /// Checks one whole frame.
    ///
    /// # Errors
    /// [`Excess`].
    pub fn check_frame(text: &str, max_bytes: usize) -> Result<(), Excess> {
        let mut guard = Self::stream(max_bytes);
        guard.base = 0;
        guard.feed(text.as_bytes())
    }

    /// A new stream header follows (RFC 6120 §4.3.3).
    pub fn restart(&mut self) {
        *self = Self::stream(self.max_bytes);
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Excess`]; the stream must not be read further.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Excess> {
        for byte in bytes {
            self.bytes += 1;
            self.step(*byte);
            if self.depth > MAX_DEPTH + self.base {
                return Err(Excess::Depth);
            }
            if self.bytes > self.max_bytes {
                return Err(Excess::Size(self.max_bytes));
            }
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, b'<') => State::TagStart,
            (State::Text, _) => {
                // White space between stanzas keeps a connection alive and belongs to none.
                if self.depth <= self.base {
                    self.bytes = 0;
                }
                State::Text
            }
            (State::TagStart, b'/') => State::Tag {
                closing: true,
                slash: false,
            },
            (State::TagStart, b'?' | b'!') => State::Other,
            (State::TagStart, _) => State::Tag {
                closing: false,
                slash: false,
            },
            (State::Tag { closing, slash }, b'>') => {
                if closing {
                    self.depth = self.depth.saturating_sub(1);
                } else if !slash {
                    self.depth += 1;
                }
                if self.depth <= self.base {
                    self.bytes = 0;
                }
                State::Text
            }
            (State::Tag { closing, .. }, b'"' | b'\'') => State::Quoted {
                quote: byte,
                closing,
            },
            (State::Tag { closing, .. }, _) => State::Tag {
                closing,
                slash: byte == b'/',
            },
            (State::Quoted { quote, closing }, _) if byte == quote => State::Tag {
                closing,
                slash: false,
            },
            (State::Quoted { .. }, _) => self.state,
            (State::Other, b'>') => State::Text,
            (State::Other, _) => State::Other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_stanzas_pass_and_count_apart() {
        let mut guard = DepthGuard::stream(120);
        guard
            .feed(b"<?xml version='1.0'?><stream:stream to='a>b'>")
            .unwrap();
        for _ in 0..10 {
            guard
                .feed(b" <message a='/'><body x=\"1>2\">text</body><b/></message>")
                .unwrap();
        }
    }

    #[test]
    fn nesting_beyond_the_bound_is_refused_in_streams_and_frames() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert_eq!(DepthGuard::check_frame(&deep, 10_000), Err(Excess::Depth));
        let fine = "<a>".repeat(MAX_DEPTH) + &"</a>".repeat(MAX_DEPTH);
        assert_eq!(DepthGuard::check_frame(&fine, 10_000), Ok(()));
        let mut guard = DepthGuard::stream(10_000);
        guard.feed(b"<stream>").unwrap();
        assert_eq!(guard.feed(deep.as_bytes()), Err(Excess::Depth));
    }

    #[test]
    fn an_endless_stanza_is_refused_but_endless_white_space_is_not() {
        let mut guard = DepthGuard::stream(100);
        guard.feed(b"<stream>").unwrap();
        guard.feed(&[b' '; 1000]).unwrap();
        assert_eq!(guard.feed(b"<a"), Ok(()));
        assert_eq!(guard.feed(&[b'a'; 1000]), Err(Excess::Size(100)));
    }
}
