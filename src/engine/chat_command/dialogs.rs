//! Dialogs: listed, created, changed.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::command::UserRef;
use super::rules::{Checked, LIST_MAX, characters, ids, object_id, too_many};

/// The most custom fields of a dialog (CH-13).
const EXTENSIONS_MAX: usize = 3;

/// Which dialogs to list.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListDialogs {
    /// At most this many, 1 to 100.
    pub limit: u32,
    /// Leave out so many of the latest.
    pub skip: u32,
}

impl Default for ListDialogs {
    fn default() -> Self {
        Self { limit: 20, skip: 0 }
    }
}

/// The kinds of dialog there are to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DialogKind {
    /// With one other user.
    Private,
    /// With a name and members.
    Group,
    /// With a name, for whoever subscribes.
    Public,
    /// To everybody, written by its admins.
    Broadcast,
}

/// A dialog to be created.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDialog {
    /// Its kind.
    pub kind: DialogKind,
    /// Title, 1 to 200 characters; none for private ones.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The others; exactly one for private ones, at most 100.
    #[serde(default)]
    pub users: Vec<UserRef>,
    /// Custom fields of the application's, at most 3 (CH-13).
    #[serde(default)]
    pub extensions: Map<String, Value>,
    /// Whether others may read its last messages without joining (CH-14).
    pub allow_preview: Option<bool>,
}

/// What to change about a dialog.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateDialog {
    /// The dialog.
    pub dialog: String,
    /// Title.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Uid or address of a picture.
    pub photo: Option<String>,
    /// All its custom fields, at most 3 (CH-13); null takes them away.
    #[serde(deserialize_with = "even_null")]
    pub extensions: Option<Option<Map<String, Value>>>,
    /// Whether others may read its last messages without joining (CH-14).
    pub allow_preview: Option<bool>,
    /// Members to add.
    pub add_users: Vec<UserRef>,
    /// Members to remove.
    pub remove_users: Vec<UserRef>,
    /// Admins to add.
    pub add_admins: Vec<UserRef>,
    /// Admins to remove.
    pub remove_admins: Vec<UserRef>,
    /// Messages to pin.
    pub pin: Vec<String>,
    /// Messages to unpin.
    pub unpin: Vec<String>,
}

/// A dialog, for what needs nothing else.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneDialog {
    /// The dialog.
    pub dialog: String,
    /// For everybody, where the role allows it, not only for this user.
    #[serde(default)]
    pub for_all: bool,
}

/// Whether messages of a dialog are pushed to this user.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// The dialog.
    pub dialog: String,
    /// What they shall be; absent to ask.
    pub enabled: Option<bool>,
}

/// Tells a field that is null from one that is not there, which serde's default is for.
fn even_null<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

pub(super) fn check_new(new: &CreateDialog) -> Checked {
    match (new.kind, &new.name) {
        (DialogKind::Private, Some(_)) => {
            return Err("name: a private dialog has none".into());
        }
        (DialogKind::Private, None) => {}
        (_, None) => return Err("name: is required".into()),
        (_, Some(name)) => characters("name", name, 1, 200)?,
    }
    extensions(&new.extensions)?;
    match (new.kind, new.users.len()) {
        (DialogKind::Private, 1) | (DialogKind::Group, 1..=LIST_MAX) => Ok(()),
        (DialogKind::Private, _) => Err("users: a private dialog has exactly one".into()),
        (DialogKind::Group, 0) => Err("users: at least one is required".into()),
        (DialogKind::Group, count) => Err(too_many("users", count, LIST_MAX)),
        (_, 0) => Ok(()),
        _ => Err("users: this kind of dialog has subscribers instead".into()),
    }
}

pub(super) fn check_update(update: &UpdateDialog) -> Checked {
    object_id("dialog", &update.dialog)?;
    if let Some(name) = &update.name {
        characters("name", name, 1, 200)?;
    }
    for (field, users) in [
        ("add_users", &update.add_users),
        ("remove_users", &update.remove_users),
        ("add_admins", &update.add_admins),
        ("remove_admins", &update.remove_admins),
    ] {
        if users.len() > LIST_MAX {
            return Err(too_many(field, users.len(), LIST_MAX));
        }
    }
    if let Some(Some(given)) = &update.extensions {
        extensions(given)?;
    }
    ids("pin", &update.pin)?;
    ids("unpin", &update.unpin)?;
    let nothing = UpdateDialog {
        dialog: update.dialog.clone(),
        ..UpdateDialog::default()
    };
    if *update == nothing {
        return Err("nothing to change: name, description, photo, add_users … are missing".into());
    }
    Ok(())
}

fn extensions(given: &Map<String, Value>) -> Checked {
    if given.len() > EXTENSIONS_MAX {
        return Err(too_many("extensions", given.len(), EXTENSIONS_MAX));
    }
    let nested = given
        .iter()
        .find(|(_, value)| value.is_object() || value.is_array());
    match nested {
        Some((name, _)) => Err(format!("extensions: {name} is not a text, number or truth")),
        None => Ok(()),
    }
}
