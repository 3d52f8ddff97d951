//! The `Console` actor: keeps the web server running and known to the supervisor.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use futures::future::LocalBoxFuture;
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use super::guard::{Guard, HEALTH};
use super::metrics::Counts;
use super::routes::{self, Console as Shared};
use super::sessions::Sessions;
use super::whep;
use crate::base::tls;
use crate::config::{self, DeviceConfig};
use crate::engine::daemon::{MoreActors, Port};
use crate::engine::mailbox::{MAILBOX_CAPACITY, Slot};
use crate::engine::supervised::{Life, supervised};
use crate::engine::supervisor::ChildSpec;

/// Connections at once; everything here is small, short, or not HTTP.
const CONNECTIONS: usize = 64;
/// How long the head of a request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection may stay without a request: a scraper comes back every 15 s.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long closing a connection may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How long requests under way may take at the end, seconds.
const STOP_LIMIT_S: u64 = 1;

/// Where the server listens, once it does.
pub type Bound = watch::Receiver<Option<SocketAddr>>;

/// The actor.
pub struct Console {
    _life: Life,
    settings: config::Console,
    port: Port,
    bound: watch::Sender<Option<SocketAddr>>,
    sessions: Sessions,
    server: Option<ServerHandle>,
}

supervised!(Console, drain = close);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

impl Console {
    fn close(&mut self) -> LocalBoxFuture<'static, ()> {
        self.sessions.end_all();
        let server = self.server.take();
        Box::pin(async move {
            if let Some(server) = server {
                server.stop(true).await;
            }
        })
    }

    fn serve(&mut self, ctx: &mut Context<Self>) -> Result<(), ServeError> {
        let settings = &self.settings;
        let failed = |error| ServeError::Listen(settings.listen, error);
        let tls = settings
            .tls
            .as_ref()
            .map(|files| tls::server_config(&files.certificate, &files.key))
            .transpose()?;
        let listener = TcpListener::bind(settings.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let counts = Arc::<Mutex<Counts>>::default();
        let shared = web::Data::new(Shared {
            port: self.port.clone(),
            guard: Guard::new(settings),
            sessions: self.sessions.clone(),
            sound: settings.audio,
            counts: counts.clone(),
        });
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .route(HEALTH, web::get().to(routes::health))
                .route("/metrics", web::get().to(routes::metrics))
                .route("/snapshot.jpg", web::get().to(routes::snapshot))
                .service(
                    web::resource("/whep")
                        .route(web::post().to(whep::offer))
                        .default_service(web::to(whep::other_method)),
                )
                .service(
                    web::resource("/whep/{id}")
                        .route(web::delete().to(whep::end))
                        .default_service(web::to(whep::other_method)),
                )
                .wrap(from_fn(routes::guarded))
        })
        .workers(1)
        .max_connections(CONNECTIONS)
        .client_request_timeout(HEAD_LIMIT)
        .client_disconnect_timeout(CLOSE_LIMIT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(STOP_LIMIT_S)
        .disable_signals();
        let is_tls = tls.is_some();
        let server = match tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls),
            None => server.listen(listener),
        }
        .map_err(failed)?
        .run();
        self.server = Some(server.handle());
        self.bound.send_replace(Some(address));
        tracing::info!(%address, is_tls, "the console listens");
        let serving = server.into_actor(self).map(|ended, _, ctx| {
            if let Err(error) = ended {
                tracing::error!(%error, "the console's server ended");
            }
            ctx.stop();
        });
        ctx.spawn(serving);
        ctx.spawn(count(self.port.events(), counts).into_actor(self));
        Ok(())
    }
}

async fn count(
    mut events: broadcast::Receiver<crate::engine::event::Event>,
    counts: Arc<Mutex<Counts>>,
) {
    loop {
        match events.recv().await {
            Ok(event) => *counts.lock().events.entry(event.kind.topic()).or_default() += 1,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "the console has missed events in its counts");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

impl Actor for Console {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        if let Err(error) = self.serve(ctx) {
            // The supervisor tries again, ever more slowly: an address may come up late.
            tracing::error!(%error, "the console does not run");
            ctx.stop();
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.bound.send_replace(None);
        self.sessions.end_all();
        if let Some(server) = self.server.take() {
            // Told at once; that it has happened nobody is left to wait for.
            drop(server.stop(false));
        }
    }
}

/// The console's actor for a device, none when its configuration has no `[console]`; and where it
/// listens.
pub fn actors(config: &DeviceConfig) -> (MoreActors, Bound) {
    let settings = config.console.clone();
    let (bound, address) = watch::channel(None);
    let more: MoreActors = Box::new(move |port: &Port| {
        let Some(settings) = settings else {
            return Vec::new();
        };
        let (port, slot) = (port.clone(), Slot::<Console>::default());
        let sessions = Sessions::new(settings.viewers as usize);
        vec![ChildSpec::new("console", slot, move |life| Console {
            _life: life,
            settings: settings.clone(),
            port: port.clone(),
            bound: bound.clone(),
            sessions: sessions.clone(),
            server: None,
        })]
    });
    (more, address)
}
