//! SCRAM keys of passwords and session tokens.

use rusqlite::{Connection, OptionalExtension, params};

use crate::protocol::address::UserId;
use crate::protocol::scram::Keys;

/// Sessions tried at a log-in: the newest. Each costs about a microsecond.
const MAX_SESSIONS: i64 = 1_000;

/// A secret a client may mean.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The session whose token it is, by its hash; `None` for the password.
    pub token_hash: Option<[u8; 32]>,
    /// Its keys.
    pub keys: Keys,
}

/// The secret all salts come from.
pub fn salt_secret(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    connection.query_row(
        "SELECT value FROM secrets WHERE name = 'scram_salt'",
        [],
        |row| row.get(0),
    )
}

/// Whether a password's keys are missing, or of other iterations.
pub fn lacks_password(
    connection: &Connection,
    user: UserId,
    iterations: u32,
) -> rusqlite::Result<bool> {
    let found = connection
        .prepare_cached("SELECT 1 FROM scram_passwords WHERE user_id = ?1 AND iterations = ?2")?
        .query_row(params![user as i64, iterations], |_| Ok(()))
        .optional()?;
    Ok(found.is_none())
}

/// The hash a password is stored as now; `None` for a guest or nobody.
pub fn password_hash(connection: &Connection, user: UserId) -> rusqlite::Result<Option<String>> {
    let found = connection
        .prepare_cached("SELECT password FROM users WHERE id = ?1")?
        .query_row([user as i64], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// Keeps the keys of a user's password, unless the password is no longer the one whose hash is
/// `hash`.
pub fn keep_password(
    connection: &Connection,
    user: UserId,
    hash: &str,
    iterations: u32,
    keys: &Keys,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO scram_passwords (user_id, iterations, stored_key, server_key)
             SELECT id, ?3, ?4, ?5 FROM users WHERE id = ?1 AND password = ?2",
        )?
        .execute(params![
            user as i64,
            hash,
            iterations,
            keys.stored.as_slice(),
            keys.server.as_slice()
        ])?;
    Ok(())
}

/// Keeps the keys of a session's token, derived for this user.
pub fn keep_token(
    connection: &Connection,
    token_hash: [u8; 32],
    user: UserId,
    iterations: u32,
    keys: &Keys,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO scram_sessions
                 (session_id, user_id, iterations, stored_key, server_key)
             SELECT id, ?2, ?3, ?4, ?5 FROM sessions WHERE token_hash = ?1",
        )?
        .execute(params![
            token_hash.as_slice(),
            user as i64,
            iterations,
            keys.stored.as_slice(),
            keys.server.as_slice()
        ])?;
    Ok(())
}

/// Every secret a user may log in with now.
pub fn candidates(
    connection: &Connection,
    user: UserId,
    iterations: u32,
    now: i64,
) -> rusqlite::Result<Vec<Candidate>> {
    connection
        .prepare_cached(
            "SELECT NULL, stored_key, server_key FROM scram_passwords
             WHERE user_id = ?1 AND iterations = ?2
             UNION ALL
             SELECT * FROM (
                 SELECT s.token_hash, k.stored_key, k.server_key
                 FROM sessions s JOIN scram_sessions k ON k.session_id = s.id
                 WHERE s.user_id = ?1 AND k.user_id = ?1 AND k.iterations = ?2
                     AND s.expires_at > ?3
                 ORDER BY s.id DESC LIMIT ?4)",
        )?
        .query_map(params![user as i64, iterations, now, MAX_SESSIONS], |row| {
            Ok(Candidate {
                token_hash: row.get(0)?,
                keys: Keys {
                    stored: row.get(1)?,
                    server: row.get(2)?,
                },
            })
        })?
        .collect()
}
