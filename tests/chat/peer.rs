//! A chat server under the test's control, word by word: what it says is text, so that it can
//! also say what no library would write.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cubelet::base::tls;
use cubelet::chat::{ChatEndpoint, ChatSettings, ChatTuning};
use cubelet::protocol::address::Realm;
use futures::{SinkExt, StreamExt};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(10);

pub fn realm() -> Realm {
    Realm {
        app_id: 7,
        chat_host: "localhost".into(),
    }
}

/// Listens as a chat server; connections are taken one by one with `accept`.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    ca: Option<PathBuf>,
    _directory: Option<tempfile::TempDir>,
}

impl Server {
    pub async fn web_socket() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            tls: None,
            ca: None,
            _directory: None,
        }
    }

    pub async fn tls() -> Self {
        tls::install_provider();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(
            certified.signing_key.serialize_der(),
        ));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, certified.cert.pem()).unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            tls: Some(TlsAcceptor::from(Arc::new(config))),
            ca: Some(ca),
            _directory: Some(directory),
        }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Settings of a client that trusts this server.
    pub fn settings(&self) -> ChatSettings {
        let port = self.port();
        let endpoint = match self.tls {
            Some(_) => ChatEndpoint::Tls {
                host: "localhost".into(),
                port,
            },
            None => ChatEndpoint::WebSocket(format!("ws://127.0.0.1:{port}/").parse().unwrap()),
        };
        ChatSettings {
            endpoint,
            realm: realm(),
            tls: tls::client_config(self.ca.as_deref()).unwrap(),
            tuning: ChatTuning::default(),
        }
    }

    /// Takes the next TCP connection and says nothing on it.
    pub async fn accept_tcp(&self) -> TcpStream {
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await;
        accepted.expect("nobody connects").unwrap().0
    }

    /// Takes the next connection through TLS or the upgrade.
    pub async fn accept(&self) -> Peer {
        self.try_accept().await.unwrap()
    }

    /// Takes the next connection through the whole handshake. It lives as long as the peer.
    pub async fn welcome(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.welcome().await;
        peer
    }

    /// [`Server::accept`] for a client that may turn away.
    pub async fn try_accept(&self) -> Result<Peer, String> {
        let tcp = self.accept_tcp().await;
        let wire = match &self.tls {
            Some(acceptor) => {
                let stream = acceptor.accept(tcp).await;
                Wire::Stream(Box::new(stream.map_err(|error| error.to_string())?))
            }
            None => {
                let socket = tokio_tungstenite::accept_hdr_async(tcp, subprotocol).await;
                Wire::WebSocket(Box::new(socket.map_err(|error| error.to_string())?))
            }
        };
        Ok(Peer {
            wire,
            heard: String::new(),
        })
    }
}

// The shape of the library's callback.
#[allow(clippy::result_large_err)]
fn subprotocol(
    request: &tokio_tungstenite::tungstenite::handshake::server::Request,
    mut response: tokio_tungstenite::tungstenite::handshake::server::Response,
) -> Result<
    tokio_tungstenite::tungstenite::handshake::server::Response,
    tokio_tungstenite::tungstenite::handshake::server::ErrorResponse,
> {
    let protocol = request.headers().get("sec-websocket-protocol").cloned();
    assert_eq!(protocol.as_ref().unwrap(), "xmpp");
    let headers = response.headers_mut();
    headers.insert("sec-websocket-protocol", protocol.unwrap());
    Ok(response)
}

enum Wire {
    WebSocket(Box<WebSocketStream<TcpStream>>),
    Stream(Box<TlsStream<TcpStream>>),
}

/// The server's end of one connection.
pub struct Peer {
    wire: Wire,
    heard: String,
}

pub const PLAIN: &str = "<mechanism>PLAIN</mechanism>";
pub const SCRAM: &str = "<mechanism>SCRAM-SHA-1</mechanism>";

impl Peer {
    /// Reads until `pattern` has come and returns everything up to and with it.
    pub async fn until(&mut self, pattern: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(pattern) {
                let rest = self.heard.split_off(at + pattern.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            let more = tokio::time::timeout(PATIENCE, self.read())
                .await
                .unwrap_or_else(|_| panic!("no {pattern} in {:?}", self.heard));
            let more = more.unwrap_or_else(|| panic!("end before {pattern} in {:?}", self.heard));
            self.heard.push_str(&more);
        }
    }

    async fn read(&mut self) -> Option<String> {
        match &mut self.wire {
            Wire::WebSocket(socket) => loop {
                match socket.next().await? {
                    Ok(Message::Text(text)) => return Some(text.to_string()),
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                }
            },
            Wire::Stream(stream) => {
                let mut buffer = [0; 4096];
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => None,
                    Ok(count) => Some(String::from_utf8(buffer[..count].to_vec()).unwrap()),
                }
            }
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.try_say(text).await.unwrap();
    }

    /// [`Peer::say`] to a client that may hang up.
    pub async fn try_say(&mut self, text: &str) -> Result<(), String> {
        match &mut self.wire {
            Wire::WebSocket(socket) => {
                let sent = socket.send(Message::text(text)).await;
                sent.map_err(|error| error.to_string())
            }
            Wire::Stream(stream) => {
                let sent = stream.write_all(text.as_bytes()).await;
                sent.map_err(|error| error.to_string())?;
                stream.flush().await.map_err(|error| error.to_string())
            }
        }
    }

    /// Answers a stream opening with features.
    pub async fn open(&mut self, features: &str) {
        match self.wire {
            Wire::WebSocket(_) => {
                self.until("<open").await;
                self.say("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='localhost' id='1' version='1.0'/>").await;
                self.say(&format!("<stream:features xmlns:stream='http://etherx.jabber.org/streams'>{features}</stream:features>")).await;
            }
            Wire::Stream(_) => {
                self.until("<stream:stream").await;
                self.until(">").await;
                self.say("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='localhost' id='1' version='1.0'>").await;
                self.say(&format!("<stream:features>{features}</stream:features>"))
                    .await;
            }
        }
    }

    pub async fn offer(&mut self, mechanisms: &str) {
        self.open(&format!(
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{mechanisms}</mechanisms>"
        ))
        .await;
    }

    /// Offers PLAIN and returns the decoded proof.
    pub async fn hear_plain(&mut self) -> String {
        use base64::Engine;
        self.offer(PLAIN).await;
        self.until("<auth").await;
        self.until(">").await;
        let proof = self.until("</auth>").await;
        let proof = proof.strip_suffix("</auth>").unwrap();
        let proof = base64::engine::general_purpose::STANDARD
            .decode(proof)
            .unwrap();
        String::from_utf8(proof).unwrap()
    }

    pub async fn accept_login(&mut self) {
        self.hear_plain().await;
        self.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
            .await;
        self.open("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>")
            .await;
    }

    pub async fn bind(&mut self) {
        self.until("</iq>").await;
        self.say("<iq xmlns='jabber:client' type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>5-7@localhost/0123456789abcdef</jid></bind></iq>").await;
    }

    /// Plays the whole handshake up to the client's presence, and acknowledges it.
    pub async fn welcome(&mut self) {
        self.accept_login().await;
        self.bind().await;
        self.until("<enable").await;
        self.say("<enabled xmlns='urn:xmpp:sm:3'/>").await;
        self.until("<presence").await;
        // Carbons and presence.
        self.acknowledge(2).await;
    }

    /// [`Peer::welcome`] to a stream that can be resumed as `id`.
    pub async fn welcome_resumable(&mut self, id: &str) {
        self.accept_login().await;
        self.bind().await;
        self.until("<enable").await;
        let asked = self.until("/>").await;
        assert!(
            asked.contains("resume=") && asked.contains("true"),
            "{asked}"
        );
        self.say(&format!(
            "<enabled xmlns='urn:xmpp:sm:3' id='{id}' resume='true' max='60'/>"
        ))
        .await;
        self.until("<presence").await;
        self.acknowledge(2).await;
    }

    /// Logs the client in and returns the `<resume/>` it asks with.
    pub async fn hear_resume(&mut self) -> String {
        self.accept_login().await;
        self.until("<resume").await;
        self.until("/>").await
    }

    /// Refuses to go on with a stream and begins another, up to the client's presence.
    pub async fn refuse_to_resume(&mut self) {
        self.hear_resume().await;
        self.say("<failed xmlns='urn:xmpp:sm:3'/>").await;
        self.bind().await;
        self.until("<enable").await;
        self.say("<enabled xmlns='urn:xmpp:sm:3'/>").await;
        self.until("<presence").await;
    }

    pub async fn refuse_login(&mut self, condition: &str) {
        self.hear_plain().await;
        self.say(&format!(
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/></failure>"
        ))
        .await;
    }

    /// Acknowledges `count` stanzas when asked for the count.
    pub async fn acknowledge(&mut self, count: u32) {
        self.until("<r").await;
        self.say(&format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>"))
            .await;
    }
}

/// A chat message to the client, as the server would relay it.
pub fn message(id: &str, body: &str) -> String {
    format!(
        "<message xmlns='jabber:client' type='chat' id='{id}' from='9-7@localhost/otherresource0000' to='5-7@localhost'>\
         <body>{body}</body><extraParams xmlns='jabber:client'><dialog_id>66f0aa000102030405000001</dialog_id>\
         <date_sent>1760000000</date_sent></extraParams></message>"
    )
}
