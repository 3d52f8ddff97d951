//! Dialogs and who is in them.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Value as Json, json};

use super::query::{Field, Filter, Kind, Page};
use crate::base::object_id::ObjectId;
use crate::hub::clock::iso8601;
use crate::protocol::address::{Realm, UserId};

/// Broadcast dialogs: only those who run them write.
pub const BROADCAST: u8 = 1;
/// Private dialogs: exactly two people, named after the other one.
pub const PRIVATE: u8 = 3;
/// Group dialogs: listed occupants.
pub const GROUP: u8 = 2;

/// What list requests may filter and sort by.
pub const FIELDS: &[Field] = &[
    ("_id", "dialogs.id", Kind::Text),
    ("type", "dialogs.type", Kind::Number),
    ("name", "dialogs.name", Kind::Text),
    (
        "last_message_date_sent",
        "dialogs.last_message_date_sent",
        Kind::Time,
    ),
    ("date_sent", "dialogs.last_message_date_sent", Kind::Time),
    ("created_at", "dialogs.created_at", Kind::Time),
    ("updated_at", "dialogs.updated_at", Kind::Time),
];

const COLUMNS: &str = "dialogs.id, type, name, description, photo, dialogs.user_id, extensions, \
     permissions, pinned_messages_ids, last_message, last_message_id, last_message_user_id, \
     last_message_date_sent, created_at, updated_at";

/// A dialog with its people.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// 24 hex digits.
    pub id: String,
    /// [`PRIVATE`], [`GROUP`], [`BROADCAST`], 4 public or 5 meeting.
    pub kind: u8,
    /// Who created it.
    pub owner: UserId,
    /// Its people, in order of their numbers.
    pub occupants: Vec<UserId>,
    /// Those of them who may administer it.
    pub admins: Vec<UserId>,
    /// Pinned messages.
    pub pinned: Vec<String>,
    columns: Json,
    last_message: Option<(String, UserId)>,
}

/// Texts of a dialog a client may set; `None` leaves a text as it is, `Some(Null)` empties it.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Title.
    pub name: Option<Json>,
    /// Longer text.
    pub description: Option<Json>,
    /// Address or id of a picture.
    pub photo: Option<Json>,
    /// Custom fields.
    pub extensions: Option<Json>,
    /// Custom permissions.
    pub permissions: Option<Json>,
}

impl Texts {
    fn assignments(&self) -> Vec<(&'static str, Value)> {
        let plain = |value: &Json| match value {
            Json::Null => Value::Null,
            Json::String(text) => text.clone().into(),
            other => other.to_string().into(),
        };
        let nested = |value: &Json| match value {
            Json::Null => Value::Null,
            other => other.to_string().into(),
        };
        [
            ("name", self.name.as_ref().map(plain)),
            ("description", self.description.as_ref().map(plain)),
            ("photo", self.photo.as_ref().map(plain)),
            ("extensions", self.extensions.as_ref().map(nested)),
            ("permissions", self.permissions.as_ref().map(nested)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl Dialog {
    /// Whether a user is in it.
    pub fn has(&self, user: UserId) -> bool {
        self.occupants.contains(&user)
    }

    /// Whether a user may change who is in it.
    pub fn is_run_by(&self, user: UserId) -> bool {
        self.owner == user || self.admins.contains(&user)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let nested = |name: &str| -> rusqlite::Result<Json> {
            let text: Option<String> = row.get(name)?;
            Ok(text
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or(Json::Null))
        };
        let number = |name: &str| row.get::<_, Option<i64>>(name);
        let last_message_id: Option<String> = row.get("last_message_id")?;
        let last_sender = number("last_message_user_id")?;
        let pinned = nested("pinned_messages_ids")?;
        Ok(Self {
            id: row.get("id")?,
            kind: row.get("type")?,
            owner: row.get::<_, i64>("user_id")?.unsigned_abs(),
            occupants: Vec::new(),
            admins: Vec::new(),
            pinned: serde_json::from_value(pinned.clone()).unwrap_or_default(),
            columns: json!({
                "_id": row.get::<_, String>("id")?,
                "name": row.get::<_, Option<String>>("name")?,
                "description": row.get::<_, Option<String>>("description")?,
                "photo": row.get::<_, Option<String>>("photo")?,
                "type": row.get::<_, u8>("type")?,
                "user_id": row.get::<_, i64>("user_id")?,
                "created_at": iso8601(row.get("created_at")?),
                "updated_at": iso8601(row.get("updated_at")?),
                "last_message": row.get::<_, Option<String>>("last_message")?,
                "last_message_date_sent": number("last_message_date_sent")?,
                "last_message_id": last_message_id,
                "last_message_user_id": last_sender,
                "pinned_messages_ids": pinned,
                "extensions": nested("extensions")?,
                "permissions": nested("permissions")?,
            }),
            last_message: last_message_id
                .zip(last_sender)
                .map(|(id, sender)| (id, sender.unsigned_abs())),
        })
    }

    /// The dialog object of wire reference E.3, as `viewer` sees it.
    pub fn json_for(
        &self,
        connection: &Connection,
        realm: &Realm,
        viewer: UserId,
    ) -> rusqlite::Result<Json> {
        let mut json = self.columns.clone();
        let status = self
            .last_message
            .as_ref()
            .map(|(message, sender)| super::messages::status(connection, message, *sender))
            .transpose()?;
        json["last_message_status"] = json!(status);
        json["unread_messages_count"] =
            json!(super::messages::unread(connection, viewer, &self.id)?);
        json["occupants_ids"] = json!(self.occupants);
        json["occupants_count"] = json!(self.occupants.len());
        json["admins_ids"] = json!(self.admins);
        json["xmpp_room_jid"] = Json::Null;
        if self.kind == PRIVATE {
            if let Some(other) = self.occupants.iter().find(|user| **user != viewer) {
                let name = super::users::by_id(connection, *other)?.and_then(|user| user.full_name);
                json["name"] = json!(name);
            }
        } else {
            json["xmpp_room_jid"] = json!(realm.room(&self.id));
        }
        Ok(json)
    }
}

/// The dialog of an id.
pub fn load(connection: &Connection, id: &str) -> rusqlite::Result<Option<Dialog>> {
    let dialog = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM dialogs WHERE id = ?1"))?
        .query_row([id], Dialog::read)
        .optional()?;
    dialog
        .map(|dialog| with_people(connection, dialog))
        .transpose()
}

fn with_people(connection: &Connection, mut dialog: Dialog) -> rusqlite::Result<Dialog> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id, is_admin FROM occupants WHERE dialog_id = ?1 ORDER BY user_id",
    )?;
    let mut rows = statement.query([&dialog.id])?;
    while let Some(row) = rows.next()? {
        let user = row.get::<_, i64>(0)?.unsigned_abs();
        dialog.occupants.push(user);
        if row.get(1)? {
            dialog.admins.push(user);
        }
    }
    Ok(dialog)
}

/// The private dialog of two people, created if they have none yet (B.2, CH-09).
pub fn private_between(
    connection: &Connection,
    creator: UserId,
    other: UserId,
    now: i64,
) -> rusqlite::Result<Dialog> {
    let pair = format!("{}-{}", creator.min(other), creator.max(other));
    let id: Option<String> = connection
        .prepare_cached("SELECT id FROM dialogs WHERE pair = ?1")?
        .query_row([&pair], |row| row.get(0))
        .optional()?;
    if let Some(dialog) = id.map(|id| load(connection, &id)).transpose()?.flatten() {
        return Ok(dialog);
    }
    let dialog = create(
        connection,
        PRIVATE,
        creator,
        &[other],
        &[],
        &Texts::default(),
        now,
    )?;
    connection.execute(
        "UPDATE dialogs SET pair = ?2 WHERE id = ?1",
        [&dialog.id, &pair],
    )?;
    Ok(dialog)
}

/// Creates a dialog; its creator is in it and runs it.
pub fn create(
    connection: &Connection,
    kind: u8,
    owner: UserId,
    occupants: &[UserId],
    admins: &[UserId],
    texts: &Texts,
    now: i64,
) -> rusqlite::Result<Dialog> {
    let id = ObjectId::generate().to_string();
    connection.execute(
        "INSERT INTO dialogs (id, type, user_id, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?4)",
        params![id, kind, owner as i64, now],
    )?;
    set_texts(connection, &id, texts, now)?;
    add_occupants(connection, &id, &[owner], now)?;
    add_occupants(connection, &id, occupants, now)?;
    add_occupants(connection, &id, admins, now)?;
    set_admins(connection, &id, &[owner], true)?;
    set_admins(connection, &id, admins, true)?;
    load(connection, &id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Sets texts, and `updated_at` even when there are none.
pub fn set_texts(
    connection: &Connection,
    id: &str,
    texts: &Texts,
    now: i64,
) -> rusqlite::Result<()> {
    let assignments = texts.assignments();
    let mut sql = "UPDATE dialogs SET updated_at = ?".to_owned();
    let mut values = vec![Value::from(now)];
    for (name, value) in assignments {
        sql.push_str(&format!(", {name} = ?"));
        values.push(value);
    }
    sql.push_str(" WHERE id = ?");
    values.push(id.to_owned().into());
    connection.execute(&sql, params_from_iter(values))?;
    Ok(())
}

/// Adds people; those already in stay as they are.
pub fn add_occupants(
    connection: &Connection,
    id: &str,
    users: &[UserId],
    now: i64,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO occupants (dialog_id, user_id, joined_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET hidden = 0",
    )?;
    for user in users {
        statement.execute(params![id, *user as i64, now])?;
    }
    Ok(())
}

/// Removes people, with their administration of the dialog.
pub fn remove_occupants(
    connection: &Connection,
    id: &str,
    users: &[UserId],
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM occupants WHERE dialog_id = ?1 AND user_id = ?2")?;
    for user in users {
        statement.execute(params![id, *user as i64])?;
    }
    Ok(())
}

/// Makes occupants administrators, or no longer.
pub fn set_admins(
    connection: &Connection,
    id: &str,
    users: &[UserId],
    is_admin: bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE occupants SET is_admin = ?3 WHERE dialog_id = ?1 AND user_id = ?2",
    )?;
    for user in users {
        statement.execute(params![id, *user as i64, is_admin])?;
    }
    Ok(())
}

/// Replaces the pinned messages.
pub fn set_pinned(connection: &Connection, id: &str, pinned: &[String]) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE dialogs SET pinned_messages_ids = ?2 WHERE id = ?1",
        params![id, json!(pinned).to_string()],
    )?;
    Ok(())
}

/// A page of the dialogs a user has in the own list, and how many there are.
pub fn list(
    connection: &Connection,
    viewer: UserId,
    filter: Filter,
    page: &Page,
) -> rusqlite::Result<(Vec<Dialog>, u64)> {
    let filter = filter.and(
        "EXISTS (SELECT 1 FROM occupants o WHERE o.dialog_id = dialogs.id
                 AND o.user_id = ? AND o.hidden = 0)",
        [Value::from(viewer as i64)],
    );
    let total = connection
        .prepare(&format!(
            "SELECT count(*) FROM dialogs WHERE {}",
            filter.sql()
        ))?
        .query_row(params_from_iter(filter.values()), |row| {
            row.get::<_, i64>(0)
        })?;
    let dialogs: Vec<Dialog> = connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM dialogs WHERE {} {}",
            filter.sql(),
            page.sql("dialogs.id")
        ))?
        .query_map(params_from_iter(filter.values()), Dialog::read)?
        .collect::<rusqlite::Result<_>>()?;
    let dialogs = dialogs
        .into_iter()
        .map(|dialog| with_people(connection, dialog))
        .collect::<rusqlite::Result<_>>()?;
    Ok((dialogs, total.unsigned_abs()))
}

/// Takes a private dialog off a user's own list.
pub fn hide(connection: &Connection, id: &str, user: UserId) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE occupants SET hidden = 1 WHERE dialog_id = ?1 AND user_id = ?2",
        params![id, user as i64],
    )?;
    Ok(())
}

/// Deletes a dialog with its messages for everybody.
pub fn delete(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM dialogs WHERE id = ?1", [id])?;
    Ok(())
}
