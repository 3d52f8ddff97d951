//! A chat client that shows every stanza to the test.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{SinkExt, StreamExt};
use minidom::Element;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_xmpp::xmlstream::{
    PendingFeaturesRecv, StreamHeader, Timeouts, XmlStream, initiate_stream,
};

use super::raw::Line;

/// No stanza takes this long on loopback; it bounds a failing test only.
const PATIENCE: Duration = Duration::from_secs(10);

type Io = BufReader<TlsStream<TcpStream>>;

enum Wire {
    Ws(Box<WebSocketStream<Box<dyn Line>>>),
    Tls(Option<Box<XmlStream<Io, Element>>>),
}

pub struct Chat {
    wire: Wire,
    pub address: String,
    count: u32,
}

pub fn element(xml: &str) -> Element {
    xml.parse().unwrap_or_else(|error| panic!("{error}: {xml}"))
}

pub fn body_of(message: &Element) -> String {
    message
        .get_child("body", "jabber:client")
        .map(Element::text)
        .unwrap_or_default()
}

impl Chat {
    pub async fn open_websocket(url: &str) -> Self {
        let line = connect(host_of(url)).await;
        Self::upgrade(url, Box::new(line)).await
    }

    /// `ws:` or `wss:`.
    pub async fn open_secure_websocket(url: &str, ca: &Path) -> Self {
        if url.starts_with("ws:") {
            return Self::open_websocket(url).await;
        }
        let line = connect_tls(host_of(url), ca).await;
        Self::upgrade(url, Box::new(line)).await
    }

    async fn upgrade(url: &str, line: Box<dyn Line>) -> Self {
        let mut request = url.into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "xmpp".parse().unwrap());
        let (socket, response) = client_async(request, line).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "xmpp");
        let mut chat = Self::over(Wire::Ws(Box::new(socket)));
        chat.open_frame().await;
        chat
    }

    pub async fn open_tls(address: &str, ca: &Path) -> Self {
        let stream = connect_tls(address, ca).await;
        let pending = initiate_stream(
            BufReader::new(stream),
            "jabber:client",
            header(),
            Timeouts::default(),
        );
        let stream = features(pending.await.unwrap()).await;
        Self::over(Wire::Tls(Some(Box::new(stream))))
    }

    fn over(wire: Wire) -> Self {
        Self {
            wire,
            address: String::new(),
            count: 0,
        }
    }

    /// The stream's `to` is on purpose not the chat host (wire reference A.1).
    async fn open_frame(&mut self) {
        self.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' to='other'/>")
            .await;
        assert_eq!(self.next().await.name(), "open");
        assert_eq!(self.next().await.name(), "features");
    }

    /// `Err` is the failure's condition.
    pub async fn log_in(&mut self, name: &str, password: &str) -> Result<(), String> {
        self.try_plain(&format!("\0{name}\0{password}")).await
    }

    pub async fn try_plain(&mut self, message: &str) -> Result<(), String> {
        let text = BASE64_STANDARD.encode(message);
        self.send(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{text}</auth>"
        ))
        .await;
        let answer = self.next().await;
        self.after_login(&answer).await
    }

    /// Sends a SASL element and returns the answer, whatever it is.
    pub async fn sasl(&mut self, xml: &str) -> Element {
        self.send(xml).await;
        self.next().await
    }

    /// Opens the stream anew after a success. `Err` is the failure's condition.
    pub async fn after_login(&mut self, answer: &Element) -> Result<(), String> {
        if answer.name() != "success" {
            return Err(answer.children().next().unwrap().name().to_owned());
        }
        if let Wire::Tls(stream) = &mut self.wire {
            let reset = stream.take().unwrap().initiate_reset();
            let fresh = features(reset.send_header(header()).await.unwrap()).await;
            *stream = Some(Box::new(fresh));
        } else {
            self.open_frame().await;
        }
        Ok(())
    }

    pub async fn bind(&mut self, resource: Option<&str>) {
        let wish = resource
            .map(|name| format!("<resource>{name}</resource>"))
            .unwrap_or_default();
        self.send(&format!(
            "<iq xmlns='jabber:client' type='set' id='b'>\
             <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{wish}</bind></iq>"
        ))
        .await;
        let bind = self.next().await;
        let ns = "urn:ietf:params:xml:ns:xmpp-bind";
        self.address = bind
            .get_child("bind", ns)
            .unwrap()
            .get_child("jid", ns)
            .unwrap()
            .text();
    }

    /// Presence and carbons; returns what was kept for this user.
    pub async fn come_online(&mut self) -> Vec<Element> {
        self.send(
            "<iq xmlns='jabber:client' type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
        )
        .await;
        self.send("<presence xmlns='jabber:client'/>").await;
        let stanzas = self.sync().await;
        stanzas
            .into_iter()
            .filter(|stanza| stanza.name() == "message")
            .collect()
    }

    pub fn resource(&self) -> &str {
        self.address.split_once('/').unwrap().1
    }

    pub async fn send(&mut self, xml: &str) {
        match &mut self.wire {
            Wire::Ws(socket) => socket.send(Message::text(xml)).await.unwrap(),
            Wire::Tls(stream) => stream.as_mut().unwrap().send(&element(xml)).await.unwrap(),
        }
    }

    /// The next element, or `None` when the stream has ended.
    pub async fn try_next(&mut self) -> Option<Element> {
        let read = async {
            loop {
                match &mut self.wire {
                    Wire::Ws(socket) => match socket.next().await {
                        Some(Ok(Message::Text(text))) => return Some(element(&text)),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                        Some(Ok(_)) => {}
                    },
                    Wire::Tls(stream) => return stream.as_mut().unwrap().next().await?.ok(),
                }
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("nothing came")
    }

    pub async fn next(&mut self) -> Element {
        self.try_next().await.expect("the stream has ended")
    }

    /// Reads until an element matches.
    pub async fn until(&mut self, wanted: impl Fn(&Element) -> bool) -> Element {
        loop {
            let element = self.next().await;
            if wanted(&element) {
                return element;
            }
        }
    }

    pub async fn message(&mut self) -> Element {
        self.until(|element| element.name() == "message").await
    }

    /// Everything that came before the server's answer to a ping: since the server works through
    /// a stream in order, what is not among it was not sent because of anything before.
    pub async fn sync(&mut self) -> Vec<Element> {
        self.count += 1;
        let id = format!("sync{}", self.count);
        self.send(&format!(
            "<iq xmlns='jabber:client' type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>"
        ))
        .await;
        let mut before = Vec::new();
        loop {
            let element = self.next().await;
            if element.name() == "iq" && element.attr("id") == Some(&id) {
                return before;
            }
            before.push(element);
        }
    }

    pub async fn messages(&mut self) -> Vec<Element> {
        let stanzas = self.sync().await;
        stanzas
            .into_iter()
            .filter(|stanza| stanza.name() == "message")
            .collect()
    }

    /// Sends a message to be saved, and waits until the server has worked on it.
    pub async fn say(&mut self, kind: &str, to: &str, id: &str, body: &str) -> Vec<Element> {
        self.send(&format!(
            "<message xmlns='jabber:client' type='{kind}' id='{id}' to='{to}' from='forged@x/y'>\
             <body>{body}</body><extraParams xmlns='jabber:client'>\
             <save_to_history>1</save_to_history></extraParams></message>"
        ))
        .await;
        self.sync().await
    }

    /// Sends a message and does not wait.
    pub async fn write(&mut self, kind: &str, to: &str, id: &str, body: &str, is_saved: bool) {
        let save = if is_saved {
            "<extraParams xmlns='jabber:client'><save_to_history>1</save_to_history></extraParams>"
        } else {
            ""
        };
        self.send(&format!(
            "<message xmlns='jabber:client' type='{kind}' id='{id}' to='{to}'>\
             <body>{body}</body>{save}</message>"
        ))
        .await;
    }

    /// The texts of the next `count` messages.
    pub async fn bodies(&mut self, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            bodies.push(body_of(&self.message().await));
        }
        bodies
    }

    /// Stream management; the session's name if it can be resumed.
    pub async fn enable(&mut self, resume: bool) -> Option<String> {
        self.send(&format!(
            "<enable xmlns='urn:xmpp:sm:3' resume='{resume}'/>"
        ))
        .await;
        let enabled = self.until(|element| element.name() == "enabled").await;
        enabled.attr("id").map(str::to_owned)
    }

    /// The answer to `<resume/>`.
    pub async fn resume(&mut self, session: &str, handled: u32) -> Element {
        self.send(&format!(
            "<resume xmlns='urn:xmpp:sm:3' previd='{session}' h='{handled}'/>"
        ))
        .await;
        self.next().await
    }

    pub async fn acknowledge(&mut self, handled: u32) {
        self.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>"))
            .await;
    }

    /// Asks for the server's count of what it has dealt with.
    pub async fn count(&mut self) -> u32 {
        self.send("<r xmlns='urn:xmpp:sm:3'/>").await;
        let answer = self.until(|element| element.name() == "a").await;
        answer.attr("h").unwrap().parse().unwrap()
    }

    /// The IQ's answer.
    pub async fn ask(&mut self, xml: &str) -> Element {
        self.send(xml).await;
        self.until(|element| element.name() == "iq").await
    }

    /// Says good-bye and waits for the server to have done so.
    pub async fn leave(mut self) {
        if let Wire::Ws(_) = self.wire {
            self.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
                .await;
        } else if let Wire::Tls(Some(stream)) = &mut self.wire {
            stream.shutdown().await.unwrap();
        }
        while self.try_next().await.is_some() {}
    }

    /// Reads no more but keeps the connection.
    pub fn hold(self) -> impl Sized {
        self.wire
    }
}

fn host_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split_once('/').unwrap().0
}

async fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// A line over TLS that trusts the hub's certificate.
pub async fn connect_tls(address: &str, ca: &Path) -> TlsStream<TcpStream> {
    let config = cubelet::base::tls::client_config(Some(ca)).unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    let name = "localhost".try_into().unwrap();
    connector
        .connect(name, connect(address).await)
        .await
        .unwrap()
}

fn header() -> StreamHeader<'static> {
    StreamHeader {
        from: None,
        to: Some("other".into()),
        id: None,
    }
}

async fn features(pending: PendingFeaturesRecv<Io>) -> XmlStream<Io, Element> {
    pending.recv_features().await.unwrap().1
}
