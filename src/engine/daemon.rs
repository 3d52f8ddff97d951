//! A whole device: its own thread with an actix system, the actors in it, and the handle others
//! hold.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::attachments::{UploadSignal, Uploads};
use super::audio::Audio;
use super::bell::{Bell, RingLedger, StopRinging};
use super::board::Board;
use super::buttons::Buttons;
use super::calls::{Calls, HangUp, Ledger};
use super::camera::Camera;
use super::chat::{Chat, ChatLine};
use super::command::Request;
use super::dispatch;
use super::door::Door;
use super::event::{Event, EventKind};
use super::gallery::Gallery;
use super::history::{Historian, HistoryQueue};
use super::incoming::{DevicePolicy, Manners};
use super::journal::Journal;
use super::live::Live;
use super::log_detail::LogDetails;
use super::presence::Presence;
use super::recording::{RecordingFolder, Recordings};
use super::reloading::Reloading;
use super::roster::Roster;
use super::session::Session;
use super::state::DeviceState;
use super::storage::Storage;
use super::supervisor::{ChildSpec, Supervisor};
use super::texting::Texting;
use super::upstream;
use super::visitor_message::{Archive, VisitorMessages};
use super::vitals;
use super::watched::Watched;
use super::wiring::{Slots, Wiring};
use crate::base::disk::Explained;
use crate::base::tls::TlsError;
use crate::call::end::EndReason;
use crate::call::ring_plan::StopReason;
use crate::config::{AudioSource, DeviceConfig};
use crate::media;
use crate::media::peer::{FarSide, OneWay, Peer, PeerError, PeerEvent, PeerSettings, Way};
use crate::media::{AudioFanout, Loudspeaker, PrewarmReport, VideoFanout};
use crate::protocol::call_signal::CallType;
use crate::rest::RestError;
use crate::store::history::History;
use crate::store::{Ownership, OwnershipError, Store, StoreError};

/// Commands that may wait for the engine.
const REQUEST_BACKLOG: usize = 64;
/// How long a call may take to say good-bye at shutdown.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);
/// How long the warming of media may hold up the end of a device that was only just started.
const WARM_LIMIT: Duration = Duration::from_secs(10);

/// Why a device could not be started at all. Anything the network does later is not here: it is
/// retried and shown in the state.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another daemon has the state folder, or it cannot be written.
    #[error(transparent)]
    State(#[from] OwnershipError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The REST client refuses its settings.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// The CA file cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// GStreamer cannot be initialised.
    #[error(transparent)]
    Media(#[from] media::MediaError),
    /// The state folder, a thread or a runtime could not be made.
    #[error("{what}: {}", Explained(.source))]
    Io {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What lets the layers above talk to a running device.
#[derive(Clone)]
pub struct Port {
    /// Commands go in here.
    pub requests: mpsc::Sender<Request>,
    /// What control remembers.
    pub journal: Journal,
    /// Questions to read the configuration again come out here.
    pub reloading: Reloading,
    board: Board,
    gallery: Gallery,
    pulse: watch::Receiver<u64>,
    config: Arc<DeviceConfig>,
    video: VideoFanout,
    audio: AudioFanout,
}

impl Port {
    /// Tells what happened.
    pub fn publish(&self, kind: EventKind) {
        self.board.publish(kind);
    }

    /// The pictures received in the last call, as JPEG; empty unless
    /// [`Options::keep_frames`] is set.
    pub fn received_pictures(&self) -> Vec<bytes::Bytes> {
        self.gallery.pictures()
    }

    /// The camera's encoded pictures, and the microphone's packets where there is one, for whoever sends
    /// them on as they are.
    pub fn encoded(&self) -> (VideoFanout, Option<AudioFanout>) {
        let has_sound = self.config.audio.source != AudioSource::None;
        (self.video.clone(), has_sound.then(|| self.audio.clone()))
    }

    /// A connection that shows the camera to somebody who only looks, and lets them hear the
    /// microphone if asked to. It answers an offer; it is a call of nobody's.
    ///
    /// # Errors
    /// As [`Peer::new`].
    pub async fn viewer(
        &self,
        sound: bool,
        events: mpsc::UnboundedSender<PeerEvent>,
    ) -> Result<Peer, PeerError> {
        let settings = PeerSettings {
            one_way: Some(OneWay {
                way: Way::Out,
                sound: sound && self.config.audio.source != AudioSource::None,
            }),
            ..super::media_settings::peer(&self.config, CallType::Video)
        };
        Peer::new(settings, self.video.clone(), self.audio.clone(), events).await
    }

    /// Every event from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.board.events()
    }

    /// Changes as long as the actors' thread works, at least every
    /// [`LONGEST_PULSE`](super::supervisor::LONGEST_PULSE); what a watchdog is fed by.
    pub fn pulse(&self) -> watch::Receiver<u64> {
        self.pulse.clone()
    }

    /// The state, now and as it changes.
    pub fn state(&self) -> watch::Receiver<DeviceState> {
        self.board.watch()
    }
}

/// A running device. Dropping it does not stop it; [`Daemon::stop`] does.
pub struct Daemon {
    /// How to talk to it.
    pub port: Port,
    shutdown: CancellationToken,
    thread: JoinHandle<()>,
    warming: Option<oneshot::Receiver<PrewarmReport>>,
}

/// Makes further supervised actors (the control plane's) once the device's own parts are there.
pub type MoreActors = Box<dyn FnOnce(&Port) -> Vec<ChildSpec> + Send>;

/// What the configuration does not say.
pub struct Options {
    /// Keep some pictures of each call for [`Port::received_pictures`].
    pub keep_frames: bool,
    /// Actors of the layers above.
    pub more: MoreActors,
}

impl Daemon {
    /// Starts a device. Nothing here waits for the network.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: DeviceConfig, options: Options) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let folder = &config.device.state_dir;
        std::fs::create_dir_all(folder).map_err(|source| StartError::Io {
            what: format!("cannot make the state folder {}", folder.display()),
            source,
        })?;
        let ownership = Ownership::take(folder)?;
        let is_warm = config.camera.warm;
        let (requests, queue) = mpsc::channel(REQUEST_BACKLOG);
        let board = Board::new();
        vitals::note(&board);
        let gallery = Gallery::default();
        let (beat, pulse) = watch::channel(0);
        let reloading = Reloading::default();
        let shutdown = CancellationToken::new();
        let parts = Parts::open(
            &config,
            board.clone(),
            reloading.clone(),
            gallery.clone(),
            options.keep_frames,
        )?;
        let port = Port {
            requests,
            journal: Journal::new(parts.wiring.store.clone(), config.control.keep_log),
            reloading,
            board,
            gallery,
            pulse,
            config: config.clone(),
            video: parts.wiring.video.clone(),
            audio: parts.wiring.audio.clone(),
        };
        let codec = super::media_settings::codec(config.camera.codec);
        let warming = is_warm.then(|| media::prewarm(&[codec])).transpose()?;
        let (token, seen) = (shutdown.clone(), port.clone());
        let thread = std::thread::Builder::new()
            .name(format!("control-{}", config.device.name))
            .spawn(move || {
                actix::System::new().block_on(parts.run(queue, token, seen, beat, options.more));
                // Every actor has closed its files.
                drop(ownership);
            })
            .map_err(|source| StartError::Io {
                what: "cannot start a thread".into(),
                source,
            })?;
        Ok(Self {
            port,
            shutdown,
            thread,
            warming,
        })
    }

    /// Asks it to end and waits until it has: calls are hung up, media and files closed.
    pub async fn stop(self) {
        self.shutdown.cancel();
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the control thread ended with a panic");
        }
        if let Some(warming) = self.warming {
            // Its report is in the log. A process must not end while plug-ins are loaded.
            let _ = tokio::time::timeout(WARM_LIMIT, warming).await;
        }
    }
}

/// What outlives every actor of one device.
struct Parts {
    wiring: Wiring,
}

impl Parts {
    fn open(
        config: &Arc<DeviceConfig>,
        board: Board,
        reloading: Reloading,
        gallery: Gallery,
        keep_frames: bool,
    ) -> Result<Self, StartError> {
        let store = Store::open(&config.device.state_dir.join("cubelet.db"))?;
        let history = History::open(
            &config.device.state_dir.join("history.db"),
            u64::from(config.history.max_mb) << 20,
        )?;
        let rest = upstream::rest_client(config)?;
        let settings = upstream::chat_settings(config)?;
        let slots = Slots::default();
        let (ledger, roster, live) = (Ledger::default(), Roster::default(), Live::default());
        let manners = Manners::default();
        let policy = DevicePolicy {
            config: config.clone(),
            board: board.clone(),
            roster: roster.clone(),
            live: live.clone(),
            ledger: ledger.clone(),
            calls: slots.calls.clone(),
            manners: manners.clone(),
            refusals: Default::default(),
        };
        let wiring = Wiring {
            config: config.clone(),
            board,
            slots,
            realm: upstream::realm(config),
            chat: ChatLine::new(settings, rest.clone(), store.clone()),
            rest,
            store,
            history,
            history_queue: HistoryQueue::default(),
            upload_signal: UploadSignal::default(),
            visitor_archive: Archive::of(&config.device.state_dir),
            recordings: RecordingFolder::at(config.recording.folder(&config.device.state_dir)),
            watched: Watched::default(),
            block_list: Arc::default(),
            identity: watch::Sender::new(None),
            video: VideoFanout::new(),
            audio: AudioFanout::new(),
            loudspeaker: Loudspeaker::new(),
            outgoing: Loudspeaker::new(),
            display: super::media_settings::display(config),
            far_side: FarSide::default(),
            ledger,
            rings: RingLedger::default(),
            roster,
            presence: Presence::default(),
            live,
            manners,
            incoming_policy: Arc::new(policy),
            reloading,
            log_details: LogDetails::default(),
            gallery,
            keep_frames,
        };
        Ok(Self { wiring })
    }

    async fn run(
        self,
        requests: mpsc::Receiver<Request>,
        shutdown: CancellationToken,
        port: Port,
        pulse: watch::Sender<u64>,
        more: MoreActors,
    ) {
        let Self { wiring } = self;
        let (crash, crashes) = mpsc::channel(1);
        let mut specs = own_actors(&wiring);
        specs.extend(more(&port));
        let stop_actors = CancellationToken::new();
        let supervisor = Supervisor::new(specs, wiring.board.clone(), crashes, pulse);
        let running = actix::spawn(supervisor.run(stop_actors.clone()));
        let measuring = actix::spawn(vitals::watch(wiring.board.clone()));
        let dispatching = actix::spawn(dispatch::run(wiring.clone(), requests, crash));
        shutdown.cancelled().await;
        // The bell first, or it would go on to its next step when the calls of this one end.
        let stop = StopRinging {
            reason: StopReason::Shutdown,
            detail: None,
        };
        let _ = wiring.slots.bell.ask(stop, DRAIN_LIMIT).await;
        // Then calls, while the chat connection can still carry the good-bye.
        let _ = wiring
            .slots
            .calls
            .ask(HangUp(EndReason::Shutdown), DRAIN_LIMIT)
            .await;
        stop_actors.cancel();
        if running.await.is_err() {
            tracing::error!("the supervisor panicked");
        }
        dispatching.abort();
        measuring.abort();
    }
}

fn own_actors(wiring: &Wiring) -> Vec<ChildSpec> {
    let slots = wiring.slots.clone();
    let give = || wiring.clone();
    let (store, session, chat, calls) = (give(), give(), give(), give());
    let (history, uploads) = (give(), give());
    let (camera, audio, bell, door) = (give(), give(), give(), give());
    let (visitors, texting) = (give(), give());
    let (recordings, buttons) = (give(), give());
    vec![
        // First, so that it is stopped last: everybody else writes into it.
        ChildSpec::new("store", slots.storage, move |life| {
            Storage::new(life, store.clone())
        }),
        ChildSpec::new("session", slots.session, move |life| {
            Session::new(life, session.clone())
        }),
        ChildSpec::new("chat", slots.chat, move |life| {
            Chat::new(life, chat.clone())
        }),
        ChildSpec::new("history", slots.historian, move |life| {
            Historian::new(life, history.clone())
        }),
        ChildSpec::new("uploads", slots.uploads, move |life| {
            Uploads::new(life, uploads.clone())
        }),
        ChildSpec::new("camera", slots.camera, move |life| {
            Camera::new(life, camera.clone())
        }),
        ChildSpec::new("audio", slots.audio, move |life| {
            Audio::new(life, audio.clone())
        }),
        ChildSpec::new("calls", slots.calls, move |life| {
            Calls::new(life, calls.clone())
        }),
        ChildSpec::new("bell", slots.bell, move |life| {
            Bell::new(life, bell.clone())
        }),
        ChildSpec::new("door", slots.door, move |life| {
            Door::new(life, door.clone())
        }),
        ChildSpec::new("buttons", slots.buttons, move |life| {
            Buttons::new(life, buttons.clone())
        }),
        ChildSpec::new("texting", slots.texting, move |life| {
            Texting::new(life, texting.clone())
        }),
        ChildSpec::new("visitor_message", slots.visitor_messages, move |life| {
            VisitorMessages::new(life, visitors.clone())
        }),
        ChildSpec::new("recording", slots.recordings, move |life| {
            Recordings::new(life, recordings.clone())
        }),
    ]
}
