//! Messages, who received and read them, and what follows from that for their dialogs.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Map, Value as Json, json};

use super::query::{Field, Filter, Kind, Page};
use crate::hub::clock::iso8601;
use crate::protocol::address::UserId;

/// What list requests may filter and sort by.
pub const FIELDS: &[Field] = &[
    ("_id", "m.id", Kind::Text),
    ("message", "m.message", Kind::Text),
    ("date_sent", "m.date_sent", Kind::Time),
    ("sender_id", "m.sender_id", Kind::Number),
    ("recipient_id", "m.recipient_id", Kind::Number),
    ("created_at", "m.created_at", Kind::Time),
    ("updated_at", "m.updated_at", Kind::Time),
];

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The client's id, which is kept (B.1).
    pub id: String,
    /// The dialog.
    pub dialog_id: String,
    /// Who wrote it.
    pub sender: UserId,
    /// The other one of a private dialog.
    pub recipient: Option<UserId>,
    /// The text.
    pub body: Option<String>,
    /// Unix seconds.
    pub date_sent: i64,
    /// Objects of attributes.
    pub attachments: Vec<Json>,
    /// Custom parameters, shown as top-level fields.
    pub custom: Map<String, Json>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// Stored.
    New,
    /// The same sender stored a message of this id before: the client sends it again.
    Duplicate,
    /// The id belongs to somebody else's message.
    Conflict,
}

/// Stores a message and makes it its dialog's last one, unless its id is known.
pub fn insert(
    connection: &Connection,
    message: &NewMessage,
    now: i64,
) -> rusqlite::Result<Insertion> {
    let known: Option<i64> = connection
        .prepare_cached("SELECT sender_id FROM messages WHERE id = ?1")?
        .query_row([&message.id], |row| row.get(0))
        .optional()?;
    if let Some(sender) = known {
        return Ok(if sender.unsigned_abs() == message.sender {
            Insertion::Duplicate
        } else {
            Insertion::Conflict
        });
    }
    connection
        .prepare_cached(
            "INSERT INTO messages (id, dialog_id, sender_id, recipient_id, message, date_sent,
                                   attachments, custom, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        )?
        .execute(params![
            message.id,
            message.dialog_id,
            message.sender as i64,
            message.recipient.map(|user| user as i64),
            message.body,
            message.date_sent,
            json!(message.attachments).to_string(),
            json!(message.custom).to_string(),
            now
        ])?;
    connection
        .prepare_cached("INSERT INTO receipts (message_id, user_id, is_read) VALUES (?1, ?2, 1)")?
        .execute(params![message.id, message.sender as i64])?;
    connection
        .prepare_cached(
            "UPDATE dialogs SET last_message = ?2, last_message_id = ?3, last_message_user_id = ?4,
                                last_message_date_sent = ?5, updated_at = ?6 WHERE id = ?1",
        )?
        .execute(params![
            message.dialog_id,
            message.body,
            message.id,
            message.sender as i64,
            message.date_sent,
            now
        ])?;
    connection
        .prepare_cached("UPDATE occupants SET hidden = 0 WHERE dialog_id = ?1 AND hidden = 1")?
        .execute([&message.dialog_id])?;
    Ok(Insertion::New)
}

/// A page of a dialog's messages as `viewer` sees them. Without a sort: oldest first (CH-30).
pub fn list(
    connection: &Connection,
    viewer: UserId,
    filter: &Filter,
    page: &Page,
) -> rusqlite::Result<Vec<Json>> {
    connection
        .prepare(&format!(
            "{SELECT} WHERE {} {}",
            filter.sql(),
            page.sql("m.rowid")
        ))?
        .query_map(params_from_iter(filter.values()), |row| read(row, viewer))?
        .collect()
}

/// How many messages match.
pub fn count(connection: &Connection, filter: &Filter) -> rusqlite::Result<u64> {
    connection
        .prepare(&format!(
            "SELECT count(*) FROM messages m WHERE {}",
            filter.sql()
        ))?
        .query_row(params_from_iter(filter.values()), |row| {
            row.get::<_, i64>(0)
        })
        .map(i64::unsigned_abs)
}

/// One message as `viewer` sees it.
pub fn load(connection: &Connection, id: &str, viewer: UserId) -> rusqlite::Result<Option<Json>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE m.id = ?1"))?
        .query_row([id], |row| read(row, viewer))
        .optional()
}

/// The dialog and the author of a message.
pub fn place(connection: &Connection, id: &str) -> rusqlite::Result<Option<(String, UserId)>> {
    connection
        .prepare_cached("SELECT dialog_id, sender_id FROM messages WHERE id = ?1")?
        .query_row([id], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })
        .optional()
}

const SELECT: &str = "SELECT m.*,
    (SELECT json_group_array(user_id) FROM receipts WHERE message_id = m.id) AS delivered_ids,
    (SELECT json_group_array(user_id) FROM receipts WHERE message_id = m.id AND is_read = 1)
        AS read_ids
    FROM messages m";

fn read(row: &Row<'_>, viewer: UserId) -> rusqlite::Result<Json> {
    let nested = |name: &str| -> rusqlite::Result<Json> {
        let text: String = row.get(name)?;
        Ok(serde_json::from_str(&text).unwrap_or(Json::Null))
    };
    let sender = row.get::<_, i64>("sender_id")?.unsigned_abs();
    let read_ids: Vec<UserId> = serde_json::from_value(nested("read_ids")?).unwrap_or_default();
    let is_read = if sender == viewer {
        read_ids.iter().any(|user| *user != sender)
    } else {
        read_ids.contains(&viewer)
    };
    // Custom parameters first: a field of the hub wins over one of the same name.
    let mut message = match nested("custom")? {
        Json::Object(custom) => custom,
        _ => Map::new(),
    };
    let fields = [
        ("_id", json!(row.get::<_, String>("id")?)),
        ("chat_dialog_id", json!(row.get::<_, String>("dialog_id")?)),
        ("message", json!(row.get::<_, Option<String>>("message")?)),
        ("sender_id", json!(sender)),
        (
            "recipient_id",
            json!(row.get::<_, Option<i64>>("recipient_id")?),
        ),
        ("date_sent", json!(row.get::<_, i64>("date_sent")?)),
        ("created_at", json!(iso8601(row.get("created_at")?))),
        ("updated_at", json!(iso8601(row.get("updated_at")?))),
        ("read_ids", json!(read_ids)),
        ("delivered_ids", nested("delivered_ids")?),
        ("read", json!(u8::from(is_read))),
        ("views_count", json!(0)),
        ("attachments", nested("attachments")?),
        ("reactions", Json::Null),
    ];
    for (name, value) in fields {
        message.insert(name.to_owned(), value);
    }
    Ok(Json::Object(message))
}

/// Notes that `user` received (or read, which includes receiving) messages of a dialog the user
/// is in: those of `ids`, or all. Own messages are left alone.
pub fn mark(
    connection: &Connection,
    user: UserId,
    dialog: &str,
    ids: Option<&[String]>,
    is_read: bool,
) -> rusqlite::Result<usize> {
    let mut values = vec![
        Value::from(user as i64),
        Value::from(i64::from(is_read)),
        Value::from(dialog.to_owned()),
        Value::from(user as i64),
    ];
    let among = match ids {
        None => String::new(),
        Some(ids) => {
            values.extend(ids.iter().cloned().map(Value::from));
            format!(" AND id IN ({})", vec!["?"; ids.len()].join(", "))
        }
    };
    connection
        .prepare(&format!(
            "INSERT INTO receipts (message_id, user_id, is_read)
             SELECT id, ?, ? FROM messages WHERE dialog_id = ? AND sender_id <> ?{among}
             ON CONFLICT DO UPDATE SET is_read = max(is_read, excluded.is_read)
             WHERE is_read < excluded.is_read"
        ))?
        .execute(params_from_iter(values))
}

/// Messages of others that `viewer` has not read, since the viewer is in the dialog.
pub fn unread(connection: &Connection, viewer: UserId, dialog: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM messages m JOIN occupants o
               ON o.dialog_id = m.dialog_id AND o.user_id = ?1 AND m.created_at >= o.joined_at
             WHERE m.dialog_id = ?2 AND m.sender_id <> ?1 AND NOT EXISTS
               (SELECT 1 FROM receipts WHERE message_id = m.id AND user_id = ?1 AND is_read = 1)",
        )?
        .query_row(params![viewer as i64, dialog], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// `read`, `delivered` or `sent`: the furthest any other occupant has come (E.3).
pub fn status(
    connection: &Connection,
    message: &str,
    sender: UserId,
) -> rusqlite::Result<&'static str> {
    let furthest: Option<i64> = connection
        .prepare_cached(
            "SELECT max(is_read) FROM receipts WHERE message_id = ?1 AND user_id <> ?2",
        )?
        .query_row(params![message, sender as i64], |row| row.get(0))?;
    Ok(match furthest {
        Some(1) => "read",
        Some(_) => "delivered",
        None => "sent",
    })
}

/// Changes a message's text, and its dialog's last message if it is that. Only its author may.
pub fn edit(
    connection: &Connection,
    author: UserId,
    id: &str,
    body: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let changed = connection.execute(
        "UPDATE messages SET message = ?3, updated_at = ?4 WHERE id = ?1 AND sender_id = ?2",
        params![id, author as i64, body, now],
    )? > 0;
    if changed {
        connection.execute(
            "UPDATE dialogs SET last_message = ?2, updated_at = ?3 WHERE last_message_id = ?1",
            params![id, body, now],
        )?;
    }
    Ok(changed)
}

/// Deletes a message for everybody; the dialog's last message becomes the one before. Only its
/// author may.
pub fn remove(
    connection: &Connection,
    author: UserId,
    id: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let Some((dialog, sender)) = place(connection, id)? else {
        return Ok(false);
    };
    if sender != author {
        return Ok(false);
    }
    connection.execute("DELETE FROM messages WHERE id = ?1", [id])?;
    connection.execute(
        "UPDATE dialogs SET (last_message, last_message_id, last_message_user_id,
                             last_message_date_sent) =
             (SELECT message, id, sender_id, date_sent FROM messages
              WHERE dialog_id = ?1 ORDER BY date_sent DESC, rowid DESC LIMIT 1),
             updated_at = ?3
         WHERE id = ?1 AND last_message_id = ?2",
        params![dialog, id, now],
    )?;
    Ok(true)
}
