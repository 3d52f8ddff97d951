//! Calls, the bell and the door.

use clap::Subcommand;
use serde_json::json;

use super::Order;
use super::payload::Payload;

/// Calls, the bell and the door.
#[derive(Debug, Subcommand)]
pub enum CallVerb {
    /// Ring: call whom the configuration names, or these.
    Ring {
        /// Users, by login or number.
        users: Vec<String>,
    },
    /// Call somebody.
    Call {
        /// The user, by login or number.
        user: String,
        /// Without picture.
        #[arg(long)]
        audio: bool,
    },
    /// Take the ringing call.
    Answer,
    /// Decline the ringing call.
    Reject {
        /// Told to the caller.
        reason: Option<String>,
    },
    /// End the call, ringing or talking.
    #[command(visible_alias = "hang-up")]
    Hangup,
    /// Open the door.
    Unlock,
    /// Press the bell button.
    Press,
    /// Say something by the loudspeaker, or to those in the call.
    Say {
        /// Read out; several words become one text.
        #[arg(required_unless_present_any = ["sound", "stop"], conflicts_with_all = ["sound", "stop"])]
        text: Vec<String>,
        /// A sound of the device instead, by its name.
        #[arg(long, value_name = "NAME", conflicts_with = "stop")]
        sound: Option<String>,
        /// Who hears it.
        #[arg(long, value_parser = ["loudspeaker", "call", "both"], conflicts_with = "stop")]
        target: Option<String>,
        /// In place of what is said already, not after it.
        #[arg(long, conflicts_with = "stop")]
        replace: bool,
        /// Say nothing any more.
        #[arg(long)]
        stop: bool,
    },
    /// Talk in the call, or no more, where `[audio] duplex` is `push_to_talk`.
    Talk {
        /// Whether to talk.
        #[arg(value_parser = ["on", "off"])]
        on: String,
    },
    /// How loud the microphone is, if it is open, and everybody in the call.
    Levels,
    /// A visitor's message: begin one, end it, call it off.
    VisitorMessage {
        /// `stop` sends what was recorded, `cancel` keeps nothing.
        #[arg(value_parser = ["start", "stop", "cancel"])]
        action: String,
    },
}

impl CallVerb {
    pub(super) fn order(&self) -> Order {
        match self {
            Self::Ring { users } => ("ring", Payload::new().people("targets", users).done()),
            Self::Call { user, audio } => {
                let payload = Payload::new()
                    .person("user", Some(user))
                    .put("call_type", audio.then_some("audio"));
                ("call", payload.done())
            }
            Self::Answer => ("answer", json!({})),
            Self::Reject { reason } => {
                let payload = Payload::new().put("reason", reason.as_ref());
                ("reject", payload.done())
            }
            Self::Hangup => ("hangup", json!({})),
            Self::Unlock => ("unlock", json!({})),
            Self::Press => ("press", json!({})),
            Self::Say {
                text,
                sound,
                target,
                replace,
                stop,
            } => {
                let payload = Payload::new()
                    .put("text", (!text.is_empty()).then(|| text.join(" ")))
                    .put("sound", sound.as_ref())
                    .put("target", target.as_ref())
                    .put("turn", replace.then_some("replace"))
                    .put("stop", stop.then_some(true));
                ("say", payload.done())
            }
            Self::Talk { on } => ("talk", json!({ "on": on == "on" })),
            Self::Levels => ("levels", json!({})),
            Self::VisitorMessage { action } => ("visitor_message", json!({ "action": action })),
        }
    }
}
