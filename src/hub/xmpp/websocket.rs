//! XMPP over WebSocket (RFC 7395): one element per text frame.

use std::borrow::Borrow;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, ProtocolError, Session};
use minidom::Element;

use super::depth::DepthGuard;
use super::stream::{Ending, Features, Inbound, Transport, serve};
use crate::hub::auth::secret;
use crate::hub::site::Site;
use crate::protocol::ns;

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
    let (response, session, stream) =
        actix_ws::handle_with_protocols(&request, body, &[SUBPROTOCOL])?;
    let limit = site.config.limits.stanza_bytes;
    let transport = WebSocket {
        session,
        frames: stream
            .max_frame_size(limit)
            .aggregate_continuations()
            .max_continuation_size(limit),
        socket: request.conn_data::<Socket>().cloned(),
        max_bytes: limit,
    };
    let address = request.peer_addr().map(|peer| peer.ip());
    actix_web::rt::spawn(serve(site.into_inner(), transport, address));
    Ok(response)
}

struct WebSocket {
    session: Session,
    frames: AggregatedMessageStream,
    socket: Option<Socket>,
    max_bytes: usize,
}

impl WebSocket {
    async fn text(&mut self, text: String) -> Result<(), Ending> {
        self.session.text(text).await.map_err(|_| Ending::Lost)
    }

    fn read(&self, text: &str) -> Inbound {
        if let Err(excess) = DepthGuard::check_frame(text, self.max_bytes) {
            tracing::warn!(%excess, "stream ended");
            return Inbound::End(Ending::Error("policy-violation"));
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

/// Whether the bytes stopped coming, rather than breaking a rule.
fn is_cut(error: &ProtocolError) -> bool {
    let ProtocolError::Io(error) = error else {
        return false;
    };
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.is::<actix_web::error::PayloadError>())
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
        let offer = match features {
            Features::Login => format!(
                "<mechanisms xmlns='{}'><mechanism>PLAIN</mechanism></mechanisms>",
                ns::SASL
            ),
            Features::Bind => format!(
                "<bind xmlns='{}'/><session xmlns='{}'><optional/></session><sm xmlns='{}'/>",
                ns::BIND,
                ns::SESSION,
                ns::SM
            ),
        };
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
            Some(Ok(AggregatedMessage::Text(text))) => self.read(&text),
            Some(Ok(AggregatedMessage::Ping(data))) => match self.session.pong(&data).await {
                Ok(()) => Inbound::Nothing(None),
                Err(_) => Inbound::End(Ending::Lost),
            },
            Some(Ok(AggregatedMessage::Pong(_))) => Inbound::Nothing(None),
            Some(Ok(AggregatedMessage::Binary(_))) => {
                Inbound::End(Ending::Error("unsupported-encoding"))
            }
            Some(Ok(AggregatedMessage::Close(_))) | None => Inbound::End(Ending::Lost),
            Some(Err(error)) => {
                tracing::info!(%error, "WebSocket ended");
                Inbound::End(if is_cut(&error) {
                    Ending::Lost
                } else {
                    Ending::Error("policy-violation")
                })
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
