//! What every actor is given: the configuration, the board, the slots of the others, and the
//! parts of the layer below that outlive actors.

use std::sync::Arc;

use tokio::sync::watch;

use super::attachments::{UploadSignal, Uploads};
use super::audio::Audio;
use super::bell::{Bell, RingLedger};
use super::board::Board;
use super::buttons::Buttons;
use super::calls::{Calls, Ledger};
use super::camera::Camera;
use super::chat::{Chat, ChatLine};
use super::door::Door;
use super::gallery::Gallery;
use super::history::{Historian, HistoryQueue};
use super::incoming::Manners;
use super::live::Live;
use super::log_detail::LogDetails;
use super::mailbox::Slot;
use super::presence::Presence;
use super::recording::{RecordingFolder, Recordings};
use super::reloading::Reloading;
use super::roster::Roster;
use super::session::Session;
use super::storage::Storage;
use super::texting::Texting;
use super::visitor_message::{Archive, VisitorMessages};
use super::watched::Watched;
use crate::call::verdict::IncomingPolicy;
use crate::config::DeviceConfig;
use crate::media::display::Display;
use crate::media::peer::FarSide;
use crate::media::sink::VideoSinkKind;
use crate::media::{AudioFanout, Loudspeaker, VideoFanout};
use crate::protocol::address::{Realm, UserId};
use crate::rest::RestClient;
use crate::store::Store;
use crate::store::history::History;

/// Cheap to clone.
#[derive(Clone)]
pub struct Wiring {
    /// The device's configuration.
    pub config: Arc<DeviceConfig>,
    /// State and events.
    pub board: Board,
    /// Where the other actors are.
    pub slots: Slots,
    /// The application and its chat host.
    pub realm: Realm,
    /// REST client; renews its session by itself.
    pub rest: RestClient,
    /// The database, on its own thread.
    pub store: Store,
    /// Dialogs and messages, in a file of their own.
    pub history: History,
    /// The way into the history.
    pub history_queue: HistoryQueue,
    /// Wakes the uploads.
    pub upload_signal: UploadSignal,
    /// What visitors said.
    pub visitor_archive: Archive,
    /// What was recorded on command.
    pub recordings: RecordingFolder,
    /// Whose coming and going we are told of.
    pub watched: Watched,
    /// Held while the block list is read, changed and written back.
    pub block_list: Arc<tokio::sync::Mutex<()>>,
    /// The way into the chat, with its durable outbox.
    pub chat: ChatLine,
    /// Our user, once the session actor has logged in.
    pub identity: watch::Sender<Option<UserId>>,
    /// Pictures of the camera for whoever watches.
    pub video: VideoFanout,
    /// Sound of the microphone for whoever listens.
    pub audio: AudioFanout,
    /// Where all sound is heard.
    pub loudspeaker: Loudspeaker,
    /// What is said to the other side of a call, beside what the microphone hears.
    pub outgoing: Loudspeaker,
    /// Where pictures of the other sides are shown; none without a screen.
    pub display: Option<Display>,
    /// What the other side of a call sends, as it was encoded.
    pub far_side: FarSide,
    /// Calls that are open.
    pub ledger: Ledger,
    /// Rings that are under way, and their calls.
    pub rings: RingLedger,
    /// Who is behind tags, dialogs and logins.
    pub roster: Roster,
    /// Who of those the bell rings is connected.
    pub presence: Presence,
    /// What was changed about calls while the device runs.
    pub live: Live,
    /// What callers get whose calls are answered by themselves.
    pub manners: Manners,
    /// Decides about incoming calls before they ring.
    pub incoming_policy: Arc<dyn IncomingPolicy>,
    /// The way to whoever reads the configuration again.
    pub reloading: Reloading,
    /// What is logged of calls beside the usual.
    pub log_details: LogDetails,
    /// Pictures received in the last call.
    pub gallery: Gallery,
    /// Whether received pictures go to the gallery.
    pub keep_frames: bool,
}

/// The present incarnation of each actor.
#[derive(Clone, Default)]
pub struct Slots {
    /// The store's thread.
    pub storage: Slot<Storage>,
    /// Session and its renewal.
    pub session: Slot<Session>,
    /// The chat connection.
    pub chat: Slot<Chat>,
    /// Files on their way.
    pub uploads: Slot<Uploads>,
    /// The history.
    pub historian: Slot<Historian>,
    /// All calls.
    pub calls: Slot<Calls>,
    /// The camera.
    pub camera: Slot<Camera>,
    /// Microphone and speaker.
    pub audio: Slot<Audio>,
    /// The bell.
    pub bell: Slot<Bell>,
    /// The door's relay.
    pub door: Slot<Door>,
    /// The push buttons.
    pub buttons: Slot<Buttons>,
    /// Commands by chat.
    pub texting: Slot<Texting>,
    /// What visitors leave.
    pub visitor_messages: Slot<VisitorMessages>,
    /// Recordings on command.
    pub recordings: Slot<Recordings>,
}

impl Wiring {
    /// Our user, once known.
    pub fn user(&self) -> Option<UserId> {
        *self.identity.borrow()
    }

    /// Where the pictures of somebody are shown; without a user, of somebody who is no participant yet.
    pub fn screen_for(&self, user: Option<UserId>) -> VideoSinkKind {
        match &self.display {
            Some(display) => VideoSinkKind::Display(display.clone(), user.unwrap_or_default()),
            None => VideoSinkKind::Null,
        }
    }
}
