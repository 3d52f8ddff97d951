//! Messages: storing, finding and showing them.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Map, Value as Json, json};

use super::dialogs::{Dialog, LastMessage, has_receipts};
use super::query::{Field, Filter, Kind, Page};
use super::{dialog_views, reactions, receipts};
use crate::hub::clock::iso8601;
use crate::protocol::address::UserId;

/// What list requests may filter and sort by (CH-31).
pub const FIELDS: &[Field] = &[
    ("_id", "m.id", Kind::Text),
    ("message", "m.message", Kind::Text),
    ("date_sent", "m.date_sent", Kind::Time),
    ("sender_id", "m.sender_id", Kind::Number),
    ("recipient_id", "m.recipient_id", Kind::Number),
    (
        "attachments.type",
        "(value ->> 'type')",
        Kind::TextIn("json_each(m.attachments) WHERE 1"),
    ),
    ("created_at", "m.created_at", Kind::Time),
    ("updated_at", "m.updated_at", Kind::Time),
];

/// Bytes of a message's text: what also fits into one stanza of the clients.
pub const MAX_BODY: usize = 64 * 1024;

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

/// Stores a message, makes it its dialog's last one if it is the latest, and unread for the
/// others, unless its id is known.
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
    let seq = connection.last_insert_rowid();
    receipts::add_unread(connection, &message.dialog_id, seq, message.sender)?;
    // What was written a week ago without a network takes its place in the history, not the last.
    let is_last = connection
        .prepare_cached(
            "UPDATE dialogs SET last_message = ?2, last_message_id = ?3, last_message_user_id = ?4,
                                last_message_date_sent = ?5, updated_at = ?6
             WHERE id = ?1 AND coalesce(last_message_date_sent, ?5) <= ?5",
        )?
        .execute(params![
            message.dialog_id,
            message.body,
            message.id,
            message.sender as i64,
            message.date_sent,
            now
        ])?;
    if is_last == 0 {
        connection
            .prepare_cached("UPDATE dialogs SET updated_at = ?2 WHERE id = ?1")?
            .execute(params![message.dialog_id, now])?;
    }
    dialog_views::show_to_all(connection, &message.dialog_id)?;
    Ok(Insertion::New)
}

/// The messages of a dialog that a user sees: not those cleared or deleted for this user.
pub fn visible_in(
    connection: &Connection,
    dialog: &str,
    viewer: UserId,
) -> rusqlite::Result<Filter> {
    let cleared = dialog_views::cleared(connection, dialog, viewer)?;
    Ok(Filter::default().and(
        "m.dialog_id = ? AND m.seq > ? AND NOT EXISTS
             (SELECT 1 FROM deletions d WHERE d.message_seq = m.seq AND d.user_id = ?)",
        [
            dialog.to_owned().into(),
            cleared.into(),
            Value::from(viewer as i64),
        ],
    ))
}

/// A page of the messages that match, as `viewer` sees them.
pub fn list(
    connection: &Connection,
    viewer: UserId,
    filter: &Filter,
    page: &Page,
) -> rusqlite::Result<Vec<Json>> {
    let rows: Vec<Stored> = connection
        .prepare(&list_sql(filter, page))?
        .query_map(params_from_iter(filter.values()), Stored::read)?
        .collect::<rusqlite::Result<_>>()?;
    rows.into_iter()
        .map(|row| row.json_for(connection, viewer))
        .collect()
}

/// The query of [`list`].
pub(super) fn list_sql(filter: &Filter, page: &Page) -> String {
    format!("{SELECT} WHERE {} {}", filter.sql(), page.sql("m.seq"))
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
    let row = connection
        .prepare_cached(&format!("{SELECT} WHERE m.id = ?1"))?
        .query_row([id], Stored::read)
        .optional()?;
    row.map(|row| row.json_for(connection, viewer)).transpose()
}

/// Where a message is and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub seq: i64,
    /// Its dialog.
    pub dialog: String,
    /// Its author.
    pub author: UserId,
}

/// Finds a stored message.
pub fn place(connection: &Connection, id: &str) -> rusqlite::Result<Option<Place>> {
    connection
        .prepare_cached("SELECT seq, dialog_id, sender_id FROM messages WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Place {
                seq: row.get(0)?,
                dialog: row.get(1)?,
                author: row.get::<_, i64>(2)?.unsigned_abs(),
            })
        })
        .optional()
}

/// Whether a user still sees a message: it is neither cleared nor deleted for this user.
pub fn is_visible(
    connection: &Connection,
    place: &Place,
    viewer: UserId,
) -> rusqlite::Result<bool> {
    if place.seq <= dialog_views::cleared(connection, &place.dialog, viewer)? {
        return Ok(false);
    }
    let deleted = connection
        .prepare_cached("SELECT 1 FROM deletions WHERE message_seq = ?1 AND user_id = ?2")?
        .query_row(params![place.seq, viewer as i64], |_| Ok(()))
        .optional()?;
    Ok(deleted.is_none())
}

/// The latest message of a dialog that a user still sees.
pub fn last_visible(
    connection: &Connection,
    dialog: &Dialog,
    viewer: UserId,
) -> rusqlite::Result<Option<LastMessage>> {
    let Some(last) = &dialog.last_message else {
        return Ok(None);
    };
    // Nearly always it is the dialog's own.
    if let Some(place) = place(connection, &last.id)?
        && is_visible(connection, &place, viewer)?
    {
        return Ok(Some(last.clone()));
    }
    let filter = visible_in(connection, &dialog.id, viewer)?;
    connection
        .prepare(&format!(
            "SELECT id, message, sender_id, date_sent FROM messages m WHERE {}
             ORDER BY m.date_sent DESC, m.seq DESC LIMIT 1",
            filter.sql()
        ))?
        .query_row(params_from_iter(filter.values()), |row| {
            Ok(LastMessage {
                id: row.get(0)?,
                body: row.get(1)?,
                sender: row.get::<_, i64>(2)?.unsigned_abs(),
                date_sent: row.get(3)?,
            })
        })
        .optional()
}

const SELECT: &str = "SELECT m.*, (SELECT type FROM dialogs WHERE id = m.dialog_id) AS dialog_type
    FROM messages m";

struct Stored {
    seq: i64,
    sender: UserId,
    dialog_kind: u8,
    fields: Map<String, Json>,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let nested = |name: &str| -> rusqlite::Result<Json> {
            let text: String = row.get(name)?;
            Ok(serde_json::from_str(&text).unwrap_or(Json::Null))
        };
        let sender = row.get::<_, i64>("sender_id")?.unsigned_abs();
        // Custom parameters first: a field of the hub wins over one of the same name.
        let mut fields = match nested("custom")? {
            Json::Object(custom) => custom,
            _ => Map::new(),
        };
        for (name, value) in [
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
            ("attachments", nested("attachments")?),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Ok(Self {
            seq: row.get("seq")?,
            sender,
            dialog_kind: row.get("dialog_type")?,
            fields,
        })
    }

    /// The message object of wire reference E.3 (CH-02).
    fn json_for(mut self, connection: &Connection, viewer: UserId) -> rusqlite::Result<Json> {
        let has_receipts = has_receipts(self.dialog_kind);
        receipts::describe(
            connection,
            self.seq,
            self.sender,
            viewer,
            has_receipts,
            &mut self.fields,
        )?;
        let reactions = reactions::summary(connection, self.seq, viewer)?;
        self.fields.insert("reactions".to_owned(), reactions);
        Ok(Json::Object(self.fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::Store;
    use crate::hub::store::query::plan;

    #[tokio::test]
    async fn a_page_of_a_dialog_is_read_through_its_index_without_sorting() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let steps = store
            .run(|connection| {
                let filter = visible_in(connection, "d", 1)?.and("m.date_sent > ?", [5.into()]);
                let page = Page {
                    limit: 100,
                    skip: 0,
                    sort: Some(("m.date_sent".into(), false)),
                };
                plan(connection, &list_sql(&filter, &page), filter.values())
            })
            .await
            .unwrap();
        let steps = steps.join("; ");
        assert!(
            steps.contains("messages_dialog (dialog_id=? AND date_sent>?"),
            "{steps}"
        );
        assert!(!steps.contains("TEMP B-TREE"), "{steps}");
    }
}
