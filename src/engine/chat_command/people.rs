//! Users: looked up, watched, kept away, reported; and the device's own profile.

use serde::Deserialize;
use serde_json::Value;

use super::super::command::UserRef;
use super::rules::{Checked, LIST_MAX, characters, object_id, too_many};

/// The longest text of a profile, in characters.
const PROFILE_MAX: usize = 255;
/// The longest custom data of a profile, in characters.
const CUSTOM_DATA_MAX: usize = 5_000;
/// The most tags of a user (US-03).
const TAGS_MAX: usize = 10;
/// The longest reason of a report, in characters.
const REASON_MAX: usize = 1_000;

/// Whose activity.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastActivity {
    /// The user.
    pub user: UserRef,
    /// Also begin (`true`) or end (`false`) to be told of changes.
    pub watch: Option<bool>,
}

/// Whom to keep away.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The user.
    pub user: UserRef,
    /// Also keep our own messages from the user.
    #[serde(default)]
    pub mutual: bool,
}

/// Whom to let in again.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unblock {
    /// The user.
    pub user: UserRef,
}

/// Whom to look up; one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindUsers {
    /// The exact login.
    pub login: Option<String>,
    /// These numbers, at most 100.
    pub ids: Vec<u64>,
    /// How the full name begins, at least 4 characters.
    pub name: Option<String>,
}

/// What to change about the device's own profile (US-18). An empty text takes away what is there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateProfile {
    /// Display name, at most 255 characters like the next three.
    pub full_name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Web site.
    pub website: Option<String>,
    /// Uid or address of a picture.
    pub avatar: Option<String>,
    /// What the application keeps there: a text, or any JSON, which is kept as its text; at most
    /// 5,000 characters.
    pub custom_data: Option<Value>,
    /// All its tags, at most 10.
    pub tags: Option<Vec<String>>,
}

impl UpdateProfile {
    /// The custom data as it is kept.
    pub fn custom_text(&self) -> Option<String> {
        self.custom_data.as_ref().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }
}

/// A user to be reported (CH-46).
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportUser {
    /// The user.
    pub user: UserRef,
    /// Why, 1 to 1,000 characters.
    pub reason: String,
}

/// A message to be reported (CH-47).
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportMessage {
    /// The message.
    pub message: String,
    /// Why, 1 to 1,000 characters.
    pub reason: String,
}

pub(super) fn check_profile(update: &UpdateProfile) -> Checked {
    if *update == UpdateProfile::default() {
        let rule = "nothing to change: full_name, phone, website, avatar, custom_data, tags";
        return Err(format!("{rule} are all missing"));
    }
    for (field, text) in [
        ("full_name", &update.full_name),
        ("phone", &update.phone),
        ("website", &update.website),
        ("avatar", &update.avatar),
    ] {
        if let Some(text) = text {
            characters(field, text, 0, PROFILE_MAX)?;
        }
    }
    if let Some(text) = update.custom_text() {
        characters("custom_data", &text, 0, CUSTOM_DATA_MAX)?;
    }
    match &update.tags {
        Some(tags) if tags.len() > TAGS_MAX => Err(too_many("tags", tags.len(), TAGS_MAX)),
        Some(tags) => tags
            .iter()
            .try_for_each(|tag| characters("tags", tag, 1, PROFILE_MAX)),
        None => Ok(()),
    }
}

pub(super) fn check_message_report(report: &ReportMessage) -> Checked {
    object_id("message", &report.message)?;
    check_reason(&report.reason)
}

pub(super) fn check_reason(reason: &str) -> Checked {
    characters("reason", reason, 1, REASON_MAX)
}

pub(super) fn check_users(find: &FindUsers) -> Checked {
    let given = [
        find.login.is_some(),
        !find.ids.is_empty(),
        find.name.is_some(),
    ];
    if given.into_iter().filter(|&given| given).count() != 1 {
        return Err("login, ids or name: exactly one is required".into());
    }
    if find.ids.len() > LIST_MAX {
        return Err(too_many("ids", find.ids.len(), LIST_MAX));
    }
    match (&find.login, &find.name) {
        (Some(login), _) => characters("login", login, 1, UserRef::LOGIN_MAX),
        (_, Some(name)) => characters("name", name, 4, 200),
        _ => Ok(()),
    }
}
