//! Elements over bytes: the XML stream of RFC 6120 and the WebSocket frames of RFC 7395 behind
//! one face. Polled by one task for both directions; nothing is split, so no wake-up is lost.

mod metered;
mod stream;
mod websocket;

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use minidom::Element;

pub(super) use metered::{AnyIo, Meter, Metered};
pub(super) use stream::StreamTransport;
pub(super) use websocket::WebSocketTransport;

/// One thing that arrived.
#[derive(Debug)]
pub(super) enum Inbound {
    /// An element.
    Element(Element),
    /// Something that is no usable element; the stream goes on.
    Malformed(String),
    /// The peer has closed the stream.
    Closed,
}

/// The transport is unusable from here on.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("{0}")]
    Broken(String),
    #[error("{0}")]
    NotXml(String),
}

/// Why an element was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// It cannot be written as XML. Nothing of it was sent; the transport goes on.
    #[error("it cannot be written as XML: {0}")]
    Unsendable(String),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A stream of elements in both directions.
pub(super) enum Transport {
    Stream(Box<StreamTransport>),
    WebSocket(Box<WebSocketTransport>),
}

impl Transport {
    /// The next thing to arrive.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Inbound, TransportError>> {
        match self {
            Self::Stream(stream) => stream.poll_receive(cx),
            Self::WebSocket(socket) => socket.poll_receive(cx),
        }
    }

    /// Ready when [`Transport::write`] may be called once.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        match self {
            Self::Stream(stream) => stream.poll_room(cx),
            Self::WebSocket(socket) => socket.poll_room(cx),
        }
    }

    /// Takes an element into the write buffer.
    pub(super) fn write(&mut self, element: &Element) -> Result<(), WriteError> {
        match self {
            Self::Stream(stream) => stream.write(element),
            Self::WebSocket(socket) => socket.write(element),
        }
    }

    /// Drives the write buffer to the network.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        match self {
            Self::Stream(stream) => stream.poll_flush(cx),
            Self::WebSocket(socket) => socket.poll_flush(cx),
        }
    }

    /// How much has arrived, as a sign of life.
    pub(super) fn meter(&self) -> &Meter {
        match self {
            Self::Stream(stream) => stream.meter(),
            Self::WebSocket(socket) => socket.meter(),
        }
    }

    /// [`Transport::poll_receive`] to wait for.
    pub(super) async fn receive(&mut self) -> Result<Inbound, TransportError> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Writes and flushes one element.
    pub(super) async fn send(&mut self, element: &Element) -> Result<(), WriteError> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.write(element)?;
        poll_fn(|cx| self.poll_flush(cx)).await?;
        Ok(())
    }

    /// Opens the stream anew, as after a login (RFC 6120 §6.4.6).
    pub(super) async fn restart(self) -> Result<Self, TransportError> {
        match self {
            Self::Stream(stream) => stream.restart().await.map(Box::new).map(Self::Stream),
            Self::WebSocket(mut socket) => {
                socket.open().await?;
                Ok(Self::WebSocket(socket))
            }
        }
    }

    /// Says goodbye and waits for the peer's, which the caller bounds in time.
    pub(super) async fn close(mut self) -> Result<(), TransportError> {
        poll_fn(|cx| match &mut self {
            Self::Stream(stream) => stream.poll_close(cx),
            Self::WebSocket(socket) => socket.poll_close(cx),
        })
        .await?;
        poll_fn(|cx| {
            loop {
                if let Inbound::Closed = ready!(self.poll_receive(cx))? {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await
    }
}
