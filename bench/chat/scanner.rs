//! Cuts an XML stream into its top-level elements and no more, so that the generator's own work
//! stays small beside the server's. It trusts the server to be well-formed.

use std::ops::Range;

/// Room made for each read.
const READ: usize = 16 << 10;

/// A stream's bytes on their way to being elements.
#[derive(Default)]
pub struct Scanner {
    buffer: Vec<u8>,
    consumed: usize,
    at: usize,
    depth: u32,
    start: usize,
}

/// What the stream holds next.
pub enum Piece {
    /// A whole element; its place is good until the next [`Scanner::space`].
    Element(Range<usize>),
    /// The server closed the stream.
    End,
}

impl Scanner {
    /// Forgets everything: a new stream header follows.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Where to read more bytes into.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.at -= self.consumed;
            self.start = self.start.saturating_sub(self.consumed);
            self.consumed = 0;
        }
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// Gives the buffer's memory back, when nothing is expected for long.
    pub fn rest(&mut self) {
        self.space();
        self.buffer.shrink_to_fit();
    }

    /// The next piece, if all of it is there.
    pub fn next(&mut self) -> Option<Piece> {
        loop {
            let Some(offset) = self.buffer[self.at..].iter().position(|&b| b == b'<') else {
                self.at = self.buffer.len();
                if self.depth <= 1 {
                    self.consumed = self.at;
                }
                return None;
            };
            let open = self.at + offset;
            self.at = open;
            let close = tag_end(&self.buffer, open)?;
            self.at = close + 1;
            let is_empty = self.buffer[close - 1] == b'/';
            match self.buffer[open + 1] {
                b'?' => {}
                b'/' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(Piece::End);
                    }
                    if self.depth == 1 {
                        self.consumed = self.at;
                        return Some(Piece::Element(self.start..self.at));
                    }
                }
                _ if is_empty && self.depth == 1 => {
                    self.consumed = self.at;
                    return Some(Piece::Element(open..self.at));
                }
                _ if is_empty => {}
                _ => {
                    if self.depth == 1 {
                        self.start = open;
                    }
                    self.depth += 1;
                }
            }
        }
    }

    /// The bytes of an element.
    pub fn element(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }
}

/// Where the tag that opens at `open` ends; a `>` within quotes does not end it.
fn tag_end(buffer: &[u8], open: usize) -> Option<usize> {
    let mut quote = None;
    for (offset, &byte) in buffer[open..].iter().enumerate() {
        match quote {
            Some(_) if quote == Some(byte) => quote = None,
            Some(_) => {}
            None if byte == b'>' => return Some(open + offset),
            None if byte == b'\'' || byte == b'"' => quote = Some(byte),
            None => {}
        }
    }
    None
}

/// An attribute of the outermost tag, as written.
pub fn attribute<'a>(element: &'a [u8], name: &str) -> Option<&'a str> {
    let tag = &element[..=tag_end(element, 0)?];
    let tag = std::str::from_utf8(tag).ok()?;
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let before = rest[..at].ends_with([' ', '\n', '\t']);
        let after = &rest[at + name.len()..];
        match after.strip_prefix("='") {
            Some(value) if before => return value.split('\'').next(),
            _ => {}
        }
        match after.strip_prefix("=\"") {
            Some(value) if before => return value.split('"').next(),
            _ => rest = after,
        }
    }
}
