//! Dialogs: what they are, finding and making them. Who is in them is in [`super::occupants`].

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::Value as Json;

use super::occupants;
use super::query::{Field, Filter, Kind, Page};
use crate::base::object_id::ObjectId;
use crate::hub::roles::{Action, Role, may};
use crate::protocol::address::UserId;

/// Broadcast dialogs: everybody reads, those who run them write.
pub const BROADCAST: u8 = 1;
/// Group dialogs: listed occupants.
pub const GROUP: u8 = 2;
/// Private dialogs: exactly two people, named after the other one.
pub const PRIVATE: u8 = 3;
/// Public dialogs: whoever subscribes.
pub const PUBLIC: u8 = 4;
/// The dialog of a meeting: a group made by the meeting.
pub const MEETING: u8 = 5;

/// What list requests may filter and sort by (CH-05).
pub const FIELDS: &[Field] = &[
    ("_id", "dialogs.id", Kind::Text),
    ("type", "dialogs.type", Kind::Number),
    ("name", "dialogs.name", Kind::Text),
    (
        "last_message_date_sent",
        "dialogs.last_message_date_sent",
        Kind::Time,
    ),
    // What the documentation's own example sorts by.
    ("date_sent", "dialogs.last_message_date_sent", Kind::Time),
    ("created_at", "dialogs.created_at", Kind::Time),
    ("updated_at", "dialogs.updated_at", Kind::Time),
    (
        "occupants_ids",
        "x.user_id",
        Kind::NumberIn("occupants x WHERE x.dialog_id = dialogs.id"),
    ),
];

const COLUMNS: &str = "dialogs.id, dialogs.type, dialogs.name, description, photo, \
     dialogs.user_id, extensions, permissions, data, pinned_messages_ids, last_message, \
     last_message_id, last_message_user_id, last_message_date_sent, dialogs.created_at, \
     dialogs.updated_at";

/// A dialog with its people.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// 24 hex digits.
    pub id: String,
    /// [`BROADCAST`], [`GROUP`], [`PRIVATE`], [`PUBLIC`] or [`MEETING`].
    pub kind: u8,
    /// Who created it.
    pub owner: UserId,
    /// Its people, in order of their numbers: occupants, or subscribers of a public dialog.
    pub occupants: Vec<UserId>,
    /// Those of them who administer it besides the owner.
    pub admins: Vec<UserId>,
    /// Users kept out of a public or broadcast dialog.
    pub blocked: Vec<UserId>,
    /// Pinned messages.
    pub pinned: Vec<String>,
    /// Title; a private dialog has none of its own.
    pub name: Option<String>,
    /// Longer text.
    pub description: Option<String>,
    /// Address or id of a picture.
    pub photo: Option<String>,
    /// Custom fields as JSON.
    pub extensions: Option<String>,
    /// Permissions as JSON.
    pub permissions: Option<String>,
    /// The custom object it is bound to, as JSON (CH-20).
    pub data: Option<String>,
    /// The message with the latest date.
    pub last_message: Option<LastMessage>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// What a dialog shows of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastMessage {
    /// Its id.
    pub id: String,
    /// Its text.
    pub body: Option<String>,
    /// Its author.
    pub sender: UserId,
    /// Unix seconds.
    pub date_sent: i64,
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
    /// Permissions.
    pub permissions: Option<Json>,
    /// The custom object it is bound to.
    pub data: Option<Json>,
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
            ("data", self.data.as_ref().map(nested)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl Dialog {
    /// What a user is in it.
    pub fn role(&self, user: UserId) -> Role {
        let is_open = matches!(self.kind, BROADCAST | PUBLIC);
        let is_listed = self.occupants.binary_search(&user).is_ok();
        if self.owner == user && (is_listed || is_open) {
            Role::Owner
        } else if self.blocked.contains(&user) {
            Role::Stranger
        } else if self.admins.contains(&user) {
            Role::Admin
        } else if is_listed || self.kind == BROADCAST {
            Role::Regular
        } else {
            Role::Stranger
        }
    }

    /// Whether a user is in it.
    pub fn has(&self, user: UserId) -> bool {
        self.role(user) > Role::Stranger
    }

    /// Whether the roles matrix lets a user do something here.
    pub fn may(&self, user: UserId, action: Action) -> bool {
        may(self.kind, self.role(user), action)
    }

    /// The other one of a private dialog.
    pub fn partner(&self, user: UserId) -> Option<UserId> {
        let others = self.occupants.iter().copied();
        others
            .filter(|other| self.kind == PRIVATE && *other != user)
            .min()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let user = |name: &str| -> rusqlite::Result<Option<UserId>> {
            Ok(row.get::<_, Option<i64>>(name)?.map(i64::unsigned_abs))
        };
        let last_message = match (row.get("last_message_id")?, user("last_message_user_id")?) {
            (Some(id), Some(sender)) => Some(LastMessage {
                id,
                body: row.get("last_message")?,
                sender,
                date_sent: row.get("last_message_date_sent")?,
            }),
            _ => None,
        };
        let pinned: String = row.get("pinned_messages_ids")?;
        Ok(Self {
            id: row.get("id")?,
            kind: row.get("type")?,
            owner: user("user_id")?.unwrap_or_default(),
            occupants: Vec::new(),
            admins: Vec::new(),
            blocked: Vec::new(),
            pinned: serde_json::from_str(&pinned).unwrap_or_default(),
            name: row.get("name")?,
            description: row.get("description")?,
            photo: row.get("photo")?,
            extensions: row.get("extensions")?,
            permissions: row.get("permissions")?,
            data: row.get("data")?,
            last_message,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

/// Whether messages of this kind of dialog have receivers to be told apart: unread counts,
/// delivered and read (CH-10, CH-33). In public and broadcast dialogs views are counted instead.
pub fn has_receipts(kind: u8) -> bool {
    matches!(kind, GROUP | PRIVATE | MEETING)
}

/// The dialog of an id.
pub fn load(connection: &Connection, id: &str) -> rusqlite::Result<Option<Dialog>> {
    let dialog = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM dialogs WHERE id = ?1"))?
        .query_row([id], Dialog::read)
        .optional()?;
    dialog
        .map(|dialog| occupants::with_people(connection, dialog))
        .transpose()
}

/// The kind of a dialog, without its people.
pub fn kind(connection: &Connection, id: &str) -> rusqlite::Result<Option<u8>> {
    connection
        .prepare_cached("SELECT type FROM dialogs WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// The private dialog of two people, created if they have none yet (B.2, CH-09).
pub fn private_between(
    connection: &Connection,
    creator: UserId,
    other: UserId,
    now: i64,
) -> rusqlite::Result<Dialog> {
    if let Some(dialog) = find_private(connection, creator, other)? {
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
        [&dialog.id, &pair(creator, other)],
    )?;
    Ok(dialog)
}

/// The private dialog of two people, if they have one.
pub fn find_private(
    connection: &Connection,
    one: UserId,
    other: UserId,
) -> rusqlite::Result<Option<Dialog>> {
    private_id(connection, one, other)?.map_or(Ok(None), |id| load(connection, &id))
}

/// The id of the private dialog of two people, if they have one.
pub fn private_id(
    connection: &Connection,
    one: UserId,
    other: UserId,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT id FROM dialogs WHERE pair = ?1")?
        .query_row([pair(one, other)], |row| row.get(0))
        .optional()
}

fn pair(one: UserId, other: UserId) -> String {
    format!("{}-{}", one.min(other), one.max(other))
}

/// Creates a dialog; its creator is in it and owns it.
pub fn create(
    connection: &Connection,
    kind: u8,
    owner: UserId,
    people: &[UserId],
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
    occupants::add(connection, &id, &[owner], now)?;
    occupants::add(connection, &id, people, now)?;
    occupants::add(connection, &id, admins, now)?;
    occupants::set_admins(connection, &id, admins, true)?;
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

/// Replaces the pinned messages.
pub fn set_pinned(connection: &Connection, id: &str, pinned: &[String]) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE dialogs SET pinned_messages_ids = ?2 WHERE id = ?1",
        params![id, serde_json::json!(pinned).to_string()],
    )?;
    Ok(())
}

/// The dialogs in a user's own list: those with the user among the occupants, and every broadcast
/// dialog (CH-04), less those the user removed or is kept out of.
pub fn listed_for(viewer: UserId) -> Filter {
    let viewer = Value::from(viewer as i64);
    Filter::default().and(
        "dialogs.id IN (SELECT dialog_id FROM occupants WHERE user_id = ?
                        UNION ALL SELECT id FROM dialogs WHERE type = 1)
         AND NOT EXISTS (SELECT 1 FROM dialog_views v
                         WHERE v.user_id = ? AND v.dialog_id = dialogs.id AND v.hidden = 1)
         AND NOT EXISTS (SELECT 1 FROM blocked b
                         WHERE b.dialog_id = dialogs.id AND b.user_id = ?)",
        [viewer.clone(), viewer.clone(), viewer],
    )
}

/// A page of the dialogs that match.
pub fn list(
    connection: &Connection,
    filter: &Filter,
    page: &Page,
) -> rusqlite::Result<Vec<Dialog>> {
    let dialogs: Vec<Dialog> = connection
        .prepare(&list_sql(filter, page))?
        .query_map(params_from_iter(filter.values()), Dialog::read)?
        .collect::<rusqlite::Result<_>>()?;
    dialogs
        .into_iter()
        .map(|dialog| occupants::with_people(connection, dialog))
        .collect()
}

fn list_sql(filter: &Filter, page: &Page) -> String {
    format!(
        "SELECT {COLUMNS} FROM dialogs WHERE {} {}",
        filter.sql(),
        page.sql("dialogs.id")
    )
}

/// How many dialogs match.
pub fn count(connection: &Connection, filter: &Filter) -> rusqlite::Result<u64> {
    connection
        .prepare(&format!(
            "SELECT count(*) FROM dialogs WHERE {}",
            filter.sql()
        ))?
        .query_row(params_from_iter(filter.values()), |row| {
            row.get::<_, i64>(0)
        })
        .map(i64::unsigned_abs)
}

/// Deletes a dialog with its messages for everybody.
pub fn delete(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    // The occupants first: the messages' trigger then finds no unread rows to look for.
    connection.execute("DELETE FROM occupants WHERE dialog_id = ?1", [id])?;
    connection.execute("DELETE FROM dialogs WHERE id = ?1", [id])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::Store;
    use crate::hub::store::query::plan;

    #[tokio::test]
    async fn the_own_list_is_found_through_the_occupants_not_by_reading_every_dialog() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let steps = store
            .run(|connection| {
                let filter = listed_for(1);
                let page = Page {
                    limit: 100,
                    skip: 0,
                    sort: Some(("dialogs.last_message_date_sent".into(), true)),
                };
                plan(connection, &list_sql(&filter, &page), filter.values())
            })
            .await
            .unwrap();
        assert!(
            !steps.iter().any(|step| step.starts_with("SCAN")),
            "{steps:?}"
        );
        assert!(
            steps.iter().any(|step| step.contains("occupants_user")),
            "{steps:?}"
        );
    }
}
