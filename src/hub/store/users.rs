//! Users: profiles with a closed list of columns, and the password's hash kept apart.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::json;

use crate::hub::clock::iso8601;
use crate::protocol::address::UserId;

/// Columns a client may set, all text. Everything else is the hub's own.
pub const PROFILE: &[&str] = &[
    "login",
    "email",
    "full_name",
    "phone",
    "website",
    "external_id",
    "external_user_id",
    "facebook_id",
    "twitter_id",
    "custom_data",
    "avatar",
    "blob_id",
    "timezone",
    "user_tags",
];

/// Columns whose text belongs to one user at most.
const UNIQUE: &[&str] = &[
    "login",
    "email",
    "external_id",
    "external_user_id",
    "facebook_id",
    "twitter_id",
];

const COLUMNS: &str = "id, login, email, full_name, phone, website, external_id, external_user_id, \
     facebook_id, twitter_id, custom_data, avatar, blob_id, timezone, user_tags, is_guest, \
     created_at, updated_at, last_request_at";

/// Changes to a profile: a column of [`PROFILE`] and its text, or `None` to empty it.
pub type Changes = Vec<(&'static str, Option<String>)>;

/// A user as answers show it. The password is not part of it by construction.
#[derive(Clone, Debug)]
pub struct User {
    /// The number.
    pub id: UserId,
    /// Display name.
    pub full_name: Option<String>,
    json: serde_json::Value,
}

/// A column whose text another user already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken(pub &'static str);

impl User {
    /// What people call the user: the full name, else the login, else the number.
    pub fn name(&self) -> String {
        let login = self.json["login"].as_str();
        let name = self.full_name.as_deref().filter(|name| !name.is_empty());
        name.or(login)
            .map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// The user object of wire reference E.2.
    pub fn json(&self) -> serde_json::Value {
        self.json.clone()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text = |name: &str| row.get::<_, Option<String>>(name);
        let time = |name: &str| {
            row.get::<_, Option<i64>>(name)
                .map(|time| time.map(iso8601))
        };
        // Some SDKs read these two as numbers, so a number goes out as one.
        let number = |name: &str| -> rusqlite::Result<serde_json::Value> {
            Ok(match text(name)? {
                Some(text) => text
                    .parse::<i64>()
                    .map_or_else(|_| json!(text), |n| json!(n)),
                None => serde_json::Value::Null,
            })
        };
        let id: i64 = row.get("id")?;
        let is_guest: bool = row.get("is_guest")?;
        Ok(Self {
            id: id.unsigned_abs(),
            full_name: text("full_name")?,
            json: json!({
                "id": id,
                "full_name": text("full_name")?,
                "email": text("email")?,
                "login": text("login")?,
                "phone": text("phone")?,
                "website": text("website")?,
                "created_at": time("created_at")?,
                "updated_at": time("updated_at")?,
                "last_request_at": time("last_request_at")?,
                "external_user_id": text("external_user_id")?,
                "external_id": text("external_id")?,
                "facebook_id": text("facebook_id")?,
                "twitter_id": text("twitter_id")?,
                "custom_data": text("custom_data")?,
                "blob_id": number("blob_id")?,
                "avatar": text("avatar")?,
                "user_tags": text("user_tags")?,
                "timezone": number("timezone")?,
                "is_guest": is_guest,
            }),
        })
    }
}

/// Creates a user. The password comes hashed.
pub fn create(
    connection: &Connection,
    changes: &Changes,
    password_hash: Option<&str>,
    is_guest: bool,
    now: i64,
) -> rusqlite::Result<Result<User, Taken>> {
    if let Some(taken) = find_taken(connection, changes, None)? {
        return Ok(Err(taken));
    }
    let mut names = vec![
        "password",
        "is_guest",
        "created_at",
        "updated_at",
        "last_request_at",
    ];
    let mut values: Vec<Value> = vec![
        password_hash.map(str::to_owned).into(),
        i64::from(is_guest).into(),
        now.into(),
        now.into(),
        now.into(),
    ];
    for (name, value) in changes {
        names.push(name);
        values.push(value.clone().into());
    }
    let sql = format!(
        "INSERT INTO users ({}) VALUES ({}) RETURNING {COLUMNS}",
        names.join(", "),
        vec!["?"; names.len()].join(", ")
    );
    let user = connection
        .prepare(&sql)?
        .query_row(params_from_iter(values), User::read)?;
    set_tags(connection, user.id, changes)?;
    Ok(Ok(user))
}

/// Changes a profile, and the password if a new hash is given. `None` for an unknown user.
pub fn update(
    connection: &Connection,
    id: UserId,
    changes: &Changes,
    password_hash: Option<&str>,
    now: i64,
) -> rusqlite::Result<Result<Option<User>, Taken>> {
    if let Some(taken) = find_taken(connection, changes, Some(id))? {
        return Ok(Err(taken));
    }
    let mut assignments = vec!["updated_at = ?".to_owned()];
    let mut values: Vec<Value> = vec![now.into()];
    for (name, value) in changes {
        assignments.push(format!("{name} = ?"));
        values.push(value.clone().into());
    }
    if let Some(hash) = password_hash {
        assignments.push("password = ?".to_owned());
        values.push(hash.to_owned().into());
    }
    values.push((id as i64).into());
    let sql = format!(
        "UPDATE users SET {} WHERE id = ? RETURNING {COLUMNS}",
        assignments.join(", ")
    );
    let user = connection
        .prepare(&sql)?
        .query_row(params_from_iter(values), User::read)
        .optional()?;
    if user.is_some() {
        set_tags(connection, id, changes)?;
    }
    Ok(Ok(user))
}

/// Keeps the rows of tags like the text.
fn set_tags(connection: &Connection, id: UserId, changes: &Changes) -> rusqlite::Result<()> {
    let Some((_, text)) = changes.iter().find(|(name, _)| *name == "user_tags") else {
        return Ok(());
    };
    let id = id as i64;
    connection.execute("DELETE FROM tags WHERE user_id = ?1", [id])?;
    let tags = text.iter().flat_map(|text| text.split(',')).map(str::trim);
    for tag in tags.filter(|tag| !tag.is_empty()) {
        connection
            .prepare_cached("INSERT OR IGNORE INTO tags (user_id, tag) VALUES (?1, ?2)")?
            .execute(params![id, tag])?;
    }
    Ok(())
}

fn find_taken(
    connection: &Connection,
    changes: &Changes,
    except: Option<UserId>,
) -> rusqlite::Result<Option<Taken>> {
    for (name, value) in changes {
        let Some(value) = value else { continue };
        if !UNIQUE.contains(name) {
            continue;
        }
        let owner = connection
            .prepare_cached(&format!("SELECT id FROM users WHERE {name} = ?1"))?
            .query_row([value], |row| row.get::<_, i64>(0))
            .optional()?;
        if owner.is_some_and(|owner| Some(owner as UserId) != except) {
            return Ok(Some(Taken(name)));
        }
    }
    Ok(None)
}

/// The user of a number.
pub fn by_id(connection: &Connection, id: UserId) -> rusqlite::Result<Option<User>> {
    by_column(connection, "id", &id.to_string())
}

/// Whether there is a user of a number.
pub fn exists(connection: &Connection, id: UserId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM users WHERE id = ?1")?
        .exists([id as i64])
}

/// The first user whose `column` (a literal: `id` or one of [`PROFILE`]) has this text.
pub fn by_column(
    connection: &Connection,
    column: &'static str,
    text: &str,
) -> rusqlite::Result<Option<User>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM users WHERE {column} = ?1 LIMIT 1"
        ))?
        .query_row([text], User::read)
        .optional()
}

/// The users of these numbers, in no particular order; unknown ones are left out.
pub fn by_ids(connection: &Connection, ids: &[UserId]) -> rusqlite::Result<Vec<User>> {
    let marks = vec!["?"; ids.len()].join(", ");
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM users WHERE id IN ({marks}) ORDER BY id"
        ))?
        .query_map(
            params_from_iter(ids.iter().map(|id| *id as i64)),
            User::read,
        )?
        .collect()
}

/// The number and password hash behind a log-in name or an e-mail address.
pub fn credentials(
    connection: &Connection,
    column: &'static str,
    text: &str,
) -> rusqlite::Result<Option<(UserId, Option<String>)>> {
    connection
        .prepare_cached(&format!(
            "SELECT id, password FROM users WHERE {column} = ?1"
        ))?
        .query_row([text], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
        })
        .optional()
}

/// Users matching `filter`, one page of them, and how many there are in all.
pub fn search(
    connection: &Connection,
    filter: &super::query::Filter,
    page: &super::query::Page,
) -> rusqlite::Result<(Vec<User>, u64)> {
    let total = connection
        .prepare(&format!(
            "SELECT count(*) FROM users WHERE {}",
            filter.sql()
        ))?
        .query_row(params_from_iter(filter.values()), |row| {
            row.get::<_, i64>(0)
        })?;
    let users = connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM users WHERE {} {}",
            filter.sql(),
            page.sql("id")
        ))?
        .query_map(params_from_iter(filter.values()), User::read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok((users, total.unsigned_abs()))
}

/// Removes a user with sessions, files and memberships. Dialogs and messages stay for the others.
pub fn delete(connection: &Connection, id: UserId) -> rusqlite::Result<bool> {
    connection.execute("DELETE FROM occupants WHERE user_id = ?1", [id as i64])?;
    Ok(connection.execute("DELETE FROM users WHERE id = ?1", [id as i64])? > 0)
}

/// When the user was last connected to the chat, or last asked the REST API.
pub fn last_seen(connection: &Connection, id: UserId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT max(coalesce(last_seen_at, 0), coalesce(last_request_at, 0), created_at)
             FROM users WHERE id = ?1",
        )?
        .query_row([id as i64], |row| row.get(0))
        .optional()
}

/// Notes the end of a chat connection.
pub fn seen(connection: &Connection, id: UserId, now: i64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE users SET last_seen_at = ?2 WHERE id = ?1",
        params![id as i64, now],
    )?;
    Ok(())
}

/// Removes guests none of whose sessions is alive any more.
pub fn sweep_guests(connection: &Connection) -> rusqlite::Result<usize> {
    let ids: Vec<i64> = connection
        .prepare(
            "SELECT id FROM users WHERE is_guest = 1
             AND NOT EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &ids {
        delete(connection, id.unsigned_abs())?;
    }
    Ok(ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::{Store, blobs, sessions};

    #[tokio::test]
    async fn a_guest_goes_with_the_last_session_and_takes_everything_along() {
        const DAY: i64 = 86_400;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let guest = store
            .run(|db| {
                let guest = create(db, &vec![], None, true, 0)?.unwrap().id;
                sessions::create(db, [1; 32], Some(guest), DAY, 0)?;
                let new = blobs::New {
                    uid: "a".repeat(32),
                    owner: guest,
                    name: "n".into(),
                    content_type: "text/plain".into(),
                    is_public: false,
                    upload_expires_at: DAY,
                };
                blobs::create(db, &new, 0)?;
                Ok(guest)
            })
            .await
            .unwrap();
        let sweep = |now: i64| {
            store.run(move |db| {
                sessions::sweep(db, now)?;
                sweep_guests(db)?;
                let has_file = blobs::find(db, &"a".repeat(32))?.is_some();
                Ok((by_id(db, guest)?.is_some(), has_file))
            })
        };
        assert_eq!(sweep(DAY).await.unwrap(), (true, true));
        assert_eq!(sweep(DAY + 120).await.unwrap(), (false, false));
    }
}
