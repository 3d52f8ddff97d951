//! `kiosk.toml` and its like: strict, and patient enough to name every mistake at once.
//!
//! A device's file is read through a collecting reader that follows one table of fields
//! ([`fields::DEVICE`]); the reference manual is printed from the same table. Other files are
//! ordinary serde types, loaded by [`load()`] with the same errors.
//!
//! Invariant: nothing is guessed. A file with one unknown key, one value out of range or one
//! secret others can read gives no configuration at all.
//! Must not enter: what to do with a setting; sockets; the engine.

pub mod device;
mod document;
pub mod fields;
#[cfg(feature = "hub")]
pub mod hub;
pub mod json_schema;
mod load;
mod migrate;
mod problem;
mod reader;
pub mod reference;
mod secret;
mod suggest;
mod version;

pub use device::{
    Account, Allow, AllowBy, Audio, AudioSink, AudioSource, Button, CallSound, Calls, Camera,
    CameraAccess, CertificateTrust, Chat, ChatEndpoint, ChatUnlock, Console, Control, Device,
    DeviceConfig, DiscoveryForm, Display, Door, GpioLine, HomeAssistant, Hub, IceServer, Incoming,
    Level, Mqtt, MqttVersion, NetworkCamera, Pull, QuietHours, RecordedCall, RecordingNotice,
    Relay, RingStep, Rtsp, Say, ScreenArea, ScreenFit, ScreenLayout, ScreenSelfView, TlsFiles,
    VideoCodec, VideoSink, VideoSource, check_device, load_device,
};
pub use load::{Check, Validate, load};
pub use migrate::{MigrateError, Migrated, migrate};
pub use problem::{ConfigErrors, Problem, Report, locate_problems};
pub use secret::{Secret, Surroundings, read_file as read_secret};
