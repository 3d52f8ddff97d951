//! The client's end of a stream, the same for every server: direct TLS (RFC 6120 with XEP-0368)
//! or WebSocket (RFC 7395), SASL PLAIN, a resource, presence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::scanner::{Piece, Scanner};

const LOGIN_LIMIT: Duration = Duration::from_secs(60);

/// Where a server is and who may log in.
#[derive(Clone)]
pub struct Target {
    /// The domain of its addresses.
    pub domain: String,
    /// Direct TLS.
    pub tls: SocketAddr,
    /// WebSocket without TLS.
    pub websocket: String,
    /// Trusts the server's certificate.
    pub connector: TlsConnector,
    /// Everybody.
    pub accounts: Arc<Vec<Account>>,
}

/// A user.
pub struct Account {
    /// The part of the address before the `@`.
    pub name: String,
    /// What SASL PLAIN wants.
    pub password: String,
}

/// A stream elements come from and go to; used while logging in and while idle.
#[allow(async_fn_in_trait)] // Only this program uses it, on one thread.
pub trait Line {
    /// The stream header.
    fn header(domain: &str) -> String;
    /// Sends bytes that are whole elements.
    async fn send(&mut self, text: &str) -> anyhow::Result<()>;
    /// The next element; the answer to a header counts as nothing.
    async fn receive(&mut self) -> anyhow::Result<String>;
    /// A new header follows.
    fn restart(&mut self);
}

/// A stream over TLS.
pub struct Tls {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// What has come and was not looked at yet.
    pub scanner: Scanner,
}

impl Tls {
    /// Connects.
    pub async fn connect(target: &Target) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(target.tls).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = target.connector.connect(name, socket).await?;
        Ok(Self {
            stream,
            scanner: Scanner::default(),
        })
    }
}

impl Line for Tls {
    fn header(domain: &str) -> String {
        format!(
            "<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>"
        )
    }

    async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn receive(&mut self) -> anyhow::Result<String> {
        loop {
            match self.scanner.next() {
                Some(Piece::Element(place)) => {
                    let element = String::from_utf8_lossy(self.scanner.element(place)).into_owned();
                    return Ok(element);
                }
                Some(Piece::End) => bail!("the server closed the stream"),
                None => {
                    self.scanner.rest();
                    if self.stream.read_buf(self.scanner.space()).await? == 0 {
                        bail!("the server cut the connection");
                    }
                }
            }
        }
    }

    fn restart(&mut self) {
        self.scanner.restart();
    }
}

/// A stream over a WebSocket without TLS.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects.
    pub async fn connect(target: &Target) -> anyhow::Result<Self> {
        let mut request = target.websocket.as_str().into_client_request()?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", "xmpp".parse()?);
        let uri = request.uri().clone();
        let host = uri.host().context("no host")?;
        let socket = TcpStream::connect((host, uri.port_u16().context("no port")?)).await?;
        socket.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(2 << 10);
        let (stream, _) =
            tokio_tungstenite::client_async_with_config(request, socket, Some(config)).await?;
        Ok(Self(stream))
    }
}

impl Line for Socket {
    fn header(domain: &str) -> String {
        format!("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{domain}' version='1.0'/>")
    }

    async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    async fn receive(&mut self) -> anyhow::Result<String> {
        loop {
            let frame = self.0.next().await;
            match frame.context("the server cut the connection")?? {
                Message::Text(text) if text.starts_with("<open") => {}
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(_) => bail!("the server closed the stream"),
                _ => {}
            }
        }
    }

    fn restart(&mut self) {}
}

/// From the stream header to being available. The answer to the last request says that the
/// server has dealt with the presence.
pub async fn log_in(line: &mut impl Line, target: &Target, who: usize) -> anyhow::Result<()> {
    tokio::time::timeout(LOGIN_LIMIT, negotiate(line, target, who))
        .await
        .context("logging in takes too long")?
}

async fn negotiate<L: Line>(line: &mut L, target: &Target, who: usize) -> anyhow::Result<()> {
    let account = &target.accounts[who];
    let header = L::header(&target.domain);
    line.send(&header).await?;
    line.receive().await.context("features")?;
    let secret = BASE64_STANDARD.encode(format!("\0{}\0{}", account.name, account.password));
    let namespace = "urn:ietf:params:xml:ns:xmpp-sasl";
    line.send(&format!(
        "<auth xmlns='{namespace}' mechanism='PLAIN'>{secret}</auth>"
    ))
    .await?;
    let outcome = line.receive().await.context("log-in")?;
    if !outcome.starts_with("<success") {
        bail!("{}: {outcome}", account.name);
    }
    line.restart();
    line.send(&header).await?;
    line.receive().await.context("features after log-in")?;
    line.send(
        "<iq xmlns='jabber:client' type='set' id='bind'>\
         <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    )
    .await?;
    until(line, "bind").await?;
    line.send("<presence xmlns='jabber:client'/>").await?;
    line.send("<iq xmlns='jabber:client' type='get' id='ready'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await?;
    until(line, "ready").await
}

async fn until(line: &mut impl Line, id: &str) -> anyhow::Result<()> {
    loop {
        let element = line.receive().await.with_context(|| id.to_owned())?;
        if element.starts_with("<iq")
            && crate::scanner::attribute(element.as_bytes(), "id") == Some(id)
        {
            return Ok(());
        }
        if element.starts_with("<stream:error") {
            bail!("{element}");
        }
    }
}

/// The answer to a request of the server's, if the element is one: servers ping those who are
/// silent.
pub fn answer(element: &str) -> Option<String> {
    if !element.starts_with("<iq") {
        return None;
    }
    let of = |name| crate::scanner::attribute(element.as_bytes(), name);
    if of("type") != Some("get") {
        return None;
    }
    let (id, from) = (of("id")?, of("from")?);
    Some(format!(
        "<iq xmlns='jabber:client' type='result' id='{id}' to='{from}'/>"
    ))
}
