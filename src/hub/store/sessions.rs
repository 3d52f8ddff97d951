//! Sessions: what a token stands for. Only the token's hash is stored.

use rusqlite::{Connection, OptionalExtension, params};

use crate::protocol::address::UserId;

/// Sliding is written at most this often per session (seconds); a token therefore lives up to
/// this much longer than its life, never shorter.
const SLIDE_STEP: i64 = 60;

/// A live session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub id: i64,
    /// The user logged in, `None` for an application session.
    pub user: Option<UserId>,
    /// When it was created.
    pub created_at: i64,
    /// When it was last used.
    pub updated_at: i64,
}

/// Stores a new session that lives `life` seconds beyond each use.
pub fn create(
    connection: &Connection,
    token_hash: [u8; 32],
    user: Option<UserId>,
    life: i64,
    now: i64,
) -> rusqlite::Result<Session> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (token_hash, user_id, life, created_at, seen_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
        )?
        .execute(params![
            token_hash.as_slice(),
            user.map(|user| user as i64),
            life,
            now,
            now + life + SLIDE_STEP
        ])?;
    Ok(Session {
        id: connection.last_insert_rowid(),
        user,
        created_at: now,
        updated_at: now,
    })
}

/// The live session of a token, and slides its end and the user's `last_request_at`.
pub fn touch(
    connection: &Connection,
    token_hash: [u8; 32],
    now: i64,
) -> rusqlite::Result<Option<Session>> {
    let found = connection
        .prepare_cached(
            "SELECT id, user_id, created_at, seen_at, life FROM sessions
             WHERE token_hash = ?1 AND expires_at > ?2",
        )?
        .query_row(params![token_hash.as_slice(), now], |row| {
            let session = Session {
                id: row.get(0)?,
                user: row.get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
                created_at: row.get(2)?,
                updated_at: row.get(3)?,
            };
            Ok((session, row.get::<_, i64>(4)?))
        })
        .optional()?;
    let Some((mut session, life)) = found else {
        return Ok(None);
    };
    if now - session.updated_at >= SLIDE_STEP {
        connection
            .prepare_cached("UPDATE sessions SET seen_at = ?2, expires_at = ?3 WHERE id = ?1")?
            .execute(params![session.id, now, now + life + SLIDE_STEP])?;
        if let Some(user) = session.user {
            connection
                .prepare_cached("UPDATE users SET last_request_at = ?2 WHERE id = ?1")?
                .execute(params![user as i64, now])?;
        }
        session.updated_at = now;
    }
    Ok(Some(session))
}

/// Logs a user in or out of a session that stays alive.
pub fn set_user(connection: &Connection, id: i64, user: Option<UserId>) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE sessions SET user_id = ?2 WHERE id = ?1",
        params![id, user.map(|user| user as i64)],
    )?;
    Ok(())
}

/// Ends a session.
pub fn delete(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
    Ok(())
}

/// Ends a session of a user, and tells whether there was one.
pub fn delete_own(connection: &Connection, id: i64, user: UserId) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2";
    Ok(connection.execute(sql, params![id, user as i64])? > 0)
}

/// Ends all sessions of a user but `kept`.
pub fn delete_others(
    connection: &Connection,
    user: UserId,
    kept: Option<i64>,
) -> rusqlite::Result<usize> {
    connection.execute(
        "DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2",
        params![user as i64, kept],
    )
}

/// Forgets sessions that have ended.
pub fn sweep(connection: &Connection, now: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now])
}
