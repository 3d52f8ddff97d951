//! Reactions to messages (CH-42…CH-44): each user has a set of them on a message.

use rusqlite::{Connection, params};
use serde_json::{Map, Value as Json, json};

use crate::protocol::address::UserId;

/// Different reactions one user may have on one message.
pub const MAX_OWN: i64 = 20;

/// Adds a reaction. `false` when the user has it already.
pub fn add(
    connection: &Connection,
    seq: i64,
    user: UserId,
    reaction: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let added = connection.execute(
        "INSERT OR IGNORE INTO reactions VALUES (?1, ?2, ?3, ?4)",
        params![seq, user as i64, reaction, now],
    )? > 0;
    if added {
        touch(connection, seq, now)?;
    }
    Ok(added)
}

/// Takes a reaction back. `false` when the user has not got it.
pub fn remove(
    connection: &Connection,
    seq: i64,
    user: UserId,
    reaction: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let removed = connection.execute(
        "DELETE FROM reactions WHERE message_seq = ?1 AND user_id = ?2 AND reaction = ?3",
        params![seq, user as i64, reaction],
    )? > 0;
    if removed {
        touch(connection, seq, now)?;
    }
    Ok(removed)
}

/// So that a client that asks what changed since a moment learns of it.
fn touch(connection: &Connection, seq: i64, now: i64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE messages SET updated_at = ?2 WHERE seq = ?1",
        [seq, now],
    )?;
    Ok(())
}

/// How many reactions a user has on a message.
pub fn count(connection: &Connection, seq: i64, user: UserId) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT count(*) FROM reactions WHERE message_seq = ?1 AND user_id = ?2",
        params![seq, user as i64],
        |row| row.get(0),
    )
}

/// `{own, total}` of wire reference E.3, null without reactions.
pub fn summary(connection: &Connection, seq: i64, viewer: UserId) -> rusqlite::Result<Json> {
    let mut own: Vec<String> = Vec::new();
    let mut total: Map<String, Json> = Map::new();
    for (reaction, users) in by_reaction(connection, seq)? {
        if users.contains(&viewer) {
            own.push(reaction.clone());
        }
        total.insert(reaction, json!(users.len()));
    }
    if total.is_empty() {
        return Ok(Json::Null);
    }
    Ok(json!({"own": own, "total": total}))
}

/// Who reacted how: the earliest reaction first, and of each the earliest user.
pub fn by_reaction(
    connection: &Connection,
    seq: i64,
) -> rusqlite::Result<Vec<(String, Vec<UserId>)>> {
    let mut statement = connection.prepare_cached(
        "SELECT reaction, user_id FROM reactions WHERE message_seq = ?1 ORDER BY added_at, user_id",
    )?;
    let mut rows = statement.query([seq])?;
    let mut found: Vec<(String, Vec<UserId>)> = Vec::new();
    while let Some(row) = rows.next()? {
        let reaction: String = row.get(0)?;
        let user = row.get::<_, i64>(1)?.unsigned_abs();
        match found.iter_mut().find(|(known, _)| *known == reaction) {
            Some((_, users)) => users.push(user),
            None => found.push((reaction, vec![user])),
        }
    }
    Ok(found)
}
