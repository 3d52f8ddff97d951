//! `ctl dialog …`: one dialog created, changed, left, looked at.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::Order;
use super::payload::{Payload, pair};

/// The kinds of dialog there are to create.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// With one other user.
    Private,
    /// With a name and members.
    Group,
    /// With a name, for whoever subscribes.
    Public,
    /// To everybody, written by its admins.
    Broadcast,
}

/// Whether something is switched on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Switch {
    fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// A dialog to be created.
#[derive(Debug, Args)]
pub struct NewDialog {
    /// What kind of dialog.
    #[arg(long, value_enum, default_value = "group")]
    kind: Kind,
    /// Its title; a private one has none.
    #[arg(long, short)]
    name: Option<String>,
    /// What it is about.
    #[arg(long)]
    description: Option<String>,
    /// Let others read its last messages without joining.
    #[arg(long)]
    allow_preview: bool,
    /// A custom field the application allows; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    extension: Vec<(String, String)>,
    /// The others, by login or number.
    users: Vec<String>,
}

/// What to change about a dialog.
#[derive(Debug, Args)]
pub struct Change {
    /// The dialog's id.
    dialog: String,
    /// Another title.
    #[arg(long, short)]
    name: Option<String>,
    /// Another description.
    #[arg(long)]
    description: Option<String>,
    /// Uid or address of a picture.
    #[arg(long)]
    photo: Option<String>,
    /// Somebody to add, by login or number; may be repeated, as all below.
    #[arg(long, value_name = "USER")]
    add: Vec<String>,
    /// Somebody to remove.
    #[arg(long, value_name = "USER")]
    remove: Vec<String>,
    /// Somebody who becomes an admin.
    #[arg(long, value_name = "USER")]
    add_admin: Vec<String>,
    /// Somebody who stops being an admin.
    #[arg(long, value_name = "USER")]
    remove_admin: Vec<String>,
    /// A message to pin.
    #[arg(long, value_name = "MESSAGE")]
    pin: Vec<String>,
    /// A message to unpin.
    #[arg(long, value_name = "MESSAGE")]
    unpin: Vec<String>,
    /// Whether others may read its last messages without joining.
    #[arg(long, value_enum)]
    allow_preview: Option<Switch>,
    /// A custom field the application allows.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    extension: Vec<(String, String)>,
    /// Take all custom fields away.
    #[arg(long, conflicts_with = "extension")]
    no_extensions: bool,
}

/// One dialog.
#[derive(Debug, Subcommand)]
pub enum DialogVerb {
    /// Create one; a private one that is there already is returned.
    Create(NewDialog),
    /// Change its title, people, pinned messages …
    Update(Change),
    /// Leave a group, or unsubscribe from a public dialog.
    Leave {
        /// The dialog's id.
        dialog: String,
    },
    /// Delete it.
    Delete {
        /// The dialog's id.
        dialog: String,
        /// For everybody, not only for this user.
        #[arg(long)]
        for_all: bool,
    },
    /// Delete its messages.
    Clear {
        /// The dialog's id.
        dialog: String,
        /// For everybody, not only for this user.
        #[arg(long)]
        for_all: bool,
    },
    /// Subscribe to a public dialog.
    Subscribe {
        /// The dialog's id.
        dialog: String,
    },
    /// Who is in it.
    #[command(visible_alias = "people")]
    Occupants {
        /// The dialog's id.
        dialog: String,
    },
    /// Whether its messages are pushed to the device's user.
    Notifications {
        /// The dialog's id.
        dialog: String,
        /// What it shall be; without, it is asked.
        #[arg(value_enum)]
        set: Option<Switch>,
    },
}

impl NewDialog {
    fn order(&self) -> Order {
        let payload = Payload::new()
            .put("kind", Some(self.kind))
            .put("name", self.name.as_ref())
            .put("description", self.description.as_ref())
            .flag("allow_preview", self.allow_preview)
            .pairs("extensions", &self.extension)
            .people("users", &self.users);
        ("dialog_create", payload.done())
    }
}

impl Change {
    fn order(&self) -> Order {
        let payload = Payload::new()
            .put("dialog", Some(&self.dialog))
            .put("name", self.name.as_ref())
            .put("description", self.description.as_ref())
            .put("photo", self.photo.as_ref())
            .people("add_users", &self.add)
            .people("remove_users", &self.remove)
            .people("add_admins", &self.add_admin)
            .people("remove_admins", &self.remove_admin)
            .list("pin", &self.pin)
            .list("unpin", &self.unpin)
            .put("allow_preview", self.allow_preview.map(Switch::is_on))
            .pairs("extensions", &self.extension)
            .put("extensions", self.no_extensions.then_some(()));
        ("dialog_update", payload.done())
    }
}

impl DialogVerb {
    pub(super) fn order(&self) -> Order {
        match self {
            Self::Create(new) => new.order(),
            Self::Update(change) => change.order(),
            Self::Leave { dialog } => ("dialog_leave", json!({ "dialog": dialog })),
            Self::Delete { dialog, for_all } => (
                "dialog_delete",
                json!({ "dialog": dialog, "for_all": for_all }),
            ),
            Self::Clear { dialog, for_all } => (
                "dialog_clear",
                json!({ "dialog": dialog, "for_all": for_all }),
            ),
            Self::Subscribe { dialog } => ("dialog_subscribe", json!({ "dialog": dialog })),
            Self::Occupants { dialog } => ("dialog_occupants", json!({ "dialog": dialog })),
            Self::Notifications { dialog, set } => {
                let payload = Payload::new()
                    .put("dialog", Some(dialog))
                    .put("enabled", set.map(Switch::is_on));
                ("dialog_notifications", payload.done())
            }
        }
    }
}
