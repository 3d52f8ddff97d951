//! Users: looked up, watched, kept away, reported; and the device's own profile.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Order;
use super::payload::Payload;

/// Whom to look up.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Wanted {
    /// How the full name begins: at least 4 characters.
    name: Option<String>,
    /// The exact login.
    #[arg(long)]
    login: Option<String>,
    /// A number; may be repeated.
    #[arg(long)]
    id: Vec<u64>,
}

/// What to change about the device's own profile; an empty text takes away what is there.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Profile {
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// Telephone number.
    #[arg(long)]
    phone: Option<String>,
    /// Web site.
    #[arg(long)]
    website: Option<String>,
    /// Uid or address of a picture.
    #[arg(long)]
    avatar: Option<String>,
    /// Whatever the application keeps there.
    #[arg(long, value_name = "TEXT")]
    custom_data: Option<String>,
    /// A tag; repeated for all there shall be.
    #[arg(long)]
    tag: Vec<String>,
    /// No tags any more.
    #[arg(long, conflicts_with = "tag")]
    no_tags: bool,
}

/// What to report.
#[derive(Debug, Subcommand)]
pub enum ReportVerb {
    /// Somebody.
    User {
        /// The user, by login or number.
        user: String,
        /// Why.
        #[arg(required = true)]
        reason: Vec<String>,
    },
    /// What somebody wrote.
    Message {
        /// The message's id.
        message: String,
        /// Why.
        #[arg(required = true)]
        reason: Vec<String>,
    },
}

/// Users: looked up, watched, kept away, reported; and the device's own profile.
#[derive(Debug, Subcommand)]
pub enum PeopleVerb {
    /// Look up a user by the exact login.
    User {
        /// The exact login.
        login: String,
    },
    /// Look up users by the beginning of their names, or by their numbers.
    Users(Wanted),
    /// When somebody was last active.
    Activity {
        /// The user, by login or number.
        user: String,
        /// Have the device tell of every change from now on, as `chat/activity`.
        #[arg(long)]
        watch: bool,
        /// Have it stop that.
        #[arg(long, conflicts_with = "watch")]
        unwatch: bool,
    },
    /// Keep somebody away: no messages and calls of that user any more.
    Block {
        /// The user, by login or number.
        user: String,
        /// Keep our messages from the user, too.
        #[arg(long)]
        mutual: bool,
    },
    /// Let somebody in again.
    Unblock {
        /// The user, by login or number.
        user: String,
    },
    /// Who is kept away.
    Blocked,
    /// Report somebody or a message to the application's administration.
    #[command(subcommand)]
    Report(ReportVerb),
    /// Change the profile of the device's user.
    Profile(Profile),
}

impl Profile {
    fn order(&self) -> Order {
        let none: &[String] = &[];
        let payload = Payload::new()
            .put("full_name", self.name.as_ref())
            .put("phone", self.phone.as_ref())
            .put("website", self.website.as_ref())
            .put("avatar", self.avatar.as_ref())
            .put("custom_data", self.custom_data.as_ref())
            .list("tags", &self.tag)
            .put("tags", self.no_tags.then_some(none));
        ("profile_update", payload.done())
    }
}

impl ReportVerb {
    fn order(&self) -> Order {
        match self {
            Self::User { user, reason } => {
                let payload = Payload::new()
                    .person("user", Some(user))
                    .put("reason", Some(reason.join(" ")));
                ("report_user", payload.done())
            }
            Self::Message { message, reason } => (
                "report_message",
                json!({ "message": message, "reason": reason.join(" ") }),
            ),
        }
    }
}

impl PeopleVerb {
    pub(super) fn order(&self) -> Order {
        match self {
            Self::User { login } => ("users", json!({ "login": login })),
            Self::Users(wanted) => {
                let payload = Payload::new()
                    .put("name", wanted.name.as_ref())
                    .put("login", wanted.login.as_ref())
                    .list("ids", &wanted.id);
                ("users", payload.done())
            }
            Self::Activity {
                user,
                watch,
                unwatch,
            } => {
                let payload = Payload::new()
                    .person("user", Some(user))
                    .put("watch", (*watch || *unwatch).then_some(*watch));
                ("last_activity", payload.done())
            }
            Self::Block { user, mutual } => {
                let payload = Payload::new()
                    .person("user", Some(user))
                    .put("mutual", Some(mutual));
                ("block", payload.done())
            }
            Self::Unblock { user } => {
                let payload = Payload::new().person("user", Some(user));
                ("unblock", payload.done())
            }
            Self::Blocked => ("blocked", json!({})),
            Self::Report(report) => report.order(),
            Self::Profile(profile) => profile.order(),
        }
    }
}
