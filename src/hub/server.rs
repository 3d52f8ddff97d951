//! Starting and stopping: a thread of its own with its own runtime, so that a hub can live inside
//! any process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::auth::scram::Salts;
use super::auth::{Lockout, Passwords, Rates};
use super::certificate::{self, Authority, CertificateError};
use super::clock::Clock;
use super::data::Classes;
use super::files::{self, Files};
use super::push::{Push, PushError, sender};
use super::site::Site;
use super::store::{
    Store, StoreError, enrolments, notifications, privacy, scram, sessions, undelivered, users,
};
use super::xmpp::addresses::Addresses;
use super::xmpp::blocks::Blocks;
use super::xmpp::in_flight::InFlight;
use super::xmpp::resumption::Resumptions;
use super::xmpp::router::Router;
use super::{http, xmpp};
use crate::base::disk::Explained;
use crate::base::interfaces;
use crate::base::loopback::is_loopback;
use crate::config::hub::{HubConfig, HubConfigError};
use crate::discovery::{About, Announcement};
use crate::protocol::address::Realm;
use crate::protocol::privacy::Rules;

/// How long a stop waits for streams to say good-bye.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How often it is noted which messages have arrived, when they are few.
const NOTE_ARRIVALS_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether the machine has other addresses.
const LOOK_AT_ADDRESSES_EVERY: Duration = Duration::from_secs(30);
/// How often ended sessions and guests are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Where a running hub is found. `--ready-json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// REST over plain HTTP, loopback only.
    pub api: String,
    /// REST over HTTPS.
    pub https: String,
    /// The domain of chat addresses (`endpoints.chat`).
    pub chat: String,
    /// XMPP over WebSocket, loopback only.
    pub chat_url: String,
    /// XMPP over WebSocket and TLS.
    pub chat_wss: String,
    /// XMPP over direct TLS, as `host:port`.
    pub xmpp_tls: String,
    /// File of the local CA's certificate.
    pub ca: PathBuf,
    /// SHA-256 of that certificate.
    pub ca_sha256: String,
    /// The web phone.
    pub phone: String,
    /// The application's number.
    pub app_id: u64,
    /// The application's key.
    pub auth_key: String,
    /// Where the damaged database of before is kept, if there was one: this hub began empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_set_aside: Option<PathBuf>,
    /// The administration key, if there is one and the hub made it up itself (`--dev`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<String>,
}

/// Why a hub did not start.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The configuration breaks rules.
    #[error(transparent)]
    Config(#[from] HubConfigError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The local CA cannot be opened or made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// What push notifications need cannot be had.
    #[error(transparent)]
    Push(#[from] PushError),
    /// The data folder cannot be made.
    #[error("data_dir {path}: {}", Explained(.source))]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder of files cannot be opened or made.
    #[error("file store {path}: {}", Explained(.source))]
    Files {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({field}): {source}{}", remedy_of_listening(.source))]
    Listen {
        /// The configuration's field.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The hub's thread did not start, or ended before it was ready.
    #[error("the hub's thread: {0}")]
    Thread(String),
}

fn remedy_of_listening(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; another hub or another program listens there: stop that one, or choose another port"
        }
        std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are the superuser's: choose another one"
        }
        std::io::ErrorKind::AddrNotAvailable => "; it is no address of this machine",
        _ => "",
    }
}

/// A hub that is up. Dropping it stops the hub without waiting; [`RunningHub::stop`] waits.
pub struct RunningHub {
    ready: Ready,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    done: Option<oneshot::Receiver<()>>,
}

/// Starts a hub on a thread of its own and returns when it listens.
///
/// # Errors
/// [`HubError`] names the field, file or address. Nothing is left running.
pub async fn start(config: HubConfig) -> Result<RunningHub, HubError> {
    start_at(config, Clock::system()).await
}

/// Like [`start`], with the time from `clock`: tests let hours pass.
///
/// # Errors
/// As [`start`].
pub async fn start_at(config: HubConfig, clock: Clock) -> Result<RunningHub, HubError> {
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(HubConfigError::Rules(faults).into());
    }
    crate::base::tls::install_provider();
    let stop = CancellationToken::new();
    let (tell_ready, told_ready) = oneshot::channel();
    let (tell_done, done) = oneshot::channel();
    let token = stop.clone();
    let thread = std::thread::Builder::new()
        .name("hub".into())
        .spawn(move || {
            actix_web::rt::System::new().block_on(run(config, clock, token, tell_ready));
            // Nobody may be waiting any more.
            let _ = tell_done.send(());
        })
        .map_err(|error| HubError::Thread(error.to_string()))?;
    let ready = told_ready
        .await
        .map_err(|_| HubError::Thread("it ended before it was ready".to_owned()))??;
    Ok(RunningHub {
        ready,
        stop,
        thread: Some(thread),
        done: Some(done),
    })
}

impl RunningHub {
    /// Where it is found.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Closes streams and listeners, writes the database back, and returns when all is done.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(done) = self.done.take() {
            // An error means the thread is gone already.
            let _ = done.await;
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the hub's thread had panicked");
        }
    }
}

impl Drop for RunningHub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(
    config: HubConfig,
    clock: Clock,
    stop: CancellationToken,
    tell_ready: oneshot::Sender<Result<Ready, HubError>>,
) {
    let scratch = config.is_scratch.then(|| config.data_dir.clone());
    match open(config, clock, stop).await {
        Ok(open) => {
            let is_wanted = tell_ready.send(Ok(open.ready.clone())).is_ok();
            if !is_wanted {
                open.site.stop.cancel();
            }
            open.serve().await;
        }
        Err(error) => {
            // The starter may have gone; the log has the reason then.
            if let Err(Err(error)) = tell_ready.send(Err(error)) {
                tracing::error!(%error, "the hub did not start");
            }
        }
    }
    if let Some(folder) = scratch
        && let Err(error) = std::fs::remove_dir_all(&folder)
    {
        tracing::warn!(folder = %folder.display(), %error, "scratch folder not removed");
    }
}

struct Open {
    site: Arc<Site>,
    ready: Ready,
    authority: Authority,
    http: actix_web::dev::Server,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    announcement: Option<Announcement>,
}

async fn open(config: HubConfig, clock: Clock, stop: CancellationToken) -> Result<Open, HubError> {
    let tls_folder = config.data_dir.join("tls");
    make_private_folder(&config.data_dir)?;
    make_private_folder(&tls_folder)?;
    let mut names = config.names.clone();
    names.push(config.chat_host().to_owned());
    let authority = Authority::open(&tls_folder, &names)?;
    let folder = config.data_dir.join("files");
    let files =
        Files::open(&folder, config.files.reserve_bytes).map_err(|source| HubError::Files {
            path: folder,
            source,
        })?;
    let push = Push::open(&config)?;
    let limits = &config.limits;
    let database = config.data_dir.join("hub.sqlite");
    let (store, set_aside) = Store::open_or_begin_anew(&database, limits.database_bytes)?;
    let last_seq = store.run(undelivered::last_seq).await?;
    let max_missed = limits.offline_messages as usize;
    let listen = config.listen.clone();
    let site = Arc::new(Site {
        realm: Realm {
            app_id: config.app_id,
            chat_host: config.chat_host().to_owned(),
        },
        lockout: Lockout::new(limits.login_failures, limits.lockout_seconds),
        chat_slots: Arc::new(Semaphore::new(limits.connections)),
        rates: Rates::new(limits.requests_per_second, limits.request_burst),
        classes: Classes::new(&config.data),
        files,
        push,
        addresses: Arc::new(Addresses::new(
            limits.connections_per_address,
            limits.loopback_exempt,
        )),
        passwords: Passwords::default(),
        salts: Salts::new(store.run(scram::salt_secret).await?),
        blocks: Blocks::default(),
        router: Router::default(),
        in_flight: Mutex::new(InFlight::starting_after(last_seq, max_missed)),
        resumptions: Resumptions::default(),
        authority: authority.digest,
        ca_pem: authority.ca_pem.clone(),
        clock,
        store,
        stop,
        config,
    });
    for (user, items) in site.store.run(privacy::defaults).await? {
        let rules = Rules::new(&items, &site.realm);
        site.blocks.set_default(user, Some(rules));
    }
    let tls = authority.server_config()?;
    let fail = |field, address| {
        move |source| HubError::Listen {
            field,
            address,
            source,
        }
    };
    let listen_http = |field, address| http::listen(address).map_err(fail(field, address));
    let plain = listen_http("listen.http", listen.http)?;
    let secure = listen_http("listen.https", listen.https)?;
    let listener = TcpListener::bind(listen.xmpp_tls)
        .await
        .map_err(fail("listen.xmpp_tls", listen.xmpp_tls))?;
    let xmpp_tls = listener
        .local_addr()
        .map_err(fail("listen.xmpp_tls", listen.xmpp_tls))?;
    let of = |listener: &std::net::TcpListener, asked| listener.local_addr().unwrap_or(asked);
    let mut ready = describe(
        &site,
        &authority,
        of(&plain, listen.http),
        of(&secure, listen.https),
        xmpp_tls,
    );
    ready.database_set_aside = set_aside;
    let announcement = announce(&site, of(&secure, listen.https));
    let served = http::serve(&site, plain, secure, tls.clone(), STOP_LIMIT);
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tracing::info!(
        api = ready.api, https = ready.https, xmpp_tls = ready.xmpp_tls,
        ca = %ready.ca.display(), ca_sha256 = ready.ca_sha256, "hub is up"
    );
    Ok(Open {
        site,
        ready,
        authority,
        http: served.map_err(fail("listen.https", listen.https))?,
        listener,
        acceptor,
        announcement,
    })
}

/// Without multicast DNS devices are told the address, so that is no reason not to start.
fn announce(site: &Site, https: SocketAddr) -> Option<Announcement> {
    if !site.config.announce {
        return None;
    }
    let host = site.config.names.iter().find(|name| !is_loopback(name));
    let about = About {
        name: "cubelet hub".to_owned(),
        https,
        host: host.cloned(),
        authority: site.authority,
    };
    Announcement::start(&about)
        .inspect_err(|error| tracing::warn!(%error, "the hub is not announced on the network"))
        .ok()
}

fn describe(
    site: &Site,
    authority: &Authority,
    http: SocketAddr,
    https: SocketAddr,
    xmpp_tls: SocketAddr,
) -> Ready {
    let config = &site.config;
    // A wildcard is no address to connect to: the site's first name is.
    let name = |address: SocketAddr| match config.names.first() {
        Some(name) if address.ip().is_unspecified() => format!("{name}:{}", address.port()),
        _ => address.to_string(),
    };
    Ready {
        api: format!("http://{http}"),
        https: format!("https://{}", name(https)),
        chat: site.realm.chat_host.clone(),
        chat_url: format!("ws://{http}/xmpp"),
        chat_wss: format!("wss://{}/xmpp", name(https)),
        xmpp_tls: name(xmpp_tls),
        ca: authority.ca_file.clone(),
        ca_sha256: authority.fingerprint.clone(),
        phone: format!("http://{http}/phone"),
        app_id: config.app_id,
        auth_key: config.auth_key.expose().to_owned(),
        database_set_aside: None,
        // A key the operator keeps in a file is not repeated on stdout.
        admin_key: config
            .admin_key
            .as_ref()
            .filter(|_| config.admin_key_file.is_none())
            .map(|key| key.expose().to_owned()),
    }
}

impl Open {
    async fn serve(self) {
        let Self {
            site,
            authority,
            http,
            listener,
            acceptor,
            announcement,
            ..
        } = self;
        let handle: ServerHandle = http.handle();
        let server = actix_web::rt::spawn(http);
        let push = actix_web::rt::spawn(sender::run(Arc::clone(&site)));
        let chat = actix_web::rt::spawn(xmpp::tls::listen(Arc::clone(&site), listener, acceptor));
        keep_house(&site, &authority).await;
        if let Some(announcement) = announcement
            && tokio::task::spawn_blocking(|| announcement.stop())
                .await
                .is_err()
        {
            tracing::error!("saying good-bye on the network failed");
        }
        site.router.end_all("system-shutdown");
        // Every stream holds a slot until its good-bye is out.
        let all = u32::try_from(site.config.limits.connections).unwrap_or(u32::MAX);
        let streams = site.chat_slots.acquire_many(all);
        if tokio::time::timeout(STOP_LIMIT, streams).await.is_err() {
            tracing::warn!("some chat connections did not end in time");
        }
        handle.stop(true).await;
        for task in [server.await.map(drop), chat.await, push.await] {
            if let Err(error) = task {
                tracing::error!(%error, "a server task had failed");
            }
        }
        xmpp::undelivered::flush(&site).await;
        let closing = Arc::clone(&site);
        // Joining the store's thread blocks; nothing else runs on this one any more, but its
        // last jobs' answers are awaited by nobody either.
        if tokio::task::spawn_blocking(move || closing.store.close())
            .await
            .is_err()
        {
            tracing::error!("closing the store failed");
        }
        tracing::info!("hub is down");
    }
}

/// Periodic work until the hub stops.
async fn keep_house(site: &Arc<Site>, authority: &Authority) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut arrivals = tokio::time::interval(NOTE_ARRIVALS_EVERY);
    arrivals.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looks = tokio::time::interval(LOOK_AT_ADDRESSES_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut renewal = tokio::time::interval(certificate::RENEW_AFTER);
    renewal.tick().await;
    loop {
        tokio::select! {
            () = site.stop.cancelled() => return,
            _ = sweep.tick() => {
                let now = site.now();
                let swept = site.store.run(move |db| {
                    enrolments::sweep(db, now)?;
                    notifications::sweep(db, now)?;
                    Ok((sessions::sweep(db, now)?, users::sweep_guests(db)?))
                });
                match swept.await {
                    Ok((sessions, guests)) => tracing::debug!(sessions, guests, "swept"),
                    Err(error) => tracing::warn!(%error, "sweeping failed"),
                }
                // After the guests: their files go with them.
                match files::sweep(&site.files, &site.store, now).await {
                    Ok(swept) => tracing::debug!(?swept, "swept files"),
                    Err(error) => tracing::warn!(%error, "sweeping files failed"),
                }
                // Logging in takes much memory for a moment.
                crate::base::allocator::trim();
            }
            _ = arrivals.tick() => xmpp::undelivered::flush(site).await,
            _ = looks.tick() => match authority.follow(interfaces::own_addresses()) {
                Ok(true) => tracing::info!("the certificate names the machine's new addresses"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the certificate cannot be renewed"),
            },
            _ = renewal.tick() => {
                if let Err(error) = authority.renew() {
                    tracing::error!(%error, "the server's certificate could not be renewed");
                }
            }
        }
    }
}

fn make_private_folder(path: &Path) -> Result<(), HubError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| HubError::DataDir {
            path: path.to_owned(),
            source,
        })
}
