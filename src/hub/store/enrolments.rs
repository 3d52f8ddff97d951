//! Open enrolment codes. Each is taken once, or runs out.

use rusqlite::{Connection, OptionalExtension, params};

use crate::protocol::address::UserId;

/// Opens a code for a user, in place of one that may be open.
pub fn open(
    connection: &Connection,
    user: UserId,
    secret: &[u8; 32],
    now: i64,
    expires_at: i64,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO enrolments (user_id, secret, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4)",
        params![user as i64, secret, now, expires_at],
    )?;
    Ok(())
}

/// Whose open code this is.
pub fn find(
    connection: &Connection,
    secret: &[u8; 32],
    now: i64,
) -> rusqlite::Result<Option<UserId>> {
    let user = connection
        .prepare_cached("SELECT user_id FROM enrolments WHERE secret = ?1 AND expires_at > ?2")?
        .query_row(params![secret, now], |row| row.get::<_, i64>(0));
    Ok(user.optional()?.map(i64::unsigned_abs))
}

/// Takes a code: whoever comes second finds none.
pub fn take(
    connection: &Connection,
    secret: &[u8; 32],
    now: i64,
) -> rusqlite::Result<Option<UserId>> {
    let found = find(connection, secret, now)?;
    if found.is_some() {
        connection.execute("DELETE FROM enrolments WHERE secret = ?1", params![secret])?;
    }
    Ok(found)
}

/// Forgets codes that ran out.
pub fn sweep(connection: &Connection, now: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM enrolments WHERE expires_at <= ?1", [now])
}
