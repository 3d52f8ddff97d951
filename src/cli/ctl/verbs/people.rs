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

/// Whom to push a notification to, and what.
#[derive(Debug, Args)]
pub struct Pushed {
    #[command(flatten)]
    whom: Whom,
    /// A title; without it the device's name.
    #[arg(long)]
    title: Option<String>,
    /// For so long it is worth something, seconds.
    #[arg(long, value_name = "SECONDS")]
    life: Option<u32>,
    /// The text.
    #[arg(required = true)]
    text: Vec<String>,
}

/// Exactly one way of choosing people; each may be repeated.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// A user, by login or number.
    #[arg(long = "to", value_name = "USER")]
    users: Vec<String>,
    /// The number another system has for a user.
    #[arg(long, value_name = "ID")]
    external: Vec<String>,
    /// Whoever has one of these tags.
    #[arg(long, value_name = "TAG")]
    any_tag: Vec<String>,
    /// Whoever has all of these tags.
    #[arg(long, value_name = "TAG")]
    all_tags: Vec<String>,
    /// Whoever has none of these tags.
    #[arg(long, value_name = "TAG")]
    without_tag: Vec<String>,
}

impl Pushed {
    fn order(&self) -> Order {
        let payload = Payload::new()
            .people("users", &self.whom.users)
            .list("external_ids", &self.whom.external)
            .list("any_tag", &self.whom.any_tag)
            .list("all_tags", &self.whom.all_tags)
            .list("without_tags", &self.whom.without_tag)
            .put("title", self.title.as_ref())
            .put("life_s", self.life)
            .put("text", Some(self.text.join(" ")));
        ("push", payload.done())
    }
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
    /// Send a push notification to people, wherever they are.
    Push(Box<Pushed>),
    /// Change the profile of the device's user.
    Profile(Box<Profile>),
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
            Self::Push(pushed) => pushed.order(),
            Self::Blocked => ("blocked", json!({})),
            Self::Report(report) => report.order(),
            Self::Profile(profile) => profile.order(),
        }
    }
}
