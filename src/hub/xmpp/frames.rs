//! WebSocket messages (RFC 6455) over a byte stream, holding no memory while nothing is said.
//!
//! What is known of frames is the library's; the buffers are ours, because thousands of idle
//! connections would each keep those of a library.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_http::ws::{Codec, Frame, Item, Message, ProtocolError};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::{Decoder, Encoder};

use crate::protocol::frame_guard::{FrameGuard, TooLarge};

/// Bytes read at once, into the stack of the thread that reads.
const READ_AT_ONCE: usize = 8_192;

/// What came in: a whole message, or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary,
    /// A ping, with what the pong has to repeat.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The peer's good-bye.
    Close,
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The line is gone.
    #[error("line lost: {0}")]
    Io(#[from] io::Error),
    /// A message beyond the bound.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Bytes against RFC 6455.
    #[error("{0}")]
    Protocol(ProtocolError),
    /// Text that is no UTF-8.
    #[error("a text message is no UTF-8")]
    NotUtf8,
}

impl From<ProtocolError> for FrameError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// The server's side of a WebSocket, after the upgrade.
pub struct Frames<S> {
    io: S,
    codec: Codec,
    guard: FrameGuard,
    // What was read before there were frames.
    already: Bytes,
    // The beginning of a frame that is not whole yet.
    incoming: BytesMut,
    // The message that comes in pieces, and whether it is text.
    pieces: Option<(bool, BytesMut)>,
    // What is not written yet.
    outgoing: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// A WebSocket on `io`, of which `already` was read with the upgrade. No message may be
    /// larger than `max_bytes`.
    pub fn new(io: S, already: Bytes, max_bytes: usize) -> Self {
        Self {
            io,
            codec: Codec::new().max_size(max_bytes),
            guard: FrameGuard::new(max_bytes),
            already,
            incoming: BytesMut::new(),
            pieces: None,
            outgoing: BytesMut::new(),
        }
    }

    /// Waits for the next message or control frame; `None` when the peer has closed the line.
    /// Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`FrameError`]; nothing may be read after it.
    pub async fn receive(&mut self) -> Result<Option<Arrival>, FrameError> {
        // What an earlier, cancelled sending left behind.
        self.flush().await?;
        loop {
            if let Some(frame) = self.codec.decode(&mut self.incoming)? {
                if let Some(arrival) = self.assemble(frame)? {
                    return Ok(Some(arrival));
                }
                continue;
            }
            if self.incoming.is_empty() {
                self.incoming = BytesMut::new();
            }
            if poll_fn(|cx| self.poll_fill(cx)).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Writes messages. Those of a cancelled call are written by the next one.
    ///
    /// # Errors
    /// The line's.
    pub async fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> io::Result<()> {
        for message in messages {
            self.codec
                .encode(message, &mut self.outgoing)
                .map_err(io::Error::other)?;
        }
        self.flush().await
    }

    /// Ends our direction, and takes what still comes until the peer has ended its own: closing a
    /// socket with unread bytes would take back what was written last.
    ///
    /// # Errors
    /// The line's.
    pub async fn shut_down(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await?;
        while poll_fn(|cx| poll_chunk(&mut self.io, cx, <[u8]>::len)).await? > 0 {}
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        poll_fn(|cx| {
            while !self.outgoing.is_empty() {
                let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.outgoing))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.outgoing.advance(written);
            }
            Pin::new(&mut self.io).poll_flush(cx)
        })
        .await?;
        self.outgoing = BytesMut::new();
        Ok(())
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, FrameError>> {
        let Self {
            io,
            guard,
            already,
            incoming,
            ..
        } = self;
        if !already.is_empty() {
            let already = std::mem::take(already);
            return Poll::Ready(take_in(guard, incoming, &already).map_err(FrameError::from));
        }
        let taken = ready!(poll_chunk(io, cx, |bytes| take_in(guard, incoming, bytes)))?;
        Poll::Ready(taken.map_err(FrameError::from))
    }

    fn assemble(&mut self, frame: Frame) -> Result<Option<Arrival>, FrameError> {
        let whole = match frame {
            Frame::Text(text) => read_text(Vec::from(text))?,
            Frame::Binary(_) => Arrival::Binary,
            Frame::Ping(data) => Arrival::Ping(data),
            Frame::Pong(_) => Arrival::Pong,
            Frame::Close(_) => Arrival::Close,
            Frame::Continuation(Item::FirstText(piece)) => {
                self.pieces = Some((true, BytesMut::from(piece)));
                return Ok(None);
            }
            Frame::Continuation(Item::FirstBinary(piece)) => {
                self.pieces = Some((false, BytesMut::from(piece)));
                return Ok(None);
            }
            Frame::Continuation(Item::Continue(piece)) => {
                if let Some((_, message)) = &mut self.pieces {
                    message.extend_from_slice(&piece);
                }
                return Ok(None);
            }
            Frame::Continuation(Item::Last(piece)) => {
                // The codec gives no last piece without a first one.
                let (is_text, mut message) = self.pieces.take().unwrap_or_default();
                message.extend_from_slice(&piece);
                if is_text {
                    read_text(Vec::from(message))?
                } else {
                    Arrival::Binary
                }
            }
        };
        Ok(Some(whole))
    }
}

fn read_text(bytes: Vec<u8>) -> Result<Arrival, FrameError> {
    let text = String::from_utf8(bytes).map_err(|_| FrameError::NotUtf8)?;
    Ok(Arrival::Text(text))
}

/// Reads into the stack, so that a connection that waits for bytes holds no buffer for them.
fn poll_chunk<S: AsyncRead + Unpin, T>(
    io: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    let mut space = [const { MaybeUninit::uninit() }; READ_AT_ONCE];
    let mut read = ReadBuf::uninit(&mut space);
    ready!(Pin::new(io).poll_read(cx, &mut read))?;
    Poll::Ready(Ok(take(read.filled())))
}

fn take_in(
    guard: &mut FrameGuard,
    incoming: &mut BytesMut,
    bytes: &[u8],
) -> Result<usize, TooLarge> {
    guard.feed(bytes)?;
    incoming.extend_from_slice(bytes);
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const MAX: usize = 70_000;

    /// A client's frame; the mask is zero.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        let mut codec = Codec::new().client_mode();
        codec
            .encode(Message::Binary(payload.to_vec().into()), &mut bytes)
            .unwrap();
        bytes[0] = first;
        bytes.to_vec()
    }

    fn frames(already: &[u8]) -> (Frames<DuplexStream>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let already = Bytes::copy_from_slice(already);
        (Frames::new(ours, already, MAX), theirs)
    }

    #[tokio::test]
    async fn a_connection_that_waits_holds_no_buffer_however_much_it_took_and_sent() {
        let (mut frames, mut peer) = frames(b"");
        let text = "x".repeat(60_000);
        peer.write_all(&frame(0x81, text.as_bytes())).await.unwrap();
        let arrival = frames.receive().await.unwrap();
        assert_eq!(arrival, Some(Arrival::Text(text.clone())));
        frames.send([Message::Text(text.into())]).await.unwrap();
        let waiting = futures::poll!(std::pin::pin!(frames.receive()));
        assert!(waiting.is_pending());
        assert_eq!(frames.incoming.capacity() + frames.outgoing.capacity(), 0);
    }

    #[tokio::test]
    async fn what_a_cancelled_sending_left_goes_out_with_the_next() {
        let (ours, mut peer) = tokio::io::duplex(100);
        let mut frames = Frames::new(ours, Bytes::new(), MAX);
        let long = [Message::Text("a".repeat(120).into())];
        assert!(futures::poll!(std::pin::pin!(frames.send(long))).is_pending());
        let sending = tokio::spawn(async move { frames.send([Message::Text("b".into())]).await });
        let mut bytes = vec![0; 122 + 3];
        peer.read_exact(&mut bytes).await.unwrap();
        let expected = [b"\x81\x78".as_slice(), &[b'a'; 120], b"\x81\x01b"].concat();
        assert_eq!(bytes, expected);
        sending.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn shutting_down_waits_for_the_peer_to_end() {
        let (mut frames, mut peer) = frames(b"");
        let ending = tokio::spawn(async move { frames.shut_down().await });
        let mut rest = Vec::new();
        peer.write_all(b"what was still on its way").await.unwrap();
        peer.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty() && !ending.is_finished());
        drop(peer);
        ending.await.unwrap().unwrap();
    }

    proptest! {
        #[test]
        fn messages_come_whole_however_they_and_their_bytes_are_cut(
            messages in proptest::collection::vec(
                proptest::collection::vec("\\PC{0,200}", 1..4), 0..6),
            cuts in proptest::collection::vec(1usize..400, 0..40),
            with_upgrade in 0usize..50,
        ) {
            let mut bytes = Vec::new();
            for pieces in &messages {
                let last = pieces.len() - 1;
                for (place, piece) in pieces.iter().enumerate() {
                    let opcode = if place == 0 { 0x01 } else { 0x00 };
                    let end = if place == last { 0x80 } else { 0x00 };
                    bytes.extend(frame(opcode | end, piece.as_bytes()));
                    bytes.extend(frame(0x89, b"p"));
                }
            }
            let (already, mut rest) = bytes.split_at(with_upgrade.min(bytes.len()));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let arrived: Vec<String> = runtime.block_on(async {
                let (mut frames, mut peer) = frames(already);
                let write = async {
                    for cut in cuts.iter().copied().chain([usize::MAX]) {
                        let (piece, others) = rest.split_at(cut.min(rest.len()));
                        peer.write_all(piece).await.unwrap();
                        tokio::task::yield_now().await;
                        rest = others;
                    }
                    drop(peer);
                };
                let read = async {
                    let mut texts = Vec::new();
                    while let Some(arrival) = frames.receive().await.unwrap() {
                        match arrival {
                            Arrival::Text(text) => texts.push(text),
                            other => assert_eq!(other, Arrival::Ping(Bytes::from_static(b"p"))),
                        }
                    }
                    texts
                };
                tokio::join!(write, read).1
            });
            let expected: Vec<String> = messages.iter().map(|pieces| pieces.concat()).collect();
            prop_assert_eq!(arrived, expected);
        }
    }
}
