//! Messages on their way to users: a row for each receiver until somebody there acknowledges.

use rusqlite::{Connection, OptionalExtension, params};

use crate::protocol::address::UserId;

/// A stanza on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The stanza as XML.
    pub stanza: String,
    /// When it was stored, in Unix seconds.
    pub stored_at: i64,
}

/// How many messages a user's bound may be exceeded by before the oldest are dropped: looking at
/// each message would cost more than the few rows.
const SLACK: i64 = 32;

/// The highest place given out to a row.
pub fn last_seq(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(seq), 0) FROM stanzas", [], |row| {
        row.get(0)
    })
}

/// Writes a stanza down for its receivers. Who is no user is left out.
pub fn insert(
    connection: &Connection,
    seq: i64,
    stanza: &str,
    receivers: &[UserId],
    limit: u32,
    now: i64,
) -> rusqlite::Result<()> {
    let mut count = 0;
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO undelivered (user_id, seq) SELECT id, ?2 FROM users WHERE id = ?1",
    )?;
    for user in receivers {
        count += statement.execute(params![*user as i64, seq])?;
        if seq % SLACK == 0 {
            trim(connection, *user, limit)?;
        }
    }
    if count == 0 {
        return Ok(());
    }
    // Messages may be written late, one receiver after the other, when they were not to be kept
    // unless nobody took them.
    connection
        .prepare_cached(
            "INSERT INTO stanzas (seq, stanza, stored_at, receivers) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (seq) DO UPDATE SET receivers = receivers + excluded.receivers",
        )?
        .execute(params![seq, stanza, now, count as i64])?;
    Ok(())
}

/// Drops the oldest of a user's messages beyond `limit`: they are in the history still.
pub fn trim(connection: &Connection, user: UserId, limit: u32) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM undelivered WHERE user_id = ?1 AND seq <= (
                 SELECT seq FROM undelivered WHERE user_id = ?1
                 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![user as i64, limit])?;
    Ok(())
}

/// The places of a user's messages, oldest first.
pub fn seqs(connection: &Connection, user: UserId) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT seq FROM undelivered WHERE user_id = ?1 ORDER BY seq")?
        .query_map([user as i64], |row| row.get(0))?
        .collect()
}

/// A message of a user, if it is still there.
pub fn load(
    connection: &Connection,
    user: UserId,
    seq: i64,
) -> rusqlite::Result<Option<Undelivered>> {
    connection
        .prepare_cached(
            "SELECT stanza, stored_at FROM undelivered JOIN stanzas USING (seq)
             WHERE user_id = ?1 AND seq = ?2",
        )?
        .query_row(params![user as i64, seq], |row| {
            Ok(Undelivered {
                stanza: row.get(0)?,
                stored_at: row.get(1)?,
            })
        })
        .optional()
}

/// Forgets a message for a user who has it.
pub fn remove(connection: &Connection, user: UserId, seq: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM undelivered WHERE user_id = ?1 AND seq = ?2")?
        .execute(params![user as i64, seq])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::store::{Store, users};

    async fn with_users(
        job: impl FnOnce(&Connection, UserId, UserId) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("hub.sqlite")).unwrap();
        let done = store.run(move |connection| {
            let user = || {
                Ok::<_, rusqlite::Error>(
                    users::create(connection, &vec![], None, false, 0)?
                        .unwrap()
                        .id,
                )
            };
            let (one, other) = (user()?, user()?);
            job(connection, one, other)
        });
        done.await.unwrap();
    }

    fn stanzas(connection: &Connection) -> i64 {
        let count = connection.query_row("SELECT count(*) FROM stanzas", [], |row| row.get(0));
        count.unwrap()
    }

    #[tokio::test]
    async fn a_stanza_is_held_once_until_the_last_receiver_has_it() {
        with_users(|connection, one, other| {
            insert(connection, 7, "<m/>", &[one, other, 9_999], 10, 3)?;
            let expected = Some(Undelivered {
                stanza: "<m/>".into(),
                stored_at: 3,
            });
            assert_eq!(load(connection, one, 7)?, expected);
            assert_eq!(
                (seqs(connection, other)?, stanzas(connection)),
                (vec![7], 1)
            );
            remove(connection, one, 7)?;
            remove(connection, one, 7)?;
            assert_eq!((load(connection, one, 7)?, stanzas(connection)), (None, 1));
            // A user who is deleted waits for nothing.
            users::delete(connection, other)?;
            assert_eq!(stanzas(connection), 0);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn receivers_may_be_added_late() {
        with_users(|connection, one, other| {
            insert(connection, 7, "<m/>", &[one], 10, 0)?;
            insert(connection, 7, "<m/>", &[other], 10, 0)?;
            remove(connection, one, 7)?;
            assert!(load(connection, other, 7)?.is_some());
            remove(connection, other, 7)?;
            assert_eq!(stanzas(connection), 0);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn the_newest_are_kept() {
        with_users(|connection, one, _| {
            for seq in 1..=200 {
                insert(connection, seq, "<m/>", &[one], 50, 0)?;
                assert!(seqs(connection, one)?.len() < 50 + SLACK as usize);
            }
            trim(connection, one, 50)?;
            assert_eq!(seqs(connection, one)?, (151..=200).collect::<Vec<i64>>());
            assert_eq!(stanzas(connection), 50);
            Ok(())
        })
        .await;
    }
}
