//! XMPP over direct TLS (RFC 6120, RFC 7590): one XML document for as long as it lasts.

use std::borrow::Borrow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use minidom::Element;
use parking_lot::Mutex;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_xmpp::xmlstream::{
    AcceptedStream, ReadError, StreamHeader, Timeouts, XmlStream, accept_stream,
};
use xmpp_parsers::stream_features::StreamFeatures;

use super::stream::{Ending, Features, Inbound, Transport, serve};
use crate::base::coalesced::Coalesced;
use crate::hub::auth::secret;
use crate::hub::site::Site;
use crate::protocol::ns;
use crate::protocol::xml_guard::{Breach, XmlGuard};

/// How long a peer may take to hear our good-bye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Bytes read at once; below it TLS has a buffer of its own.
const READ_BUFFER: usize = 1_024;
/// The stream's own idle handling is the hub's (`Stream::on_silence`), so these never fire.
const NEVER: Timeouts = Timeouts {
    read_timeout: Duration::from_secs(365 * 24 * 3600),
    response_timeout: Duration::from_secs(365 * 24 * 3600),
};

/// Accepts connections until the hub stops.
pub async fn listen(site: Arc<Site>, listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let accepted = tokio::select! {
            () = site.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, mostly: accepting at once again would spin.
                tracing::error!(%error, "cannot accept a chat connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (site, acceptor) = (Arc::clone(&site), acceptor.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "cannot turn off Nagle's algorithm");
            }
            // A handshake counts as a connection: who never ends it must not open another.
            let slot = Arc::clone(&site.chat_slots).try_acquire_owned();
            let share = site.addresses.take(Some(peer.ip()));
            if slot.is_err() || share.is_none() {
                tracing::warn!(%peer, "no place for another chat connection");
                return;
            }
            let limit = Duration::from_secs(site.config.limits.login_seconds);
            // Boxed, so that its memory is free once it is done.
            let handshake = Box::pin(acceptor.accept(socket));
            match tokio::time::timeout(limit, handshake).await {
                Ok(Ok(stream)) => {
                    // The stream takes its own.
                    drop((slot, share));
                    let transport = Tls::new(stream, site.config.limits.stanza_bytes);
                    serve(site, transport, Some(peer.ip())).await;
                }
                Ok(Err(error)) => tracing::info!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::info!(%peer, "TLS handshake took too long"),
            }
        });
    }
}

type Io = Guarded<BufReader<Coalesced<TlsStream<TcpStream>>>>;

enum State {
    Fresh(Box<Io>),
    Accepted(Box<AcceptedStream<Io>>),
    Open(Box<XmlStream<Io, Element>>),
    Gone,
}

struct Tls {
    state: State,
    guard: Arc<Mutex<XmlGuard>>,
    is_cut: Arc<AtomicBool>,
}

impl Tls {
    fn new(stream: TlsStream<TcpStream>, max_bytes: usize) -> Self {
        let guard = Arc::new(Mutex::new(XmlGuard::stream(max_bytes)));
        let is_cut = Arc::new(AtomicBool::new(false));
        let io = Guarded {
            inner: BufReader::with_capacity(READ_BUFFER, Coalesced::new(stream)),
            guard: Arc::clone(&guard),
            breach: None,
            is_cut: Arc::clone(&is_cut),
        };
        Self {
            state: State::Fresh(Box::new(io)),
            guard,
            is_cut,
        }
    }
}

impl Transport for Tls {
    async fn open(&mut self, host: &str, features: Features) -> Result<(), Ending> {
        let accepted = match std::mem::replace(&mut self.state, State::Gone) {
            State::Fresh(io) => accept_stream(*io, ns::CLIENT, NEVER).await.map_err(lost)?,
            State::Accepted(accepted) => *accepted,
            State::Open(_) | State::Gone => return Err(Ending::Lost),
        };
        let header = StreamHeader {
            from: Some(host.into()),
            to: None,
            id: Some(secret::random_text(16).into()),
        };
        let pending = accepted.send_header(header).await.map_err(lost)?;
        let offer = StreamFeatures {
            sasl_mechanisms: features
                .mechanisms()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            others: features.others(),
            ..StreamFeatures::default()
        };
        let stream = pending.send_features(&offer).await.map_err(lost)?;
        self.state = State::Open(Box::new(stream));
        Ok(())
    }

    async fn restart(&mut self, success: &Element) -> Result<(), Ending> {
        let State::Open(stream) = std::mem::replace(&mut self.state, State::Gone) else {
            return Err(Ending::Lost);
        };
        self.guard.lock().restart();
        let accepted = stream.accept_reset(success).await.map_err(lost)?;
        self.state = State::Accepted(Box::new(accepted));
        Ok(())
    }

    async fn receive(&mut self) -> Inbound {
        let State::Open(stream) = &mut self.state else {
            return Inbound::End(Ending::Lost);
        };
        match stream.next().await {
            Some(Ok(element)) => Inbound::Element(element),
            Some(Err(ReadError::SoftTimeout)) => Inbound::Nothing(None),
            Some(Err(ReadError::ParseError(error))) => Inbound::Nothing(Some(error.to_string())),
            Some(Err(ReadError::StreamFooterReceived)) => Inbound::End(Ending::Closed),
            Some(Err(ReadError::HardError(error))) => {
                tracing::info!(%error, "TLS stream ended");
                let is_cut = self.is_cut.load(Ordering::Relaxed);
                Inbound::End(match (self.guard.lock().breach(), error.kind()) {
                    (Some(breach), _) => Ending::Error(breach.condition()),
                    // A cut in the middle of a stanza looks like XML that breaks a rule.
                    _ if is_cut => Ending::Lost,
                    (None, io::ErrorKind::InvalidData) => Ending::Error("not-well-formed"),
                    _ => Ending::Lost,
                })
            }
            None => Inbound::End(Ending::Lost),
        }
    }

    async fn send<E: Borrow<Element>>(&mut self, batch: &[E]) -> Result<(), Ending> {
        let State::Open(stream) = &mut self.state else {
            return Err(Ending::Lost);
        };
        for element in batch {
            stream.feed(element.borrow()).await.map_err(lost)?;
        }
        SinkExt::<&Element>::flush(stream).await.map_err(lost)
    }

    async fn close(self, ending: Ending) {
        let State::Open(mut stream) = self.state else {
            return;
        };
        let good_bye = async {
            if let Ending::Error(condition) = ending {
                let error = Element::builder("error", ns::STREAM)
                    .append(Element::bare(condition, ns::STREAMS))
                    .build();
                stream.send(&error).await?;
            }
            if ending != Ending::Lost {
                stream.shutdown().await?;
            }
            Ok::<(), io::Error>(())
        };
        // A peer that does not listen is left to itself; dropping the stream closes the socket.
        let _ = tokio::time::timeout(CLOSE_LIMIT, good_bye).await;
    }
}

fn lost(error: io::Error) -> Ending {
    tracing::debug!(%error, "TLS stream lost");
    if error.kind() == io::ErrorKind::QuotaExceeded {
        return Ending::Error("policy-violation");
    }
    Ending::Lost
}

/// Lets the guard see every byte on its way to the parser.
struct Guarded<R> {
    inner: R,
    guard: Arc<Mutex<XmlGuard>>,
    breach: Option<Breach>,
    // The bytes have ended.
    is_cut: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncBufRead for Guarded<BufReader<S>> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if let Some(breach) = this.breach {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, breach)));
        }
        let filled = Pin::new(&mut this.inner).poll_fill_buf(cx);
        if matches!(&filled, Poll::Ready(Ok([]) | Err(_))) {
            this.is_cut.store(true, Ordering::Relaxed);
        }
        filled
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        let taken = this.inner.buffer();
        let taken = &taken[..amount.min(taken.len())];
        if let Err(breach) = this.guard.lock().feed(taken) {
            this.breach = Some(breach);
        }
        Pin::new(&mut this.inner).consume(amount);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<BufReader<S>> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        let fed = this.guard.lock().feed(&buffer.filled()[before..]);
        match fed {
            Ok(()) => read,
            Err(breach) => Poll::Ready(Err(io::Error::new(io::ErrorKind::QuotaExceeded, breach))),
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Guarded<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
