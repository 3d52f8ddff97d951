//! A push service that answers as it is told and shows what came, and a browser's keys.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// No request takes this long on loopback; it bounds a failing test only.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request to the service.
#[derive(Clone, Debug)]
pub struct Push {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

type Answers = Arc<Mutex<VecDeque<String>>>;

pub struct PushService {
    pub address: String,
    answers: Answers,
    connections: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<Push>,
}

impl PushService {
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Over TLS with a certificate of its own for 127.0.0.1; the certificate as PEM.
    pub async fn start_tls() -> (Self, String) {
        let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![own.cert.der().clone()], key.into())
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        (Self::start_with(Some(acceptor)).await, own.cert.pem())
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, requests) = mpsc::unbounded_channel();
        let answers = Answers::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let (next, count) = (Arc::clone(&answers), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (tell, next, tls) = (tell.clone(), Arc::clone(&next), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, tell, next).await,
                        Some(tls) => {
                            if let Ok(line) = tls.accept(socket).await {
                                serve(line, tell, next).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            answers,
            connections,
            requests,
        }
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The address of a subscription.
    pub fn endpoint(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The next request is answered so; without an answer prepared it is 201.
    pub fn answer(&self, status: u16, headers: &str) {
        let text = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: 0\r\n\r\n");
        self.answers.lock().push_back(text);
    }

    /// The next request gets no answer for as long as the connection lasts.
    pub fn fall_silent(&self) {
        self.answers.lock().push_back(String::new());
    }

    pub async fn next(&mut self) -> Push {
        tokio::time::timeout(PATIENCE, self.requests.recv())
            .await
            .expect("no push came")
            .unwrap()
    }
}

async fn serve(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    tell: mpsc::UnboundedSender<Push>,
    answers: Answers,
) {
    let mut socket = BufReader::new(socket);
    while let Some(push) = read(&mut socket).await {
        let answer = answers.lock().pop_front();
        let answer = answer
            .unwrap_or_else(|| "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned());
        let _ = tell.send(push);
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(socket: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>) -> Option<Push> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        socket.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    socket.read_exact(&mut body).await.ok()?;
    Some(Push {
        path,
        headers,
        body,
    })
}

impl Push {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn ttl(&self) -> i64 {
        self.header("ttl").parse().unwrap()
    }

    /// The claims of the token, unverified (`tests/interop/push.mjs` verifies).
    pub fn claims(&self) -> Value {
        let token = self.header("authorization");
        let claims = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap()
    }
}

/// What a browser keeps of a subscription. The library gives keys away that are used once, so it
/// reads one notification.
pub struct Browser {
    key: EphemeralPrivateKey,
    public: Vec<u8>,
}

const AUTH: [u8; 16] = *b"sixteen bytes it";

impl Browser {
    pub fn new() -> Self {
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = key.compute_public_key().unwrap().as_ref().to_vec();
        Self { key, public }
    }

    /// The parameters of its subscription.
    pub fn subscription(&self, endpoint: &str, udid: &str) -> Value {
        json!({
            "notification_channel": "web",
            "push_token": {
                "environment": "production",
                "web_endpoint": endpoint,
                "web_auth": BASE64.encode(AUTH),
                "web_p256dh": BASE64.encode(&self.public),
            },
            "device": {"platform": "web", "udid": udid},
        })
    }

    /// What a notification says (RFC 8291, the receiving side).
    pub fn read(self, push: &Push) -> Value {
        let (header, record) = push.body.split_at(86);
        let (salt, sender) = (&header[..16], &header[21..]);
        let peer = UnparsedPublicKey::new(&ECDH_P256, sender);
        let public = self.public;
        let text = agree_ephemeral(self.key, &peer, |shared| {
            let info: [&[u8]; 3] = [b"WebPush: info\0", &public, sender];
            let input = derive(&AUTH, shared, &info, 32);
            let key = derive(salt, &input, &[b"Content-Encoding: aes128gcm\0"], 16);
            let nonce = derive(salt, &input, &[b"Content-Encoding: nonce\0"], 12);
            let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
            let nonce = Nonce::try_assume_unique_for_key(&nonce).unwrap();
            let mut record = record.to_vec();
            let text = key.open_in_place(nonce, Aad::empty(), &mut record).unwrap();
            text[..text.len() - 1].to_vec()
        });
        serde_json::from_slice(&text.unwrap()).unwrap()
    }
}

fn derive(salt: &[u8], input: &[u8], info: &[&[u8]], length: usize) -> Vec<u8> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut derived = vec![0; length];
    let extracted = Salt::new(HKDF_SHA256, salt).extract(input);
    let expanded = extracted.expand(info, Length(length)).unwrap();
    expanded.fill(&mut derived).unwrap();
    derived
}
