//! Bounds on XML from outside, checked on the bytes before a parser sees them.
//!
//! A tree is dropped recursively, so nesting alone could exhaust the stack; and a parser that meets
//! a document type could be made to expand it. Neither may depend on which parser comes behind.

/// Levels of nesting; real stanzas have about six.
pub const MAX_DEPTH: usize = 64;
/// Elements of one stanza. The longest that clients send is a privacy list: five an item.
pub const MAX_ELEMENTS: usize = 10_000;
/// Attributes of one element; an attachment has about twelve.
pub const MAX_ATTRIBUTES: usize = 64;

/// The bytes broke a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// More levels than any stanza has.
    #[error("elements nest deeper than {MAX_DEPTH} levels")]
    Depth,
    /// More bytes than the configured bound.
    #[error("a stanza is larger than {0} bytes")]
    Size(usize),
    /// More elements than any stanza has.
    #[error("a stanza has more than {MAX_ELEMENTS} elements")]
    Elements,
    /// More attributes than any element has.
    #[error("an element has more than {MAX_ATTRIBUTES} attributes")]
    Attributes,
    /// A comment, a processing instruction or a document type (RFC 6120 §11.1).
    #[error("XML that the protocol forbids")]
    Restricted,
}

impl Breach {
    /// The stream error (RFC 6120 §4.9.3).
    pub fn condition(self) -> &'static str {
        match self {
            Self::Restricted => "restricted-xml",
            _ => "policy-violation",
        }
    }
}

/// What may follow `<?`, at the start of a stream alone.
const DECLARATION: &[u8] = b"xml";
/// What may follow `<!`.
const CDATA: &[u8] = b"[CDATA[";

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
    // Inside an attribute's value, until the same quote.
    Quoted {
        quote: u8,
        closing: bool,
    },
    // After `<?`, with so many bytes of `DECLARATION` seen.
    Declaration(usize),
    // After `<!`, with so many bytes of `CDATA` seen.
    CdataStart(usize),
    // Inside character data, after so many closing brackets.
    Cdata(usize),
}

/// Follows the bytes of a stream, or of one frame.
#[derive(Clone, Debug)]
pub struct XmlGuard {
    state: State,
    depth: usize,
    // The level at which stanzas are children: 1 in a stream, 0 in a frame.
    base: usize,
    bytes: usize,
    elements: usize,
    attributes: usize,
    max_bytes: usize,
    breach: Option<Breach>,
}

impl XmlGuard {
    /// For a byte stream, whose root element stays open. `max_bytes` bounds each stanza and the
    /// stream's header.
    pub fn stream(max_bytes: usize) -> Self {
        Self {
            state: State::Text,
            depth: 0,
            base: 1,
            bytes: 0,
            elements: 0,
            attributes: 0,
            max_bytes,
            breach: None,
        }
    }

    /// Checks one whole frame.
    ///
    /// # Errors
    /// [`Breach`].
    pub fn check_frame(text: &str, max_bytes: usize) -> Result<(), Breach> {
        let mut guard = Self::stream(max_bytes);
        guard.base = 0;
        guard.feed(text.as_bytes())
    }

    /// A new stream header follows (RFC 6120 §4.3.3).
    pub fn restart(&mut self) {
        *self = Self::stream(self.max_bytes);
    }

    /// The first breach there was.
    pub fn breach(&self) -> Option<Breach> {
        self.breach
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Breach`]; the stream must not be read further, and every later call fails as well.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Breach> {
        for byte in bytes {
            if self.breach.is_some() {
                break;
            }
            self.bytes += 1;
            self.breach = self.step(*byte).or_else(|| self.excess());
        }
        self.breach.map_or(Ok(()), Err)
    }

    fn excess(&self) -> Option<Breach> {
        if self.depth > MAX_DEPTH + self.base {
            Some(Breach::Depth)
        } else if self.bytes > self.max_bytes {
            Some(Breach::Size(self.max_bytes))
        } else if self.elements > MAX_ELEMENTS {
            Some(Breach::Elements)
        } else if self.attributes > MAX_ATTRIBUTES {
            Some(Breach::Attributes)
        } else {
            None
        }
    }

    fn step(&mut self, byte: u8) -> Option<Breach> {
        self.state = match (self.state, byte) {
            (State::Text, b'<') => State::TagStart,
            (State::Text, _) => {
                // White space between stanzas keeps a connection alive and belongs to none.
                self.count_anew();
                State::Text
            }
            (State::TagStart, b'/') => State::Tag {
                closing: true,
                slash: false,
            },
            (State::TagStart, b'?') if self.depth == 0 => State::Declaration(0),
            (State::TagStart, b'?') => return Some(Breach::Restricted),
            (State::TagStart, b'!') => State::CdataStart(0),
            (State::TagStart, _) => {
                self.elements += 1;
                self.attributes = 0;
                State::Tag {
                    closing: false,
                    slash: false,
                }
            }
            (State::Tag { closing, slash }, b'>') => {
                if closing {
                    self.depth = self.depth.saturating_sub(1);
                } else if !slash {
                    self.depth += 1;
                }
                self.count_anew();
                State::Text
            }
            (State::Tag { closing, .. }, b'"' | b'\'') => {
                self.attributes += 1;
                State::Quoted {
                    quote: byte,
                    closing,
                }
            }
            (State::Tag { closing, .. }, _) => State::Tag {
                closing,
                slash: byte == b'/',
            },
            (State::Quoted { quote, closing }, _) if byte == quote => State::Tag {
                closing,
                slash: false,
            },
            (State::Quoted { .. }, _) => self.state,
            (State::Declaration(seen), _) if seen < DECLARATION.len() => {
                if byte != DECLARATION[seen] {
                    return Some(Breach::Restricted);
                }
                State::Declaration(seen + 1)
            }
            (State::Declaration(seen), _) if seen == DECLARATION.len() => {
                // `<?xml-stylesheet` is an instruction like any other.
                if !byte.is_ascii_whitespace() {
                    return Some(Breach::Restricted);
                }
                State::Declaration(seen + 1)
            }
            (State::Declaration(_), b'>') => State::Text,
            (State::Declaration(_), _) => self.state,
            (State::CdataStart(seen), _) => {
                if byte != CDATA[seen] {
                    return Some(Breach::Restricted);
                }
                if seen + 1 == CDATA.len() {
                    State::Cdata(0)
                } else {
                    State::CdataStart(seen + 1)
                }
            }
            (State::Cdata(brackets), b'>') if brackets >= 2 => State::Text,
            (State::Cdata(brackets), b']') => State::Cdata(brackets + 1),
            (State::Cdata(_), _) => State::Cdata(0),
        };
        None
    }

    fn count_anew(&mut self) {
        if self.depth <= self.base {
            self.bytes = 0;
            self.elements = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minidom::Element;
    use proptest::prelude::*;

    fn frame(text: &str) -> Result<(), Breach> {
        XmlGuard::check_frame(text, 1_000_000)
    }

    #[test]
    fn ordinary_stanzas_pass_and_count_apart() {
        let mut guard = XmlGuard::stream(120);
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
        assert_eq!(frame(&deep), Err(Breach::Depth));
        let fine = "<a>".repeat(MAX_DEPTH) + &"</a>".repeat(MAX_DEPTH);
        assert_eq!(frame(&fine), Ok(()));
        let mut guard = XmlGuard::stream(10_000);
        guard.feed(b"<stream>").unwrap();
        assert_eq!(guard.feed(deep.as_bytes()), Err(Breach::Depth));
        assert_eq!(guard.feed(b"</a>"), Err(Breach::Depth));
    }

    #[test]
    fn character_data_neither_opens_nor_closes_elements() {
        let hiding = "<a><![CDATA[></a>]]>".repeat(MAX_DEPTH + 1);
        assert_eq!(frame(&hiding), Err(Breach::Depth));
        let text = format!("<a><![CDATA[{}]]]></a>", "<b>]>".repeat(500));
        assert_eq!(frame(&text), Ok(()));
    }

    #[test]
    fn an_endless_stanza_is_refused_but_endless_white_space_is_not() {
        let mut guard = XmlGuard::stream(100);
        guard.feed(b"<stream>").unwrap();
        guard.feed(&[b' '; 1000]).unwrap();
        assert_eq!(guard.feed(b"<a"), Ok(()));
        assert_eq!(guard.feed(&[b'a'; 1000]), Err(Breach::Size(100)));
    }

    #[test]
    fn too_many_elements_or_attributes_are_refused() {
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert_eq!(frame(&many), Err(Breach::Elements));
        let attributes: String = (0..=MAX_ATTRIBUTES).map(|n| format!(" a{n}='1'")).collect();
        assert_eq!(frame(&format!("<a{attributes}/>")), Err(Breach::Attributes));
    }

    #[test]
    fn what_the_protocol_forbids_is_refused_before_a_parser_sees_it() {
        for bad in [
            "<!DOCTYPE a [<!ENTITY l 'lol'>]><a>&l;</a>",
            "<a><!-- a comment --></a>",
            "<a><?php echo ?></a>",
            "<?xml-stylesheet href='x'?><a/>",
            "<?php ?><a/>",
            "<a><?xml version='1.0'?></a>",
            "<a><![INCLUDE[x]]></a>",
        ] {
            assert_eq!(frame(bad), Err(Breach::Restricted), "{bad}");
        }
        assert_eq!(frame("<?xml version='1.0'?><a/>"), Ok(()));
    }

    fn depth_of(element: &Element) -> usize {
        1 + element.children().map(depth_of).max().unwrap_or(0)
    }

    proptest! {
        /// The invariant the tree's recursive drop relies on.
        #[test]
        fn what_passes_and_parses_is_no_deeper_than_the_bound(
            text in "(<a>|</a>|<a/>|<b x='<'>|<b x=\">\"/>|<!\\[CDATA\\[|\\]\\]>|>|'|t){0,300}"
        ) {
            let text = format!("<a xmlns='x'>{text}</a>");
            if frame(&text).is_ok()
                && let Ok(element) = text.parse::<Element>()
            {
                prop_assert!(depth_of(&element) <= MAX_DEPTH);
            }
        }

        #[test]
        fn bytes_in_pieces_are_judged_like_bytes_at_once(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            cut in 0usize..400,
        ) {
            let (mut whole, mut pieces) = (XmlGuard::stream(200), XmlGuard::stream(200));
            let cut = cut.min(bytes.len());
            let at_once = whole.feed(&bytes);
            let _ = pieces.feed(&bytes[..cut]);
            prop_assert_eq!(at_once, pieces.feed(&bytes[cut..]));
        }
    }
}
