//! XMPP over WebSocket (RFC 7395): one element per text frame.

use std::borrow::Borrow;
use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::error::PayloadError;
use actix_web::web::{Data, Payload};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, ProtocolError, Session};
use futures::StreamExt;
use minidom::Element;

use super::stream::{Ending, Features, Inbound, Transport, serve};
use crate::hub::auth::secret;
use crate::hub::site::Site;
use crate::protocol::frame_guard::FrameGuard;
use crate::protocol::ns;
use crate::protocol::xml_guard::XmlGuard;

/// The subprotocol browsers ask for.
const SUBPROTOCOL: &str = "xmpp";
/// How long a peer may take to hear our good-bye; the SDK waits 2 s for it.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A second handle on the connection's socket. Dropping a WebSocket leaves what is written to a
/// peer that does not read; shutting the socket down ends it.
#[derive(Clone)]
pub struct Socket(Arc<TcpStream>);

impl Socket {
    /// Duplicates the handle of an accepted connection.
    pub fn of(stream: &tokio::net::TcpStream) -> std::io::Result<Self> {
        use std::os::fd::AsFd;
        let handle = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(Arc::new(TcpStream::from(handle))))
    }

    fn end(&self) {
        // Already closed by the peer: that is the aim.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The upgrade.
pub async fn upgrade(
    request: HttpRequest,
    body: Payload,
    site: Data<Site>,
) -> actix_web::Result<HttpResponse> {
    let limit = site.config.limits.stanza_bytes;
    let is_too_large = Arc::new(AtomicBool::new(false));
    let mut guarded = guard(body, limit, &is_too_large);
    let body = Payload::from_request(&request, &mut guarded).await?;
    let (response, session, stream) =
        actix_ws::handle_with_protocols(&request, body, &[SUBPROTOCOL])?;
    let transport = WebSocket {
        session,
        frames: stream
            .max_frame_size(limit)
            .aggregate_continuations()
            .max_continuation_size(limit),
        socket: request.conn_data::<Socket>().cloned(),
        max_bytes: limit,
        is_too_large,
        controls: 0,
        counted_since: Instant::now(),
    };
    let address = request.peer_addr().map(|peer| peer.ip());
    actix_web::rt::spawn(serve(site.into_inner(), transport, address));
    Ok(response)
}

/// Lets the guard see every byte on its way to the library, and notes for the stream's end when
/// it has stopped them.
fn guard(body: Payload, limit: usize, is_too_large: &Arc<AtomicBool>) -> dev::Payload {
    let mut guard = FrameGuard::new(limit);
    let is_too_large = Arc::clone(is_too_large);
    let bytes = body.into_inner().map(move |bytes| {
        let bytes = bytes?;
        guard.feed(&bytes).map_err(|error| {
            tracing::info!(%error, "WebSocket ended");
            is_too_large.store(true, Ordering::Relaxed);
            PayloadError::Overflow
        })?;
        Ok(bytes)
    });
    dev::Payload::Stream {
        payload: Box::pin(bytes),
    }
}

struct WebSocket {
    session: Session,
    frames: AggregatedMessageStream,
    socket: Option<Socket>,
    max_bytes: usize,
    is_too_large: Arc<AtomicBool>,
    // Control frames since the last element.
    controls: u32,
    counted_since: Instant,
}

/// Pings and pongs in a minute without an element among them. Keeping a connection alive takes a
/// few.
const MAX_CONTROLS: u32 = 120;
const CONTROLS_WITHIN: Duration = Duration::from_secs(60);

impl WebSocket {
    fn is_flooded(&mut self) -> bool {
        if self.counted_since.elapsed() > CONTROLS_WITHIN {
            self.counted_since = Instant::now();
            self.controls = 0;
        }
        self.controls += 1;
        self.controls > MAX_CONTROLS
    }

    /// A line that is cut is lost; bytes that break RFC 6455 are the peer's fault.
    fn ending_of(&self, error: &ProtocolError) -> Ending {
        match error {
            _ if self.is_too_large.load(Ordering::Relaxed) => Ending::Error("policy-violation"),
            // Text that is no UTF-8.
            ProtocolError::Io(error) if error.kind() == ErrorKind::InvalidData => {
                Ending::Error("bad-format")
            }
            ProtocolError::Io(_) => Ending::Lost,
            ProtocolError::Overflow => Ending::Error("policy-violation"),
            _ => Ending::Error("bad-format"),
        }
    }

    async fn text(&mut self, text: String) -> Result<(), Ending> {
        self.session.text(text).await.map_err(|_| Ending::Lost)
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

impl Transport for WebSocket {
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
        match self.frames.recv().await {
            Some(Ok(AggregatedMessage::Text(text))) => {
                self.controls = 0;
                self.read(&text)
            }
            Some(Ok(AggregatedMessage::Ping(data))) => {
                if self.is_flooded() {
                    return Inbound::End(Ending::Error("policy-violation"));
                }
                match self.session.pong(&data).await {
                    Ok(()) => Inbound::Nothing(None),
                    Err(_) => Inbound::End(Ending::Lost),
                }
            }
            Some(Ok(AggregatedMessage::Pong(_))) if self.is_flooded() => {
                Inbound::End(Ending::Error("policy-violation"))
            }
            Some(Ok(AggregatedMessage::Pong(_))) => Inbound::Nothing(None),
            Some(Ok(AggregatedMessage::Binary(_))) => {
                Inbound::End(Ending::Error("unsupported-encoding"))
            }
            Some(Ok(AggregatedMessage::Close(_))) | None => Inbound::End(Ending::Lost),
            Some(Err(error)) => {
                tracing::info!(%error, "WebSocket ended");
                Inbound::End(self.ending_of(&error))
            }
        }
    }

    async fn send<E: Borrow<Element>>(&mut self, batch: &[E]) -> Result<(), Ending> {
        for element in batch {
            self.text(String::from(element.borrow())).await?;
        }
        Ok(())
    }

    async fn close(mut self, ending: Ending) {
        let socket = self.socket.take();
        let good_bye = async {
            if let Ending::Error(condition) = ending {
                let error = format!(
                    "<stream:error xmlns:stream='{}'><{condition} xmlns='{}'/></stream:error>",
                    ns::STREAM,
                    ns::STREAMS
                );
                self.session.text(error).await?;
            }
            if ending != Ending::Lost {
                let close = format!("<close xmlns='{}'/>", ns::FRAMING);
                self.session.text(close).await?;
            }
            self.session.close(None).await?;
            // The peer closes in its turn; until then what was said may still be on its way.
            while let Some(Ok(_)) = self.frames.recv().await {}
            Ok::<(), actix_ws::Closed>(())
        };
        let ended = tokio::time::timeout(CLOSE_LIMIT, good_bye).await;
        if !matches!(ended, Ok(Ok(())))
            && let Some(socket) = socket
        {
            socket.end();
        }
    }
}
