//! Local control over MQTT: state, events and availability out, commands in. The contract is
//! `docs/reference/mqtt.md`.
//!
//! What to do is decided without IO in `intake` (commands; with `requester`, `rate`, `timing`,
//! `window`), `lanes` (in which order), `outbox` (what is sent when) and `parts` (which state
//! topics changed); `link` is one connection, `execution` what the engine is doing, `run` joins
//! them.
//!
//! Invariant: every command that arrives is answered exactly once, and executed at most once per
//! id. A broker that is slow, down or hostile can delay nothing but its own traffic.
//! Must not enter: what commands do (that is the engine); credentials on a topic or in a log.

mod actor;
pub mod asyncapi;
mod automation;
mod catalogue;
mod exchange;
mod execution;
pub mod home_assistant;
mod intake;
mod lanes;
mod link;
mod message;
mod notes;
mod outbox;
mod parts;
mod payload;
mod payload_schema;
mod rate;
pub mod reference;
pub mod remote;
mod requester;
pub mod rule_check;
mod run;
mod timing;
mod topics;
mod version_choice;
mod window;

use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};

use crate::config;
use crate::engine::chosen;
use crate::engine::command::{Command, CommandError, Request};
use crate::engine::event::Event;
use crate::engine::journal::Journal;
use crate::engine::setting_command::Setting;
use crate::engine::state::DeviceState;
use crate::protocol::call_signal::CallType;

pub use actor::actors;
pub use exchange::Exchange;
pub use home_assistant::Equipment;
pub use run::run;

/// Reads a command as one that arrived on `cmd/<verb>`, without carrying it out.
///
/// # Errors
/// The typed error the sender would be answered with.
pub fn read_command(verb: &str, payload: &[u8]) -> Result<Command, CommandError> {
    let (fields, _) = payload::split(payload)?;
    payload::parse(verb, fields, CallType::Video)
}

/// Reads a setting as one that arrived on `<part>/set`, without carrying it out.
///
/// # Errors
/// The typed error the sender would be answered with.
pub fn read_setting(part: &str, payload: &[u8]) -> Result<Setting, CommandError> {
    let (fields, _) = payload::split(payload)?;
    payload::setting(part, &fields)
}

/// What control needs to know.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// The device's name in topics.
    pub device: String,
    /// The groups it belongs to.
    pub groups: Vec<String>,
    /// The broker.
    pub mqtt: config::Mqtt,
    /// What may be ordered.
    pub control: config::Control,
    /// The kind of call when `call` names none.
    pub call_type: CallType,
    /// What the device has.
    pub equipment: Equipment,
    /// How long the engine may take for a command before it is answered `timeout`.
    pub command_timeout: Duration,
}

impl ControlSettings {
    /// From the device's configuration; none if it names no broker.
    pub fn from_config(config: &config::DeviceConfig) -> Option<Self> {
        Some(Self {
            device: config.device.name.clone(),
            groups: config.device.groups.clone(),
            mqtt: config.mqtt.clone()?,
            control: config.control.clone(),
            call_type: config.calls.call_type,
            equipment: Equipment {
                relay: config.door.relay != config::Relay::None,
                camera: config.camera.source != config::VideoSource::None,
                auto_answer: !config.calls.incoming.auto_answer.is_empty(),
                visitor_message: config.visitor_message.enabled,
                loudspeaker: config.audio.sink != config::AudioSink::Null,
                screen: config.display.sink != config::VideoSink::Null,
                cameras: chosen::camera_names(config),
                microphones: chosen::microphone_names(config),
                loudspeakers: chosen::loudspeaker_names(config),
                recording: config.recording.enabled,
            },
            command_timeout: Duration::from_secs(10),
        })
    }
}

/// The engine as control sees it.
#[derive(Debug)]
pub struct EnginePort {
    /// Commands go here; a full queue is answered `unavailable`.
    pub requests: mpsc::Sender<Request>,
    /// What happened. Its capacity should cover a burst; what it drops is lost and logged.
    pub events: broadcast::Receiver<Event>,
    /// How things are.
    pub state: watch::Receiver<DeviceState>,
    /// What outlives a restart.
    pub journal: Journal,
    /// What the rules want to hear and to show.
    pub exchange: Exchange,
}

/// How the connection to the broker stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BrokerStatus {
    /// On the way.
    #[default]
    Connecting,
    /// Commands are heard, events are sent.
    Online,
    /// Not connected; trying again after a delay.
    Offline {
        /// Why, without credentials.
        reason: String,
    },
    /// Shut down.
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_arrives_is_a_command_or_a_typed_error(
            verb in "(call|ring|send|reject|kill|answer|[a-z]{0,8})",
            payload in r#"[\[\]{}:,"a-z0-9 ]{0,80}|\{"(to|text|user|targets|id|reason)":["0-9a-z\[\]{}]{0,20}\}"#,
        ) {
            let _ = read_command(&verb, payload.as_bytes());
        }

        #[test]
        fn bytes_that_are_no_json_are_refused(payload in proptest::collection::vec(128u8.., 1..60)) {
            prop_assert!(read_command("call", &payload).is_err());
        }
    }
}
