//! What one user has in the own view of a dialog: whether it is listed, what of its history is
//! cleared, whether it may notify.

use rusqlite::{Connection, OptionalExtension, params};

use crate::protocol::address::UserId;

/// Takes a dialog off a user's own list, with its history so far (CH-21): when a new message
/// brings it back, it begins with that.
pub fn hide(connection: &Connection, dialog: &str, user: UserId) -> rusqlite::Result<()> {
    clear(connection, dialog, user)?;
    connection.execute(
        "UPDATE dialog_views SET hidden = 1 WHERE user_id = ?1 AND dialog_id = ?2",
        params![user as i64, dialog],
    )?;
    Ok(())
}

/// Puts a dialog back on a user's own list.
pub fn show(connection: &Connection, dialog: &str, user: UserId) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE dialog_views SET hidden = 0 WHERE user_id = ?1 AND dialog_id = ?2",
        params![user as i64, dialog],
    )?;
    Ok(())
}

/// Puts a dialog back on every list it was removed from: it has a new message.
pub fn show_to_all(connection: &Connection, dialog: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE dialog_views SET hidden = 0 WHERE dialog_id = ?1 AND hidden = 1")?
        .execute([dialog])?;
    Ok(())
}

/// Clears a dialog's history for one user (CH-24).
pub fn clear(connection: &Connection, dialog: &str, user: UserId) -> rusqlite::Result<()> {
    // The highest number ever given: no later message can be below it.
    connection.execute(
        "INSERT INTO dialog_views (user_id, dialog_id, cleared_seq)
         VALUES (?1, ?2, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0))
         ON CONFLICT DO UPDATE SET cleared_seq = excluded.cleared_seq",
        params![user as i64, dialog],
    )?;
    connection.execute(
        "DELETE FROM unread WHERE user_id = ?1 AND dialog_id = ?2",
        params![user as i64, dialog],
    )?;
    Ok(())
}

/// The number up to which a dialog's messages are gone for a user.
pub fn cleared(connection: &Connection, dialog: &str, user: UserId) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "SELECT cleared_seq FROM dialog_views WHERE user_id = ?1 AND dialog_id = ?2",
        )?
        .query_row(params![user as i64, dialog], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Whether messages of a dialog may notify a user who is away; by default they do (CH-29).
pub fn notifications(
    connection: &Connection,
    dialog: &str,
    user: UserId,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT notifications FROM dialog_views WHERE user_id = ?1 AND dialog_id = ?2",
        )?
        .query_row(params![user as i64, dialog], |row| row.get(0))
        .optional()
        .map(|found| found.unwrap_or(true))
}

/// Switches notifications of a dialog on or off for a user (CH-28).
pub fn set_notifications(
    connection: &Connection,
    dialog: &str,
    user: UserId,
    enabled: bool,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO dialog_views (user_id, dialog_id, notifications) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET notifications = excluded.notifications",
        params![user as i64, dialog, enabled],
    )?;
    Ok(())
}
