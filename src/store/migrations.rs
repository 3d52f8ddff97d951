//! The schema, one step per version. A step that was released is never edited: add another.

use rusqlite::Connection;

/// Step n takes a database from `user_version` n to n + 1.
pub(super) type Schema = &'static [&'static str];

/// The device's own database.
pub(super) const DEVICE: Schema = &[
    "
    -- seq is the order of sending; AUTOINCREMENT so that a number is never used twice.
    CREATE TABLE outbox (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        id          TEXT NOT NULL UNIQUE,
        user_id     INTEGER,
        dialog      TEXT,
        body        TEXT NOT NULL,
        dialog_id   TEXT,
        date_sent   INTEGER NOT NULL,
        custom      TEXT NOT NULL,
        -- 0 waiting, 1 acknowledged by the server, 2 refused by the server
        state       INTEGER NOT NULL DEFAULT 0,
        reason      TEXT
    ) STRICT;
    CREATE INDEX outbox_by_state ON outbox (state, seq);

    CREATE TABLE sightings (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        id          TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE settings (
        key         TEXT PRIMARY KEY,
        value       TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE users (
        id          INTEGER PRIMARY KEY,
        login       TEXT NOT NULL UNIQUE,
        name        TEXT
    ) STRICT;

    CREATE TABLE calls (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        call        TEXT NOT NULL,
        direction   TEXT NOT NULL,
        peer        INTEGER NOT NULL,
        video       INTEGER NOT NULL,
        started_ms  INTEGER NOT NULL,
        answered_ms INTEGER,
        ended_ms    INTEGER NOT NULL,
        reason      TEXT NOT NULL
    ) STRICT;
",
    include_str!("schema_delivery.sql"),
    include_str!("schema_message_details.sql"),
    include_str!("schema_call_records.sql"),
    include_str!("schema_control.sql"),
    // Now `request_log`.
    "DROP TABLE control_requests;",
];

/// Brings the schema up to date, all steps in one transaction.
/// Returns the version found, which is above the schema's length for a file from the future; that one is
/// left untouched.
pub(super) fn migrate(connection: &mut Connection, schema: Schema) -> rusqlite::Result<i64> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = schema.len() as i64;
    if found >= newest {
        return Ok(found);
    }
    let transaction = connection.transaction()?;
    for step in &schema[found.max(0) as usize..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.commit()?;
    Ok(newest)
}
