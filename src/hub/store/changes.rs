//! Changing and removing stored messages. Who may is decided before, by [`crate::hub::roles`].

use rusqlite::{Connection, params, params_from_iter};
use serde_json::json;

use super::messages::{self, Place};
use crate::protocol::address::UserId;

/// Changes a message's text, and its dialog's last message if it is that. Returns whether it is:
/// the client's own `last` flag is not relied on.
pub fn edit(connection: &Connection, id: &str, body: &str, now: i64) -> rusqlite::Result<bool> {
    connection.execute(
        "UPDATE messages SET message = ?2, updated_at = ?3 WHERE id = ?1",
        params![id, body, now],
    )?;
    let Some(place) = messages::place(connection, id)? else {
        return Ok(false);
    };
    let is_last = connection.execute(
        "UPDATE dialogs SET last_message = ?3 WHERE id = ?1 AND last_message_id = ?2",
        params![place.dialog, id, body],
    )? > 0;
    touch(connection, &place.dialog, now)?;
    Ok(is_last)
}

/// Deletes a message for one user; the others keep it (CH-39).
pub fn hide(connection: &Connection, place: &Place, user: UserId) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR IGNORE INTO deletions (message_seq, user_id) VALUES (?1, ?2)",
        params![place.seq, user as i64],
    )?;
    connection.execute(
        "DELETE FROM unread WHERE user_id = ?1 AND dialog_id = ?2 AND message_seq = ?3",
        params![user as i64, place.dialog, place.seq],
    )?;
    Ok(())
}

/// Deletes a message for everybody (CH-40). If it was the dialog's last one, the one before is
/// now; if it was pinned, it is no more.
pub fn remove(connection: &Connection, place: &Place, id: &str, now: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM messages WHERE seq = ?1", [place.seq])?;
    connection.execute(
        "UPDATE dialogs SET (last_message, last_message_id, last_message_user_id,
                             last_message_date_sent) =
             (SELECT message, id, sender_id, date_sent FROM messages
              WHERE dialog_id = ?1 ORDER BY date_sent DESC, seq DESC LIMIT 1)
         WHERE id = ?1 AND last_message_id = ?2",
        params![place.dialog, id],
    )?;
    connection.execute(
        "UPDATE dialogs SET pinned_messages_ids =
             (SELECT json_group_array(value) FROM json_each(pinned_messages_ids) WHERE value <> ?2)
         WHERE id = ?1 AND instr(pinned_messages_ids, ?2)",
        params![place.dialog, id],
    )?;
    touch(connection, &place.dialog, now)
}

/// Deletes all messages of a dialog for everybody (CH-24).
pub fn remove_all(connection: &Connection, dialog: &str, now: i64) -> rusqlite::Result<()> {
    // The unread rows at once, so that the trigger finds none message by message.
    connection.execute(
        "DELETE FROM unread WHERE dialog_id = ?1
         AND user_id IN (SELECT user_id FROM occupants WHERE dialog_id = ?1)",
        [dialog],
    )?;
    connection.execute("DELETE FROM messages WHERE dialog_id = ?1", [dialog])?;
    connection.execute(
        "UPDATE dialogs SET last_message = NULL, last_message_id = NULL,
                            last_message_user_id = NULL, last_message_date_sent = NULL,
                            pinned_messages_ids = '[]' WHERE id = ?1",
        [dialog],
    )?;
    touch(connection, dialog, now)
}

/// Those of `ids` that are messages of a dialog, in the order given.
pub fn those_in(
    connection: &Connection,
    dialog: &str,
    ids: &[String],
) -> rusqlite::Result<Vec<String>> {
    let known: Vec<String> = connection
        .prepare_cached(
            "SELECT id FROM messages WHERE dialog_id = ?1
             AND id IN (SELECT value FROM json_each(?2))",
        )?
        .query_map(params![dialog, json!(ids).to_string()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ids
        .iter()
        .filter(|id| known.contains(id))
        .cloned()
        .collect())
}

fn touch(connection: &Connection, dialog: &str, now: i64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE dialogs SET updated_at = ?2 WHERE id = ?1",
        params_from_iter([dialog.to_owned().into(), rusqlite::types::Value::from(now)]),
    )?;
    Ok(())
}
