//! Calls of several people, and what is changed during a call.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Order;
use super::payload::Payload;

/// Calls of several people, and what is changed during a call.
#[derive(Debug, Subcommand)]
pub enum InCallVerb {
    /// One call with up to three others.
    Conference {
        /// The users, by login or number.
        #[arg(required = true, num_args = 1..=3)]
        users: Vec<String>,
        /// Without picture.
        #[arg(long)]
        audio: bool,
    },
    /// Call one more into the call.
    Invite {
        /// The user, by login or number.
        user: String,
    },
    /// Stop sending sound, pictures, or both.
    Mute {
        /// Only this.
        #[arg(value_enum)]
        kind: Option<Kind>,
        /// Instead of sending, stop hearing and seeing.
        #[arg(long)]
        receive: bool,
        /// With `--receive`: only this one of several, by login or number.
        #[arg(long, requires = "receive")]
        user: Option<String>,
    },
    /// Undo `mute`.
    Unmute {
        /// Only this.
        #[arg(value_enum)]
        kind: Option<Kind>,
        /// Instead of sending, hear and see again.
        #[arg(long)]
        receive: bool,
        /// With `--receive`: only this one of several, by login or number.
        #[arg(long, requires = "receive")]
        user: Option<String>,
    },
    /// Neither send, hear nor see until `resume`.
    Hold,
    /// Go on with a held call.
    Resume,
    /// Limit the pictures sent in the call.
    Bandwidth {
        /// Kbit/s to each participant; 0 lifts the limit.
        kbps: u32,
    },
    /// Press keys of a telephone in the call.
    Digits {
        /// 1 to 32 of 0 to 9, `*`, `#`, A to D.
        digits: String,
        /// Only for this one of several, by login or number.
        #[arg(long)]
        user: Option<String>,
    },
    /// Renew the path of the call.
    Reconnect,
}

/// A kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl InCallVerb {
    pub(super) fn order(&self) -> Order {
        match self {
            Self::Conference { users, audio } => {
                let payload = Payload::new()
                    .people("users", users)
                    .put("call_type", audio.then_some("audio"));
                ("conference", payload.done())
            }
            Self::Invite { user } => {
                let payload = Payload::new().person("user", Some(user));
                ("invite", payload.done())
            }
            Self::Mute {
                kind,
                receive,
                user,
            } => ("mute", mute(*kind, *receive, user.as_ref(), true)),
            Self::Unmute {
                kind,
                receive,
                user,
            } => ("mute", mute(*kind, *receive, user.as_ref(), false)),
            Self::Hold => ("hold", json!({})),
            Self::Resume => ("resume", json!({})),
            Self::Bandwidth { kbps } => ("bandwidth", json!({ "kbps": kbps })),
            Self::Digits { digits, user } => {
                let payload = Payload::new()
                    .put("digits", Some(digits))
                    .person("user", user.as_ref());
                ("digits", payload.done())
            }
            Self::Reconnect => ("reconnect", json!({})),
        }
    }
}

fn mute(kind: Option<Kind>, receive: bool, user: Option<&String>, muted: bool) -> Value {
    let concerns = |one: Kind| kind.is_none_or(|kind| kind == one).then_some(muted);
    Payload::new()
        .put("audio", concerns(Kind::Audio))
        .put("video", concerns(Kind::Video))
        .put("direction", receive.then_some("receive"))
        .person("user", user)
        .done()
}
