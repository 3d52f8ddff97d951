//! The schema, as a list of steps each applied once and never changed afterwards.

use rusqlite::Connection;

const STEPS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_chat.sql"),
    include_str!("schema_undelivered.sql"),
    include_str!("schema_privacy.sql"),
    include_str!("schema_scram.sql"),
    include_str!("schema_files.sql"),
    include_str!("schema_tags.sql"),
    include_str!("schema_data.sql"),
    include_str!("schema_enrolment.sql"),
    include_str!("schema_push.sql"),
    include_str!("schema_records.sql"),
];

/// Applies the steps this database has not seen.
pub fn apply(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (step INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)",
    )?;
    let done: i64 =
        connection.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0))?;
    let done = usize::try_from(done).unwrap_or_default();
    if done > STEPS.len() {
        return Err(rusqlite::Error::ToSqlConversionFailure(
            format!(
                "the database is of a newer cubelet: it has {done} migrations, this version knows {}",
                STEPS.len()
            )
            .into(),
        ));
    }
    for (step, sql) in STEPS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.execute(
            "INSERT INTO migrations (step, applied_at) VALUES (?1, datetime('now'))",
            [step as i64 + 1],
        )?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_applied_once_and_a_newer_database_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection).unwrap();
        apply(&mut connection).unwrap();
        connection
            .execute("INSERT INTO migrations VALUES (99, '')", [])
            .unwrap();
        let error = apply(&mut connection).unwrap_err().to_string();
        assert!(error.contains("newer cubelet"), "{error}");
    }

    #[test]
    fn chats_of_the_first_schema_keep_their_messages_receipts_and_hidden_dialogs() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON; CREATE TABLE migrations
                 (step INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)",
            )
            .unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO migrations VALUES (1, '');
                 INSERT INTO users (id, created_at, updated_at) VALUES (1, 0, 0), (2, 0, 0);
                 INSERT INTO dialogs (id, type, user_id, pair, created_at, updated_at)
                     VALUES ('d', 3, 1, '1-2', 0, 0);
                 INSERT INTO occupants VALUES ('d', 1, 1, 1, 0), ('d', 2, 0, 0, 5);
                 INSERT INTO messages (id, dialog_id, sender_id, message, date_sent, created_at,
                                       updated_at)
                     VALUES ('early', 'd', 1, 'e', 1, 1, 1), ('read', 'd', 1, 'r', 6, 6, 6),
                            ('new', 'd', 1, 'n', 7, 7, 7);
                 INSERT INTO receipts VALUES ('early', 1, 1), ('read', 1, 1), ('read', 2, 1),
                                             ('new', 1, 1), ('new', 2, 0);",
            )
            .unwrap();
        apply(&mut connection).unwrap();
        let rows = |sql: &str| -> String {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement
                .query_map([], |row| row.get::<_, String>(0))
                .unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            rows("SELECT id FROM messages ORDER BY seq"),
            "early read new"
        );
        let receipts = "SELECT m.id || r.user_id || r.is_read FROM receipts r
                        JOIN messages m ON m.seq = r.message_seq ORDER BY m.seq";
        assert_eq!(rows(receipts), "read21 new20");
        let unread = "SELECT u.user_id || m.id FROM unread u JOIN messages m
                      ON m.seq = u.message_seq";
        assert_eq!(rows(unread), "2new");
        let hidden = "SELECT user_id || hidden FROM dialog_views";
        assert_eq!(rows(hidden), "11");
        assert_eq!(rows("SELECT 'x' FROM occupants WHERE is_admin"), "");
        // The foreign keys still point at something.
        connection.execute("DELETE FROM dialogs", []).unwrap();
        assert_eq!(
            rows("SELECT 'x' FROM receipts UNION ALL SELECT 'x' FROM unread"),
            ""
        );
        assert_eq!(rows("SELECT 'x' FROM pragma_foreign_key_check"), "");
    }
}
