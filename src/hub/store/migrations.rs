//! The schema, as a list of steps each applied once and never changed afterwards.

use rusqlite::Connection;

const STEPS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_chat.sql"),
    include_str!("schema_files.sql"),
    include_str!("schema_tags.sql"),
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
}
