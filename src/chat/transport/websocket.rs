//! XMPP over WebSocket (RFC 7395): one element per text frame.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Sink, Stream};
use minidom::Element;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

use super::metered::MAX_ELEMENT;
use super::{AnyIo, Inbound, Meter, Metered, TransportError, WriteError};
use crate::protocol::ns;
use crate::protocol::xml::SetAttribute;

/// The subprotocol's name (RFC 7395 §3.1).
const SUBPROTOCOL: &str = "xmpp";

pub(in crate::chat) struct WebSocketTransport {
    socket: WebSocketStream<Metered>,
    meter: Meter,
    to: String,
}

impl WebSocketTransport {
    /// The HTTP upgrade.
    pub(in crate::chat) async fn upgrade(
        io: AnyIo,
        url: &Url,
        to: &str,
    ) -> Result<Self, TransportError> {
        let (io, meter) = Metered::new(io);
        let mut request = url.as_str().into_client_request().map_err(sort)?;
        request.headers_mut().insert(
            "Sec-WebSocket-Protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );
        let limit = Some(MAX_ELEMENT as usize);
        let config = WebSocketConfig::default()
            // The defaults are 128 KiB each, allocated at once.
            .read_buffer_size(8 << 10)
            .write_buffer_size(8 << 10)
            .max_write_buffer_size(2 * MAX_ELEMENT as usize)
            .max_message_size(limit)
            .max_frame_size(limit);
        let (socket, _answer) = client_async_with_config(request, io, Some(config))
            .await
            .map_err(sort)?;
        meter.element_complete();
        Ok(Self {
            socket,
            meter,
            to: to.to_owned(),
        })
    }

    /// Exchanges `<open/>`; the features come as the next element.
    pub(in crate::chat) async fn open(&mut self) -> Result<(), TransportError> {
        let open = Element::builder("open", ns::FRAMING)
            .with("version", "1.0")
            .with("to", self.to.clone())
            .build();
        std::future::poll_fn(|cx| self.poll_room(cx)).await?;
        self.write(&open).map_err(|error| match error {
            WriteError::Unsendable(reason) => TransportError::Broken(reason),
            WriteError::Transport(error) => error,
        })?;
        std::future::poll_fn(|cx| self.poll_flush(cx)).await?;
        match std::future::poll_fn(|cx| self.poll_receive(cx)).await? {
            Inbound::Element(element) if element.is("open", ns::FRAMING) => Ok(()),
            Inbound::Element(element) => Err(TransportError::NotXml(format!(
                "<{}/> came where <open/> was due",
                element.name()
            ))),
            Inbound::Malformed(reason) => Err(TransportError::NotXml(reason)),
            Inbound::Closed => Err(TransportError::Broken("closed at once".into())),
        }
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Inbound, TransportError>> {
        loop {
            let frame = ready!(Pin::new(&mut self.socket).poll_next(cx));
            self.meter.element_complete();
            let inbound = match frame {
                Some(Ok(Message::Text(text))) => match parse(text.as_str()) {
                    Ok(element) if element.is("close", ns::FRAMING) => Inbound::Closed,
                    Ok(element) => Inbound::Element(element),
                    Err(reason) => Inbound::Malformed(reason),
                },
                Some(Ok(Message::Binary(_))) => Inbound::Malformed("a binary frame".into()),
                // Answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) | None => Inbound::Closed,
                Some(Err(error)) => return Poll::Ready(Err(sort(error))),
            };
            return Poll::Ready(Ok(inbound));
        }
    }

    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.socket).poll_ready(cx).map_err(sort)
    }

    pub(super) fn write(&mut self, element: &Element) -> Result<(), WriteError> {
        let unsendable = |reason: String| WriteError::Unsendable(reason);
        let mut text = Vec::new();
        element
            .write_to(&mut text)
            .map_err(|error| unsendable(error.to_string()))?;
        let text = String::from_utf8(text).map_err(|error| unsendable(error.to_string()))?;
        Pin::new(&mut self.socket)
            .start_send(Message::text(text))
            .map_err(|error| WriteError::Transport(sort(error)))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(sort)
    }

    /// Sends `<close/>` (RFC 7395 §3.6); the peer's answer ends the stream.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        // Room first; the write buffer holds whole frames, so polling again after a pending
        // flush must not write twice: an empty `to` marks that it was written.
        if !self.to.is_empty() {
            ready!(self.poll_room(cx))?;
            let close = Element::bare("close", ns::FRAMING);
            if let Err(WriteError::Transport(error)) = self.write(&close) {
                return Poll::Ready(Err(error));
            }
            self.to.clear();
        }
        self.poll_flush(cx)
    }
}

/// Reads one frame. A stanza without a namespace is taken for one of `jabber:client`, as lenient
/// clients do.
fn parse(text: &str) -> Result<Element, String> {
    Element::from_reader_with_prefixes(text.as_bytes(), Some(ns::CLIENT.to_owned()))
        .map_err(|error| error.to_string())
}

fn sort(error: Error) -> TransportError {
    TransportError::Broken(error.to_string())
}
