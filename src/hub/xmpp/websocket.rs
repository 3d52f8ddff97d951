//! XMPP over WebSocket (RFC 7395): one element per text frame.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use actix_http::ws::{self, HandshakeError, Message};
use actix_http::{RequestHead, Response, header};
use bytes::Bytes;
use minidom::Element;
use tokio::io::{AsyncRead, AsyncWrite};

use super::frames::{Arrival, FrameError, Frames};
use super::stream::{Ending, Features, Inbound, Transport};
use crate::hub::auth::secret;
use crate::protocol::ns;
use crate::protocol::xml_guard::XmlGuard;

/// The subprotocol browsers ask for.
const SUBPROTOCOL: &str = "xmpp";
/// How long a peer may take to hear our good-bye; the SDK waits 2 s for it.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Answers the upgrade (RFC 6455 §4.2.2), with the subprotocol if the client asks for it.
///
/// # Errors
/// What the request lacks; it is an answer as well.
pub fn accept(request: &RequestHead) -> Result<Response<()>, HandshakeError> {
    let mut response = ws::handshake(request)?;
    let mut offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let is_offered = offered.any(|list| {
        let list = list.to_str().unwrap_or_default();
        list.split(',').any(|name| name.trim() == SUBPROTOCOL)
    });
    if is_offered {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL));
    }
    Ok(response.finish().drop_body())
}

/// A stream's WebSocket, after the upgrade.
pub struct WebSocket<S> {
    frames: Frames<S>,
    max_bytes: usize,
    // The peer has said good-bye.
    is_closed: bool,
    // Control frames since the last element.
    controls: u32,
    counted_since: Instant,
}

/// Pings and pongs in a minute without an element among them. Keeping a connection alive takes a
/// few.
const MAX_CONTROLS: u32 = 120;
const CONTROLS_WITHIN: Duration = Duration::from_secs(60);

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A stream on `io`, of which `already` was read with the upgrade.
    pub fn new(io: S, already: Bytes, max_bytes: usize) -> Self {
        Self {
            frames: Frames::new(io, already, max_bytes),
            max_bytes,
            is_closed: false,
            controls: 0,
            counted_since: Instant::now(),
        }
    }

    fn is_flooded(&mut self) -> bool {
        if self.counted_since.elapsed() > CONTROLS_WITHIN {
            self.counted_since = Instant::now();
            self.controls = 0;
        }
        self.controls += 1;
        self.controls > MAX_CONTROLS
    }

    async fn text(&mut self, text: String) -> Result<(), Ending> {
        let sent = self.frames.send([Message::Text(text.into())]).await;
        sent.map_err(|_| Ending::Lost)
    }

    fn read(&self, text: &str) -> Inbound {
        if let Err(breach) = XmlGuard::check_frame(text, self.max_bytes) {
            tracing::warn!(%breach, "stream ended");
            return Inbound::End(Ending::Error(breach.condition()));
        }
        match text.parse::<Element>() {
            Ok(element) if element.is("close", ns::FRAMING) => Inbound::End(Ending::Closed),
            Ok(element) => Inbound::Element(element),
            Err(_) if text.trim().is_empty() => Inbound::Nothing(None),
            // The text itself may hold a message or a password: only its size is told.
            Err(error) => {
                Inbound::Nothing(Some(format!("{error} in a frame of {} bytes", text.len())))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for WebSocket<S> {
    async fn open(&mut self, host: &str, features: Features) -> Result<(), Ending> {
        loop {
            match self.receive().await {
                // Any `to` is taken: clients name the host of the URL, not the domain (A.1).
                Inbound::Element(element) if element.is("open", ns::FRAMING) => break,
                Inbound::Element(_) => return Err(Ending::Error("invalid-namespace")),
                Inbound::Nothing(_) => {}
                Inbound::End(ending) => return Err(ending),
            }
        }
        let id = secret::random_text(16);
        self.text(format!(
            "<open xmlns='{}' from='{host}' id='{id}' version='1.0' xml:lang='en'/>",
            ns::FRAMING
        ))
        .await?;
        let mut offer: String = features.others().iter().map(String::from).collect();
        let mechanisms = features.mechanisms();
        if !mechanisms.is_empty() {
            let named = |name: &&str| format!("<mechanism>{name}</mechanism>");
            let named: String = mechanisms.iter().map(named).collect();
            offer += &format!("<mechanisms xmlns='{}'>{named}</mechanisms>", ns::SASL);
        }
        self.text(format!(
            "<stream:features xmlns:stream='{}'>{offer}</stream:features>",
            ns::STREAM
        ))
        .await
    }

    async fn restart(&mut self, success: &Element) -> Result<(), Ending> {
        self.text(String::from(success)).await
    }

    async fn receive(&mut self) -> Inbound {
        match self.frames.receive().await {
            Ok(Some(Arrival::Text(text))) => {
                self.controls = 0;
                self.read(&text)
            }
            Ok(Some(Arrival::Ping(_) | Arrival::Pong)) if self.is_flooded() => {
                Inbound::End(Ending::Error("policy-violation"))
            }
            Ok(Some(Arrival::Ping(data))) => match self.frames.send([Message::Pong(data)]).await {
                Ok(()) => Inbound::Nothing(None),
                Err(_) => Inbound::End(Ending::Lost),
            },
            Ok(Some(Arrival::Pong)) => Inbound::Nothing(None),
            Ok(Some(Arrival::Binary)) => Inbound::End(Ending::Error("unsupported-encoding")),
            Ok(Some(Arrival::Close)) => {
                self.is_closed = true;
                Inbound::End(Ending::Lost)
            }
            Ok(None) => Inbound::End(Ending::Lost),
            Err(error) => {
                tracing::info!(%error, "WebSocket ended");
                Inbound::End(ending_of(&error))
            }
        }
    }

    async fn send<E: Borrow<Element>>(&mut self, batch: &[E]) -> Result<(), Ending> {
        let texts = batch
            .iter()
            .map(|element| Message::Text(String::from(element.borrow()).into()));
        self.frames.send(texts).await.map_err(|_| Ending::Lost)
    }

    async fn close(mut self, ending: Ending) {
        let good_bye = async {
            if let Ending::Error(condition) = ending {
                let error = format!(
                    "<stream:error xmlns:stream='{}'><{condition} xmlns='{}'/></stream:error>",
                    ns::STREAM,
                    ns::STREAMS
                );
                self.frames.send([Message::Text(error.into())]).await?;
            }
            if ending != Ending::Lost {
                let close = format!("<close xmlns='{}'/>", ns::FRAMING);
                self.frames.send([Message::Text(close.into())]).await?;
            }
            self.frames.send([Message::Close(None)]).await?;
            // The peer closes in its turn; until then what was said may still be on its way.
            while !self.is_closed
                && let Ok(Some(arrival)) = self.frames.receive().await
            {
                self.is_closed = arrival == Arrival::Close;
            }
            self.frames.shut_down().await
        };
        // A peer that does not listen is left to itself; dropping the stream closes the socket.
        let _ = tokio::time::timeout(CLOSE_LIMIT, good_bye).await;
    }
}

/// A line that is cut is lost; bytes that break RFC 6455 are the peer's fault.
fn ending_of(error: &FrameError) -> Ending {
    match error {
        FrameError::Io(_) => Ending::Lost,
        FrameError::TooLarge(_) => Ending::Error("policy-violation"),
        FrameError::Protocol(_) | FrameError::NotUtf8 => Ending::Error("bad-format"),
    }
}
