//! What is kept of a message.

use std::collections::BTreeSet;

use rusqlite::Row;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::protocol::address::UserId;
use crate::protocol::chat_message::{Attachment, Param, params_to_json};
use crate::protocol::rest::Reactions;

/// What became of a message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnStatus {
    /// Stored here, not yet with the server.
    Queued,
    /// The server has it.
    Sent,
    /// A device of somebody else has it.
    Delivered,
    /// Somebody else has seen it.
    Read,
    /// The server does not take it.
    Refused,
}

impl OwnStatus {
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::Read => 3,
            Self::Refused => 4,
        }
    }

    fn of_number(number: i64) -> Self {
        match number {
            0 => Self::Queued,
            1 => Self::Sent,
            2 => Self::Delivered,
            3 => Self::Read,
            _ => Self::Refused,
        }
    }
}

/// A message in the history. The serde form is the JSON of replies and events.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// 24 hex digits.
    #[serde(rename = "message")]
    pub id: String,
    /// Its dialog; absent in a first message of ours that the server has not placed yet.
    pub dialog: Option<String>,
    /// Who wrote it.
    #[serde(rename = "from")]
    pub sender: UserId,
    /// The other one of a private dialog, where known.
    #[serde(rename = "to", skip_serializing_if = "Option::is_none")]
    pub recipient: Option<UserId>,
    /// Unix seconds.
    pub date_sent: u64,
    /// The text; empty once removed.
    pub text: String,
    /// What goes with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Custom parameters.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_object")]
    pub custom: Vec<Param>,
    /// Whose devices have it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub delivered_to: BTreeSet<UserId>,
    /// Who has seen it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub read_by: BTreeSet<UserId>,
    /// Reactions to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reactions: Option<Reactions>,
    /// Whether we wrote it, here or on another device.
    pub is_own: bool,
    /// What became of it, if it is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OwnStatus>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its text was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_edited: bool,
    /// Whether it was taken back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_removed: bool,
    /// Whether we have read it; own ones count as read.
    pub is_read: bool,
    /// When it is to disappear, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destroy_at: Option<u64>,
    /// Whether the server keeps it in its history.
    #[serde(skip)]
    pub is_saved: bool,
    /// The place in the order of arrival; 0 before it is stored.
    #[serde(skip)]
    pub seq: i64,
}

fn as_object<S: serde::Serializer>(params: &[Param], to: S) -> Result<S::Ok, S::Error> {
    let object: Map<String, Value> = params_to_json(params);
    object.serialize(to)
}

/// The part of an entry without columns of its own.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Details {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) custom: Vec<Param>,
}

pub(super) const COLUMNS: &str = "m.seq, m.id, m.dialog, m.sender, m.recipient, m.date_sent, \
     m.body, m.details, m.delivered_to, m.read_by, m.reactions, m.is_own, m.status, m.reason, \
     m.is_edited, m.is_removed, m.is_read, m.destroy_at, m.is_saved";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let details: Details = from_json(row.get("details")?)?;
    let reactions: Option<String> = row.get("reactions")?;
    Ok(Entry {
        seq: row.get("seq")?,
        id: row.get("id")?,
        dialog: row.get("dialog")?,
        sender: row.get::<_, i64>("sender")? as UserId,
        recipient: row
            .get::<_, Option<i64>>("recipient")?
            .map(|user| user as UserId),
        date_sent: row.get::<_, i64>("date_sent")? as u64,
        text: row.get("body")?,
        attachments: details.attachments,
        custom: details.custom,
        delivered_to: from_json(row.get("delivered_to")?)?,
        read_by: from_json(row.get("read_by")?)?,
        reactions: reactions.map(from_json).transpose()?,
        is_own: row.get("is_own")?,
        status: row
            .get::<_, Option<i64>>("status")?
            .map(OwnStatus::of_number),
        reason: row.get("reason")?,
        is_edited: row.get("is_edited")?,
        is_removed: row.get("is_removed")?,
        is_read: row.get("is_read")?,
        is_saved: row.get("is_saved")?,
        destroy_at: row.get::<_, Option<i64>>("destroy_at")?.map(|at| at as u64),
    })
}

pub(super) fn from_json<T: DeserializeOwned>(text: String) -> rusqlite::Result<T> {
    serde_json::from_str(&text).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(0, kind, error.into())
    })
}

pub(super) fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
