//! The bell, who is not to be disturbed, and what was kept of calls and the door.

use clap::Subcommand;
use serde_json::json;

use super::Order;
use super::payload::Payload;

/// The bell, who is not to be disturbed, and what was kept of calls and the door.
#[derive(Debug, Subcommand)]
pub enum RingingVerb {
    /// Stop the bell ringing, for instance because somebody opened the door.
    StopRinging {
        /// Why; several words become one text.
        detail: Vec<String>,
    },
    /// Do not disturb: calls do not ring here, or the bell does not ring somebody.
    Dnd {
        /// On or off.
        #[arg(value_enum)]
        switch: Switch,
        /// For so long.
        #[arg(long, value_name = "MINUTES")]
        minutes: Option<u32>,
        /// Until then: `2026-12-24T18:00:00+01:00`.
        #[arg(long, conflicts_with = "minutes", value_name = "TIME")]
        until: Option<jiff::Timestamp>,
        /// Somebody the bell rings, by login or number, instead of this device.
        #[arg(long)]
        user: Option<String>,
    },
    /// Whether the bell rings somebody.
    RingTarget {
        /// The user, by login or number.
        user: String,
        /// On or off.
        #[arg(value_enum)]
        switch: Switch,
    },
    /// Whether calls are answered by themselves, as the configuration says.
    AutoAnswer {
        /// On or off.
        #[arg(value_enum)]
        switch: Switch,
    },
    /// Calls that are over, newest first.
    Calls {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only `incoming` or `outgoing`.
        #[arg(long, value_parser = ["incoming", "outgoing"])]
        direction: Option<String>,
        /// Only with this user, by number.
        #[arg(long, value_name = "NUMBER")]
        peer: Option<u64>,
        /// Only those that ended so: `missed`, `no_answer` …
        #[arg(long)]
        reason: Option<String>,
        /// Only those of this ring.
        #[arg(long)]
        ring: Option<String>,
    },
    /// The log of orders over MQTT.
    Control {
        #[command(subcommand)]
        what: ControlLog,
    },
    /// The door's log.
    Door {
        #[command(subcommand)]
        what: Door,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// What there is about control.
#[derive(Debug, Subcommand)]
pub enum ControlLog {
    /// What was refused and what was carried out that matters, newest first.
    Log {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

/// What there is about the door.
#[derive(Debug, Subcommand)]
pub enum Door {
    /// Who tried to open it, how, and what came of it, newest first.
    Log {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

impl RingingVerb {
    pub(super) fn order(&self) -> Order {
        match self {
            Self::StopRinging { detail } => {
                let detail = (!detail.is_empty()).then(|| detail.join(" "));
                ("stop_ringing", Payload::new().put("detail", detail).done())
            }
            Self::Dnd {
                switch,
                minutes,
                until,
                user,
            } => {
                let payload = Payload::new()
                    .put("on", Some(*switch == Switch::On))
                    .put("minutes", *minutes)
                    .put("until", until.map(|until| until.as_millisecond()))
                    .person("user", user.as_ref());
                ("dnd", payload.done())
            }
            Self::RingTarget { user, switch } => {
                let payload = Payload::new()
                    .person("user", Some(user))
                    .put("enabled", Some(*switch == Switch::On));
                ("ring_target", payload.done())
            }
            Self::AutoAnswer { switch } => ("auto_answer", json!({ "on": *switch == Switch::On })),
            Self::Calls {
                limit,
                direction,
                peer,
                reason,
                ring,
            } => {
                let payload = Payload::new()
                    .put("limit", Some(*limit))
                    .put("direction", direction.as_ref())
                    .put("peer", *peer)
                    .put("reason", reason.as_ref())
                    .put("ring", ring.as_ref());
                ("calls", payload.done())
            }
            Self::Control {
                what: ControlLog::Log { limit },
            } => ("control_log", json!({ "limit": limit })),
            Self::Door {
                what: Door::Log { limit },
            } => ("door_log", json!({ "limit": limit })),
        }
    }
}
