//! A conversation without a connection: what bytes from outside come to.

use super::digest::{Account, Challenge};
use super::requests;
use super::session::{Effect, Session};
use crate::config::Secret;

/// What somebody got who sent something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The answers, one after the other.
    pub answers: Vec<u8>,
    /// Whether the camera was asked for a description.
    pub is_described: bool,
    /// Whether pictures would have been sent.
    pub plays: bool,
    /// Whether the connection ended: by the viewer's wish, for a rule broken, or as what came is
    /// no RTSP.
    pub is_over: bool,
}

/// What a server whose camera gives no picture answers to bytes that arrive in these pieces; with
/// a password, to somebody who was not told it and has the nonce `0`.
pub fn converse(pieces: &[&[u8]], password: Option<&str>) -> Conversation {
    let challenge = password.map(|password| {
        let account = Account {
            username: "viewer".to_owned(),
            password: Secret::new(password),
        };
        Challenge::new(account, "0".to_owned())
    });
    let mut session = Session::new(challenge, true, 0);
    let mut conversation = Conversation::default();
    let mut incoming = Vec::new();
    for piece in pieces {
        incoming.extend_from_slice(piece);
        loop {
            let request = match requests::next(&mut incoming) {
                Ok(Some(request)) => request,
                Ok(None) => break,
                Err(_) => {
                    conversation.is_over = true;
                    return conversation;
                }
            };
            let (answer, effect) = session.on(&request, true);
            conversation.answers.extend_from_slice(&answer);
            match effect {
                Effect::Nothing => {}
                Effect::Describe => {
                    conversation.is_described = true;
                    conversation.answers.extend(session.described(None));
                }
                Effect::Play(_) => conversation.plays = true,
                Effect::Close => {
                    conversation.is_over = true;
                    return conversation;
                }
            }
        }
    }
    conversation
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::requests::REQUEST_MAX;
    use super::*;

    const PLAYS: &str = "OPTIONS rtsp://door/live RTSP/1.0\r\nCSeq: 1\r\n\r\n\
        \r\n$\u{1}\u{0}\u{4}RTCP\
        DESCRIBE rtsp://door/live RTSP/1.0\r\nCSeq: 2\r\n\r\n\
        SETUP rtsp://door/live/track=video RTSP/1.0\r\nCSeq: 3\r\n\
        Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n\
        PLAY rtsp://door/live/ RTSP/1.0\r\nCSeq: 4\r\n\r\n\
        TEARDOWN rtsp://door/live/ RTSP/1.0\r\nCSeq: 5\r\n\r\n";

    #[test]
    fn a_viewer_is_answered_until_it_leaves_and_a_stranger_sees_nothing() {
        let seen = converse(&[PLAYS.as_bytes()], None);
        assert!(seen.is_described && seen.plays && seen.is_over, "{seen:?}");
        let answers = String::from_utf8(seen.answers).unwrap();
        assert_eq!(answers.matches("RTSP/1.0 ").count(), 5, "{answers}");
        let seen = converse(&[PLAYS.as_bytes()], Some("correct horse"));
        assert!(!seen.is_described && !seen.plays, "{seen:?}");
    }

    #[test]
    fn what_is_no_rtsp_or_never_ends_closes_the_connection() {
        assert!(converse(&[b"GET / HTTP/1.1\r\n\r\n"], None).is_over);
        let tls = [0x16, 3, 1];
        assert!(converse(&[&tls], None).is_over);
        let endless = [
            b"OPTIONS * RTSP/1.0\r\nX: ".as_slice(),
            &[b'x'; REQUEST_MAX],
        ]
        .concat();
        assert!(converse(&[&endless], None).is_over);
        assert!(!converse(&[&endless[..100]], None).is_over);
    }

    #[test]
    fn where_the_bytes_are_cut_says_nothing() {
        // A header with a bare CR, between whose own CR and LF it is cut.
        let odd = "OPTIONS x RTSP/1.0\r\nCSeq: 1\rx: y\r\n z\r\n\r\n";
        for bytes in [PLAYS.as_bytes(), odd.as_bytes()] {
            let whole = converse(&[bytes], None);
            for cut in 0..bytes.len() {
                let (first, rest) = bytes.split_at(cut);
                assert_eq!(converse(&[first, rest], None), whole, "at {cut}");
            }
        }
    }

    proptest! {
        /// However the bytes are cut, and whatever is changed in them: the same answers, and no
        /// stranger sees anything.
        #[test]
        fn pieces_are_answered_as_the_whole_is(
            cut in 0..PLAYS.len(), at in 0..PLAYS.len(), byte: u8,
        ) {
            let mut bytes = PLAYS.as_bytes().to_vec();
            bytes[at] = byte;
            let (first, rest) = bytes.split_at(cut);
            prop_assert_eq!(converse(&[&bytes], None), converse(&[first, rest], None));
            let seen = converse(&[&bytes], Some("correct horse"));
            prop_assert!(!seen.is_described && !seen.plays);
        }
    }
}
