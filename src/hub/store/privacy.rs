//! Privacy lists at rest. What applies now is in memory (`xmpp::blocks`).

use rusqlite::{Connection, OptionalExtension, params};

use crate::protocol::address::UserId;
use crate::protocol::privacy::{Item, List};

/// The names of a user's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The one that applies to the user.
    pub default: Option<String>,
    /// All of them, by name.
    pub all: Vec<String>,
}

/// The names of a user's lists.
pub fn names(connection: &Connection, user: UserId) -> rusqlite::Result<Names> {
    let mut names = Names::default();
    let mut statement = connection.prepare_cached(
        "SELECT name, is_default FROM privacy_lists WHERE user_id = ?1 ORDER BY name",
    )?;
    let mut rows = statement.query([user as i64])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if row.get(1)? {
            names.default = Some(name.clone());
        }
        names.all.push(name);
    }
    Ok(names)
}

/// The items of a list.
pub fn items(
    connection: &Connection,
    user: UserId,
    name: &str,
) -> rusqlite::Result<Option<Vec<Item>>> {
    connection
        .prepare_cached("SELECT items FROM privacy_lists WHERE user_id = ?1 AND name = ?2")?
        .query_row(params![user as i64, name], |row| {
            read(&row.get::<_, String>(0)?)
        })
        .optional()
}

/// Creates or replaces a list. `false` if the user has `most` lists already.
pub fn put(
    connection: &Connection,
    user: UserId,
    list: &List,
    most: usize,
) -> rusqlite::Result<bool> {
    let all = names(connection, user)?.all;
    if all.len() >= most && !all.contains(&list.name) {
        return Ok(false);
    }
    let items = serde_json::to_string(&list.items)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached(
            "INSERT INTO privacy_lists (user_id, name, items) VALUES (?1, ?2, ?3)
             ON CONFLICT (user_id, name) DO UPDATE SET items = excluded.items",
        )?
        .execute(params![user as i64, list.name, items])?;
    Ok(true)
}

/// Deletes a list. `false` if there is none of this name.
pub fn delete(connection: &Connection, user: UserId, name: &str) -> rusqlite::Result<bool> {
    let deleted = connection.execute(
        "DELETE FROM privacy_lists WHERE user_id = ?1 AND name = ?2",
        params![user as i64, name],
    )?;
    Ok(deleted > 0)
}

/// Makes a list the user's default, or with `None` lets none be. `false` if there is none of this
/// name; then nothing has changed.
pub fn set_default(
    connection: &Connection,
    user: UserId,
    name: Option<&str>,
) -> rusqlite::Result<bool> {
    if let Some(name) = name
        && items(connection, user, name)?.is_none()
    {
        return Ok(false);
    }
    connection.execute(
        "UPDATE privacy_lists SET is_default = 0 WHERE user_id = ?1 AND is_default = 1",
        [user as i64],
    )?;
    if let Some(name) = name {
        connection.execute(
            "UPDATE privacy_lists SET is_default = 1 WHERE user_id = ?1 AND name = ?2",
            params![user as i64, name],
        )?;
    }
    Ok(true)
}

/// Every user's default list, for the start.
pub fn defaults(connection: &Connection) -> rusqlite::Result<Vec<(UserId, Vec<Item>)>> {
    connection
        .prepare("SELECT user_id, items FROM privacy_lists WHERE is_default = 1")?
        .query_map([], |row| {
            let user: i64 = row.get(0)?;
            Ok((user.unsigned_abs(), read(&row.get::<_, String>(1)?)?))
        })?
        .collect()
}

fn read(items: &str) -> rusqlite::Result<Vec<Item>> {
    serde_json::from_str(items).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })
}
