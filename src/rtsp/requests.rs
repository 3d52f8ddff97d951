//! Requests out of the bytes a viewer sends. Sans-IO.

use rtsp_types::{Message, ParseError, Request};

/// The longest request; those of players are below 1 kB.
pub(super) const REQUEST_MAX: usize = 16 * 1024;

/// After which nothing of the connection can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("what it sends is no RTSP")]
    Garbage,
    #[error("its request is longer than {REQUEST_MAX} bytes")]
    TooLong,
}

/// The next whole request, taken off the front; what players send on RTCP's channels is passed
/// over. None while there is no whole one.
pub(super) fn next(incoming: &mut Vec<u8>) -> Result<Option<Request<Vec<u8>>>, RequestError> {
    loop {
        // Empty lines between requests are nothing.
        let blank = incoming.iter().take_while(|byte| b"\r\n".contains(byte));
        let blank = blank.count();
        incoming.drain(..blank);
        if !is_whole(incoming)? {
            return Ok(None);
        }
        match Message::<Vec<u8>>::parse(incoming.as_slice()) {
            Ok((message, length)) => {
                incoming.drain(..length);
                match message {
                    Message::Request(request) => return Ok(Some(request)),
                    Message::Data(_) | Message::Response(_) => {}
                }
            }
            Err(ParseError::Incomplete(_)) if incoming.len() <= REQUEST_MAX => return Ok(None),
            Err(ParseError::Incomplete(_)) => return Err(RequestError::TooLong),
            Err(ParseError::Error) => return Err(RequestError::Garbage),
        }
    }
}

/// Whether a message is there up to its body. Looked at before it is read: the library judges the
/// half of one as broken that is not, for where it was cut.
fn is_whole(incoming: &[u8]) -> Result<bool, RequestError> {
    match incoming {
        [] => Ok(false),
        // Of an interleaved frame the library knows the length by its first four bytes.
        [b'$', ..] => Ok(true),
        // Methods are words (RFC 2326 §6.1); this is somebody who speaks TLS, or worse.
        [first, ..] if !first.is_ascii_alphabetic() => Err(RequestError::Garbage),
        _ if incoming.windows(4).any(|end| end == b"\r\n\r\n") => Ok(true),
        _ if incoming.len() > REQUEST_MAX => Err(RequestError::TooLong),
        _ => Ok(false),
    }
}
