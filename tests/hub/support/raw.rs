//! A chat connection whose every byte is the test's: for what no decent client sends.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

use super::client::connect_tls;
use super::{Hub, Person};

/// It bounds a failing test only.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Tls,
    WebSocket,
}

pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

type BoxedLine = Box<dyn Line>;

pub struct Raw {
    pub carrier: Carrier,
    line: Box<dyn Line>,
    // What came, undecoded but for WebSocket frames' heads, which are left in.
    seen: Vec<u8>,
}

/// A client's WebSocket frame. The mask is zero, so that the payload stays readable.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

impl Raw {
    /// Connected, and over WebSocket upgraded; no stream yet.
    pub async fn connect(hub: &Hub, carrier: Carrier) -> Self {
        let line: Box<dyn Line> = match carrier {
            Carrier::Tls => {
                let ready = hub.ready();
                Box::new(connect_tls(&ready.xmpp_tls, &ready.ca).await)
            }
            Carrier::WebSocket => {
                let host = hub.ready().api.strip_prefix("http://").unwrap();
                Box::new(TcpStream::connect(host).await.unwrap())
            }
        };
        let mut raw = Self {
            carrier,
            line,
            seen: Vec::new(),
        };
        if carrier == Carrier::WebSocket {
            raw.write(
                b"GET /xmpp HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                  Sec-WebSocket-Protocol: xmpp\r\n\r\n",
            )
            .await;
            raw.until("\r\n\r\n").await;
        }
        raw
    }

    /// With an open stream, before log-in.
    pub async fn opened(hub: &Hub, carrier: Carrier) -> Self {
        let mut raw = Self::connect(hub, carrier).await;
        raw.open().await;
        raw
    }

    /// Logged in, and the stream open anew.
    pub async fn logged_in(hub: &Hub, carrier: Carrier, person: &Person) -> Self {
        let mut raw = Self::opened(hub, carrier).await;
        let secret = BASE64_STANDARD.encode(format!("\0{}-1\0{}", person.id, person.token));
        raw.send(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
        ))
        .await;
        raw.until("<success").await;
        raw.open().await;
        raw
    }

    /// Logged in and available.
    pub async fn available(hub: &Hub, carrier: Carrier, person: &Person) -> Self {
        let mut raw = Self::logged_in(hub, carrier, person).await;
        raw.send(
            "<iq xmlns='jabber:client' type='set' id='b'>\
             <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        )
        .await;
        raw.until("</iq>").await;
        raw.send("<presence xmlns='jabber:client'/>").await;
        raw.until("<presence").await;
        raw
    }

    async fn open(&mut self) {
        match self.carrier {
            Carrier::Tls => {
                self.write(
                    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' \
                      to='other' xmlns:stream='http://etherx.jabber.org/streams'>",
                )
                .await;
            }
            Carrier::WebSocket => {
                self.send(
                    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' to='other'/>",
                )
                .await;
            }
        }
        self.until("features>").await;
    }

    /// Sends text: as it is, or as one frame.
    pub async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    /// Sends bytes that need not be text: as they are, or as one text frame.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        match self.carrier {
            Carrier::Tls => self.write(bytes).await,
            Carrier::WebSocket => self.write(&frame(0x81, bytes)).await,
        }
    }

    /// Writes to the line. A peer that has hung up is for the reading side to find out.
    pub async fn write(&mut self, bytes: &[u8]) {
        if self.line.write_all(bytes).await.is_ok() {
            let _ = self.line.flush().await;
        }
    }

    /// Reads until a text has come, and returns it with all before it.
    pub async fn until(&mut self, wanted: &str) -> String {
        let read = async {
            loop {
                let found = self
                    .seen
                    .windows(wanted.len())
                    .position(|window| window == wanted.as_bytes());
                if let Some(place) = found {
                    let found = self.seen.drain(..place + wanted.len()).collect::<Vec<u8>>();
                    return String::from_utf8_lossy(&found).into_owned();
                }
                let count = self.line.read_buf(&mut self.seen).await.unwrap_or(0);
                let seen = String::from_utf8_lossy(&self.seen);
                assert!(count > 0, "ended before {wanted:?}, after {seen:?}");
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .unwrap_or_else(|_| panic!("{wanted:?} did not come"))
    }

    /// Reads to the end of the connection: the condition of the stream error, if one came.
    pub async fn ending(&mut self) -> Option<String> {
        let read = async {
            // An end without TLS's good-bye is an end as well.
            let mut is_answered = false;
            while self.line.read_buf(&mut self.seen).await.unwrap_or(0) > 0 {
                let is_told = String::from_utf8_lossy(&self.seen).contains("</stream:error>");
                if is_told && self.carrier == Carrier::WebSocket && !is_answered {
                    // The hub waits a while for this.
                    is_answered = true;
                    let _ = self.line.write_all(&frame(0x88, b"")).await;
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = tokio::time::sleep(PATIENCE) => {
                panic!("not ended: {}", String::from_utf8_lossy(&self.seen))
            }
        }
        let seen = String::from_utf8_lossy(&self.seen).into_owned();
        let (_, error) = seen
            .split_once("<stream:error")
            .or_else(|| seen.split_once("<error"))?;
        let (_, condition) = error.split_once("><")?;
        Some(
            condition
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect(),
        )
    }

    /// Whether the hub hangs up instead of opening a stream.
    pub async fn is_refused(&mut self) -> bool {
        self.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>")
            .await;
        loop {
            let seen = String::from_utf8_lossy(&self.seen).into_owned();
            if seen.contains("resource-constraint") || seen.contains("features>") {
                return !seen.contains("features>");
            }
            if self.line.read_buf(&mut self.seen).await.unwrap_or(0) == 0 {
                return true;
            }
        }
    }

    /// The two halves, for a test that writes and reads at once.
    pub fn split(self) -> (ReadHalf<BoxedLine>, WriteHalf<BoxedLine>) {
        tokio::io::split(self.line)
    }
}
