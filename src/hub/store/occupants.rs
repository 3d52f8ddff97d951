//! Who is in a dialog, who administers it, who is kept out.

use rusqlite::{Connection, OptionalExtension, params};

use super::dialogs::{BROADCAST, Dialog, PUBLIC};
use crate::protocol::address::UserId;

/// Reads a dialog's people into it.
pub fn with_people(connection: &Connection, mut dialog: Dialog) -> rusqlite::Result<Dialog> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id, is_admin FROM occupants WHERE dialog_id = ?1 ORDER BY user_id",
    )?;
    let mut rows = statement.query([&dialog.id])?;
    while let Some(row) = rows.next()? {
        let user = row.get::<_, i64>(0)?.unsigned_abs();
        dialog.occupants.push(user);
        if row.get(1)? {
            dialog.admins.push(user);
        }
    }
    if matches!(dialog.kind, BROADCAST | PUBLIC) {
        let mut statement = connection
            .prepare_cached("SELECT user_id FROM blocked WHERE dialog_id = ?1 ORDER BY user_id")?;
        dialog.blocked = statement
            .query_map([&dialog.id], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))?
            .collect::<rusqlite::Result<_>>()?;
    }
    Ok(dialog)
}

/// Whether a user is in a dialog ([`Dialog::has`]), without reading the others.
pub fn has(connection: &Connection, id: &str, user: UserId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM dialogs d WHERE d.id = ?1
             AND (d.type = 1 OR (d.type = 4 AND d.user_id = ?2)
                  OR EXISTS (SELECT 1 FROM occupants WHERE dialog_id = ?1 AND user_id = ?2))
             AND NOT EXISTS (SELECT 1 FROM blocked WHERE dialog_id = ?1 AND user_id = ?2)",
        )?
        .query_row(params![id, user as i64], |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}

/// Adds people; those already in stay as they are.
pub fn add(connection: &Connection, id: &str, users: &[UserId], now: i64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO occupants (dialog_id, user_id, joined_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
    )?;
    for user in users {
        statement.execute(params![id, *user as i64, now])?;
    }
    Ok(())
}

/// Removes people, with their administration of the dialog.
pub fn remove(connection: &Connection, id: &str, users: &[UserId]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM occupants WHERE dialog_id = ?1 AND user_id = ?2")?;
    for user in users {
        statement.execute(params![id, *user as i64])?;
    }
    Ok(())
}

/// Makes occupants administrators, or no longer.
pub fn set_admins(
    connection: &Connection,
    id: &str,
    users: &[UserId],
    is_admin: bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE occupants SET is_admin = ?3 WHERE dialog_id = ?1 AND user_id = ?2",
    )?;
    for user in users {
        statement.execute(params![id, *user as i64, is_admin])?;
    }
    Ok(())
}

/// Keeps users out of a dialog; those in it are removed.
pub fn block(connection: &Connection, id: &str, users: &[UserId]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR IGNORE INTO blocked VALUES (?1, ?2)")?;
    for user in users {
        statement.execute(params![id, *user as i64])?;
    }
    remove(connection, id, users)
}

/// Lets users in again.
pub fn unblock(connection: &Connection, id: &str, users: &[UserId]) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM blocked WHERE dialog_id = ?1 AND user_id = ?2")?;
    for user in users {
        statement.execute(params![id, *user as i64])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::dialogs::{self, Texts};
    use crate::hub::store::migrations;

    #[test]
    fn both_ways_of_asking_who_is_in_a_dialog_agree() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::apply(&mut connection).unwrap();
        for kind in BROADCAST..=dialogs::MEETING {
            let texts = Texts::default();
            let dialog = dialogs::create(&connection, kind, 1, &[2, 3], &[4], &texts, 0).unwrap();
            remove(&connection, &dialog.id, &[1, 3]).unwrap();
            block(&connection, &dialog.id, &[4]).unwrap();
            let dialog = dialogs::load(&connection, &dialog.id).unwrap().unwrap();
            for user in 1..=5 {
                let asked = has(&connection, &dialog.id, user).unwrap();
                // Other kinds are never blocked in; the API refuses it.
                if matches!(kind, BROADCAST | PUBLIC) || user != 4 {
                    assert_eq!(asked, dialog.has(user), "type {kind}, user {user}");
                }
            }
        }
    }
}
