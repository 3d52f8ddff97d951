//! Who received and read which message, and what is unread (B.3, CH-32, CH-33, CH-37, CH-38).
//!
//! A message of a private or group dialog is unread for an occupant until a row in `unread` goes;
//! messages from before somebody joined never were unread. Public and broadcast dialogs count
//! views instead, so only reading leaves a row there.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value as Json, json};

use crate::protocol::address::UserId;

/// Makes a new message unread for all occupants but its author.
pub fn add_unread(
    connection: &Connection,
    dialog: &str,
    seq: i64,
    author: UserId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO unread SELECT o.user_id, o.dialog_id, ?2
             FROM dialogs d JOIN occupants o ON o.dialog_id = d.id
             WHERE d.id = ?1 AND d.type IN (2, 3, 5) AND o.user_id <> ?3",
        )?
        .execute(params![dialog, seq, author as i64])?;
    Ok(())
}

/// Notes that `user` received (or read, which includes receiving) messages of a dialog: those of
/// `ids`, or all that are unread. Own messages are left alone.
pub fn mark(
    connection: &Connection,
    user: UserId,
    dialog: &str,
    ids: Option<&[String]>,
    is_read: bool,
    now: i64,
) -> rusqlite::Result<()> {
    let Some(ids) = ids else {
        return mark_all(connection, user, dialog, is_read, now);
    };
    let user = user as i64;
    let mut find = connection.prepare_cached(
        "SELECT m.seq FROM messages m JOIN dialogs d ON d.id = m.dialog_id
         WHERE m.id = ?1 AND m.dialog_id = ?2 AND m.sender_id <> ?3
         AND (?4 OR d.type IN (2, 3, 5))",
    )?;
    let mut note = connection.prepare_cached(
        "INSERT INTO receipts (message_seq, user_id, is_read) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET is_read = 1 WHERE is_read < excluded.is_read",
    )?;
    for id in ids {
        let seq: Option<i64> = find
            .query_row(params![id, dialog, user, is_read], |row| row.get(0))
            .optional()?;
        let Some(seq) = seq else { continue };
        let is_news = note.execute(params![seq, user, is_read])? > 0;
        if is_news && is_read {
            connection
                .prepare_cached("UPDATE messages SET updated_at = ?2 WHERE seq = ?1")?
                .execute([seq, now])?;
            connection
                .prepare_cached(
                    "DELETE FROM unread WHERE user_id = ?1 AND dialog_id = ?2 AND message_seq = ?3",
                )?
                .execute(params![user, dialog, seq])?;
        }
    }
    Ok(())
}

fn mark_all(
    connection: &Connection,
    user: UserId,
    dialog: &str,
    is_read: bool,
    now: i64,
) -> rusqlite::Result<()> {
    let user = user as i64;
    connection
        .prepare_cached(
            "INSERT INTO receipts (message_seq, user_id, is_read)
             SELECT message_seq, user_id, ?3 FROM unread WHERE user_id = ?1 AND dialog_id = ?2
             ON CONFLICT DO UPDATE SET is_read = 1 WHERE is_read < excluded.is_read",
        )?
        .execute(params![user, dialog, is_read])?;
    if is_read {
        connection
            .prepare_cached(
                "UPDATE messages SET updated_at = ?3 WHERE seq IN
                     (SELECT message_seq FROM unread WHERE user_id = ?1 AND dialog_id = ?2)",
            )?
            .execute(params![user, dialog, now])?;
        connection
            .prepare_cached("DELETE FROM unread WHERE user_id = ?1 AND dialog_id = ?2")?
            .execute(params![user, dialog])?;
    }
    Ok(())
}

const COUNT: &str = "SELECT count(*) FROM unread WHERE user_id = ?1 AND dialog_id = ?2";

/// How many messages of a dialog a user has not read.
pub fn unread(connection: &Connection, user: UserId, dialog: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(COUNT)?
        .query_row(params![user as i64, dialog], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// How many messages a user has not read, by dialog; dialogs without are left out.
pub fn unread_by_dialog(
    connection: &Connection,
    user: UserId,
) -> rusqlite::Result<Vec<(String, u64)>> {
    connection
        .prepare_cached(
            "SELECT dialog_id, count(*) FROM unread WHERE user_id = ?1 GROUP BY dialog_id",
        )?
        .query_map([user as i64], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })?
        .collect()
}

/// `read`, `delivered` or `sent`: the furthest any receiver of a message has come (E.3).
pub fn status(
    connection: &Connection,
    message: &str,
    sender: UserId,
) -> rusqlite::Result<&'static str> {
    let furthest: Option<i64> = connection
        .prepare_cached(
            "SELECT max(r.is_read) FROM messages m JOIN receipts r ON r.message_seq = m.seq
             WHERE m.id = ?1 AND r.user_id <> ?2",
        )?
        .query_row(params![message, sender as i64], |row| row.get(0))?;
    Ok(match furthest {
        Some(1) => "read",
        Some(_) => "delivered",
        None => "sent",
    })
}

/// Puts `delivered_ids`, `read_ids`, `read` and `views_count` of a message into its object. The
/// author counts as having read it; `read` tells the author whether anybody else has (CH-02).
pub fn describe(
    connection: &Connection,
    seq: i64,
    sender: UserId,
    viewer: UserId,
    has_receipts: bool,
    message: &mut Map<String, Json>,
) -> rusqlite::Result<()> {
    let mut delivered = vec![sender];
    let mut read = vec![sender];
    let mut is_read = false;
    let mut views = 0;
    if has_receipts {
        let mut statement = connection.prepare_cached(
            "SELECT user_id, is_read FROM receipts WHERE message_seq = ?1 ORDER BY user_id",
        )?;
        let mut rows = statement.query([seq])?;
        while let Some(row) = rows.next()? {
            let user = row.get::<_, i64>(0)?.unsigned_abs();
            if user == sender {
                continue;
            }
            delivered.push(user);
            if row.get(1)? {
                read.push(user);
                is_read |= user == viewer || sender == viewer;
            }
        }
    } else {
        (views, is_read) = connection
            .prepare_cached(
                "SELECT count(*), coalesce(max(user_id = ?2 OR ?3), 0) FROM receipts
                 WHERE message_seq = ?1 AND is_read = 1 AND user_id <> ?4",
            )?
            .query_row(
                params![seq, viewer as i64, sender == viewer, sender as i64],
                |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)),
            )?;
    }
    message.insert("delivered_ids".to_owned(), json!(delivered));
    message.insert("read_ids".to_owned(), json!(read));
    message.insert("read".to_owned(), json!(u8::from(is_read)));
    message.insert("views_count".to_owned(), json!(views));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::Store;
    use crate::hub::store::query::plan;

    #[tokio::test]
    async fn unread_messages_are_counted_without_touching_the_history() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let values = [1.into(), "d".to_owned().into()];
        let steps = store
            .run(move |connection| plan(connection, COUNT, &values))
            .await
            .unwrap();
        let steps = steps.join("; ");
        assert_eq!(
            steps,
            "SEARCH unread USING PRIMARY KEY (user_id=? AND dialog_id=?)"
        );
    }
}
