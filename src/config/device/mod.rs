//! The device's configuration as types, once it is known to be right. Keys, ranges and defaults
//! are in [`super::fields::DEVICE`].

mod calling;
mod chat_commands;
mod console;
mod control;
mod display;
mod gpio;
mod home_assistant;
mod names;
mod network_camera;
mod parse;
mod read;
mod read_calls;
mod recording;
mod rtsp;
mod rule;
mod visitor_message;

use std::path::PathBuf;

use url::Url;

use super::Secret;
use crate::call::duplex::Duplex;
use crate::call::party::Party;
use crate::call::rule::Rule;
use crate::call::schedule::Schedule;
pub use crate::call::screen_layout::ScreenLayout;
pub use crate::call::screen_look::{ScreenArea, ScreenFit};
pub use crate::call::screen_self_view::ScreenSelfView;

pub use calling::{
    CallSound, Calls, DataChannel, Incoming, Preview, QuietHours, RecordedCall, RingStep,
};
pub use chat_commands::ChatCommands;
pub use console::{Console, TlsFiles};
pub use gpio::{Button, GpioLine, Level, Pull};
pub use home_assistant::{DiscoveryForm, HomeAssistant};
pub use names::{EVENTS, GROUP_VERBS, GROUP_VERBS_ON_REQUEST, VERBS};
pub use network_camera::{CameraAccess, CertificateTrust, Login, NetworkCamera};
pub(super) use parse::PATTERNS;
pub use read::{check_device, load_device};
pub use recording::{Recording, RecordingNotice};
pub use rtsp::Rtsp;
pub use visitor_message::{Recipients, Tone, VisitorMessage};

/// Everything `cubelet run` needs to know.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// `[device]`.
    pub device: Device,
    /// `[hub]`.
    pub hub: Hub,
    /// `[chat]`.
    pub chat: Chat,
    /// `[history]`.
    pub history: History,
    /// `[attachments]`.
    pub attachments: Attachments,
    /// `[camera]`.
    pub camera: Camera,
    /// `[audio]`.
    pub audio: Audio,
    /// `[display]`.
    pub display: Display,
    /// `[calls]`.
    pub calls: Calls,
    /// `[[schedule]]`, each name once.
    pub schedules: Vec<Schedule>,
    /// `[door]`.
    pub door: Door,
    /// The push buttons, at most 32.
    pub buttons: Vec<Button>,
    /// `[visitor_message]`.
    pub visitor_message: VisitorMessage,
    /// `[say]`.
    pub say: Say,
    /// `[recording]`.
    pub recording: Recording,
    /// `[mqtt]`; without it there is no local control.
    pub mqtt: Option<Mqtt>,
    /// `[control]`.
    pub control: Control,
    /// `[console]`; without it there is no web server.
    pub console: Option<Console>,
    /// `[rtsp]`, if there is one.
    pub rtsp: Option<Rtsp>,
    /// `[[rule]]`.
    pub rules: Vec<Rule>,
    /// Where all this was read.
    pub file: PathBuf,
}

impl DeviceConfig {
    /// Every password and key, for whoever shows text that may hold one by mistake.
    pub fn secrets(&self) -> Vec<&Secret> {
        let always = [&self.hub.auth_key, &self.hub.password];
        let servers = self.calls.ice_servers.iter();
        let cameras = self.camera.network.iter().map(NetworkCamera::login);
        let cameras = cameras.chain([self.camera.rtsp.login.as_ref()]).flatten();
        let mqtt = self.mqtt.iter().filter_map(|mqtt| mqtt.password.as_ref());
        let console = self.console.iter().filter_map(|one| one.token.as_ref());
        let rtsp = self.rtsp.iter().filter_map(|rtsp| rtsp.password.as_ref());
        always
            .into_iter()
            .chain(mqtt)
            .chain(console)
            .chain(rtsp)
            .chain(servers.filter_map(|server| server.credential.as_ref()))
            .chain(cameras.filter_map(|(_, password)| password.as_ref()))
            // Nothing can be hidden of one that is empty.
            .filter(|secret| !secret.expose().is_empty())
            .collect()
    }
}

/// The device itself.
#[derive(Clone, Debug)]
pub struct Device {
    /// 1 to 32 of `a-z 0-9 _ -`: a topic level.
    pub name: String,
    /// Where state is kept; absolute, or relative to the configuration file's directory and
    /// resolved. May not exist yet.
    pub state_dir: PathBuf,
    /// The groups it belongs to; each 1 to 32 of `a-z 0-9 _ -`.
    pub groups: Vec<String>,
}

/// The server and the account on it.
#[derive(Clone, Debug)]
pub struct Hub {
    /// The REST API: https, or http on loopback.
    pub api: Url,
    /// The chat server.
    pub chat: ChatEndpoint,
    /// The domain in user addresses.
    pub chat_host: String,
    /// A PEM file with at least one certificate, trusted besides the public roots.
    pub ca: Option<PathBuf>,
    /// The application's number, at least 1.
    pub app_id: u64,
    /// The application's authorization key.
    pub auth_key: Secret,
    /// The device's user.
    pub account: Account,
    /// That user's password.
    pub password: Secret,
    /// The file it is in, unless it is a credential.
    pub password_file: Option<PathBuf>,
    /// Which subscriptions push notifications are for.
    pub push_environment: PushEnvironment,
}

/// How applications have subscribed to push notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushEnvironment {
    /// As people use them.
    Production,
    /// As their makers try them.
    Development,
}

impl PushEnvironment {
    /// As the REST API has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

/// The name a user logs in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// The login name, 1 to 64 characters.
    Login(String),
    /// The e-mail address, up to 254 characters.
    Email(String),
}

/// How the chat server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatEndpoint {
    /// Direct TLS (XEP-0368).
    Tls {
        /// The server, also the name its certificate must bear.
        host: String,
        /// 5223 unless given.
        port: u16,
    },
    /// WebSocket (RFC 7395): wss, or ws on loopback.
    WebSocket(Url),
}

/// How patient the chat connection is (RT-13).
#[derive(Clone, Debug)]
pub struct Chat {
    /// Milliseconds, 100 to 30,000: bound of the pause before the second try.
    pub retry_first_ms: u32,
    /// Seconds, 1 to 3,600, not below `retry_first_ms`: bound of every pause.
    pub retry_longest_s: u32,
    /// Seconds, 1 to 60: for each step of connecting.
    pub step_timeout_s: u32,
    /// Seconds, 1 to 300: silence after which the server is asked.
    pub keep_alive_s: u32,
    /// Seconds, 1 to 60: for its answer.
    pub answer_timeout_s: u32,
    /// Seconds, up to 86,400, a stream should be resumable; 0 means not at all.
    pub resume_s: u32,
    /// `[chat.commands]`.
    pub commands: ChatCommands,
}

/// The copy of dialogs and messages kept on the device.
#[derive(Clone, Debug)]
pub struct History {
    /// Days, 0 to 36,500; 0 is no bound.
    pub max_days: u32,
    /// Messages, 100 to 10,000,000.
    pub max_messages: u32,
    /// MiB, 4 to 4,096.
    pub max_mb: u32,
    /// Messages per dialog fetched at first, 0 to 100.
    pub first_messages: u32,
    /// Whether a message told of counts as read.
    pub read_on_arrival: bool,
}

/// Where files that go with messages come from and go to.
#[derive(Clone, Debug)]
pub struct Attachments {
    /// Files of this folder may be sent; none without.
    pub send_from: Option<PathBuf>,
    /// Attachments are fetched into this folder; not at all without.
    pub save_to: Option<PathBuf>,
    /// MiB up to which attachments are fetched by themselves, 0 to 100.
    pub save_up_to_mb: u32,
}

/// What is captured, and how it is encoded.
#[derive(Clone, Debug)]
pub struct Camera {
    /// The camera.
    pub source: VideoSource,
    /// Further ones to switch to, at most eight; not `None`.
    pub others: Vec<VideoSource>,
    /// Pixels, 64 to 3,840.
    pub width: u32,
    /// Pixels, 64 to 2,160.
    pub height: u32,
    /// Pictures per second, 1 to 60.
    pub framerate: u32,
    /// The encoder's target, kbit/s, 64 to 20,000.
    pub bitrate_kbps: u32,
    /// Preferred in calls.
    pub codec: VideoCodec,
    /// Keep capture and encoder running between calls.
    pub warm: bool,
    /// How cameras of the network are watched.
    pub rtsp: RtspAccess,
    /// How those at some hosts are watched; see [`Camera::access`].
    pub network: Vec<NetworkCamera>,
}

/// How cameras of the network are watched that have no [`NetworkCamera`] of their own.
#[derive(Clone, Debug, Default)]
pub struct RtspAccess {
    /// Who looks, and the password, which may be none.
    pub login: Option<Login>,
    /// In datagrams of their own and not through the connection.
    pub udp: bool,
}

/// A camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoSource {
    /// GStreamer's `videotestsrc`.
    Test {
        /// The name of one of its patterns.
        pattern: String,
    },
    /// A Video4Linux device node.
    V4l2(PathBuf),
    /// A camera of the network (RFC 2326), `rtsp` or `rtsps`, without user and password.
    Rtsp(Url),
    /// A film, over and over.
    File(PathBuf),
    /// What an X server shows; that of `DISPLAY` without a name.
    Screen(Option<String>),
    /// A camera of libcamera by its name, or the first.
    Libcamera(Option<String>),
    /// No camera.
    None,
}

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264, constrained baseline.
    H264,
    /// VP8.
    Vp8,
}

/// Microphone and loudspeaker.
#[derive(Clone, Debug)]
pub struct Audio {
    /// The microphone.
    pub source: AudioSource,
    /// Further ones to switch to.
    pub other_sources: Vec<AudioSource>,
    /// The loudspeaker.
    pub sink: AudioSink,
    /// Further ones to switch to.
    pub other_sinks: Vec<AudioSink>,
    /// Whether what the loudspeaker plays is taken out of the microphone's sound.
    pub echo_cancel: bool,
    /// Whether steady noise is.
    pub noise_suppression: bool,
    /// Whether loud and quiet voices are brought to one loudness.
    pub gain_control: bool,
    /// Whether rumble below speech is taken out.
    pub high_pass: bool,
    /// Who may speak when.
    pub duplex: Duplex,
    /// How long talking lasts at the most, 1 to 600 s.
    pub talk_max_s: u32,
    /// Whether next to nothing is sent while nobody speaks.
    pub dtx: bool,
}

/// What the device can say.
#[derive(Clone, Debug)]
pub struct Say {
    /// A folder of sounds.
    pub sounds: Option<PathBuf>,
    /// Who reads out texts.
    pub voice: String,
}

/// A microphone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioSource {
    /// GStreamer's `audiotestsrc`: a tick every second.
    Test,
    /// The same without a pause: a tone, to measure with.
    TestTone,
    /// An ALSA PCM by name.
    Alsa(String),
    /// No microphone.
    None,
}

/// A loudspeaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioSink {
    /// Decode and drop.
    Null,
    /// An ALSA PCM by name.
    Alsa(String),
}

/// Where the other side's picture is shown.
#[derive(Clone, Debug)]
pub struct Display {
    /// The screen.
    pub sink: VideoSink,
    /// The display of X11, socket of Wayland or device of the kernel; without, what there is.
    pub address: Option<String>,
    /// Where a screen of the kernel's is connected.
    pub connector: Option<String>,
    /// Its resolution, pixels.
    pub mode: Option<(u16, u16)>,
    /// Degrees pictures are turned by, clockwise: 0, 90, 180 or 270.
    pub rotate: u16,
    /// Left and right are exchanged.
    pub mirror: bool,
    /// What becomes of another shape than the screen's.
    pub fit: ScreenFit,
    /// The part of the screen that is used.
    pub area: ScreenArea,
    /// How several pictures share it.
    pub layout: ScreenLayout,
    /// Where the own picture is.
    pub self_view: ScreenSelfView,
}

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoSink {
    /// Decode and drop.
    Null,
    /// A window of whatever desktop there is.
    Window,
    /// A window of a Wayland compositor.
    Wayland,
    /// A window of an X server.
    X11,
    /// A screen of the kernel's.
    Kms,
}

/// A STUN or TURN server.
#[derive(Clone, Debug)]
pub struct IceServer {
    /// `stun:` and `turn:` addresses, at least one.
    pub urls: Vec<String>,
    /// The TURN user; always there with a `turn:` address.
    pub username: Option<String>,
    /// The TURN credential; always there with a `turn:` address.
    pub credential: Option<Secret>,
}

/// The door opener.
#[derive(Clone, Debug)]
pub struct Door {
    /// What pulls the bolt.
    pub relay: Relay,
    /// Milliseconds the relay is pulled, 100 to 60,000.
    pub pulse_ms: u32,
    /// Who may open it; empty means nobody.
    pub unlock_allowed: Vec<Party>,
    /// Seconds after which a call ends in which it was opened; 0 is never.
    pub hang_up_after_s: u32,
    /// Whether a chat message opens it.
    pub chat_unlock: ChatUnlock,
    /// Which messages, in small letters.
    pub chat_words: Vec<String>,
    /// What opens it when entered by the keys of a telephone in a call, 1 to 16 digits.
    pub code: Option<Secret>,
}

/// When a chat message opens the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatUnlock {
    /// Never.
    Never,
    /// When its author is in the call.
    InCall,
    /// Always.
    Always,
}

/// What pulls the bolt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Nothing: this device has no door.
    None,
    /// A virtual relay that logs and publishes.
    Log,
    /// A relay on a GPIO line.
    Line {
        /// Which.
        line: GpioLine,
        /// The level that pulls it.
        active: Level,
    },
}

/// The broker for local control.
#[derive(Clone, Debug)]
pub struct Mqtt {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The first level or levels of every topic, without slash at either end.
    pub base: String,
    /// The device's user at the broker.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// Encrypt and verify. Off only on loopback or where the file says `plaintext = true`.
    pub tls: bool,
    /// A PEM file with at least one certificate, trusted besides the public roots.
    pub ca: Option<PathBuf>,
    /// `[mqtt.home_assistant]`.
    pub home_assistant: HomeAssistant,
    /// Which version of the protocol the device speaks.
    pub version: MqttVersion,
}

/// A version of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MqttVersion {
    /// 5, or 3.1.1 with a broker that refuses 5.
    #[default]
    Auto,
    /// 5.
    Five,
    /// 3.1.1.
    Three,
}

impl Mqtt {
    /// A broker named on a command line, without a user.
    pub fn at(host: &str, port: u16, base: &str, tls: bool) -> Self {
        Self {
            host: host.to_owned(),
            port,
            base: base.to_owned(),
            username: None,
            password: None,
            tls,
            ca: None,
            version: MqttVersion::Auto,
            home_assistant: HomeAssistant::default(),
        }
    }
}

/// What may be ordered over MQTT.
#[derive(Clone, Debug)]
pub struct Control {
    /// The commands obeyed, out of [`VERBS`].
    pub commands: Vec<String>,
    /// Commands per second, 1 to 1,000, which is also the burst.
    pub rate_per_s: u32,
    /// Whether `kill` is obeyed.
    pub test_commands: bool,
    /// Who may order what; empty means everybody all of `commands`.
    pub allow: Vec<Allow>,
    /// The commands obeyed when given to several devices, out of [`GROUP_VERBS`].
    pub group_commands: Vec<String>,
    /// Milliseconds an order to several devices waits at most, 0 to 30,000.
    pub group_jitter_ms: u32,
    /// Seconds a command's `ts` may lie behind, 1 to 600.
    pub max_age_s: u32,
    /// Lines of the log of orders that are kept, 10 to 100,000.
    pub keep_log: u32,
}

/// Who may order what.
#[derive(Clone, Debug)]
pub struct Allow {
    /// How they must be known.
    pub by: AllowBy,
    /// Their names; empty means all who are known so.
    pub requesters: Vec<String>,
    /// The commands; empty means all.
    pub commands: Vec<String>,
}

/// How a requester is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowBy {
    /// By the level after `from` of the topic.
    Topic,
    /// By the user property `requester`.
    Property,
    /// Not at all.
    Anyone,
}
