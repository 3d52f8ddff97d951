//! A UDP socket on loopback that is the TURN server to the library, and a stream to the real one.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc::{self, Sender, error::TrySendError};
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Deframer, TurnAddress, TurnTransport, framed};

/// Sockets of the library that may use it: one per local address, and those of ICE restarts.
const MAX_CLIENTS: usize = 16;
/// Datagrams waiting for a stream: a second of pictures. Then the newest is dropped, as a network
/// would.
const QUEUE: usize = 256;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A server that did not answer is tried again by the library's next datagram, not sooner than
/// this.
const RETRY: Duration = Duration::from_secs(1);

/// There is no shim.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// No socket on loopback.
    #[error("no local socket for TURN over a stream: {0}")]
    Bind(std::io::Error),
    /// The server's name cannot be in a certificate.
    #[error("{0:?} is no name a TURN server's certificate can have")]
    Name(String),
}

/// Ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Shim {
    address: SocketAddr,
    _ends: DropGuard,
}

struct Server {
    address: TurnAddress,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Shim {
    /// Listens on `loopback`; the server is connected to when the library first sends. `tls` is
    /// used for [`TurnTransport::Tls`]. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`ShimError`]. That the server is out of reach is logged, and looks to the library as if
    /// it did not answer.
    pub async fn start(
        address: TurnAddress,
        loopback: IpAddr,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Result<Self, ShimError> {
        let tls = match address.transport {
            TurnTransport::Tcp => None,
            TurnTransport::Tls => {
                let name = ServerName::try_from(address.host.clone())
                    .map_err(|_| ShimError::Name(address.host.clone()))?;
                Some((TlsConnector::from(Arc::clone(tls)), name))
            }
        };
        let socket = UdpSocket::bind((loopback, 0))
            .await
            .map_err(ShimError::Bind)?;
        let local = socket.local_addr().map_err(ShimError::Bind)?;
        let ends = CancellationToken::new();
        let server = Arc::new(Server { address, tls });
        let listening = listen(Arc::new(socket), server, ends.clone());
        tokio::spawn(ends.clone().run_until_cancelled_owned(listening));
        Ok(Self {
            address: local,
            _ends: ends.drop_guard(),
        })
    }

    /// Where it is the TURN server, over UDP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn listen(socket: Arc<UdpSocket>, server: Arc<Server>, ends: CancellationToken) {
    let mut clients: HashMap<SocketAddr, Sender<Vec<u8>>> = HashMap::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let (size, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // What an earlier datagram to a socket that is gone came back as.
            Err(error) => {
                tracing::debug!(%error, "TURN shim");
                continue;
            }
        };
        let mut message = Vec::with_capacity(size + 3);
        if framed(&buffer[..size], &mut message).is_none() {
            continue;
        }
        clients.retain(|_, client| !client.is_closed());
        let is_known = clients.contains_key(&from);
        if !is_known && clients.len() >= MAX_CLIENTS {
            tracing::warn!("too many sockets use one TURN server");
            continue;
        }
        let client = clients.entry(from).or_insert_with(|| {
            let (client, queue) = mpsc::channel(QUEUE);
            let stream = carry(Arc::clone(&socket), Arc::clone(&server), from, queue);
            tokio::spawn(ends.clone().run_until_cancelled_owned(stream));
            client
        });
        match client.try_send(message) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Closed(_)) => {
                clients.remove(&from);
            }
        }
    }
}

/// One client's stream, from connecting to its end.
async fn carry(
    socket: Arc<UdpSocket>,
    server: Arc<Server>,
    client: SocketAddr,
    mut queue: mpsc::Receiver<Vec<u8>>,
) {
    let address = &server.address;
    let connected = tokio::time::timeout(CONNECT_LIMIT, async {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    });
    let outcome = match connected.await {
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(stream)) => match &server.tls {
            None => exchange(stream, &socket, client, &mut queue).await,
            Some((tls, name)) => {
                match tokio::time::timeout(CONNECT_LIMIT, tls.connect(name.clone(), stream)).await {
                    Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
                    Ok(Err(error)) => Err(error),
                    Ok(Ok(stream)) => exchange(stream, &socket, client, &mut queue).await,
                }
            }
        },
    };
    if let Err(error) = outcome {
        tracing::warn!(host = address.host, port = address.port, %error, "TURN server");
        // The library repeats itself; every repetition would be a connection otherwise.
        tokio::time::sleep(RETRY).await;
    }
}

async fn exchange<S: AsyncRead + AsyncWrite>(
    stream: S,
    socket: &UdpSocket,
    client: SocketAddr,
    queue: &mut mpsc::Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    let (mut from_server, mut to_server) = tokio::io::split(stream);
    let forth = async {
        while let Some(message) = queue.recv().await {
            to_server.write_all(&message).await?;
            to_server.flush().await?;
        }
        Ok(())
    };
    let back = async {
        let mut deframer = Deframer::default();
        let mut buffer = vec![0; 16_384];
        loop {
            let size = from_server.read(&mut buffer).await?;
            if size == 0 {
                return Ok(());
            }
            deframer
                .push(&buffer[..size], |message| {
                    // As lossy as any datagram.
                    let _ = socket.try_send_to(message, client);
                })
                .map_err(std::io::Error::other)?;
        }
    };
    tokio::select! {
        ended = forth => ended,
        ended = back => ended,
    }
}
