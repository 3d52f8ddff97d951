//! The `Rtsp` actor: keeps the server running and known to the supervisor. Pictures move on a thread
//! of the server's own, so that no viewer takes time from the actors.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Sources};
use super::digest::{Account, Challenge};
use super::session::Session;
use crate::base::tls;
use crate::config::{self, DeviceConfig};
use crate::engine::daemon::{MoreActors, Port};
use crate::engine::mailbox::{MAILBOX_CAPACITY, Slot};
use crate::engine::supervised::{Life, supervised};
use crate::engine::supervisor::ChildSpec;

/// Connections at once, of whom `[rtsp] viewers` may watch.
const CONNECTIONS: usize = 32;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// Where the server listens, once it does.
pub type Bound = watch::Receiver<Option<SocketAddr>>;

/// The actor.
pub struct Rtsp {
    _life: Life,
    settings: config::Rtsp,
    port: Port,
    bound: watch::Sender<Option<SocketAddr>>,
    stop: CancellationToken,
}

supervised!(Rtsp);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("cannot start its thread: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

/// What every connection is given.
struct Server {
    sources: Sources,
    account: Option<Account>,
    tls: Option<TlsAcceptor>,
    viewers: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Rtsp {
    fn serve(&mut self, ctx: &mut Context<Self>) -> Result<(), ServeError> {
        let settings = &self.settings;
        let failed = |error| ServeError::Listen(settings.listen, error);
        let tls = settings.tls.as_ref();
        let tls = tls
            .map(|files| tls::server_config(&files.certificate, &files.key))
            .transpose()?
            .map(|config| TlsAcceptor::from(Arc::new(config)));
        let listener = TcpListener::bind(settings.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (video, audio) = self.port.encoded();
        let server = Arc::new(Server {
            sources: Sources {
                video,
                audio: audio.filter(|_| settings.audio),
            },
            account: settings.password.clone().map(|password| Account {
                username: settings.username.clone(),
                password,
            }),
            tls,
            viewers: Arc::new(Semaphore::new(settings.viewers as usize)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        });
        let stop = self.stop.clone();
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("rtsp".into())
            .spawn(move || {
                run(listener, server, &stop);
                drop(ended);
            })
            .map_err(ServeError::Thread)?;
        self.bound.send_replace(Some(address));
        let is_tls = settings.tls.is_some();
        tracing::info!(%address, is_tls, "RTSP viewers are served");
        let watching = end.into_actor(self).map(|_, _, ctx| ctx.stop());
        ctx.spawn(watching);
        Ok(())
    }
}

/// The server's thread.
fn run(listener: TcpListener, server: Arc<Server>, stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "the RTSP server does not start"),
    };
    runtime.block_on(async {
        tokio::select! {
            () = accept(listener, server) => {}
            () = stop.cancelled() => {}
        }
    });
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the RTSP server does not start"),
    };
    loop {
        // Further connections wait in the kernel's queue until one of these ends.
        let Ok(permit) = server.connections.clone().acquire_owned().await else {
            return;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return tracing::error!(%error, "the RTSP server ends"),
        };
        let server = server.clone();
        tokio::spawn(async move {
            tracing::debug!(%peer, "an RTSP viewer comes");
            match one(stream, &server).await {
                Ok(()) => tracing::debug!(%peer, "an RTSP viewer leaves"),
                Err(error) => tracing::info!(%peer, %error, "an RTSP viewer is gone"),
            }
            drop(permit);
        });
    }
}

async fn one(stream: TcpStream, server: &Server) -> Result<(), connection::ConnectionError> {
    stream.set_nodelay(true)?;
    let challenge = server.account.clone().map(|account| {
        let nonce: [u8; 16] = rand::random();
        Challenge::new(account, hex::encode(nonce))
    });
    let has_audio = server.sources.audio.is_some();
    let session = Session::new(challenge, has_audio, rand::random());
    let place = || server.viewers.clone().try_acquire_owned().ok();
    match &server.tls {
        None => connection::serve(stream, session, &server.sources, place).await,
        Some(tls) => {
            let shaken = timeout(HANDSHAKE_LIMIT, tls.accept(stream)).await;
            let stream = shaken.map_err(|_| connection::ConnectionError::Idle)??;
            connection::serve(stream, session, &server.sources, place).await
        }
    }
}

impl Actor for Rtsp {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        if let Err(error) = self.serve(ctx) {
            // The supervisor tries again, ever more slowly: an address may come up late.
            tracing::error!(%error, "RTSP viewers are not served");
            ctx.stop();
        }
    }
}

impl Drop for Rtsp {
    fn drop(&mut self) {
        self.bound.send_replace(None);
        self.stop.cancel();
    }
}

/// The server's actor for a device, none when its configuration has no `[rtsp]`; and where it
/// listens.
pub fn actors(config: &DeviceConfig) -> (MoreActors, Bound) {
    let settings = config.rtsp.clone();
    let (bound, address) = watch::channel(None);
    let more: MoreActors = Box::new(move |port: &Port| {
        let Some(settings) = settings else {
            return Vec::new();
        };
        let (port, slot) = (port.clone(), Slot::<Rtsp>::default());
        vec![ChildSpec::new("rtsp", slot, move |life| Rtsp {
            _life: life,
            settings: settings.clone(),
            port: port.clone(),
            bound: bound.clone(),
            stop: CancellationToken::new(),
        })]
    });
    (more, address)
}
